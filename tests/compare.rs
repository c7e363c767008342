//! What `compare` says of two runs.

mod fixture;

use std::path::Path;

use fixture::{Measured, Temporary};
use onedispatch::analysis::agreement::nearest;
use onedispatch::commands::compare::compare;
use onedispatch::record::manifest::Manifest;
use onedispatch::record::run::{Run, load};
use onedispatch::record::summary::summarise;

fn run(name: &str, manifest: Manifest, measured: &[Measured]) -> Run {
    let data = Temporary::new();
    let run = load(&fixture::write(&data.0, manifest, measured)).unwrap();
    Run { path: Path::new(name).to_owned(), ..run }
}

/// The claims that these runs have something to say of; a new one changes nothing here.
const CLAIMS: [&str; 4] = ["C2", "C4", "C5", "C12"];

/// What is said of two runs: all but the other claims. The totals, which count them too, are compared with the lines, and left out.
fn said(a: &Run, b: &Run) -> String {
    let text = compare(a, b).unwrap();
    let claim = |line: &str| line.split_once(' ').map_or("", |(word, _)| word).to_owned();
    let is_claim = |line: &str| claim(line).strip_prefix('C').is_some_and(|number| number.parse::<u32>().is_ok());
    let count = |end: &str| text.lines().filter(|line| is_claim(line) && line.contains(end)).count();
    let [reached, missed] = ["  reaches A", "  does not reach A"].map(count);
    let [same, other, open] = ["  same verdict", "  other verdict", "  cannot tell"].map(count);
    let totals = [
        format!("B's interval reaches what A measured in {reached} of {}", reached + missed),
        format!("same verdict: {same}, other verdict: {other}, cannot tell: {open}"),
    ];
    assert!(totals.iter().all(|total| text.lines().any(|line| line == total)), "{totals:?}: {text}");
    let known = |line: &&str| {
        !totals.iter().any(|total| total == line) && (!is_claim(line) || CLAIMS.contains(&claim(line).as_str()))
    };
    text.lines().filter(known).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_same_data_show_no_difference() {
    let a = run("a", fixture::manifest(), &fixture::all());
    let b = run("b", fixture::manifest(), &fixture::all());
    insta::assert_snapshot!(said(&a, &b), @"
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

    claim  case        baseline                  A [95%]                  B [95%]  B's interval
    C2     d32-l4-t64  strong                          1                        1  reaches A
    C2     d32-l4-t64  weak                            1                        1  reaches A
    C4     d32-l1-t64  strong    0.0417 [0.0401, 0.0433]  0.0417 [0.0401, 0.0433]  reaches A
    C4     d32-l4-t64  strong    0.0417 [0.0401, 0.0433]  0.0417 [0.0401, 0.0433]  reaches A
    C4     d32-l1-t64  weak      0.0417 [0.0401, 0.0433]  0.0417 [0.0401, 0.0433]  reaches A
    C4     d32-l4-t64  weak      0.0417 [0.0401, 0.0433]  0.0417 [0.0401, 0.0433]  reaches A
    C5     d32-l1-t64  strong    78,431 [76,923, 80,000]  78,431 [76,923, 80,000]  reaches A
    C12    d32-l4-t64  strong                   1.3×10⁻⁶                 1.3×10⁻⁶

    claims, judged on what both have: 2 cases
    claim  A                   B
    C2     does not hold here  does not hold here  same verdict
    C4     does not hold here  does not hold here  same verdict
    C5     holds               holds               same verdict
    C12    holds               holds               same verdict
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
    insta::assert_snapshot!(said(&a, &b), @"
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

    claim  case        baseline                  A [95%]                     B [95%]  B's interval
    C4     d32-l1-t64  strong    0.0417 [0.0401, 0.0433]     0.0417 [0.0401, 0.0433]  reaches A
    C4     d32-l1-t64  weak      0.0417 [0.0401, 0.0433]     0.0417 [0.0401, 0.0433]  reaches A
    C5     d32-l1-t64  strong    78,431 [76,923, 80,000]  156,863 [153,846, 160,000]  does not reach A
    C12    d32-l1-t64  strong                   1.3×10⁻⁶                    1.3×10⁻⁶

    claims, judged on what both have: 1 case
    claim  A                   B
    C4     does not hold here  does not hold here  same verdict
    C5     holds               holds               same verdict
    C12    holds               holds               same verdict
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

/// What a software device or a quick run says of speed is no verdict; what is counted, and how exact it is, is one anywhere.
#[test]
fn no_verdict_on_speed_rests_on_a_software_device_or_a_quick_run() {
    let a = run("a", fixture::manifest(), &fixture::all());
    let mut software = fixture::manifest();
    software.device.is_software = true;
    let mut quick = fixture::manifest();
    quick.experiment = "decode-quick".into();
    let verdicts = |manifest: Manifest| {
        let text = said(&a, &run("b", manifest, &fixture::all()));
        let claims = text.split("claims, ").nth(1).unwrap();
        claims.lines().skip(2).map(|line| format!("{line}\n")).collect::<String>()
    };
    insta::assert_snapshot!([verdicts(software), verdicts(quick)].join("\n"), @"
    C2     does not hold here  does not hold here  same verdict
    C4     does not hold here  does not hold here  cannot tell: a software device tells no speed
    C5     holds               holds               cannot tell: a software device tells no speed
    C12    holds               holds               same verdict

    C2     does not hold here  does not hold here  same verdict
    C4     does not hold here  does not hold here  cannot tell: a quick run has too few samples
    C5     holds               holds               cannot tell: a quick run has too few samples
    C12    holds               holds               same verdict
    ");
}

/// A claim that one of them did not measure is not told, and cases that only one has do not count.
#[test]
fn verdicts_rest_on_cases_that_both_have() {
    let a = run("a", fixture::manifest(), &fixture::all());
    let b = run("b", fixture::manifest(), &[fixture::controls(), fixture::decode(4)]);
    let text = said(&a, &b);
    assert!(text.contains("\nclaims, judged on what both have: 1 case\n"), "{text}");
    assert!(!text.contains("\nC5 "), "C5 is about the case that B lacks: {text}");
    assert_eq!(text.matches("  same verdict\n").count(), 3, "{text}");
}

#[test]
fn the_nearest_run_is_of_the_same_device_else_of_its_kind_and_vendor() {
    let of = |path: &str, vendor: &str, is_software: bool, date: &str| {
        let mut manifest = fixture::manifest();
        manifest.device.vendor = vendor.into();
        manifest.device.is_software = is_software;
        manifest.date = date.into();
        run(path, manifest, &fixture::all())
    };
    let committed = [
        of("data/nvidia-h200/1", "10de", false, "2026-01-31"),
        of("data/nvidia-h200/2", "10de", false, "2026-02-01"),
        of("data/radeon/1", "1002", false, "2026-03-01"),
        of("data/llvmpipe/1", "10005", true, "2026-04-01"),
    ];
    let beside = |path: &str, vendor: &str, is_software: bool| {
        let own = of(path, vendor, is_software, "2026-05-01");
        nearest(&committed, &own).unwrap().path.display().to_string()
    };
    assert_eq!(beside("review/nvidia-h200/1", "10de", false), "data/nvidia-h200/2");
    assert_eq!(beside("review/geforce/1", "10de", false), "data/nvidia-h200/2");
    assert_eq!(beside("review/radeon-2/1", "1002", false), "data/radeon/1");
    assert_eq!(beside("review/swiftshader/1", "1ae0", true), "data/llvmpipe/1");
    let mut other = fixture::manifest();
    other.experiment = "span".into();
    assert!(nearest(&committed, &run("review/nvidia-h200/1", other, &fixture::all())).is_none());
}
