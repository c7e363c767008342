//! What both descriptions say in words, and how both are written.

/// What `CITATION.cff` says under a key of its own line, the first one.
pub fn cited(key: &str) -> &'static str {
    let lines = include_str!("../../../CITATION.cff").lines();
    let values = lines.filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(key)?.strip_prefix(": "));
    values.map(|value| value.trim_matches('"')).next().unwrap_or_default()
}

pub const TITLE: &str = "Measured times of GPU work, dispatch by dispatch and in one";

pub const ABOUT: &str = "How long GPUs take for the same work under different ways of dispatching it: decoding with GPT-2 and the \
                     Llama family, and following populations of policies through episodes. Every timed run, with the oracle's \
                     verdict on its outputs. One folder for each run of each device.";

pub fn json(value: &serde_json::Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}
