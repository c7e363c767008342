//! The keys of Hugging Face's `config.json` from a GGUF file's metadata.

use serde_json::{Map, Value, json};

use super::file::File;
use super::names::Family;
use crate::error::{Error, Result};

const AGAIN: &str = "convert the model again";

/// Divisors of the rotary frequencies, which llama.cpp writes for what `rope_scaling` of type `llama3` computes.
pub const DIVISORS: &str = "rope_freqs.weight";

/// `tied`: the output head is the embedding.
pub fn config(file: &File, bytes: &[u8], family: Family, tied: bool) -> Result<Map<String, Value>> {
    let keys = Keys { file, arch: Family::ALL.iter().find(|(_, known)| *known == family).expect("it is listed").0 };
    let Some(embedding) = file.tensors.get("token_embd.weight") else {
        return Err(Error::input(format!("tensor token_embd.weight is missing; {AGAIN}")));
    };
    let mut config = match family {
        Family::Gpt2 => keys.gpt2()?,
        _ => keys.llama(bytes)?,
    };
    config.insert("model_type".to_string(), keys.arch.into());
    config.insert("vocab_size".to_string(), embedding.shape.first().copied().unwrap_or(1).into());
    config.insert("tie_word_embeddings".to_string(), tied.into());
    config.insert("bos_token_id".to_string(), json!(file.whole("tokenizer.ggml.bos_token_id")));
    config.insert("eos_token_id".to_string(), ends(file));
    Ok(config)
}

/// The end token; a list where the file has one for the end of a turn too.
fn ends(file: &File) -> Value {
    let mut ends: Vec<u64> = ["eos", "eot", "eom"]
        .iter()
        .filter_map(|name| file.whole(&format!("tokenizer.ggml.{name}_token_id")))
        .collect();
    let mut seen = Vec::new();
    ends.retain(|end| {
        !seen.contains(end) && {
            seen.push(*end);
            true
        }
    });
    match ends[..] {
        [] => Value::Null,
        [end] => end.into(),
        _ => ends.into(),
    }
}

struct Keys<'a> {
    file: &'a File,
    arch: &'static str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.arch)
    }

    /// A whole number, or none where the key is missing.
    fn whole(&self, name: &str) -> Result<Option<u64>> {
        let key = self.key(name);
        match (self.file.get(&key), self.file.whole(&key)) {
            (None, _) => Ok(None),
            (_, Some(number)) => Ok(Some(number)),
            // A list has one for each layer, which no family here has.
            _ => Err(Error::input(format!(
                "{key} is no whole number; only models with the same layers all along are read"
            ))),
        }
    }

    fn required(&self, name: &str) -> Result<u64> {
        self.whole(name)?.ok_or_else(|| Error::input(format!("{} is missing; {AGAIN}", self.key(name))))
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.file.number(&self.key(name))
    }

    fn required_number(&self, name: &str) -> Result<f64> {
        self.number(name).ok_or_else(|| Error::input(format!("{} is missing or no number; {AGAIN}", self.key(name))))
    }

    fn gpt2(&self) -> Result<Map<String, Value>> {
        Ok(Map::from_iter([
            ("n_embd".to_string(), self.required("embedding_length")?.into()),
            ("n_layer".to_string(), self.required("block_count")?.into()),
            ("n_head".to_string(), self.required("attention.head_count")?.into()),
            ("n_positions".to_string(), self.required("context_length")?.into()),
            ("n_inner".to_string(), self.required("feed_forward_length")?.into()),
            ("layer_norm_epsilon".to_string(), self.required_number("attention.layer_norm_epsilon")?.into()),
            ("activation_function".to_string(), "gelu_new".into()),
        ]))
    }

    fn llama(&self, bytes: &[u8]) -> Result<Map<String, Value>> {
        if let Some(experts) = self.whole("expert_count")?.filter(|&experts| experts > 0) {
            return Err(Error::input(format!("the model has {experts} experts; give one without")));
        }
        let heads = self.required("attention.head_count")?;
        let hidden = self.required("embedding_length")?;
        let head = match self.whole("attention.key_length")? {
            Some(head) => head,
            None => {
                hidden.checked_div(heads).ok_or_else(|| Error::input(format!("it has no attention head; {AGAIN}")))?
            }
        };
        for name in ["attention.value_length", "rope.dimension_count"] {
            if let Some(other) = self.whole(name)?.filter(|&other| other != head) {
                let key = self.key(name);
                return Err(Error::input(format!(
                    "{key} is {other}; only the {head} of a head's queries are supported"
                )));
            }
        }
        let mut config = Map::from_iter([
            ("hidden_size".to_string(), hidden.into()),
            ("intermediate_size".to_string(), self.required("feed_forward_length")?.into()),
            ("num_hidden_layers".to_string(), self.required("block_count")?.into()),
            ("num_attention_heads".to_string(), heads.into()),
            ("num_key_value_heads".to_string(), self.whole("attention.head_count_kv")?.unwrap_or(heads).into()),
            ("head_dim".to_string(), head.into()),
            ("rms_norm_eps".to_string(), self.required_number("attention.layer_norm_rms_epsilon")?.into()),
            ("max_position_embeddings".to_string(), self.required("context_length")?.into()),
            ("rope_theta".to_string(), self.number("rope.freq_base").unwrap_or(10_000.0).into()),
            ("rope_scaling".to_string(), self.scaling()?),
            ("hidden_act".to_string(), "silu".into()),
        ]);
        // Qwen2 has biases in every file, and no key for them.
        if self.arch != "qwen2" {
            let biased = self.file.tensors.contains_key("blk.0.attn_q.bias");
            config.insert("attention_bias".to_string(), biased.into());
        }
        if let Some(divisors) = self.file.tensors.get(DIVISORS) {
            let values = divisors.kind.unpack(bytes.get(divisors.bytes.clone()).unwrap_or_default());
            let values = values.map_err(|error| Error::input(format!("tensor {DIVISORS} {error}")))?;
            config.insert(
                "rope_frequency_divisors".to_string(),
                json!(values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>()),
            );
        }
        Ok(config)
    }

    /// As `rope_scaling`, whatever its type: who computes it says which types it can.
    fn scaling(&self) -> Result<Value> {
        let factor = self.number("rope.scaling.factor").or(self.number("rope.scale_linear"));
        let kind = self.file.text(&self.key("rope.scaling.type"));
        Ok(match (kind, factor) {
            (Some("none"), _) | (None, None) => Value::Null,
            (None, Some(1.0)) => Value::Null,
            (kind, factor) => json!({
                "rope_type": kind.unwrap_or("linear"),
                "factor": factor,
                "original_max_position_embeddings": self.whole("rope.scaling.original_context_length")?,
            }),
        })
    }
}
