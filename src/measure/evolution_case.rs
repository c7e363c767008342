//! Measures a case that evolves: evaluation alone, and the whole loop.
//!
//! Both make the same dispatches of the fused arm. Evaluation alone follows the first generation's individuals again and
//! again; with evolution they are bred, scored and ranked in between, and live as long as what they have learnt lets them. So
//! the arms make different numbers of steps, and each row counts its own.

use super::case::{Judge, Made, Measured, Subject, measure_case as measure};
use super::evolution::{WORKGROUP_SIZE, tried};
use super::rollout_rows::{case_row, rollout_row};
use crate::cases::entries::Entry;
use crate::cases::rollout::evolution_entries;
use crate::cases::verdict::Verdict;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Error, Result};
use crate::program::Policy;
use crate::protocol::Plan;
use crate::record::rows::{Case, ResultRow};
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
    measure(gpu, plan, &EvolutionCase { gpu, spec, case, evolution, prices_sha256 }, step)
}

struct EvolutionCase<'a> {
    gpu: &'a Gpu,
    spec: &'a Spec,
    case: &'a RolloutCase,
    evolution: Evolution<'a>,
    prices_sha256: String,
}

impl Subject for EvolutionCase<'_> {
    /// By its name.
    type Arm = String;

    fn case(&self) -> Case {
        case_row(self.case, String::new(), self.prices_sha256.clone())
    }

    fn entries(&self) -> Result<Vec<Entry<String>>> {
        Ok(evolution_entries(self.spec))
    }

    fn row(&self, (arm, policy, replica): &Entry<String>) -> ResultRow {
        rollout_row(self.spec, self.case, (arm, Span::Episode), *policy, *replica)
    }

    /// What does not fit is an error: one arm without the other says nothing.
    fn objection(&self, _: &String) -> Option<String> {
        None
    }

    fn make(&self, arms: &[String]) -> Result<Made<'_>> {
        let Evolution { environment, population, seed, .. } = self.evolution;
        let evaluation = self.evolution.evaluation(WORKGROUP_SIZE);
        let whole = self.evolution.program(WORKGROUP_SIZE);
        if let Some(objection) = [&evaluation, &whole].into_iter().find_map(|program| self.gpu.objection(program)) {
            return Err(Error::input(format!("does not fit {}: {objection}", self.gpu.info.name)));
        }
        let drawn = Population::random(environment, population, seed);
        let mut blocks = self.evolution.blocks();
        blocks.extend(drawn.blocks(environment));
        let program = |arm: &String| if is_whole(arm) { whole.clone() } else { evaluation.clone() };
        let judge = Loop {
            gpu: self.gpu,
            evolution: self.evolution,
            tolerance: self.spec.tolerance,
            arms: arms.to_vec(),
            sampled: Sampled::of(&self.evolution, &drawn, self.spec.tolerance),
            champion: None,
        };
        Ok(Made {
            programs: arms.iter().map(|arm| (program(arm), blocks.clone())).collect(),
            weights_sha256: drawn.sha256(),
            judge: Box::new(judge),
        })
    }
}

/// Whether an arm is the whole loop, and not evaluation alone.
fn is_whole(arm: &str) -> bool {
    arm == evolution::ARMS[1]
}

struct Loop<'a> {
    gpu: &'a Gpu,
    evolution: Evolution<'a>,
    tolerance: f64,
    arms: Vec<String>,
    sampled: Sampled<'a>,
    /// The best policy, which is the same after every run, and so is what comes of it.
    champion: Option<(Vec<f32>, Verdict)>,
}

impl Judge for Loop<'_> {
    fn describe(&self, arm: usize, policy: Policy, prepared: &Prepared, row: &mut ResultRow) -> Result<()> {
        let Evolution { environment, population, steps, .. } = self.evolution;
        let tuning = Tuning::of(WORKGROUP_SIZE);
        let fused = Arm::WHOLE.program(environment, population, steps, &tuning);
        prepared.run(policy)?;
        row.units = made(&self.evolution, &self.arms[arm], prepared)?;
        // Of the episodes; breeding and ranking are left out.
        row.multiply_adds = row.units * cost::multiply_adds_per_step(&fused, environment);
        row.min_bytes = cost::min_bytes(environment, population);
        Ok(())
    }

    fn verdict(&mut self, arm: usize, prepared: &Prepared) -> Result<Verdict> {
        let verdict = match is_whole(&self.arms[arm]) {
            false => self.sampled.check(&Found::of_bytes(&prepared.read("episodes")?, &prepared.read("states")?)),
            true => self.verdict_of_loop(prepared)?,
        };
        Ok(Verdict { units: made(&self.evolution, &self.arms[arm], prepared)?, ..verdict })
    }

    /// The best policy is tried from states that it has not seen.
    fn conclude(&mut self, rows: &mut [ResultRow]) -> Result<()> {
        let Some((genome, _)) = &self.champion else { return Ok(()) };
        let Evolution { environment, steps, seed, .. } = self.evolution;
        let (returns, gate) = tried(self.gpu, environment, genome, (FRESH, steps), !seed, self.tolerance)?;
        let mean = returns.iter().sum::<f64>() / returns.len() as f64;
        for row in rows.iter_mut().filter(|row| is_whole(&row.key.arm) && row.gate == "pass") {
            row.fresh_return = Some(mean).filter(|_| gate.reason.is_empty());
        }
        Ok(())
    }
}

impl Loop<'_> {
    fn verdict_of_loop(&mut self, prepared: &Prepared) -> Result<Verdict> {
        let genome: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("best")?);
        if let Some((known, verdict)) = &self.champion
            && *known == genome
        {
            return Ok(verdict.clone());
        }
        let verdict = check_loop(self.gpu, &self.evolution, prepared, &genome, self.tolerance)?;
        self.champion = Some((genome, verdict.clone()));
        Ok(verdict)
    }
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

/// The loop is right where the best return never falls, and where the best policy, followed by itself from the same starts and
/// checked there, has the return that the last generation gives it.
fn check_loop(
    gpu: &Gpu,
    evolution: &Evolution,
    prepared: &Prepared,
    genome: &[f32],
    tolerance: f64,
) -> Result<Verdict> {
    let fail = |reason: &str| Ok(Verdict::failed(reason));
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
    Ok(Verdict::of(error, reason, 0))
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
        Verdict { error, reason, units: 0, ranking: Some(self.reference.ranking(&chosen)) }
    }
}
