//! What a page saved: its runs, judged.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use onedispatch::spec::Spec;
use onedispatch::web::results;

static SPECS: LazyLock<[Spec; 2]> = LazyLock::new(|| {
    let texts = [
        include_str!("../../web/tests/experiments/decode.toml"),
        include_str!("../../web/tests/experiments/rollout.toml"),
    ];
    texts.map(|text| Spec::parse(text, "spec.toml").expect("the page's tests have it"))
});

fuzz_target!(|bytes: &[u8]| {
    let _ = results::is_result(bytes);
    let _ = results::judged(bytes, &*SPECS, &[]);
});
