//! A model as a Hugging Face checkpoint in f32.

use std::borrow::Cow;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use super::case::unwritable;
use crate::error::Result;
use crate::workload::decode::model::{Config, Weights};
use crate::workload::decode::{llama, llama_config, tensors};

/// `config.json`.
pub fn keys(config: &Config) -> Value {
    if config.block.is_gpt2() { gpt2(config) } else { llama_config::written(config) }
}

/// The keys that `GPT2Config` needs to make this very model, without dropout and without an end token.
fn gpt2(config: &Config) -> Value {
    let mut keys = json!({
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "activation_function": "gelu_new",
        "tie_word_embeddings": true,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "bos_token_id": null,
        "eos_token_id": null,
        "dtype": "float32",
    });
    let sizes = serde_json::to_value(config).expect("a config is plain data");
    for (key, value) in sizes.as_object().into_iter().flatten() {
        keys[key] = value.clone();
    }
    keys
}

/// `model.safetensors`, with the names that the family's class gives its tensors.
pub fn tensors(config: &Config, weights: &Weights) -> Result<Vec<u8>> {
    let all: Vec<(String, Vec<usize>, Cow<[f32]>)> = if config.block.is_gpt2() {
        tensors::tensors(config)
            .zip(tensors::values(weights))
            .map(|(tensor, values)| (format!("transformer.{}", tensor.name), tensor.shape.clone(), values.of(&tensor)))
            .collect()
    } else {
        let stored = llama::stored(config, weights).into_iter();
        stored.map(|(name, shape, values)| (name, shape, values.into())).collect()
    };
    let mut views = Vec::new();
    for (name, shape, values) in &all {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values)).map_err(unwritable)?;
        views.push((name, view));
    }
    // Hugging Face refuses a file that does not say which framework's layout its tensors have.
    let metadata = [("format".to_string(), "pt".to_string())].into();
    safetensors::serialize(views, Some(metadata)).map_err(unwritable)
}
