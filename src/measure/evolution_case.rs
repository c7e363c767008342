//! Measures a case that evolves: evaluation alone, and the whole loop.
//!
//! Both make the same dispatches of the fused arm. Evaluation alone follows the first generation's individuals again and
//! again; with evolution they are bred, scored and ranked in between, and live as long as what they have learnt lets them. So
//! the arms make different numbers of steps, and each row counts its own.

use std::cell::RefCell;

use super::case::{Candidate, Measured, Verdict, measure};
use super::evolution::{WORKGROUP_SIZE, tried};
use super::rollout_rows::{case_row, rollout_row};
use crate::cases::rollout::evolution_entries;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Error, Result, Within};
use crate::program::{Blocks, Program};
use crate::protocol::Plan;
use crate::record::rows::ResultRow;
use crate::shaders;
use crate::spec::{RolloutCase, Spec};
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::evolution::{self, Evolution};
use crate::workload::rollout::gate::{Found, Gate, Reference};
use crate::workload::rollout::population::{Population, initial_states};
use crate::workload::rollout::{Arm, Span, Tuning, cost};

/// Individuals of the first generation that the oracle follows, each from another start as far as there are so many.
const SAMPLE: u32 = 64;
/// States that the best policy has not seen, from which it is tried at the end.
pub const FRESH: u32 = 128;

pub fn measure_case(
    gpu: &Gpu,
    spec: &Spec,
    plan: &Plan,
    (case, environment, prices_sha256): (&RolloutCase, &Environment, String),
    step: &dyn Fn(u64),
) -> Result<Measured> {
    let RolloutCase { population, steps, seed, episodes, generations, .. } = *case;
    let evolution = Evolution { environment, population, steps, episodes, generations, at_once: generations, seed };
    let drawn = Population::random(environment, population, seed);
    let mut blocks: Blocks = evolution.blocks();
    blocks.extend(drawn.blocks(environment));
    let programs = [evolution.evaluation(WORKGROUP_SIZE), evolution.program(WORKGROUP_SIZE)];
    if let Some(objection) = programs.iter().find_map(|program| gpu.objection(program)) {
        return Err(Error::input(format!("{}: does not fit {}: {objection}", case.name, gpu.info.name)));
    }
    let prepared: Vec<Prepared> = programs
        .iter()
        .map(|program| Prepared::new(gpu, program, &blocks))
        .collect::<Result<_>>()
        .within(&case.name)?;
    let sampled = Sampled::of(&evolution, &drawn, spec.tolerance);
    // The best policy is the same after every run, and so is what comes of it.
    let champion: RefCell<Option<(Vec<f32>, Verdict)>> = RefCell::default();

    let mut candidates = Vec::new();
    for (arm, policy, replica) in evolution_entries(spec) {
        let index = usize::from(arm == evolution::ARMS[1]);
        let mut row = rollout_row(spec, case, (&arm, Span::Episode), policy, replica);
        prepared[index].run(policy)?;
        row.units = made(&evolution, &arm, &prepared[index])?;
        describe(&mut row, &evolution, &programs[index]);
        let traffic = programs[index].traffic(policy);
        (row.dispatches, row.submits, row.waits) = (traffic.dispatches, traffic.submits, traffic.waits);
        candidates.push(Candidate { prepared: &prepared[index], policy, row });
    }
    let mut check = |candidate: &Candidate| {
        let (row, prepared) = (&candidate.row, candidate.prepared);
        let steps = made(&evolution, &row.key.arm, prepared)?;
        let mut verdict = if row.key.arm == evolution::ARMS[0] {
            sampled.check(&Found::of_bytes(&prepared.read("episodes")?, &prepared.read("states")?))
        } else {
            let genome: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("best")?);
            let mut champion = champion.borrow_mut();
            match &*champion {
                Some((known, verdict)) if *known == genome => verdict.clone(),
                _ => {
                    let verdict = check_loop(gpu, &evolution, prepared, &genome, spec.tolerance)?;
                    *champion = Some((genome, verdict.clone()));
                    verdict
                }
            }
        };
        if verdict.reason.is_empty() && steps != row.units {
            verdict.reason = format!("{steps} steps, {} in another run", row.units);
        }
        Ok(verdict)
    };
    let (mut results, samples) = measure(plan, candidates, &mut check, step).within(&case.name)?;
    if let Some((genome, _)) = champion.into_inner() {
        let (returns, gate) = tried(gpu, environment, &genome, (FRESH, steps), !seed, spec.tolerance)?;
        let mean = returns.iter().sum::<f64>() / returns.len() as f64;
        for row in results.iter_mut().filter(|row| row.key.arm == evolution::ARMS[1] && row.gate == "pass") {
            row.fresh_return = Some(mean).filter(|_| gate.reason.is_empty());
        }
    }
    Ok(Measured { case: case_row(case, drawn.sha256(), prices_sha256), results, samples })
}

/// Environment steps of the last run.
fn made(evolution: &Evolution, arm: &str, prepared: &Prepared) -> Result<u64> {
    if arm == evolution::ARMS[0] {
        let found = Found::of_bytes(&prepared.read("episodes")?, &[]);
        return Ok(found.steps() * u64::from(evolution.generations));
    }
    let history = evolution.history(&prepared.read("history")?, evolution.generations);
    Ok(history.iter().map(|generation| generation.steps).sum())
}

fn describe(row: &mut ResultRow, evolution: &Evolution, program: &Program) {
    let Evolution { environment, population, steps, .. } = *evolution;
    let fused =
        Arm::WHOLE.program(environment, population, steps, &Tuning { workgroup_size: WORKGROUP_SIZE, traced: false });
    row.workgroup_size = WORKGROUP_SIZE;
    // Of the episodes; breeding and ranking are left out.
    row.multiply_adds = row.units * cost::multiply_adds_per_step(&fused, environment);
    row.min_bytes = cost::min_bytes(environment, population);
    row.program_sha256 = program.sha256();
    row.shaders_sha256 = shaders::sha256(program);
}

/// The loop is right where the best return never falls, and where the best policy, followed by itself from the same starts and
/// checked there, has the return that the last generation gives it.
fn check_loop(
    gpu: &Gpu,
    evolution: &Evolution,
    prepared: &Prepared,
    genome: &[f32],
    tolerance: f64,
) -> Result<Verdict> {
    let fail = |reason: &str| Ok(Verdict { error: None, reason: reason.into(), ranking: None });
    let history = evolution.history(&prepared.read("history")?, evolution.generations);
    let finite = history.iter().all(|generation| generation.best.is_finite() && generation.mean.is_finite());
    let (Some(last), true) = (history.last(), finite && genome.iter().all(|gene| gene.is_finite())) else {
        return fail("the evolution left numbers that are not finite");
    };
    if history.windows(2).any(|pair| pair[1].best < pair[0].best) {
        return fail("the best return fell from one generation to the next");
    }
    let Evolution { environment, steps, episodes, seed, .. } = *evolution;
    let (returns, gate) = tried(gpu, environment, genome, (episodes, steps), seed, tolerance)?;
    let mean = returns.iter().sum::<f64>() / returns.len() as f64;
    let off = (mean - f64::from(last.best)).abs() / (environment.reward * f64::from(steps));
    let error = gate.error.map(|error| error.max(off));
    let reason = match () {
        () if !gate.reason.is_empty() => format!("the best policy: {}", gate.reason),
        () if off > tolerance => {
            format!("the best return is {}, {mean} when its policy is followed by itself", last.best)
        }
        () => String::new(),
    };
    Ok(Verdict { error, reason, ranking: None })
}

/// Some of the first generation's episodes, and what the oracle says of them.
struct Sampled<'a> {
    reference: Reference<'a>,
    /// Of each: the start and the individual.
    places: Vec<(u32, u32)>,
    population: u32,
}

impl<'a> Sampled<'a> {
    fn of(evolution: &Evolution<'a>, drawn: &Population, tolerance: f64) -> Sampled<'a> {
        let Evolution { environment, population, steps, episodes, seed, .. } = *evolution;
        let count = population.min(SAMPLE);
        let places: Vec<(u32, u32)> = (0..count).map(|nth| (nth % episodes, nth * (population / count))).collect();
        let starts = initial_states(environment, episodes, seed);
        let genomes: Vec<f32> = places.iter().flat_map(|&(_, individual)| drawn.genome(individual)).collect();
        let states: Vec<f32> = places
            .iter()
            .flat_map(|&(start, _)| starts.iter().skip(start as usize).step_by(episodes as usize).copied())
            .collect();
        let chosen = Population::of_rows(environment, &genomes, &states);
        Sampled { reference: Reference::new(environment, &chosen, steps, tolerance), places, population }
    }

    /// `found` holds the episodes of all starts, one start after the other; so do the states.
    fn check(&self, found: &Found) -> Verdict {
        let population = self.population as usize;
        let components = found.states.len() / found.episodes.len();
        let episodes = self
            .places
            .iter()
            .map(|&(start, individual)| found.episodes[start as usize * population + individual as usize]);
        let state = |component: usize, (start, individual): (u32, u32)| {
            found.states[(start as usize * components + component) * population + individual as usize]
        };
        let states =
            (0..components).flat_map(|component| self.places.iter().map(move |&place| state(component, place)));
        let chosen = Found { episodes: episodes.collect(), states: states.collect() };
        let Gate { error, reason, .. } = self.reference.check(&chosen);
        Verdict { error, reason, ranking: Some(self.reference.ranking(&chosen)) }
    }
}
