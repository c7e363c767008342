//! A program that counts what it does, to hold [`super::cost`] to: the same kernels, each of their texts with counters
//! (`shaders/modules/counters.wgsl`).

use super::cost::Work;
use crate::program::Program;
use crate::shaders;

/// The buffer at whose end a program counts.
pub const COUNTS: &str = "exchange";

/// Words of barriers, rounds and multiply-adds.
const COUNTERS: u64 = 3;

/// `program` with counters. What it counts must stay below 2^32.
pub fn program(program: &Program) -> Program {
    let mut counted = program.clone();
    for kernel in &mut counted.kernels {
        kernel.shader += shaders::COUNTED;
    }
    let counts = program.buffer(COUNTS).expect("a program of this workload");
    counted.buffers[counts].bytes += 4 * COUNTERS;
    let dispatches = counted.phases.iter_mut().flat_map(|phase| &mut phase.dispatches);
    for binding in dispatches.flat_map(|dispatch| &mut dispatch.bindings).filter(|binding| binding.buffer == counts) {
        binding.bytes += 4 * COUNTERS;
    }
    counted
}

/// What a run counted, from what it left in [`COUNTS`].
pub fn work(words: &[u32]) -> Work {
    let [.., barriers, rounds, multiply_adds] = words else { return Work::default() };
    Work { barriers: u64::from(*barriers), rounds: u64::from(*rounds), multiply_adds: u64::from(*multiply_adds) }
}
