//! Made-up peers beside the arms of a made-up run: nothing here was measured.

#![allow(dead_code)] // each test crate takes what it needs

use onedispatch::record::peers::{PeerRow, PeerSample, Peers};
use onedispatch::record::rows::ResultRow;
use onedispatch::record::run::Run;
use onedispatch::statistics::median;

/// How long each variant takes, in runs of `fused-workgroup`, or of a rollout's `fused`; nothing for one that could not run.
const VARIANTS: [(&str, &str, Option<f64>); 8] = [
    ("cuda", "one-workgroup", Some(0.5)),
    ("pytorch", "eager-wait-each", Some(20.0)),
    ("pytorch", "graph", Some(4.0)),
    // Faster than all others, and not in f32; nor is `scan-f16`.
    ("pytorch", "graph-tf32", Some(0.1)),
    ("jax", "scan-f16", Some(0.1)),
    ("pytorch", "compile-graph", None),
    ("jax", "scan", Some(0.9)),
    ("jax", "scan-unroll-4", Some(0.8)),
];

/// `run` with every variant on every case but the controls.
pub fn with_peers(mut run: Run) -> Run {
    let (mut rows, mut samples) = (Vec::new(), Vec::new());
    for case in run.cases.iter().filter(|case| case.workload != "control") {
        let name = if case.workload == "rollout" { "fused" } else { "fused-workgroup" };
        let is = |row: &&ResultRow| row.key.case == case.case && row.key.arm == name;
        let arm = run.results.iter().find(is).expect("every case has this arm");
        for (peer, variant, times) in VARIANTS {
            let blank = blank_row(arm, peer, variant);
            let Some(wall_ns) = times.zip(arm.wall_median_ns).map(|(times, wall_ns)| times * wall_ns) else {
                let reason = "TookTooLong: not ready within 240 s".into();
                rows.push(PeerRow { gate: "fail".into(), gate_error: None, reason, ..blank });
                continue;
            };
            let taken: Vec<u64> =
                (0..15).map(|sample| (wall_ns * (0.993 + 0.001 * f64::from(sample))) as u64).collect();
            let wall: Vec<f64> = taken.iter().map(|&ns| ns as f64).collect();
            let mid = median(&wall);
            rows.push(PeerRow {
                samples: 15,
                wall_median_ns: mid,
                wall_low_ns: Some(wall[4]),
                wall_high_ns: Some(wall[10]),
                units_per_s: mid.map(|mid| blank.units as f64 / mid * 1e9),
                ..blank
            });
            samples.extend((0..).zip(taken).map(|(sample, wall_ns)| PeerSample {
                case: case.case.clone(),
                peer: peer.into(),
                variant: variant.into(),
                sample,
                wall_ns,
            }));
        }
    }
    run.peers = Peers::of(rows, &samples);
    run
}

fn blank_row(arm: &ResultRow, peer: &str, variant: &str) -> PeerRow {
    PeerRow {
        case: arm.key.case.clone(),
        peer: peer.into(),
        variant: variant.into(),
        units: arm.units,
        multiply_adds: arm.multiply_adds,
        min_bytes: arm.min_bytes,
        gate: "pass".into(),
        gate_error: Some(3.0e-7),
        gate_tolerance: 1e-3,
        samples: 0,
        wall_median_ns: None,
        wall_low_ns: None,
        wall_high_ns: None,
        units_per_s: None,
        cap: String::new(),
        reason: String::new(),
        date: "2030-01-01".into(),
        driver: "1.0".into(),
        settings: if variant.ends_with("f16") {
            "{\"weights\":\"f16\"}".into()
        } else {
            format!("{{\"tf32\":{}}}", variant.ends_with("tf32"))
        },
        versions: "{\"python\":\"3.12\",\"release\":9}".into(),
        source_sha256: "55".repeat(32),
        file_sha256: "66".repeat(32),
    }
}
