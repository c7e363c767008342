//! GPT-2 decoding: the function of Hugging Face's `GPT2LMHeadModel`, token by token on the GPU.

pub mod arm;
pub mod buffers;
pub mod checkpoint;
pub mod config;
pub mod cost;
pub mod counted;
pub mod format;
pub mod gate;
pub mod kernel;
pub mod model;
pub mod oniguruma;
pub mod operations;
pub mod oracle;
pub mod packing;
pub mod random;
pub mod request;
pub mod sampling;
pub mod shape;
pub mod span;
pub mod tensors;
pub mod text;
pub mod text_stream;
pub mod tuning;

pub use arm::{Algorithm, Arm};
pub use request::new_tokens;
pub use tuning::{Tuning, Waiting};
