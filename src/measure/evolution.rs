//! Runs an evolution on a device, and tries what came of it.

use super::episodes::{found, prepare};
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Error, Result};
use crate::program::Policy;
use crate::statistics::median;
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::evolution::{Evolution, Generation};
use crate::workload::rollout::gate::{Gate, Reference};
use crate::workload::rollout::population::Population;
use crate::workload::rollout::{Arm, Tuning};

/// Threads in a workgroup of every kernel of an evolution.
pub const WORKGROUP_SIZE: u32 = 64;

/// What came of an evolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Evolved {
    /// The best policy.
    pub genome: Vec<f32>,
    pub generations: Vec<Generation>,
    /// Wall time of all generations.
    pub wall_ns: u64,
}

/// Evolves until the best mean return is at least `until`, or to the last generation; `news` hears of the generations so far.
pub fn evolve(
    gpu: &Gpu,
    evolution: &Evolution,
    until: Option<f64>,
    news: &mut dyn FnMut(&[Generation]),
) -> Result<Evolved> {
    let program = evolution.program(WORKGROUP_SIZE);
    let prepared = prepare(gpu, &program, || evolution.blocks())?;
    // The first run may compile; it is forgotten.
    prepared.run(Policy::OneSubmit)?;
    let mut wall_ns = 0;
    let mut generations: Vec<Generation> = Vec::new();
    while (generations.len() as u32) < evolution.generations && reached(&generations, until).is_none() {
        let policy = Policy::OneSubmit;
        let timing = if generations.is_empty() { prepared.run(policy)? } else { prepared.go_on(policy)? };
        wall_ns += timing.wall_ns;
        let done = generations.len() as u32 + evolution.at_once;
        generations = evolution.history(&prepared.read("history")?, done);
        news(&generations);
    }
    let genome: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("best")?);
    let finite = |generation: &Generation| generation.best.is_finite() && generation.mean.is_finite();
    if !genome.iter().all(|gene| gene.is_finite()) || !generations.iter().all(finite) {
        return Err(Error::check(format!("{}: the evolution left numbers that are not finite", gpu.info.name)));
    }
    Ok(Evolved { genome, generations, wall_ns })
}

/// The first generation whose best mean return is at least `until`.
pub fn reached(generations: &[Generation], until: Option<f64>) -> Option<usize> {
    let until = until?;
    generations.iter().position(|generation| f64::from(generation.best) >= until)
}

/// Returns of a policy from `episodes` initial states drawn from a seed, checked against the oracle.
pub fn returns_of(
    gpu: &Gpu,
    environment: &Environment,
    genome: &[f32],
    episodes: u32,
    seed: u64,
    tolerance: f64,
) -> Result<Vec<f64>> {
    let (returns, gate) = tried(gpu, environment, genome, (episodes, environment.steps), seed, tolerance)?;
    match gate.reason.is_empty() {
        true => Ok(returns),
        false => Err(Error::check(format!("a policy's episodes do not match the f64 oracle: {}", gate.reason))),
    }
}

/// The same over `steps` steps at most, and what the check found.
pub fn tried(
    gpu: &Gpu,
    environment: &Environment,
    genome: &[f32],
    (episodes, steps): (u32, u32),
    seed: u64,
    tolerance: f64,
) -> Result<(Vec<f64>, Gate)> {
    let mut population = Population::random(environment, episodes, seed);
    population.genomes = genome.iter().flat_map(|&gene| std::iter::repeat_n(gene, episodes as usize)).collect();
    let program = Arm::WHOLE.program(environment, episodes, steps, &TUNING);
    let prepared = Prepared::new(gpu, &program, &population.blocks(environment))?;
    prepared.run(Policy::OneSubmit)?;
    let found = found(&prepared)?;
    let gate = Reference::new(environment, &population, steps, tolerance).check(&found);
    Ok((found.episodes.iter().map(|episode| episode.episode_return.into()).collect(), gate))
}

const TUNING: Tuning = Tuning::of(WORKGROUP_SIZE);

/// Steps and median wall time in nanoseconds of the first generation's evaluation by itself, an episode each.
pub fn evaluation_alone(gpu: &Gpu, evolution: &Evolution) -> Result<(u64, f64)> {
    let Evolution { environment, population, steps, seed, .. } = *evolution;
    let drawn = Population::random(environment, population, seed);
    let program = Arm::WHOLE.program(environment, population, steps, &TUNING);
    let prepared = Prepared::new(gpu, &program, &drawn.blocks(environment))?;
    prepared.run(Policy::OneSubmit)?;
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(prepared.run(Policy::OneSubmit)?.wall_ns as f64);
    }
    Ok((found(&prepared)?.steps(), median(&times).unwrap_or(f64::INFINITY)))
}
