//! What a rollout computes and moves.

use super::environment::Environment;
use super::programs::EPISODE_WORDS;
use crate::program::Program;

/// Multiply-adds of one step of one individual, counted from what the program tells its kernels: matrices (a bias begins a
/// sum) and physics. Divisions, special functions and what surrounds them are left out.
pub fn multiply_adds_per_step(program: &Program, environment: &Environment) -> u64 {
    let Environment { observations, hidden, outputs, physics_multiply_adds, .. } = *environment;
    let network = u64::from(hidden) * u64::from(observations) + u64::from(outputs) * u64::from(hidden);
    let dispatches = program.phases.iter().flat_map(|phase| &phase.dispatches);
    dispatches
        .map(|dispatch| {
            let kernel = &program.kernels[dispatch.kernel];
            let get = |name| kernel.constants[name] as u64;
            match (kernel.shader.as_str(), kernel.entry.as_str()) {
                // Threads that share a policy make the step of the environment each.
                (_, "fused") => network + physics_multiply_adds * u64::from(kernel.subgroup_size.max(1)),
                (_, "advance") => physics_multiply_adds,
                (_, "linear") => get("INPUTS") * get("OUTPUTS"),
                (_, "observe" | "activate" | "choose" | "squash" | "share") => 0,
                (shader, entry) => unreachable!("{entry} of {shader} is not among this workload's kernels"),
            }
        })
        .sum()
}

/// Fewest bytes that follow a population: every genome and initial state read once, every last state and episode written.
pub fn min_bytes(environment: &Environment, population: u32) -> u64 {
    let state = environment.components.len() as u64;
    4 * u64::from(population) * (u64::from(environment.parameters()) + 2 * state + EPISODE_WORDS as u64)
}
