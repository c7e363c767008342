//! What Hugging Face calls a tensor of a GGUF file, and how it lays it out.

/// How a tensor's values differ from Hugging Face's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    Same,
    /// `[in, out]` in Hugging Face's `Conv1D`, `[out, in]` in GGUF.
    Transposed,
    /// Rows that are rotated together lie side by side in GGUF, and half a head apart in Hugging Face.
    Query,
    Key,
}

/// The model families that are read, by `general.architecture`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Family {
    Llama,
    Qwen2,
    Qwen3,
    Gpt2,
}

use Layout::*;

/// In and around the layers of Llama and Qwen.
const LLAMA: [(&str, &str, Layout); 14] = [
    ("token_embd", "model.embed_tokens", Same),
    ("output_norm", "model.norm", Same),
    ("output", "lm_head", Same),
    ("attn_norm", "input_layernorm", Same),
    ("attn_q", "self_attn.q_proj", Query),
    ("attn_k", "self_attn.k_proj", Key),
    ("attn_v", "self_attn.v_proj", Same),
    ("attn_output", "self_attn.o_proj", Same),
    ("attn_q_norm", "self_attn.q_norm", Same),
    ("attn_k_norm", "self_attn.k_norm", Same),
    ("ffn_norm", "post_attention_layernorm", Same),
    ("ffn_gate", "mlp.gate_proj", Same),
    ("ffn_up", "mlp.up_proj", Same),
    ("ffn_down", "mlp.down_proj", Same),
];

const GPT2: [(&str, &str, Layout); 10] = [
    ("token_embd", "wte", Same),
    ("position_embd", "wpe", Same),
    ("output_norm", "ln_f", Same),
    ("output", "lm_head", Same),
    ("attn_norm", "ln_1", Same),
    ("attn_qkv", "attn.c_attn", Transposed),
    ("attn_output", "attn.c_proj", Transposed),
    ("ffn_norm", "ln_2", Same),
    ("ffn_up", "mlp.c_fc", Transposed),
    ("ffn_down", "mlp.c_proj", Transposed),
];

impl Family {
    pub const ALL: [(&str, Family); 4] =
        [("llama", Family::Llama), ("qwen2", Family::Qwen2), ("qwen3", Family::Qwen3), ("gpt2", Family::Gpt2)];

    /// Hugging Face's name and layout of a tensor; none where the family has no such tensor.
    pub fn name(self, name: &str) -> Option<(String, Layout)> {
        let (place, kind) = name.rsplit_once('.').filter(|(_, kind)| matches!(*kind, "weight" | "bias"))?;
        let (layer, part) = match place.strip_prefix("blk.") {
            Some(rest) => rest.split_once('.').map(|(layer, part)| (Some(layer), part))?,
            None => (None, place),
        };
        let (table, layers) = match self {
            Family::Gpt2 => (&GPT2[..], "h"),
            _ => (&LLAMA[..], "model.layers"),
        };
        let (_, named, layout) = table.iter().find(|(known, ..)| *known == part)?;
        // Qwen's rows are left in order; a bias has no two axes to be exchanged.
        let layout = match (layout, self, kind) {
            (Query | Key, Family::Qwen2 | Family::Qwen3, _) | (Transposed, _, "bias") => Same,
            _ => *layout,
        };
        let outside = ["token_embd", "position_embd", "output_norm", "output"].contains(&part);
        match layer {
            None if outside => Some((format!("{named}.{kind}"), layout)),
            Some(layer) if !outside && layer.parse::<u32>().is_ok_and(|number| number.to_string() == layer) => {
                Some((format!("{layers}.{layer}.{named}.{kind}"), layout))
            }
            _ => None,
        }
    }
}
