//! Prices out of a CSV file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onedispatch_core::workload::rollout::portfolio;

fuzz_target!(|csv: &str| {
    let _ = portfolio::on_prices(csv);
});
