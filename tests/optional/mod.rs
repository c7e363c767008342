//! What a device may lack: subgroups, those of a size, and workgroups that make progress together.
//!
//! Where they are missing, a test says what it leaves out; with ONEDISPATCH_SUBGROUP_TESTS=required, as `.ci/run` and `make test` have
//! it on a device that has them, it fails.

#![allow(dead_code)] // each test crate takes what it needs

use std::io::Write;

use onedispatch::device::Gpu;
use onedispatch::program::Program;
use onedispatch::workload::decode::Algorithm;

pub fn required() -> bool {
    std::env::var("ONEDISPATCH_SUBGROUP_TESTS").is_ok_and(|value| value == "required")
}

/// Whether a program of an algorithm can run, which is a failure where it cannot and has to.
pub fn runs(gpu: &Gpu, algorithm: Algorithm, program: &Program) -> bool {
    let fits = fits(gpu, algorithm, program);
    assert!(fits || !required(), "{} is required to run {}", gpu.info.name, program.name);
    fits
}

/// Whether a device has subgroups of at least `size` threads, for what is to be run with them.
pub fn has_subgroups(gpu: &Gpu, size: u32, what: &str) -> bool {
    let there = gpu.info.subgroup_min_size;
    assert!(there >= size || !required(), "{} is required to run {what} with subgroups of {size}", gpu.info.name);
    if there < size {
        let _ = writeln!(std::io::stderr(), "skipped on {}: {what} with subgroups of {size}", gpu.info.name);
    }
    there >= size
}

/// Whether a program can run, of several in sizes that not every device with subgroups has.
pub fn fits(gpu: &Gpu, algorithm: Algorithm, program: &Program) -> bool {
    let Some(objection) = gpu.objection(program) else { return true };
    let (device, name) = (&gpu.info.name, &program.name);
    assert!(algorithm.has_formats(), "{name} needs nothing optional, but on {device}: {objection}");
    // Not by a macro: what is printed by those is shown of failing tests alone.
    let _ = writeln!(std::io::stderr(), "skipped on {device}: {name}: {objection}");
    false
}
