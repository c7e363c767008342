//! A decoder as plain data: its sizes, its weights, and what is asked of it.

use serde::{Deserialize, Serialize};

use super::block::Block;
use super::format::Formats;
use super::matrix::Matrix;

/// Sizes of a model, named as in the `config.json` of Hugging Face's GPT-2, whatever its family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub vocab_size: u32,
    pub n_positions: u32,
    pub n_embd: u32,
    pub n_head: u32,
    pub n_layer: u32,
    pub n_inner: u32,
    pub layer_norm_epsilon: f64,
    /// Scores are scaled by 1 / sqrt(head_dim) where true (the default), else by 1.
    pub scale_attn_weights: bool,
    #[serde(default, skip_serializing_if = "Block::is_gpt2")]
    pub block: Block,
    /// How a file that packs its weights has them; nothing where all are to be as a format says.
    #[serde(skip)]
    pub stored: Option<Formats>,
}

/// Norms and scores as GPT-2 has them, and no sizes yet.
impl Default for Config {
    fn default() -> Config {
        Config {
            vocab_size: 0,
            n_positions: 0,
            n_embd: 0,
            n_head: 0,
            n_layer: 0,
            n_inner: 0,
            layer_norm_epsilon: 1e-5,
            scale_attn_weights: true,
            block: Block::default(),
            stored: None,
        }
    }
}

impl Config {
    pub fn head_dim(&self) -> u32 {
        self.block.head_dim.unwrap_or(self.n_embd / self.n_head)
    }

    /// Heads of keys, and as many of values.
    pub fn n_key_head(&self) -> u32 {
        self.block.n_key_head.unwrap_or(self.n_head)
    }

    /// Heads that share a key and a value.
    pub fn group(&self) -> u32 {
        self.n_head / self.n_key_head()
    }

    /// Outputs of the matrix of query, key and value.
    pub fn query_key_value(&self) -> u32 {
        (self.n_head + 2 * self.n_key_head()) * self.head_dim()
    }

    pub fn attention_scale(&self) -> f64 {
        if self.scale_attn_weights { 1.0 / f64::from(self.head_dim()).sqrt() } else { 1.0 }
    }
}

/// All weights. Vectors are in f32 (those of f16 and bf16 checkpoints widen exactly), matrices as their file has them. Shapes are
/// `[in, out]`, as those of Hugging Face's `Conv1D`, so that y = x W + b; embeddings are `[rows, in]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// `[vocab_size, n_embd]`; also the output head, where it is tied.
    pub wte: Matrix,
    /// `[n_positions, n_embd]`; where positions turn queries and keys, cosine and sine of each pair, `[n_positions, head_dim]`.
    pub wpe: Vec<f32>,
    pub layers: Vec<Layer>,
    pub ln_f: Norm,
    /// `[vocab_size, n_embd]`; empty where the head is tied.
    pub lm_head: Matrix,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layer {
    pub ln_1: Norm,
    /// `[n_embd, (n_head + 2 n_key_head) head_dim]`: query, key, value.
    pub attn_c_attn: Linear,
    /// `[head_dim]`, where each head's query and key are normed; else empty.
    pub q_norm: Vec<f32>,
    pub k_norm: Vec<f32>,
    /// `[n_head head_dim, n_embd]`
    pub attn_c_proj: Linear,
    pub ln_2: Norm,
    /// `[n_embd, n_inner]`; where inner values are gated `[n_embd, 2 n_inner]`, gates first.
    pub mlp_c_fc: Linear,
    /// `[n_inner, n_embd]`
    pub mlp_c_proj: Linear,
}

/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias; both `[n_embd]`. A root mean square takes the mean for 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Norm {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// y = x weight + bias; `weight` is `[in, out]`, `bias` is `[out]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Linear {
    pub weight: Matrix,
    pub bias: Vec<f32>,
}

/// A generation: `prompt` is continued by up to `new_tokens` tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// At least one token, each below `vocab_size`; `prompt.len() + new_tokens - 1 <= n_positions`.
    pub prompt: Vec<u32>,
    pub new_tokens: u32,
    pub sampling: Sampling,
    /// Generation stops after any of these has been made; at most [`END_TOKENS`](super::end_tokens::END_TOKENS).
    pub end_tokens: Vec<u32>,
}

/// How the next token is chosen from the logits: see `sampling.rs`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// What logits of tokens that are there already are divided by where they are above 0, else multiplied with; 1 leaves them.
    pub repetition_penalty: f32,
    /// None: the largest logit, the lowest token id among equals.
    pub draw: Option<Draw>,
}

/// A draw from softmax(logits / temperature) over the tokens that are left by `top_k`, then by `top_p`, then by `min_p`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    pub temperature: f32,
    /// Tokens that are left, likeliest first: `vocab_size` leaves all.
    pub top_k: u32,
    /// The share of probability that tokens are left for, likeliest first: 1 leaves all.
    pub top_p: f32,
    /// The least probability, as a share of the likeliest token's: 0 leaves all.
    pub min_p: f32,
    pub seed: u64,
}

impl Sampling {
    pub const GREEDY: Sampling = Sampling { repetition_penalty: 1.0, draw: None };

    /// Drawn among the `top_k` likeliest.
    pub const fn top_k(temperature: f32, top_k: u32, seed: u64) -> Sampling {
        Sampling { draw: Some(Draw { temperature, top_k, top_p: 1.0, min_p: 0.0, seed }), ..Sampling::GREEDY }
    }
}

impl Request {
    /// Tokens that are fed to the model, and so positions of the KV cache: all but the last new one.
    pub fn positions(&self) -> u32 {
        self.prompt.len() as u32 + self.new_tokens - 1
    }
}
