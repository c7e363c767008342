//! GPT-2 decoding.

pub mod config;
pub mod model;
pub mod oracle;
pub mod random;
pub mod request;
pub mod sampling;
pub mod tensors;
