//! Reads Hugging Face's `config.json`, and refuses models that this project does not compute. The keys of the Llama family are in
//! [`super::llama_config`].

use std::path::Path;

use serde_json::{Map, Value};

use super::block::{Activation, Block};
use super::keys::{epsilon, expect, flag, only, required_size, size};
use super::llama_config;
use super::model::Config;
use super::{end_tokens, python_json};
use crate::error::{Error, Result, Within};

/// Sizes and end tokens (`eos_token_id`) from a `config.json`.
pub fn read(path: &Path) -> Result<(Config, Vec<u32>)> {
    parse(&python_json::text(path, 1)?).within(path.display())
}

/// Sizes and end tokens from the text of a `config.json`.
///
/// `n_inner` is 4 `n_embd` where it is null or absent; `layer_norm_epsilon` is 1e-5, `scale_attn_weights` true and
/// `activation_function` `gelu_new` where absent, as in Hugging Face's `GPT2Config`. End tokens outside the
/// vocabulary are never made, so they are dropped. `reorder_and_upcast_attn` changes no arithmetic in f32 and is ignored,
/// as is what only training uses.
pub fn parse(text: &str) -> Result<(Config, Vec<u32>)> {
    let keys: Map<String, Value> = python_json::object(text)
        .map_err(|error| Error::input(format!("not a JSON object ({error}); give a model's config.json")))?;
    of_keys(&keys)
}

/// Every `model_type` that is computed.
pub fn families() -> Vec<&'static str> {
    std::iter::once("gpt2").chain(llama_config::FAMILIES).collect()
}

/// The same from its keys.
pub fn of_keys(keys: &Map<String, Value>) -> Result<(Config, Vec<u32>)> {
    only(keys, "model_type", &families(), None)?;
    let config = if keys["model_type"] == "gpt2" { gpt2(keys)? } else { llama_config::read(keys)? };
    validate(&config)?;
    let end_tokens = end_tokens::of(keys, config.vocab_size)?;
    Ok((config, end_tokens))
}

fn gpt2(keys: &Map<String, Value>) -> Result<Config> {
    only(keys, "activation_function", &["gelu_new", "gelu_pytorch_tanh", "gelu"], Some("gelu_new"))?;
    let activation = match keys.get("activation_function").and_then(Value::as_str) {
        Some("gelu") => Activation::Gelu,
        _ => Activation::GeluNew,
    };
    expect(keys, "tie_word_embeddings", true)?;
    expect(keys, "add_cross_attention", false)?;
    let scale_by_layer = flag(keys, "scale_attn_by_inverse_layer_idx")?.unwrap_or(false);

    let n_embd = required_size(keys, "n_embd")?;
    let n_inner = match size(keys, "n_inner")? {
        Some(n_inner) => n_inner,
        None => n_embd.checked_mul(4).ok_or_else(|| Error::input(format!("n_embd is {n_embd}: too large")))?,
    };
    Ok(Config {
        vocab_size: required_size(keys, "vocab_size")?,
        n_positions: required_size(keys, "n_positions")?,
        n_embd,
        n_head: required_size(keys, "n_head")?,
        n_layer: required_size(keys, "n_layer")?,
        n_inner,
        layer_norm_epsilon: epsilon(keys, "layer_norm_epsilon", 1e-5)?,
        scale_attn_weights: flag(keys, "scale_attn_weights")?.unwrap_or(true),
        block: Block { activation, scale_by_layer, ..Block::default() },
        stored: None,
    })
}

/// Refuses sizes that are zero, that do not divide, or whose products exceed what 32-bit indices and 1 TiB can hold.
pub fn validate(config: &Config) -> Result<()> {
    let Config { vocab_size, n_positions, n_embd, n_head, n_layer, n_inner, .. } = *config;
    let sizes = [
        ("vocab_size", vocab_size),
        ("n_positions", n_positions),
        ("n_embd", n_embd),
        ("n_head", n_head),
        ("n_layer", n_layer),
        ("n_inner", n_inner),
    ];
    if let Some((key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
        return Err(Error::input(format!("{key} is 0; it must be at least 1")));
    }
    if config.block.head_dim.is_none() && !n_embd.is_multiple_of(n_head) {
        return Err(Error::input(format!("n_embd is {n_embd} and n_head is {n_head}; n_head must divide n_embd")));
    }
    let (n_key_head, head_dim) = (config.n_key_head(), config.head_dim());
    if n_key_head == 0 || !n_head.is_multiple_of(n_key_head) {
        return Err(Error::input(format!(
            "there are {n_head} heads and {n_key_head} of keys and values; the latter must divide the former"
        )));
    }
    if head_dim == 0 || (config.block.rotary.is_some() && !head_dim.is_multiple_of(2)) {
        return Err(Error::input(format!("a head has {head_dim} elements; rotary positions turn pairs of them")));
    }
    let heads = u128::from(n_head) * u128::from(head_dim);
    if heads > u128::from(u32::MAX / 3) {
        return Err(Error::input(format!(
            "the heads have {heads} elements together; at most {} is supported",
            u32::MAX / 3
        )));
    }
    let tensors = [
        ("vocab_size * n_embd", vocab_size, n_embd, 1),
        ("n_positions * n_embd", n_positions, n_embd, 1),
        ("n_embd * query, key and value", n_embd, config.query_key_value(), 1),
        ("n_embd * n_inner", n_embd, n_inner, u128::from(config.block.gates())),
    ];
    for (name, rows, columns, times) in tensors {
        let elements = u128::from(rows) * u128::from(columns) * times;
        if elements > u128::from(u32::MAX) {
            return Err(Error::input(format!("{name} is {elements} elements; a tensor may have at most {}", u32::MAX)));
        }
    }
    let [vocab, positions, embd, inner] = [vocab_size, n_positions, n_embd, n_inner].map(u128::from);
    let attention = u128::from(config.query_key_value()) + heads;
    let gates = u128::from(config.block.gates());
    let layer = attention * embd + (gates + 1) * embd * inner + 9 * embd.max(heads) + gates * inner;
    let bytes = 4 * ((2 * vocab + positions + 2) * embd + u128::from(n_layer) * layer);
    if bytes > 1 << 40 {
        return Err(Error::input(format!("the weights take {bytes} bytes in f32; at most 1 TiB is supported")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(key: &str, value: Value) -> Result<(Config, Vec<u32>)> {
        let mut keys = json!({
            "model_type": "gpt2", "vocab_size": 64, "n_positions": 32, "n_embd": 12, "n_head": 3, "n_layer": 2,
            "eos_token_id": 7
        });
        keys[key] = value;
        parse(&keys.to_string())
    }

    #[test]
    fn absent_keys_take_hugging_face_defaults() {
        let (config, end_tokens) = with("unknown", json!(1)).unwrap();
        assert_eq!(config.n_inner, 48);
        assert_eq!(config.layer_norm_epsilon, 1e-5);
        assert!(config.scale_attn_weights);
        assert_eq!(end_tokens, [7]);
    }

    #[test]
    fn given_keys_are_kept() {
        assert_eq!(with("n_inner", json!(200)).unwrap().0.n_inner, 200);
        assert_eq!(with("n_inner", json!(null)).unwrap().0.n_inner, 48);
        assert_eq!(with("layer_norm_epsilon", json!(1e-6)).unwrap().0.layer_norm_epsilon, 1e-6);
        assert_eq!(with("scale_attn_weights", json!(false)).unwrap().0.attention_scale(), 1.0);
        assert!(with("activation_function", json!("gelu_pytorch_tanh")).is_ok());
        assert!(with("reorder_and_upcast_attn", json!(true)).is_ok());
        assert_eq!(with("eos_token_id", json!([5, 6])).unwrap().1, [5, 6]);
        assert!(with("eos_token_id", json!([64])).unwrap().1.is_empty());
    }

    #[test]
    fn what_is_not_computed_is_refused_by_key() {
        let refused = [
            ("model_type", json!("bert")),
            ("activation_function", json!("relu")),
            ("tie_word_embeddings", json!(false)),
            ("add_cross_attention", json!(true)),
            ("n_embd", json!(13)),
            ("n_embd", json!(0)),
            ("n_embd", json!(3_000_000_000u32)),
            ("n_embd", json!(60_000)),
            ("n_head", json!(0)),
            ("n_head", json!("twelve")),
            ("n_layer", json!(4_294_967_295u32)),
            ("n_layer", json!(-1)),
            ("n_positions", json!(1e30)),
            ("n_positions", json!(null)),
            ("vocab_size", json!(4_294_967_295u32)),
            ("vocab_size", json!(1.5)),
            ("n_inner", json!(0)),
            ("n_inner", json!(4_294_967_295u32)),
            ("layer_norm_epsilon", json!(-1)),
            ("layer_norm_epsilon", json!("1e-5")),
            ("scale_attn_weights", json!(1)),
            ("eos_token_id", json!("x".repeat(1000))),
        ];
        let lines: Vec<String> =
            refused.into_iter().map(|(key, value)| with(key, value).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(lines.join("\n").replace(&listed(), "FAMILIES"));
    }

    /// The families as messages list them.
    fn listed() -> String {
        families().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
    }

    #[test]
    fn what_is_not_a_config_is_refused() {
        for text in ["", "[]", "{", "null", &"[".repeat(10_000)] {
            assert!(parse(text).unwrap_err().to_string().starts_with("not a JSON object"), "{text}");
        }
        let missing = format!("model_type is missing; supported: {}", listed());
        assert_eq!(parse("{}").unwrap_err().to_string(), missing);
    }
}
