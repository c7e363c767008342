//! An experiment, and the cases that it asks for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onedispatch_core::spec::Spec;

fuzz_target!(|text: &str| {
    if let Ok(spec) = Spec::parse(text, "spec.toml") {
        let _ = spec.case_names();
        let _ = spec.quick().case_names();
    }
});
