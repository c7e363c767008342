//! How the layers of a family of models differ from GPT-2's: one description, of which each family is a setting.

use serde::{Deserialize, Serialize};

use super::rotary::Rotary;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Block {
    /// Heads of keys and of values, each shared by as many heads of queries; `n_head` where it says nothing.
    pub n_key_head: Option<u32>,
    /// `n_embd / n_head` where it says nothing.
    pub head_dim: Option<u32>,
    /// Norms leave the mean where it is: x / sqrt(mean of squares + epsilon) * weight (Zhang and Sennrich, "Root Mean Square Layer
    /// Normalization", 2019).
    pub root_mean_square: bool,
    /// Positions turn queries and keys; else each has a learned row that is added to its token's.
    pub rotary: Option<Rotary>,
    /// Each head's query and key has a norm of its own, by root mean square.
    pub query_key_norm: bool,
    pub activation: Activation,
    /// Inner values are activated gates times other values (Shazeer, "GLU Variants Improve Transformer", 2020).
    pub gated: bool,
    /// The output head has a matrix of its own; else it is the embedding.
    pub untied: bool,
    /// Scores of layer i, from 1 on, are divided by i as well.
    pub scale_by_layer: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// GELU by its tanh approximation.
    #[default]
    GeluNew,
    /// GELU by the error function.
    Gelu,
    /// x sigmoid(x)
    Silu,
}

impl Block {
    pub fn is_gpt2(&self) -> bool {
        *self == Block::default()
    }

    /// Rows of the first matrix of the MLP for each inner value.
    pub fn gates(&self) -> u32 {
        if self.gated { 2 } else { 1 }
    }
}
