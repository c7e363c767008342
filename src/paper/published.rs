//! The claims under re-examination, as published, and how each is tested here.
//!
//! Two preprints by A. B. Gunaydin (2026), doi 10.5281/zenodo.19331833 and doi 10.5281/zenodo.19344276, and the public
//! page that explains them.

use super::print::Print;

/// A claim as its page words it, with the published value as numbers.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub id: &'static str,
    pub wording: &'static str,
    /// Published range; both ends are the same where one number was published.
    pub low: f64,
    pub high: f64,
    pub print: Print,
    /// The range that the author's errata of July 2026 put in its place.
    pub corrected: Option<(f64, f64)>,
    /// Where it was measured.
    pub measured_on: &'static str,
    /// The preprint's digital object identifier.
    pub source: &'static str,
    pub test: Test,
}

/// What is measured here for a claim. The verdict's rule is in [`super::claims`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Test {
    /// Share of wall time in which no dispatch ran.
    Idle,
    /// Waits of the host in one generation of a model of four layers.
    RoundTrips,
    /// Tokens per second of this fused arm over those of a stepwise policy.
    Speedup(&'static str),
    /// Tokens per second of this fused arm at D = 32, L = 1.
    Throughput(&'static str),
    /// Largest error found by the gate, on any device.
    Error,
    /// Nothing; the reason.
    NotMeasured(&'static str),
}

const FITNESS: &str = "doi:10.5281/zenodo.19331833";
const DECODING: &str = "doi:10.5281/zenodo.19344276";

pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C1",
        wording: "GPU frameworks waste 92% of their time on per-dispatch overhead",
        low: 0.92,
        high: 0.92,
        print: Print::Percent,
        corrected: None,
        measured_on: "M2 Pro, Chrome",
        source: DECODING,
        test: Test::Idle,
    },
    Claim {
        id: "C2",
        wording: "64 tokens through 4 layers cost 1,024 separate round trips",
        low: 1024.0,
        high: 1024.0,
        print: Print::Count,
        corrected: None,
        measured_on: "by count",
        source: DECODING,
        test: Test::RoundTrips,
    },
    Claim {
        id: "C3",
        wording: "the parallel fused kernel is 66–458× as fast as unfused dispatch",
        low: 66.0,
        high: 458.0,
        print: Print::Significant,
        corrected: Some((2.2, 12.7)),
        measured_on: "M2 Pro, Chrome",
        source: DECODING,
        test: Test::Speedup("fused-workgroup"),
    },
    Claim {
        id: "C4",
        wording: "the single-thread fused kernel is 6.6–13.5× as fast as unfused dispatch",
        low: 6.6,
        high: 13.5,
        print: Print::Significant,
        corrected: None,
        measured_on: "M2 Pro, Chrome",
        source: DECODING,
        test: Test::Speedup("fused-scalar"),
    },
    Claim {
        id: "C5",
        wording: "16,410 tokens/s at D = 32, L = 1",
        low: 16410.0,
        high: 16410.0,
        print: Print::Count,
        corrected: None,
        measured_on: "M2 Pro, Chrome",
        source: DECODING,
        test: Test::Throughput("fused-workgroup"),
    },
    Claim {
        id: "C6",
        wording: "7.5–161× as fast as PyTorch on the same GPU",
        low: 7.5,
        high: 161.0,
        print: Print::Significant,
        corrected: None,
        measured_on: "M2 Pro, MPS",
        source: DECODING,
        test: Test::NotMeasured("no PyTorch rows in this data"),
    },
    Claim {
        id: "C9",
        wording: "fusion alone, the same kernel in one dispatch rather than 500, gains 2.18×",
        low: 2.18,
        high: 2.18,
        print: Print::Significant,
        corrected: None,
        measured_on: "M2 Pro",
        source: FITNESS,
        test: Test::Speedup("fused-workgroup"),
    },
    Claim {
        id: "C12",
        wording: "the largest error against f64 is 3.0\u{a0}×\u{a0}10⁻⁶",
        low: 3.0e-6,
        high: 3.0e-6,
        print: Print::Power,
        corrected: None,
        measured_on: "M2 Pro",
        source: FITNESS,
        test: Test::Error,
    },
];

/// The cases that the decoding preprint measured: D 32 to 256, L 1 or 4, T 64.
pub fn is_published_case(case: &crate::record::rows::Case) -> bool {
    case.workload == "decode"
        && matches!(case.n_embd, 32 | 64 | 128 | 256)
        && matches!(case.n_layer, 1 | 4)
        && case.new_tokens == 64
}
