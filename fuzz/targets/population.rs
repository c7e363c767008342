//! A population's file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onedispatch_core::workload::rollout::environment::Environment;
use onedispatch_core::workload::rollout::file;

fuzz_target!(|bytes: &[u8]| {
    for environment in Environment::all() {
        let _ = file::parse(bytes, environment, 0);
    }
});
