//! Test functions of optimisation at random points of their standard domains: work that is all side by side. The twin of
//! `shaders/rollout/controls.wgsl`.

use std::collections::BTreeMap;
use std::f64::consts::{E, TAU};
use std::sync::Arc;

use super::Span;
use super::task::{Arm, Task};
use crate::digest::sha256_hex;
use crate::philox::{key, philox4x32};
use crate::program::{Binding, Buffer, Checks, Contents, Dispatch, Kernel, Phase, Program, one_block};

/// In the order of the shader's constant FUNCTION.
pub const NAMES: [&str; 5] = ["sphere", "rastrigin", "ackley", "schwefel", "griewank"];
/// Coordinates lie between minus this and this.
const REACH: [f32; 5] = [5.12, 5.12, 32.768, 500.0, 600.0];
/// Of a term: multiplications, additions, or both at once.
const MULTIPLY_ADDS: [u64; 5] = [1, 4, 3, 3, 4];
/// WebGPU's default `maxComputeWorkgroupsPerDimension`; workgroups take several points above it.
const MOST_WORKGROUPS: u64 = 65_535;

/// A function's value at a point, in f64 (Surjanovic and Bingham, "Virtual library of simulation experiments").
pub fn value(function: usize, point: &[f64]) -> f64 {
    let dimension = point.len() as f64;
    let sum = |term: &dyn Fn(f64) -> f64| point.iter().map(|&x| term(x)).sum::<f64>();
    let squares = || sum(&|x| x * x);
    match NAMES[function] {
        "rastrigin" => 10.0 * dimension + sum(&|x| x * x - 10.0 * (TAU * x).cos()),
        "ackley" => {
            let waves = sum(&|x| (TAU * x).cos()) / dimension;
            20.0 + E - 20.0 * (-0.2 * (squares() / dimension).sqrt()).exp() - waves.exp()
        }
        "schwefel" => 418.9829 * dimension - sum(&|x| x * x.abs().sqrt().sin()),
        "griewank" => {
            let waves = (1..).zip(point).map(|(i, x)| (x / f64::from(i).sqrt()).cos()).product::<f64>();
            1.0 + squares() / 4000.0 - waves
        }
        _ => squares(),
    }
}

pub fn task(function: usize, points: u32, dimension: u32, seed: u64) -> Task {
    let count = points as usize * dimension as usize;
    let coordinate = |word: u32| REACH[function] * ((word >> 8) as f32 / (1u32 << 23) as f32 - 1.0);
    let words = (0..count.div_ceil(4) as u32).flat_map(|block| philox4x32([block, 0, 0, 0], key(seed)));
    let places: Vec<f32> = words.take(count).map(coordinate).collect();
    let bytes: Vec<u8> = bytemuck::cast_slice(&places).to_vec();
    let exact: Vec<f64> = places.iter().map(|&x| f64::from(x)).collect();
    let expected: Vec<f64> = exact.chunks_exact(dimension as usize).map(|point| value(function, point)).collect();
    let scale = expected.iter().fold(f64::MIN_POSITIVE, |largest: f64, value| largest.max(value.abs()));
    Task {
        arms: &[Arm::PerOperation, Arm::Fused],
        other_arms: "the terms of a function are no steps",
        stepwise: Span::Step,
        program: Box::new(move |arm, workgroup_size| program(arm, function, points, dimension, workgroup_size)),
        sha256: sha256_hex(&bytes),
        blocks: one_block("points", Arc::new(bytes)),
        expected,
        scale,
        is_whole: false,
        unit: "term",
        is_fitness: true,
        multiply_adds_per_unit: MULTIPLY_ADDS[function],
        min_bytes: 4 * (count as u64 + u64::from(points)),
    }
}

fn program(arm: Arm, function: usize, points: u32, dimension: u32, workgroup_size: u32) -> Program {
    let terms = u64::from(points) * u64::from(dimension);
    let buffer = |name: &str, bytes: u64, contents: Contents| Buffer { name: name.into(), bytes, contents };
    let mut buffers = vec![
        buffer("points", 4 * terms, Contents::Constant("points".into())),
        buffer("values", 4 * u64::from(points), Contents::Poison),
    ];
    let kernel = |entry: &str| {
        let sizes = [("POINTS", points), ("DIMENSION", dimension), ("WORKGROUP_SIZE", workgroup_size)];
        let mut constants: BTreeMap<String, f64> = sizes.map(|(name, value)| (name.into(), value.into())).into();
        // What becomes of terms is the same function's business as the terms.
        constants.insert("FUNCTION".into(), function as f64);
        Kernel {
            shader: "rollout/controls.wgsl".into(),
            entry: entry.into(),
            constants,
            workgroup_size,
            workgroup_bytes: if entry == "map" { 0 } else { 8 * u64::from(workgroup_size) },
            subgroup_size: 0,
            workgroups_together: 1,
            checks: Checks::Bounds,
        }
    };
    let whole =
        |buffers: &[Buffer], order: [usize; 2]| order.map(|buffer| Binding::whole(buffer, &buffers[buffer])).to_vec();
    let of_points = u64::from(points).min(MOST_WORKGROUPS) as u32;
    let (kernels, dispatches) = if arm == Arm::Fused {
        let bindings = whole(&buffers, [0, 1]);
        (vec![kernel("fused")], vec![Dispatch { kernel: 0, bindings, workgroups: of_points }])
    } else {
        buffers.push(buffer("terms", 8 * terms, Contents::Scratch));
        let of_terms = terms.div_ceil(workgroup_size.into()).min(MOST_WORKGROUPS) as u32;
        let map = Dispatch { kernel: 0, bindings: whole(&buffers, [0, 2]), workgroups: of_terms };
        let reduce = Dispatch { kernel: 1, bindings: whole(&buffers, [2, 1]), workgroups: of_points };
        (vec![kernel("map"), kernel("reduce")], vec![map, reduce])
    };
    Program {
        name: format!("{} {}", NAMES[function], arm.name()),
        buffers,
        kernels,
        phases: vec![Phase { name: "evaluation".into(), repeat: 1, dispatches }],
        outputs: vec!["values".into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minima, and values worked out by hand.
    #[test]
    fn known_values() {
        for function in [0, 1, 2, 4] {
            assert!(value(function, &[0.0; 7]).abs() < 1e-12, "{}", NAMES[function]);
        }
        assert!(value(3, &[420.968_746; 5]).abs() < 1e-3);
        assert_eq!(value(0, &[1.0, -2.0]), 5.0);
        assert!((value(1, &[0.5, 1.0]) - (20.0 + 0.25 + 10.0 + 1.0 - 10.0)).abs() < 1e-12);
        assert!((value(4, &[0.0, 2.0]) - (1.0 + 0.001 - 2f64.sqrt().cos())).abs() < 1e-12);
        let ackley = 20.0 + E - 20.0 * (-0.2f64).exp() - E;
        assert!((value(2, &[1.0, -1.0]) - ackley).abs() < 1e-12);
    }
}
