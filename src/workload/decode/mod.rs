//! GPT-2 decoding.

pub mod model;
