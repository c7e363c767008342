//! What every exported case has: its layout, how a peer is timed, and how its files are written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::protocol::FEWEST_SAMPLES;
use crate::spec::Spec;
use crate::workload::decode::format::Format;

/// Version of the layout of `case.json`.
pub const FORMAT: &str = "onedispatch-case-1";
pub const FILE: &str = "case.json";

/// What a peer is told: the request, what has to come out, and how it is timed. `case.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    pub format: String,
    pub experiment: String,
    /// Of the experiment's TOML.
    pub spec_sha256: String,
    pub case: String,
    /// As in `cases.csv`.
    pub weights_sha256: String,
    pub prompt: Vec<u32>,
    pub new_tokens: u32,
    /// `greedy`: the largest logit, the lowest token among equals.
    pub sampling: String,
    /// The oracle's new tokens.
    pub expected_tokens: Vec<u32>,
    /// Largest error of a logit, relative to the range (maximum minus minimum) of the logits.
    pub tolerance: f64,
    /// What a peer is held to whose weights are in another format, by the name of each that the spec's arms have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub formats: BTreeMap<String, Expected>,
    pub protocol: Protocol,
}

/// What comes out of the weights as they are in a format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub tokens: Vec<u32>,
    pub tolerance: f64,
}

/// Largest error of a peer's logit. Arms, and peers in f32, are held to the spec's. Engines round also what a product takes in, as they
/// round its weights: llama.cpp to the 11 bits of f16, and beside packed weights to 8 bits of the largest of a block. Through the
/// layers of a random model that came to 2e-3 and 4e-2 of the range (its kernels of a CPU, 32 to 256 channels); the unpacked weights in
/// place of q4_0's were off by 1.2e-1.
pub fn tolerance(spec: &Spec, format: Format) -> f64 {
    spec.tolerance.max(format.engine_error())
}

/// The spec's numbers, by which the arms are measured too: see `src/core/protocol.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    pub samples: u32,
    /// An arm that would take longer than `arm_cap_s` is cut in samples, down to these.
    pub fewest_samples: u32,
    pub warmup_s: f64,
    pub arm_cap_s: f64,
    /// Of the order in which variants are sampled.
    pub seed: u64,
}

impl Protocol {
    pub fn of(spec: &Spec) -> Protocol {
        Protocol {
            samples: spec.samples,
            fewest_samples: FEWEST_SAMPLES.min(spec.samples),
            warmup_s: spec.warmup_s,
            arm_cap_s: spec.arm_cap_s,
            seed: spec.seed,
        }
    }
}

/// Makes the directory of a case. While the other files are written anew, none may be taken for the whole, so the last one
/// is removed.
pub(super) fn room(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|error| Error::io(directory, error))?;
    let last = directory.join(FILE);
    match last.exists() {
        true => fs::remove_file(&last).map_err(|error| Error::io(&last, error)),
        false => Ok(()),
    }
}

pub(super) fn unwritable(error: safetensors::SafeTensorError) -> Error {
    Error::input(format!("the tensors do not fit a safetensors file: {error}"))
}

pub(super) fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain data");
    text.push(b'\n');
    text
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| Error::io(path, error))
}
