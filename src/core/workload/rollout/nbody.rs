//! Bodies under each other's gravity, softened (Plummer), by semi-implicit Euler: v += a dt, x += v dt. Every step of every
//! body needs every other body, and yet it fits one workgroup whole. The twin of `shaders/rollout/nbody.wgsl`.

use std::collections::BTreeMap;

use super::Span;
use super::task::{Arm, Task};
use crate::digest::sha256_hex;
use crate::philox::{key, philox4x32};
use crate::program::{Binding, Blocks, Buffer, Checks, Contents, Dispatch, Kernel, Phase, Program};

const STEP_S: f64 = 0.01;
/// Square of the softening length.
const SOFTENING: f64 = 0.01;
/// Most bodies of a thread of the fused arm: the size of an array in its registers.
const MOST_EACH: u32 = 64;

/// Position and mass, and velocity, four numbers a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Bodies<T> {
    pub positions: Vec<[T; 4]>,
    pub velocities: Vec<[T; 4]>,
}

/// Bodies of mass 1 / `count`, uniform in a cube of side 2 around the origin, as slow as they are light; momentum is not 0.
pub fn random(count: u32, seed: u64) -> Bodies<f32> {
    let uniform = |word: u32| (word >> 8) as f32 / (1u32 << 23) as f32 - 1.0;
    let draw = |body: u32, stream: u32, size: f32, last: f32| {
        let [x, y, z, _] = philox4x32([body, 0, stream, 0], key(seed)).map(|word| size * uniform(word));
        [x, y, z, last]
    };
    let mass = 1.0 / count as f32;
    Bodies {
        positions: (0..count).map(|body| draw(body, 0, 1.0, mass)).collect(),
        velocities: (0..count).map(|body| draw(body, 1, 0.1, 0.0)).collect(),
    }
}

/// One step of `seconds` in f64.
pub fn step(bodies: &mut Bodies<f64>, seconds: f64) {
    for (place, velocity) in bodies.positions.iter().zip(&mut bodies.velocities) {
        for other in &bodies.positions {
            let way: [f64; 3] = std::array::from_fn(|axis| other[axis] - place[axis]);
            let nearness = (way.iter().map(|length| length * length).sum::<f64>() + SOFTENING).powf(-1.5);
            (0..3).for_each(|axis| velocity[axis] += seconds * other[3] * nearness * way[axis]);
        }
    }
    for (place, velocity) in bodies.positions.iter_mut().zip(&bodies.velocities) {
        (0..3).for_each(|axis| place[axis] += seconds * velocity[axis]);
    }
}

impl Bodies<f32> {
    pub fn exact(&self) -> Bodies<f64> {
        let exact = |rows: &[[f32; 4]]| rows.iter().map(|row| row.map(f64::from)).collect();
        Bodies { positions: exact(&self.positions), velocities: exact(&self.velocities) }
    }
}

impl Bodies<f64> {
    /// Kinetic and potential energy together; every mass is that of the first body.
    pub fn energy(&self) -> f64 {
        let mass = self.positions[0][3];
        let kinetic: f64 =
            self.velocities.iter().flat_map(|velocity| &velocity[..3]).map(|speed| 0.5 * mass * speed * speed).sum();
        let mut potential = 0.0;
        for (index, place) in self.positions.iter().enumerate() {
            for other in &self.positions[..index] {
                let square: f64 = (0..3).map(|axis| (other[axis] - place[axis]).powi(2)).sum();
                potential -= mass * mass / (square + SOFTENING).sqrt();
            }
        }
        kinetic + potential
    }

    pub fn momentum(&self) -> [f64; 3] {
        std::array::from_fn(|axis| {
            self.positions.iter().zip(&self.velocities).map(|(place, velocity)| place[3] * velocity[axis]).sum()
        })
    }
}

pub fn task(count: u32, steps: u32, seed: u64) -> Task {
    let bodies = random(count, seed);
    let mut after = bodies.exact();
    (0..steps).for_each(|_| step(&mut after, STEP_S));
    let words = |rows: &[[f32; 4]]| rows.iter().flatten().map(|value| value.to_bits()).collect::<Vec<u32>>();
    let (positions, velocities) = (words(&bodies.positions), words(&bodies.velocities));
    let sha256 = sha256_hex(bytemuck::cast_slice(&[positions.clone(), velocities.clone()].concat()));
    Task {
        arms: &[Arm::Stepwise, Arm::Fused],
        other_arms: "a step of bodies is one operation",
        stepwise: Span::Step,
        program: Box::new(move |arm, workgroup_size| {
            program(arm, count, steps, workgroup_size, (positions.clone(), velocities.clone()))
        }),
        blocks: Blocks::new(),
        sha256,
        expected: after.positions.into_iter().flatten().collect(),
        scale: 1.0,
        is_whole: false,
        unit: "body step",
        is_fitness: false,
        // Of each other body: the way, its square, the weight, the sum; then velocity and place.
        multiply_adds_per_unit: u64::from(count) * (3 + 3 + 3 + 3) + 6,
        // Positions and velocities, read and written.
        min_bytes: 4 * 16 * u64::from(count),
    }
}

fn program(
    arm: Arm,
    count: u32,
    steps: u32,
    workgroup_size: u32,
    (positions, velocities): (Vec<u32>, Vec<u32>),
) -> Program {
    let bytes = 16 * u64::from(count);
    let buffer = |name: &str, contents: Contents| Buffer { name: name.into(), bytes, contents };
    let mut constants: BTreeMap<String, f64> =
        [("BODIES", count), ("WORKGROUP_SIZE", workgroup_size)].map(|(name, value)| (name.into(), value.into())).into();
    let mut buffers =
        vec![buffer("positions", Contents::Words(positions)), buffer("velocities", Contents::Words(velocities))];
    let bound = |order: &[usize]| {
        order.iter().map(|&buffer| Binding { buffer, offset: 0, bytes, stride: 0 }).collect::<Vec<_>>()
    };
    let phase = |bindings, workgroups| Phase {
        name: "steps".into(),
        repeat: 1,
        dispatches: vec![Dispatch { kernel: 0, bindings, workgroups }],
    };
    let fused = arm == Arm::Fused;
    let phases = if fused {
        constants.insert("STEPS".into(), steps.into());
        constants.insert("EACH".into(), count.div_ceil(workgroup_size).into());
        vec![phase(bound(&[0, 1]), 1)]
    } else {
        buffers.push(buffer("moved", Contents::Poison));
        let order = |step: u32| if step.is_multiple_of(2) { bound(&[0, 1, 2]) } else { bound(&[2, 1, 0]) };
        (0..steps).map(|step| phase(order(step), count.div_ceil(workgroup_size))).collect()
    };
    let last = if fused || steps.is_multiple_of(2) { "positions" } else { "moved" };
    Program {
        name: format!("nbody {}", arm.name()),
        buffers,
        kernels: vec![Kernel {
            shader: "rollout/nbody.wgsl".into(),
            entry: if fused { "fused" } else { "one_step" }.into(),
            constants,
            workgroup_size,
            workgroup_bytes: if fused { bytes } else { 0 },
            subgroup_size: 0,
            workgroups_together: 1,
            checks: Checks::Bounds,
        }],
        phases,
        outputs: vec![last.into(), "velocities".into()],
    }
}

/// Whether the fused arm can hold so many bodies in workgroups of this size.
pub fn fits(count: u32, workgroup_size: u32) -> bool {
    count.div_ceil(workgroup_size) <= MOST_EACH
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newton's third law to rounding; and an energy that the method keeps to its first order, through the collapse of a cloud
    /// that starts cold: a quarter of the step, a quarter of the drift.
    #[test]
    fn momentum_and_energy_are_kept() {
        let drifts = [1, 4].map(|finer: u32| {
            let mut bodies = random(64, 3).exact();
            let (energy, momentum) = (bodies.energy(), bodies.momentum());
            (0..200 * finer).for_each(|_| step(&mut bodies, STEP_S / f64::from(finer)));
            let drift =
                bodies.momentum().iter().zip(momentum).map(|(now, then)| (now - then).abs()).fold(0.0, f64::max);
            assert!(drift < 1e-14, "{drift:e}");
            assert!(momentum.iter().any(|part| part.abs() > 1e-4), "there is something to keep");
            (bodies.energy() / energy - 1.0).abs()
        });
        assert!(drifts[0] < 0.06 && (3.0..5.0).contains(&(drifts[0] / drifts[1])), "{drifts:?}");
    }

    /// Two bodies at rest fall together symmetrically; the first step by hand.
    #[test]
    fn two_bodies_by_hand() {
        let mut bodies =
            Bodies { positions: vec![[-0.5, 0.0, 0.0, 0.5], [0.5, 0.0, 0.0, 0.5]], velocities: vec![[0.0; 4]; 2] };
        step(&mut bodies, STEP_S);
        let velocity = STEP_S * 0.5 / (1.0 + SOFTENING).powf(1.5);
        assert!((bodies.velocities[0][0] - velocity).abs() < 1e-15);
        assert!((bodies.positions[0][0] - (-0.5 + STEP_S * velocity)).abs() < 1e-15);
        assert_eq!(bodies.positions[1][0], -bodies.positions[0][0]);
    }
}
