//! A model's `config.json`, and its `generation_config.json`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onedispatch_core::workload::decode::{config, end_tokens};

fuzz_target!(|text: &str| {
    let _ = config::parse(text);
    let _ = end_tokens::parse(text, 50_257);
});
