//! The file that a peer writes, of one case.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::record::peers;
use crate::workload::decode::format::Format;

/// Version of the layout of a result.
pub const FORMAT: &str = "onedispatch-result-1";

/// The file that a peer writes: every variant that it ran on one case. Keys that are not named here are not looked at.
#[derive(Clone, Debug, Deserialize)]
pub struct ResultFile {
    pub format: String,
    /// Such as `pytorch`.
    pub peer: String,
    pub source_sha256: String,
    pub case: String,
    pub experiment: String,
    /// As the exported case has them.
    pub spec_sha256: String,
    pub weights_sha256: String,
    /// `YYYY-MM-DD`, UTC.
    pub date: String,
    pub device: PeerDevice,
    /// Of a peer that ran where the page runs; its rows stand beside the arms of that engine.
    #[serde(default)]
    pub engine: Option<Engine>,
    pub versions: Map<String, Value>,
    pub results: Vec<VariantResult>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PeerDevice {
    /// As the framework reports it.
    pub name: String,
    /// Empty where the peer could not find out.
    #[serde(default)]
    pub driver: String,
}

/// A browser, or what stands for one, by the name and version that a page's results give it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Engine {
    pub name: String,
    pub version: String,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct VariantResult {
    pub variant: String,
    /// Plain data of its own; `weights` is the format of the matrices, where that is not f32.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Wall times in the order they were taken.
    #[serde(default)]
    pub samples_ns: Vec<Value>,
    /// Why there are no samples; else empty.
    #[serde(default)]
    pub reason: String,
    /// The new tokens, and the logits that chose the last one; none is NaN or infinite.
    #[serde(default)]
    pub tokens: Vec<u32>,
    #[serde(default)]
    pub last_logits: Vec<Option<f64>>,
    /// Of a rollout: how the episode of every individual ended, and a single step from every shared state.
    #[serde(default)]
    pub episodes: Option<Outcome>,
    #[serde(default)]
    pub single_steps: Option<Outcome>,
}

impl VariantResult {
    /// The format of the matrices, or why it is not known.
    pub fn weights(&self) -> std::result::Result<Format, String> {
        peers::weights(&self.settings)
    }
}

/// What one run of a variant did.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// Tokens, or environment steps.
    pub units: u64,
    pub multiply_adds: u64,
    /// As the gate found it.
    pub error: Option<f64>,
    /// Why the gate fails; empty where it passes.
    pub wrong: String,
}

/// How episodes ended, as a peer hands it in: little-endian words in base64, in the order of the individuals.
#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// f32
    pub episode_return: String,
    /// u32
    pub length: String,
    /// u32: 1 where the environment ended it
    pub terminated: String,
    /// f32 `[population, components]`
    pub state: String,
}

/// Reads a result.
///
/// # Errors
/// One line that says why it is none.
pub fn parse(bytes: &[u8]) -> Result<ResultFile> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::input("is not UTF-8; give the JSON that a peer wrote"))?;
    let unreadable = |error: serde_json::Error| Error::input(format!("{error}; give the JSON that a peer wrote"));
    let value: Value = serde_json::from_str(&without_nan(text)).map_err(unreadable)?;
    match value.get("format").and_then(Value::as_str) {
        Some(FORMAT) => {}
        Some(other) => return Err(Error::input(format!("its format is `{other}`; known here is `{FORMAT}`"))),
        None => return Err(Error::input(format!("has no `format`; give the JSON that a peer wrote, of {FORMAT}"))),
    }
    let result: ResultFile = serde_json::from_value(value).map_err(unreadable)?;
    let variants: Vec<&str> = result.results.iter().map(|result| result.variant.as_str()).collect();
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c))
    };
    if let Some(name) = std::iter::once(&result.peer.as_str()).chain(&variants).find(|name| !is_name(name)) {
        return Err(Error::input(format!("a peer or variant is called `{name}`; use a-z, digits, `-` and `_`")));
    }
    if variants.is_empty() {
        return Err(Error::input("has no results; run the peer again"));
    }
    if let Some(twice) = variants.iter().enumerate().find(|(at, name)| variants[..*at].contains(*name)) {
        return Err(Error::check(format!("variant `{}` is there twice", twice.1)));
    }
    Ok(result)
}

/// JSON in which the words that Python writes where JSON has no number are `null`.
fn without_nan(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut in_string) = (text, false);
    while let Some(c) = rest.chars().next() {
        let word = ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| !in_string && rest.starts_with(word));
        let taken = match (word, c) {
            (Some(word), _) => word.len(),
            (None, '\\') if in_string => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            (None, _) => c.len_utf8(),
        };
        in_string ^= c == '"';
        out.push_str(if word.is_some() { "null" } else { &rest[..taken] });
        rest = &rest[taken..];
    }
    out
}
