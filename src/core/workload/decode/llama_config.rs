//! The keys of `config.json` by which `LlamaForCausalLM` and its relatives differ.

use serde_json::{Map, Value, json};

use super::block::{Activation, Block};
use super::keys::{epsilon, flag, only, required_size, size};
use super::model::Config;
use super::python_json::brief;
use super::rotary::{Rotary, Scaling};
use crate::error::{Error, Result};

pub const FAMILIES: [&str; 4] = ["llama", "mistral", "qwen2", "qwen3"];

type Keys = Map<String, Value>;

/// A model of one of [`FAMILIES`], with the defaults of its configuration class in `transformers`.
pub fn read(keys: &Keys) -> Result<Config> {
    let family = keys["model_type"].as_str().unwrap_or_default();
    only(keys, "hidden_act", &["silu"], Some("silu"))?;
    let n_positions = required_size(keys, "max_position_embeddings")?;
    refuse_windows(keys, family, n_positions)?;
    let n_head = required_size(keys, "num_attention_heads")?;
    let head_dim = match size(keys, "head_dim")? {
        None if family == "qwen3" => Some(128),
        given => given,
    };
    Ok(Config {
        vocab_size: required_size(keys, "vocab_size")?,
        n_positions,
        n_embd: required_size(keys, "hidden_size")?,
        n_head,
        n_layer: required_size(keys, "num_hidden_layers")?,
        n_inner: required_size(keys, "intermediate_size")?,
        layer_norm_epsilon: epsilon(keys, "rms_norm_eps", 1e-6)?,
        scale_attn_weights: true,
        block: Block {
            n_key_head: Some(size(keys, "num_key_value_heads")?.unwrap_or(n_head)),
            head_dim,
            root_mean_square: true,
            rotary: Some(rotary(keys)?),
            query_key_norm: family == "qwen3",
            activation: Activation::Silu,
            gated: true,
            untied: !flag(keys, "tie_word_embeddings")?.unwrap_or(false),
            scale_by_layer: false,
        },
        stored: None,
    })
}

/// The keys by which `LlamaForCausalLM` makes this very model, without an end token: what [`read`] reads.
pub fn written(config: &Config) -> Value {
    let Rotary { theta, scaling } = config.block.rotary.clone().unwrap_or(Rotary { theta: 10_000.0, scaling: None });
    let rope = match scaling {
        Some(Scaling::Linear { factor }) => json!({ "rope_type": "linear", "factor": factor }),
        Some(Scaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings }) => {
            json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": original_max_position_embeddings,
            })
        }
        Some(Scaling::Divisors(_)) | None => json!({ "rope_type": "default" }),
    };
    let mut keys = json!({
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_act": "silu",
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.n_positions,
        "hidden_size": config.n_embd,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.n_key_head(),
        "head_dim": config.head_dim(),
        "num_hidden_layers": config.n_layer,
        "intermediate_size": config.n_inner,
        "rms_norm_eps": config.layer_norm_epsilon,
        "rope_parameters": rope,
        "tie_word_embeddings": !config.block.untied,
        "attention_bias": false,
        "mlp_bias": false,
        "attention_dropout": 0.0,
        "bos_token_id": null,
        "eos_token_id": null,
        "dtype": "float32",
    });
    keys["rope_parameters"]["rope_theta"] = json!(theta);
    keys
}

/// A window of attention that is shorter than the context is not computed.
fn refuse_windows(keys: &Keys, family: &str, n_positions: u32) -> Result<()> {
    let is_on = family == "mistral" || flag(keys, "use_sliding_window")?.unwrap_or(false);
    match size(keys, "sliding_window")? {
        Some(window) if is_on && window < n_positions => Err(Error::input(format!(
            "sliding_window is {window}, shorter than max_position_embeddings, {n_positions}; attention over a window is not \
             computed; set max_position_embeddings to {window} to use the model within it"
        ))),
        _ => Ok(()),
    }
}

/// `rope_parameters`, or the older `rope_theta` and `rope_scaling`.
fn rotary(keys: &Keys) -> Result<Rotary> {
    let empty = Map::new();
    let newer = object(keys, "rope_parameters")?;
    let older = object(keys, "rope_scaling")?;
    let parameters = newer.or(older).unwrap_or(&empty);
    let theta = match parameters.get("rope_theta").or(keys.get("rope_theta")) {
        None | Some(Value::Null) => 10_000.0,
        Some(theta) => positive("rope_theta", theta)?,
    };
    for within in [parameters, keys] {
        if let Some(part) = within.get("partial_rotary_factor").filter(|part| part.as_f64() != Some(1.0)) {
            return Err(Error::input(format!("partial_rotary_factor is {}; supported: 1", brief(part))));
        }
    }
    if let Some(divisors) = keys.get("rope_frequency_divisors").and_then(Value::as_array) {
        let divisors =
            divisors.iter().map(|divisor| positive("rope_frequency_divisors", divisor)).collect::<Result<_>>()?;
        return Ok(Rotary { theta, scaling: Some(Scaling::Divisors(divisors)) });
    }
    let kind = parameters.get("rope_type").or(parameters.get("type")).filter(|kind| !kind.is_null());
    let number = |key: &str| match parameters.get(key) {
        Some(value) => positive(key, value),
        None => Err(Error::input(format!("{key} of the rotary positions is missing"))),
    };
    let scaling = match kind.map(|kind| kind.as_str().unwrap_or_default()) {
        None | Some("default") => None,
        Some("linear") => Some(Scaling::Linear { factor: number("factor")? }),
        Some("llama3") => {
            let (low_freq_factor, high_freq_factor) = (number("low_freq_factor")?, number("high_freq_factor")?);
            if high_freq_factor <= low_freq_factor {
                return Err(Error::input(format!(
                    "high_freq_factor is {high_freq_factor}; it must be above low_freq_factor, {low_freq_factor}"
                )));
            }
            Some(Scaling::Llama3 {
                factor: number("factor")?,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings: required_size(parameters, "original_max_position_embeddings")?,
            })
        }
        Some(_) => {
            let found = kind.map(brief).unwrap_or_default();
            return Err(Error::input(format!(
                "rope_type is {found}; supported: `default`, `linear` or `llama3`; choose a model without it, or one converted for \
                 its own context"
            )));
        }
    };
    Ok(Rotary { theta, scaling })
}

fn object<'a>(keys: &'a Keys, key: &str) -> Result<Option<&'a Keys>> {
    match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(found)) => Ok(Some(found)),
        Some(found) => Err(Error::input(format!("{key} is {}; it must be an object", brief(found)))),
    }
}

fn positive(key: &str, value: &Value) -> Result<f64> {
    match value.as_f64() {
        Some(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err(Error::input(format!("{key} is {}; it must be a number above 0", brief(value)))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::parse;
    use super::super::model_shapes;
    use super::*;

    fn keys() -> Value {
        json!({
            "model_type": "llama", "vocab_size": 64, "max_position_embeddings": 32, "hidden_size": 12, "num_attention_heads": 6,
            "num_key_value_heads": 2, "num_hidden_layers": 2, "intermediate_size": 20
        })
    }

    fn with(changes: &[(&str, Value)]) -> Result<Config> {
        let mut keys = keys();
        changes.iter().for_each(|(key, value)| keys[*key] = value.clone());
        Ok(parse(&keys.to_string())?.0)
    }

    fn scaling(parameters: Value) -> Option<Scaling> {
        with(&[("rope_scaling", parameters)]).unwrap().block.rotary.unwrap().scaling
    }

    #[test]
    fn families_have_the_defaults_of_their_class() {
        let llama = with(&[]).unwrap();
        assert_eq!((llama.layer_norm_epsilon, llama.head_dim(), llama.query_key_value()), (1e-6, 2, 20));
        assert_eq!(llama.block.rotary, Some(Rotary { theta: 10_000.0, scaling: None }));
        assert!(llama.block.untied && !llama.block.query_key_norm);
        let qwen3 = with(&[("model_type", json!("qwen3")), ("tie_word_embeddings", json!(true))]).unwrap();
        assert!(qwen3.block.query_key_norm && !qwen3.block.untied);
        assert_eq!(qwen3.head_dim(), 128);
        assert_eq!(with(&[("head_dim", json!(8))]).unwrap().head_dim(), 8);
        assert!(with(&[("model_type", json!("mistral")), ("sliding_window", json!(32))]).is_ok());
        assert!(with(&[("model_type", json!("qwen2")), ("sliding_window", json!(8))]).is_ok());
    }

    /// A peer computes what is written; what is left out of it would be another model.
    #[test]
    fn shapes_are_read_as_they_are_written() {
        for shape in model_shapes::SHAPES.iter().filter(|shape| !(shape.config)(1).block.is_gpt2()) {
            let config = (shape.config)(40);
            assert_eq!(parse(&written(&config).to_string()).unwrap().0, config, "{}", shape.name);
        }
    }

    #[test]
    fn rotary_positions_are_read_in_both_forms() {
        let newer = json!({"rope_type": "linear", "factor": 4.0, "rope_theta": 5e5});
        let rotary = with(&[("rope_parameters", newer)]).unwrap().block.rotary.unwrap();
        assert_eq!(rotary, Rotary { theta: 5e5, scaling: Some(Scaling::Linear { factor: 4.0 }) });
        assert_eq!(scaling(json!({"type": "linear", "factor": 2})), Some(Scaling::Linear { factor: 2.0 }));
        let llama3 = json!({"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192});
        assert!(matches!(scaling(llama3), Some(Scaling::Llama3 { factor: 32.0, .. })));
    }

    #[test]
    fn what_is_not_computed_is_refused_by_key() {
        let refused = [
            ("hidden_act", json!("gelu")),
            ("num_key_value_heads", json!(4)),
            ("num_key_value_heads", json!(0)),
            ("head_dim", json!(3)),
            ("head_dim", json!(0)),
            ("head_dim", json!(4_000_000_000u32)),
            ("rope_theta", json!(-1)),
            ("rope_scaling", json!({"rope_type": "yarn", "factor": 4})),
            ("rope_scaling", json!({"rope_type": "linear"})),
            ("rope_scaling", json!(4)),
            ("partial_rotary_factor", json!(0.5)),
            ("rms_norm_eps", json!("small")),
            ("hidden_size", json!(null)),
        ];
        let mut lines: Vec<String> =
            refused.into_iter().map(|change| with(&[change]).unwrap_err().to_string()).collect();
        let window = [("model_type", json!("mistral")), ("sliding_window", json!(8))];
        lines.push(with(&window).unwrap_err().to_string());
        insta::assert_snapshot!(lines.join("\n"));
    }
}
