//! The weights of a model whose `config.json` is right.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use onedispatch_core::workload::decode::model::Config;
use onedispatch_core::workload::decode::{checkpoint, config};

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let text = include_str!("../../tests/golden/decode/tiny_d32_l1_h2/config.json");
    config::parse(text).expect("the golden model is read").0
});

fuzz_target!(|bytes: &[u8]| {
    let _ = checkpoint::parse(bytes.to_vec().into(), &CONFIG);
});
