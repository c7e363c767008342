//! A model in one GGUF file, the format of llama.cpp: sizes, weights, vocabulary and chat template.

pub mod quantization;
