//! Decoding: the function of Hugging Face's `GPT2LMHeadModel`, `LlamaForCausalLM` and its relatives, token by token on the GPU.

pub mod arm;
pub mod block;
pub mod buffers;
pub mod checkpoint;
pub mod config;
pub mod cost;
pub mod counted;
pub mod end_tokens;
pub mod format;
pub mod gate;
pub mod gguf;
pub mod kernel;
mod keys;
pub mod llama;
mod llama_config;
pub mod model;
pub mod oniguruma;
pub mod operations;
pub mod oracle;
pub mod packing;
pub mod python_json;
pub mod random;
pub mod request;
pub mod rotary;
pub mod safetensors_file;
pub mod sampling;
pub mod shape;
pub mod span;
pub mod tensor_source;
pub mod tensors;
pub mod text;
pub mod text_stream;
pub mod tuning;

pub use arm::{Algorithm, Arm};
pub use request::new_tokens;
pub use tuning::{Tuning, Waiting};
