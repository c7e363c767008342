//! Decoding: the function of Hugging Face's `GPT2LMHeadModel`, `LlamaForCausalLM` and its relatives, token by token on the GPU.

pub mod arm;
pub mod block;
pub mod blocks;
pub mod buffers;
#[cfg(feature = "models")]
pub mod chat_source;
#[cfg(feature = "models")]
pub mod chat_template;
#[cfg(feature = "models")]
pub mod checkpoint;
pub mod config;
pub mod cost;
pub mod counted;
pub mod end_tokens;
pub mod file_bytes;
pub mod format;
pub mod gate;
#[cfg(feature = "models")]
pub mod gguf;
pub mod kernel;
mod keys;
pub mod llama;
pub mod llama_config;
pub mod matrix;
pub mod model;
#[cfg(feature = "models")]
pub mod model_files;
pub mod model_shapes;
mod near_ties;
#[cfg(feature = "models")]
pub mod oniguruma;
pub mod operations;
pub mod oracle;
pub mod packing;
pub mod prompt;
pub mod python_json;
pub mod random;
pub mod request;
pub mod rotary;
pub mod rounding;
pub mod safetensors_file;
pub mod sampling;
pub mod shape;
pub mod span;
pub mod tensor_source;
pub mod tensors;
#[cfg(feature = "models")]
pub mod text;
#[cfg(feature = "models")]
pub mod text_stream;
pub mod tile;
pub mod tuning;

pub use arm::{Algorithm, Arm};
pub use request::new_tokens;
pub use tuning::{Tuning, Waiting};
