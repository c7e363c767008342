//! What a device may lack: subgroups, and workgroups that make progress together.
//!
//! Where they are missing, a test says what it leaves out; with ONEDISPATCH_SUBGROUP_TESTS=required, as `.ci/run` and `make test` have
//! it on a device that has them, it fails.

use std::io::Write;

use onedispatch::device::Gpu;
use onedispatch::program::Program;
use onedispatch::workload::decode::Algorithm;

/// Whether a program of an algorithm can run.
pub fn runs(gpu: &Gpu, algorithm: Algorithm, program: &Program) -> bool {
    let Some(objection) = gpu.objection(program) else { return true };
    let (device, name) = (&gpu.info.name, &program.name);
    assert!(algorithm >= Algorithm::FusedSubgroup, "{name} needs nothing optional, but on {device}: {objection}");
    let required = std::env::var("ONEDISPATCH_SUBGROUP_TESTS").is_ok_and(|value| value == "required");
    assert!(!required, "{device} is required to run {name}: {objection}");
    // Not by a macro: what is printed by those is shown of failing tests alone.
    let _ = writeln!(std::io::stderr(), "skipped on {device}: {name}: {objection}");
    false
}
