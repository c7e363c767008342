//! Monte-Carlo pi, counted: each individual draws points of the unit square, and counts those in the quarter circle. Samples
//! need nothing of each other, so that one dispatch may draw them all or some of them. The twin of `shaders/rollout/pi.wgsl`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::Span;
use super::task::{Arm, Task};
use crate::digest::sha256_hex;
use crate::philox::{key, philox4x32};
use crate::program::{Binding, Blocks, Buffer, Checks, Contents, Dispatch, Kernel, Phase, Program};

pub const NAME: &str = "monte-carlo-pi";

/// Dispatches of the stepwise arm, as far as there are so many pairs of samples.
const DISPATCHES: u32 = 10;
/// WebGPU's default `maxComputeWorkgroupsPerDimension`; workgroups take several individuals above it.
const MOST_WORKGROUPS: u32 = 65_535;

/// Of the points that an individual draws, those that are inside. Samples 2 k and 2 k + 1 of individual i are words 0, 1 and 2,
/// 3 of Philox at counter [i, k, 2, 0] under the seed. A draw is the upper 16 bits of a word, and a point of draws x and y is
/// inside where x^2 + y^2 < 2^32: whole numbers, with nothing to round.
pub fn inside(individual: u32, samples: u32, seed: u64) -> u32 {
    let key = key(seed);
    let mut inside = 0;
    for pair in 0..samples.div_ceil(2) {
        let draws = philox4x32([individual, pair, 2, 0], key).map(|word| u64::from(word >> 16));
        let is_inside = |[x, y]: [u64; 2]| u32::from(x * x + y * y < 1 << 32);
        inside += is_inside([draws[0], draws[1]]);
        if 2 * pair + 1 < samples {
            inside += is_inside([draws[2], draws[3]]);
        }
    }
    inside
}

pub fn task(individuals: u32, samples: u32, seed: u64) -> Task {
    let counted = |individual| [f64::from(inside(individual, samples, seed)), f64::from(samples)];
    Task {
        arms: &[Arm::Stepwise, Arm::Fused],
        other_arms: "a sample is drawn and counted in one operation",
        stepwise: NonZeroU32::new(2 * pairs(Arm::Stepwise, samples)).map_or(Span::Step, Span::of_steps),
        program: Box::new(move |arm, workgroup_size| program(arm, individuals, samples, seed, workgroup_size)),
        blocks: Blocks::new(),
        // What is drawn follows from the seed; there is no other input.
        sha256: sha256_hex(&seed.to_le_bytes()),
        expected: (0..individuals).flat_map(counted).collect(),
        scale: 1.0,
        is_whole: true,
        unit: "sample",
        is_fitness: false,
        // Two squares and their sum, of whole numbers; what the generator does is left out.
        multiply_adds_per_unit: 2,
        min_bytes: 8 * u64::from(individuals),
    }
}

/// Pairs of samples of one dispatch.
fn pairs(arm: Arm, samples: u32) -> u32 {
    let all = samples.div_ceil(2);
    if arm == Arm::Fused { all } else { all.div_ceil(DISPATCHES) }
}

fn program(arm: Arm, individuals: u32, samples: u32, seed: u64, workgroup_size: u32) -> Program {
    let pairs = pairs(arm, samples);
    let bytes = 8 * u64::from(individuals);
    let [seed_low, seed_high] = key(seed);
    let constants: BTreeMap<String, f64> = [
        ("INDIVIDUALS", individuals),
        ("SAMPLES", samples),
        ("PAIRS", pairs),
        ("SEED_LOW", seed_low),
        ("SEED_HIGH", seed_high),
        ("WORKGROUP_SIZE", workgroup_size),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    let bindings = vec![Binding { buffer: 0, offset: 0, bytes, stride: 0 }];
    Program {
        name: format!("{NAME} {}", arm.name()),
        buffers: vec![Buffer { name: "counts".into(), bytes, contents: Contents::Zero }],
        kernels: vec![Kernel {
            shader: "rollout/pi.wgsl".into(),
            entry: "draw".into(),
            constants,
            workgroup_size,
            workgroup_bytes: 4 * u64::from(workgroup_size),
            subgroup_size: 0,
            workgroups_together: 1,
            checks: Checks::Bounds,
        }],
        phases: vec![Phase {
            name: "samples".into(),
            repeat: samples.div_ceil(2 * pairs),
            dispatches: vec![Dispatch { kernel: 0, bindings, workgroups: individuals.min(MOST_WORKGROUPS) }],
        }],
        outputs: vec!["counts".into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within four standard errors of pi, of which there are 1.6 / sqrt(n); and another seed draws other points.
    #[test]
    fn counts_give_pi() {
        let count = |seed| (0..20).map(|individual| inside(individual, 10_001, seed)).sum::<u32>();
        let pi = 4.0 * f64::from(count(1)) / (20.0 * 10_001.0);
        assert!((pi - std::f64::consts::PI).abs() < 4.0 * 1.65 / (20.0f64 * 10_001.0).sqrt(), "{pi}");
        assert_ne!(count(1), count(2));
        // The last sample of an odd number is drawn once.
        assert!(inside(0, 10_001, 1) - inside(0, 10_000, 1) <= 1);
    }
}
