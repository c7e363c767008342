//! Measures a rollout case: arms are tuned by a short calibration, checked against the oracle, and timed.

use std::cell::RefCell;

use super::case::{Candidate, Measured, Verdict, measure};
use super::episodes::{check_single, found};
use super::rollout_rows::{case_row, rollout_row};
use super::{evolution_case, task};
use crate::cases::rollout::{entries, priced, task_of};
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Result, Within};
use crate::program::{Blocks, Policy, Program};
use crate::protocol::Plan;
use crate::record::rows::ResultRow;
use crate::shaders;
use crate::spec::{RolloutCase, Spec};
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::gate::{Gate, Reference};
use crate::workload::rollout::population::Population;
use crate::workload::rollout::{Arm, Tuning, cost};

/// Workgroup sizes that calibration tries; a software device gets the first alone.
const WORKGROUP_SIZES: [u32; 3] = [64, 128, 256];
/// Steps of a calibration run, as far as the case has so many.
const CALIBRATION_STEPS: u32 = 50;
/// How long a workgroup size is tried; its fastest run counts.
const CALIBRATION_NS: f64 = 50e6;

/// An arm as it will be timed.
struct Tuned {
    arm: Arm,
    tuning: Tuning,
    program: Program,
}

/// Measures one case of a spec.
pub fn measure_case(gpu: &Gpu, spec: &Spec, plan: &Plan, case: &RolloutCase, step: &dyn Fn(u64)) -> Result<Measured> {
    if let Some(task) = task_of(case) {
        return task::measure_case(gpu, spec, plan, (case, &task), step);
    }
    let priced = priced(spec, case)?;
    let (environment, prices_sha256) = match &priced {
        Some((environment, sha256)) => (environment, sha256.clone()),
        None => (Environment::named(&case.environment)?, String::new()),
    };
    if case.generations > 0 {
        return evolution_case::measure_case(gpu, spec, plan, (case, environment, prices_sha256), step);
    }
    let entries = entries(spec, case)?;
    let mut arms: Vec<Arm> = entries.iter().map(|(arm, ..)| *arm).collect();
    arms.dedup();
    // What does not fit is known before a population is made, which may be more than the host can hold.
    let objection = |arm: Arm| {
        let tuning = Tuning { workgroup_size: WORKGROUP_SIZES[0], traced: false };
        gpu.objection(&arm.program(environment, case.population, case.steps, &tuning))
    };
    let refused: Vec<(Arm, String)> = arms.iter().filter_map(|&arm| Some((arm, objection(arm)?))).collect();
    let mut rows_of_refused = Vec::new();
    for &(arm, policy, replica) in &entries {
        if let Some((_, objection)) = refused.iter().find(|(refused, _)| *refused == arm) {
            let reason = format!("does not run on this device: {objection}");
            rows_of_refused
                .push(ResultRow { reason, ..rollout_row(spec, case, (&arm.name(), arm.span()), policy, replica) });
        }
    }
    step(u64::from(plan.samples) * rows_of_refused.len() as u64);
    arms.retain(|arm| refused.iter().all(|(refused, _)| refused != arm));
    if arms.is_empty() {
        return Ok(Measured {
            case: case_row(case, String::new(), prices_sha256),
            results: rows_of_refused,
            samples: Vec::new(),
        });
    }

    let population = Population::random(environment, case.population, case.seed);
    let blocks = population.blocks(environment);
    let tuned = tuned(gpu, environment, case, &blocks, &arms)?;
    let prepared: Vec<Prepared> = tuned
        .iter()
        .map(|tuned| Prepared::new(gpu, &tuned.program, &blocks))
        .collect::<Result<_>>()
        .within(&case.name)?;
    let mut candidates = Vec::new();
    for (arm, policy, replica) in entries {
        if let Some(index) = tuned.iter().position(|tuned| tuned.arm == arm) {
            let mut row = rollout_row(spec, case, (&arm.name(), arm.span()), policy, replica);
            // How many steps there are is only known once they were made.
            prepared[index].run(Policy::OneSubmit)?;
            row.units = found(&prepared[index])?.steps();
            describe(&mut row, &tuned[index], environment, case.population, policy);
            candidates.push(Candidate { prepared: &prepared[index], policy, row });
        }
    }

    let reference = Reference::new(environment, &population, case.steps, spec.tolerance);
    // An arm's single steps are checked once: its kernels do not change.
    let singles: RefCell<Vec<(Arm, Gate)>> = RefCell::default();
    let single = |tuned: &Tuned| -> Result<Gate> {
        if let Some((_, gate)) = singles.borrow().iter().find(|(arm, _)| *arm == tuned.arm) {
            return Ok(gate.clone());
        }
        let gate = check_single(gpu, environment, tuned.arm, &tuned.tuning, &reference)?;
        singles.borrow_mut().push((tuned.arm, gate.clone()));
        Ok(gate)
    };
    let mut check = |candidate: &Candidate| {
        let Some(tuned) = tuned.iter().find(|tuned| tuned.arm.name() == candidate.row.key.arm) else {
            return Ok(Verdict { error: None, reason: "no such arm".into(), ranking: None });
        };
        let found = found(candidate.prepared)?;
        let steps = found.steps();
        let Gate { error, mut reason, .. } = single(tuned)?.and(reference.check(&found));
        if reason.is_empty() && steps != candidate.row.units {
            reason = format!("{steps} steps, {} in another run", candidate.row.units);
        }
        Ok(Verdict { error, reason, ranking: Some(reference.ranking(&found)) })
    };
    let (mut results, samples) = measure(plan, candidates, &mut check, step).within(&case.name)?;
    results.extend(rows_of_refused);
    Ok(Measured { case: case_row(case, population.sha256(), prices_sha256), results, samples })
}

/// The arms in the workgroup sizes that suit them. All rungs of the ladder have that of whole episodes: but for what a dispatch
/// covers they are one kernel.
fn tuned(
    gpu: &Gpu,
    environment: &Environment,
    case: &RolloutCase,
    blocks: &Blocks,
    arms: &[Arm],
) -> Result<Vec<Tuned>> {
    let mut known: Vec<(Arm, Tuning)> = Vec::new();
    let mut tuned = Vec::new();
    for &arm in arms {
        let like = if arm == Arm::PerOperation { arm } else { Arm::WHOLE };
        let tuning = match known.iter().find(|(arm, _)| *arm == like) {
            Some((_, tuning)) => *tuning,
            None => tune(gpu, environment, case, blocks, like)?,
        };
        known.push((like, tuning));
        tuned.push(Tuned { arm, tuning, program: arm.program(environment, case.population, case.steps, &tuning) });
    }
    Ok(tuned)
}

/// The workgroup size that is fastest in short runs. One is tried after the other: a population may be there only so often.
fn tune(gpu: &Gpu, environment: &Environment, case: &RolloutCase, blocks: &Blocks, arm: Arm) -> Result<Tuning> {
    let tuning = |workgroup_size| Tuning { workgroup_size, traced: false };
    let sizes = if gpu.info.is_software { &WORKGROUP_SIZES[..1] } else { &WORKGROUP_SIZES[..] };
    let steps = case.steps.min(CALIBRATION_STEPS);
    let mut best = (f64::INFINITY, tuning(WORKGROUP_SIZES[0]));
    for tuning in sizes.iter().map(|&size| tuning(size)).filter(|_| sizes.len() > 1) {
        let program = arm.program(environment, case.population, steps, &tuning);
        if gpu.objection(&program).is_some() {
            continue;
        }
        let prepared = Prepared::new(gpu, &program, blocks)?;
        // A first run may still compile.
        prepared.run(Policy::OneSubmit)?;
        let mut elapsed_ns = 0.0;
        while elapsed_ns < CALIBRATION_NS {
            let wall_ns = prepared.run(Policy::OneSubmit)?.wall_ns as f64;
            elapsed_ns += wall_ns;
            if wall_ns < best.0 {
                best = (wall_ns, tuning);
            }
        }
    }
    Ok(best.1)
}

/// Fills in what is known of an arm once its steps are counted.
fn describe(row: &mut ResultRow, tuned: &Tuned, environment: &Environment, population: u32, policy: Policy) {
    let traffic = tuned.program.traffic(policy);
    row.workgroup_size = tuned.tuning.workgroup_size;
    (row.dispatches, row.submits, row.waits) = (traffic.dispatches, traffic.submits, traffic.waits);
    row.multiply_adds = row.units * cost::multiply_adds_per_step(&tuned.program, environment);
    row.min_bytes = cost::min_bytes(environment, population);
    row.program_sha256 = tuned.program.sha256();
    row.shaders_sha256 = shaders::sha256(&tuned.program);
}
