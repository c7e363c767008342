//! A GGUF file: its weights, and its tokenizer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onedispatch_core::workload::decode::checkpoint;
use onedispatch_core::workload::decode::text::Tokenizer;

fuzz_target!(|bytes: &[u8]| {
    let _ = checkpoint::of_gguf(bytes);
    if let Ok(tokenizer) = Tokenizer::of_gguf("model.gguf", bytes) {
        let _ = tokenizer.encode("The morning was").map(|ids| tokenizer.decode(&ids));
    }
});
