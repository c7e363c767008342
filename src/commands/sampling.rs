//! How tokens are chosen, as arguments of every command that makes some.

use crate::error::{Error, Result};
use crate::workload::decode::model::{Draw, Sampling};

#[derive(clap::Args)]
pub struct Args {
    /// Draw tokens at this temperature; greedy without it
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub temperature: Option<f32>,
    /// Draw among the K likeliest tokens [default: all]
    #[arg(long, value_name = "K")]
    pub top_k: Option<u32>,
    /// Draw among the likeliest tokens that have this share of the probability [default: 1, all]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub top_p: Option<f32>,
    /// Draw among tokens with at least this share of the likeliest one's probability [default: 0, all]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub min_p: Option<f32>,
    /// Divide logits of tokens that are there already by this, or multiply them where they are below 0; for greedy choice too
    /// [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub repetition_penalty: Option<f32>,
    /// Seed of the draws [default: 0]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
}

impl Args {
    /// # Errors
    /// Where something is said of draws and there are none.
    pub fn sampling(&self, vocab_size: u32) -> Result<Sampling> {
        let Args { temperature, top_k, top_p, min_p, repetition_penalty, seed } = *self;
        let of_draws = [
            ("--top-k", top_k.is_some()),
            ("--top-p", top_p.is_some()),
            ("--min-p", min_p.is_some()),
            ("--seed", seed.is_some()),
        ];
        if let (None, Some((option, _))) = (temperature, of_draws.iter().find(|(_, is_given)| *is_given)) {
            return Err(Error::input(format!(
                "{option} draws tokens, so it needs --temperature (1 leaves logits as they are)"
            )));
        }
        let draw = temperature.map(|temperature| Draw {
            temperature,
            top_k: top_k.unwrap_or(vocab_size),
            top_p: top_p.unwrap_or(1.0),
            min_p: min_p.unwrap_or(0.0),
            seed: seed.unwrap_or(0),
        });
        Ok(Sampling { repetition_penalty: repetition_penalty.unwrap_or(1.0), draw })
    }
}
