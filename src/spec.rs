//! An experiment, as a TOML file: what is swept, how it is run, how it is checked.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::program::Policy;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub name: String,
    /// One sentence: the question this experiment answers.
    pub question: String,
    /// `decode` or `control`.
    pub workload: Workload,
    /// Seed of weights, prompts, order and bootstrap.
    pub seed: u64,
    /// Timed runs of each arm.
    pub samples: u32,
    /// Shortest warm-up of an arm, in seconds; it goes on until it settles.
    pub warmup_s: f64,
    /// An arm whose samples would together take longer is cut (first in samples, then in tokens), and its row says so.
    pub arm_cap_s: f64,
    /// Largest error the gate lets pass, relative to the range of the values, and why.
    pub tolerance: f64,
    pub tolerance_reason: String,
    /// Names of arms; empty for every arm of the workload.
    #[serde(default)]
    pub arms: Vec<String>,
    /// Policies of the stepwise arms; empty for all.
    #[serde(default)]
    pub policies: Vec<Policy>,
    /// Present for the workload `decode`.
    pub decode: Option<DecodeAxes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    Decode,
    Control,
}

/// Swept as a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecodeAxes {
    pub n_embd: Vec<u32>,
    pub n_layer: Vec<u32>,
    pub new_tokens: Vec<u32>,
    pub vocab_size: Vec<u32>,
    pub prompt_tokens: Vec<u32>,
}

impl Spec {
    pub fn read(path: &Path) -> Result<Spec> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Spec::parse(&text, &path.display().to_string())
    }

    /// `file` is only for messages.
    pub fn parse(text: &str, file: &str) -> Result<Spec> {
        let spec: Spec = toml::from_str(text).map_err(|error| Error::input(format!("{file}: {error}")))?;
        Ok(spec)
    }
}
