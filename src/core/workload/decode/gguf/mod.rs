//! A model in one GGUF file, the format of llama.cpp: sizes, weights, vocabulary and chat template.

mod config;
pub mod file;
pub mod model;
mod names;
mod pieces;
pub mod quantization;
pub mod tokenizer;
mod vocabulary;
mod words;

#[cfg(test)]
mod real;
#[cfg(test)]
mod written;

pub use model::Model;
