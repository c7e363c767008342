//! GPT-2 decoding.

pub mod checkpoint;
pub mod config;
pub mod gate;
pub mod model;
pub mod oracle;
pub mod random;
pub mod request;
pub mod sampling;
pub mod tensors;
pub mod text;
