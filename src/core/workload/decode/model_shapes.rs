//! Sizes of models that people have, by name: a sweep decodes with random weights of such a shape what it would with the trained ones.

use super::block::{Activation, Block};
use super::model::Config;
use super::rotary::{Rotary, Scaling};

pub struct ModelShape {
    pub name: &'static str,
    /// For a context of so many positions.
    pub config: fn(n_positions: u32) -> Config,
}

/// From the smallest to the largest; their sizes are those of the `config.json` that each was published with.
pub const SHAPES: [ModelShape; 4] = [
    ModelShape { name: LEAST, config: llama_tiny },
    ModelShape { name: "gpt2-124m", config: gpt2_124m },
    ModelShape { name: "smollm2-135m", config: smollm2_135m },
    ModelShape { name: "llama-3.2-1b", config: llama_3_2_1b },
];

/// No published model: the Llama family as small as it still has all its parts, for a software device.
pub const LEAST: &str = "llama-tiny";

pub fn named(name: &str) -> Option<&'static ModelShape> {
    SHAPES.iter().find(|shape| shape.name == name)
}

pub fn names() -> Vec<&'static str> {
    SHAPES.iter().map(|shape| shape.name).collect()
}

fn llama_tiny(n_positions: u32) -> Config {
    Config {
        vocab_size: 96,
        n_positions,
        n_embd: 64,
        n_head: 4,
        n_layer: 2,
        n_inner: 160,
        block: Block { untied: true, ..llama(2, 16, Rotary { theta: 10_000.0, scaling: Some(LLAMA_3) }) },
        ..Config::default()
    }
}

fn gpt2_124m(n_positions: u32) -> Config {
    Config {
        vocab_size: 50_257,
        n_positions,
        n_embd: 768,
        n_head: 12,
        n_layer: 12,
        n_inner: 3_072,
        ..Config::default()
    }
}

fn smollm2_135m(n_positions: u32) -> Config {
    Config {
        vocab_size: 49_152,
        n_positions,
        n_embd: 576,
        n_head: 9,
        n_layer: 30,
        n_inner: 1_536,
        block: llama(3, 64, Rotary { theta: 100_000.0, scaling: None }),
        ..Config::default()
    }
}

fn llama_3_2_1b(n_positions: u32) -> Config {
    Config {
        vocab_size: 128_256,
        n_positions,
        n_embd: 2_048,
        n_head: 32,
        n_layer: 16,
        n_inner: 8_192,
        block: llama(8, 64, Rotary { theta: 500_000.0, scaling: Some(LLAMA_3) }),
        ..Config::default()
    }
}

const LLAMA_3: Scaling = Scaling::Llama3 {
    factor: 32.0,
    low_freq_factor: 1.0,
    high_freq_factor: 4.0,
    original_max_position_embeddings: 8_192,
};

/// A Llama's block with a tied head.
fn llama(n_key_head: u32, head_dim: u32, rotary: Rotary) -> Block {
    Block {
        n_key_head: Some(n_key_head),
        head_dim: Some(head_dim),
        root_mean_square: true,
        rotary: Some(rotary),
        activation: Activation::Silu,
        gated: true,
        ..Block::default()
    }
}
