//! What `compare` says of two runs.

mod fixture;

use std::path::Path;

use fixture::{Measured, Temporary};
use onedispatch::commands::compare::compare;
use onedispatch::record::manifest::Manifest;
use onedispatch::record::run::{Run, load};
use onedispatch::record::summary::summarise;

fn run(name: &str, manifest: Manifest, measured: &[Measured]) -> Run {
    let data = Temporary::new();
    let run = load(&fixture::write(&data.0, manifest, measured)).unwrap();
    Run { path: Path::new(name).to_owned(), ..run }
}

#[test]
fn the_same_data_show_no_difference() {
    let a = run("a", fixture::manifest(), &fixture::all());
    let b = run("b", fixture::manifest(), &fixture::all());
    insta::assert_snapshot!(compare(&a, &b).unwrap(), @"
    A  a
    B  b
    noise of A: up to 1.054x between two runs of the same (A/A)
    noise of B: up to 1.054x between two runs of the same (A/A)

    case        arm              policy        A ms    B ms   B/A wall time [95%]
    controls    cached-read      one-submit   1.020   1.020  1.000 [0.962, 1.040]
    controls    copy             one-submit   2.040   2.040  1.000 [0.962, 1.040]
    controls    fma              one-submit   1.020   1.020  1.000 [0.962, 1.040]
    d32-l1-t64  fused-scalar     one-submit  91.800  91.800  1.000 [0.962, 1.040]
    d32-l1-t64  fused-workgroup  one-submit   0.816   0.816  1.000 [0.962, 1.040]
    d32-l1-t64  stepwise         wait-each   30.600  30.600  1.000 [0.962, 1.040]
    d32-l4-t64  fused-scalar     one-submit  91.800  91.800  1.000 [0.962, 1.040]
    d32-l4-t64  fused-workgroup  one-submit   0.816   0.816  1.000 [0.962, 1.040]
    d32-l4-t64  stepwise         wait-each   30.600  30.600  1.000 [0.962, 1.040]
    ");
}

#[test]
fn differences_are_said() {
    let mut measured = vec![fixture::controls(), fixture::decode(1)];
    let Measured { results, samples, .. } = &mut measured[1];
    for row in results.iter_mut().filter(|row| row.samples > 0) {
        // Half the time for the fused kernel, 1% more for the rest: less than the A/A pair differs by.
        let fused = row.key.arm == "fused-workgroup";
        let of_row = || samples.iter().filter(|sample| sample.key == row.key).cloned();
        let faster = of_row().map(|mut sample| {
            sample.wall_ns = if fused { sample.wall_ns / 2 } else { sample.wall_ns * 101 / 100 };
            sample.gpu_ns = None;
            sample
        });
        let faster: Vec<_> = faster.collect();
        summarise(&row.key, &faster).write_into(row);
        samples.retain(|sample| sample.key != row.key);
        samples.extend(faster);
        if fused {
            row.program_sha256 = "other".into();
        }
    }
    let mut manifest = fixture::manifest();
    manifest.device.driver_info = "590.1".into();
    manifest.software.binary_sha256 = "f".repeat(64);
    let a = run("a", fixture::manifest(), &fixture::all());
    let b = run("b", manifest, &measured);
    insta::assert_snapshot!(compare(&a, &b).unwrap(), @"
    A  a
    B  b
    driver differs: A `NVIDIA 580.95.05`, B `NVIDIA 590.1`
    binary differs: A `9a3a45d01531a20e`, B `ffffffffffffffff`
    case d32-l4-t64 is only in A
    program differs in the arms fused-workgroup
    noise of A: up to 1.054x between two runs of the same (A/A)
    noise of B: up to 1.054x between two runs of the same (A/A)

    case        arm              policy        A ms    B ms   B/A wall time [95%]
    controls    cached-read      one-submit   1.020   1.020  1.000 [0.962, 1.040]
    controls    copy             one-submit   2.040   2.040  1.000 [0.962, 1.040]
    controls    fma              one-submit   1.020   1.020  1.000 [0.962, 1.040]
    d32-l1-t64  fused-scalar     one-submit  91.800  92.718  1.010 [0.971, 1.050]
    d32-l1-t64  fused-workgroup  one-submit   0.816   0.408  0.500 [0.481, 0.520]  B faster
    d32-l1-t64  stepwise         wait-each   30.600  30.906  1.010 [0.971, 1.050]
    timed only in A: d32-l4-t64 fused-scalar one-submit
    timed only in A: d32-l4-t64 fused-workgroup one-submit
    timed only in A: d32-l4-t64 stepwise wait-each
    timed only in A: d32-l4-t64 stepwise wait-each (replica 1)
    ");
}

#[test]
fn nothing_in_common_is_an_error() {
    let a = run("a", fixture::manifest(), &[fixture::decode(1)]);
    let b = run("b", fixture::manifest(), &[fixture::decode(4)]);
    let error = compare(&a, &b).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("have no timed case, arm and policy in common"), "{error}");
}
