//! The claims that decoding can test, as published, and how each is tested here.
//!
//! Two preprints by A. B. Gunaydin (2026), doi 10.5281/zenodo.19331833 and doi 10.5281/zenodo.19344276, and the public
//! page that explains them, by whose wording the claims stand here.

use super::ladder;

/// A claim as the page words it, with the published value as numbers.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub id: &'static str,
    pub wording: &'static str,
    /// Published range; both ends are the same where one number was published.
    pub low: f64,
    pub high: f64,
    pub unit: Unit,
    /// The range that the author's errata of July 2026 put in its place.
    pub corrected: Option<(f64, f64)>,
    /// Where it was measured.
    pub measured_on: &'static str,
    /// The preprint's digital object identifier.
    pub source: &'static str,
    pub test: Test,
}

/// What a claim's numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many times as fast.
    Factor,
    /// A part of one.
    Share,
    TokensPerS,
    RoundTrips,
    /// Relative to f64.
    Error,
    /// Of ranks with those in f64.
    Correlation,
}

/// What is measured here for a claim. The comparison and the verdict are in [`super::claims`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Test {
    /// Share of wall time in which the GPU was in no pass, on an unfused rung of one kernel.
    Idle,
    /// Waits of the host in one generation of a model of four layers.
    RoundTrips,
    /// Tokens per second of one kernel in one dispatch over those of its unfused rungs.
    Fused,
    /// Tokens per second of this fused arm over those of a stepwise policy.
    Speedup(&'static str),
    /// Tokens per second of one kernel in one dispatch over those of the same kernel in many, of which none waits inside.
    Fusion,
    /// Tokens per second of this fused arm at D = 32, L = 1.
    Throughput(&'static str),
    /// Largest error found by the gate, on any device.
    Error,
    /// Tokens per second of this arm over those of this peer, which knows both baselines.
    OverPeer(&'static str, &'static str),
    /// How many times as fast the fastest of these peers and of the fused arms of one workgroup is as the slowest.
    Alike(&'static [&'static str]),
}

impl Test {
    /// The experiment whose runs hold what is compared.
    pub fn experiment(self) -> &'static str {
        match self {
            Test::Idle | Test::Fused | Test::Fusion => ladder::EXPERIMENT,
            Test::OverPeer(..) | Test::Alike(_) => "peers",
            _ => "decode",
        }
    }
}

const FITNESS: &str = "doi:10.5281/zenodo.19331833";
const DECODING: &str = "doi:10.5281/zenodo.19344276";

pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C1",
        wording: "GPU frameworks waste 92% of their time on per-dispatch overhead",
        low: 0.92,
        high: 0.92,
        unit: Unit::Share,
        corrected: None,
        measured_on: "M2 Pro, Chrome",
        source: DECODING,
        test: Test::Idle,
    },
    Claim {
        id: "C2",
        wording: "64 tokens × 4 layers costs 1,024 separate round trips (4 per token and layer)",
        low: 1024.0,
        high: 1024.0,
        unit: Unit::RoundTrips,
        corrected: None,
        measured_on: "by count",
        source: DECODING,
        test: Test::RoundTrips,
    },
    Claim {
        id: "C3",
        wording: "66–458×: parallel fused kernel over unfused dispatch (D = 32..256, L = 1, 4, T = 64)",
        low: 66.0,
        high: 458.0,
        unit: Unit::Factor,
        corrected: Some((2.2, 12.7)),
        measured_on: "M2 Pro, Chrome",
        source: DECODING,
        test: Test::Fused,
    },
    Claim {
        id: "C4",
        wording: "6.6–13.5×: single-thread fused kernel over unfused",
        low: 6.6,
        high: 13.5,
        unit: Unit::Factor,
        corrected: None,
        measured_on: "M2 Pro, Chrome",
        source: DECODING,
        test: Test::Speedup("fused-scalar"),
    },
    Claim {
        id: "C5",
        wording: "16,410 tokens/s at D = 32, L = 1 in Chrome",
        low: 16410.0,
        high: 16410.0,
        unit: Unit::TokensPerS,
        corrected: None,
        measured_on: "M2 Pro",
        source: DECODING,
        test: Test::Throughput("fused-workgroup"),
    },
    Claim {
        id: "C6",
        wording: "7.5–161× over PyTorch on the same GPU",
        low: 7.5,
        high: 161.0,
        unit: Unit::Factor,
        corrected: None,
        measured_on: "M2 Pro, MPS",
        source: DECODING,
        test: Test::OverPeer("fused-workgroup", "pytorch"),
    },
    Claim {
        id: "C9",
        wording: "fusion alone: 2.18× (500 dispatches against one, same kernel)",
        low: 2.18,
        high: 2.18,
        unit: Unit::Factor,
        corrected: None,
        measured_on: "M2 Pro",
        source: FITNESS,
        test: Test::Fusion,
    },
    Claim {
        id: "C10",
        wording: "the advantage is the same across CUDA, WebGPU, JAX and Triton",
        low: 1.0,
        high: 1.0,
        unit: Unit::Factor,
        corrected: None,
        measured_on: "M2 Pro, T4",
        source: FITNESS,
        test: Test::Alike(&["cuda", "jax", "triton"]),
    },
    Claim {
        id: "C12",
        wording: "numerics: max error 3.0\u{a0}×\u{a0}10⁻⁶ against f64; f32 keeps fitness rankings (Spearman 1.000)",
        low: 3.0e-6,
        high: 3.0e-6,
        unit: Unit::Error,
        corrected: None,
        measured_on: "M2 Pro",
        source: FITNESS,
        test: Test::Error,
    },
];

/// The claim with this identifier.
pub fn claim(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().find(|claim| claim.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the decoding preprint: milliseconds per 64 tokens, unfused, by one thread, by the parallel kernel,
    /// at D 32, 64, 128 and 256, each with L 1 and 4.
    const TABLE_MS: [[f64; 3]; 8] = [
        [264.6, 20.6, 4.0],
        [1053.0, 77.8, 13.8],
        [947.0, 145.0, 6.6],
        [3841.0, 441.0, 25.4],
        [3633.0, 430.0, 15.8],
        [14568.0, 1540.0, 59.9],
        [14246.0, 1519.0, 31.1],
        [56704.0, 6033.0, 202.0],
    ];

    #[test]
    fn the_claimed_ranges_follow_from_the_published_table() {
        for (id, column, rounding) in [("C3", 2, 0.5), ("C4", 1, 0.1)] {
            let claim = claim(id).unwrap();
            let ratios = TABLE_MS.map(|row| row[0] / row[column]);
            let (low, high) = (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.into_iter().fold(0.0, f64::max));
            assert!((low - claim.low).abs() < rounding && (high - claim.high).abs() < rounding, "{id}: {low} {high}");
        }
    }
}
