//! A `tokenizer.json`, and a text through it.
#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use onedispatch_core::workload::decode::text::Tokenizer;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tokenizer) = Tokenizer::parse(bytes, PathBuf::from("tokenizer.json")) {
        let _ = tokenizer.encode("Ein Satz, 12 Wörter?\n").map(|ids| tokenizer.decode(&ids));
    }
});
