//! Measures a case that has no policy: its arms are tuned by a short calibration, checked against the oracle, and timed.

use super::case::{Candidate, Measured, Verdict, measure};
use super::rollout_rows::{case_row, rollout_row};
use crate::cases::rollout::task_entries;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Result, Within};
use crate::program::{Policy, Program};
use crate::protocol::Plan;
use crate::record::rows::ResultRow;
use crate::shaders;
use crate::spec::{RolloutCase, Spec};
use crate::workload::rollout::nbody;
use crate::workload::rollout::task::{Arm, Task};

const WORKGROUP_SIZES: [u32; 4] = [64, 128, 256, 512];
/// Runs of a calibration, the fastest of which counts.
const CALIBRATION_RUNS: u32 = 5;

/// An arm as it will be timed, or why it cannot be.
struct Tuned {
    arm: Arm,
    program: std::result::Result<Program, String>,
}

pub fn measure_case(
    gpu: &Gpu,
    spec: &Spec,
    plan: &Plan,
    (case, task): (&RolloutCase, &Task),
    step: &dyn Fn(u64),
) -> Result<Measured> {
    let entries = task_entries(spec)?;
    let mut arms: Vec<Arm> = entries.iter().map(|(arm, ..)| *arm).collect();
    arms.dedup();
    let tuned: Vec<Tuned> = arms
        .into_iter()
        .map(|arm| Ok(Tuned { arm, program: tune(gpu, case, task, arm)? }))
        .collect::<Result<_>>()
        .within(&case.name)?;
    let mut prepared = Vec::new();
    for tuned in &tuned {
        if let Ok(program) = &tuned.program {
            prepared.push((tuned.arm, program, Prepared::new(gpu, program, &task.blocks).within(&case.name)?));
        }
    }
    let mut candidates = Vec::new();
    let mut refused = Vec::new();
    for (arm, policy, replica) in entries {
        let mut row = rollout_row(spec, case, (arm.name(), task.span(arm)), policy, replica);
        row.unit = task.unit.into();
        match prepared.iter().find(|(prepared, ..)| *prepared == arm) {
            Some((_, program, prepared)) => {
                let traffic = program.traffic(policy);
                row.units = u64::from(case.population) * u64::from(case.steps);
                row.workgroup_size = program.kernels[0].workgroup_size;
                (row.dispatches, row.submits, row.waits) = (traffic.dispatches, traffic.submits, traffic.waits);
                row.multiply_adds = row.units * task.multiply_adds_per_unit;
                row.min_bytes = task.min_bytes;
                row.program_sha256 = program.sha256();
                row.shaders_sha256 = shaders::sha256(program);
                candidates.push(Candidate { prepared, policy, row });
            }
            None => {
                let why = tuned.iter().find(|tuned| tuned.arm == arm).and_then(|tuned| tuned.program.as_ref().err());
                refused.push(ResultRow { reason: why.cloned().unwrap_or_default(), ..row });
            }
        }
    }
    step(u64::from(plan.samples) * refused.len() as u64);
    let mut check = |candidate: &Candidate| {
        let found = prepared.iter().find(|(arm, ..)| arm.name() == candidate.row.key.arm);
        let Some((_, program, _)) = found else {
            return Ok(Verdict { error: None, reason: "no such arm".into(), ranking: None });
        };
        let output = candidate.prepared.read(&program.outputs[0])?;
        let error = task.error(&output);
        let reason = match error {
            Some(error) if error <= spec.tolerance => String::new(),
            Some(error) => format!("the output is off by {error:.1e} of its range"),
            None => "the output is not finite or not whole".into(),
        };
        Ok(Verdict { error, reason, ranking: task.ranking(&output) })
    };
    let (mut results, samples) = measure(plan, candidates, &mut check, step).within(&case.name)?;
    results.extend(refused);
    Ok(Measured { case: case_row(case, task.sha256.clone(), String::new()), results, samples })
}

/// The program in the workgroup size that is fastest; or why there is none.
fn tune(gpu: &Gpu, case: &RolloutCase, task: &Task, arm: Arm) -> Result<std::result::Result<Program, String>> {
    if !task.arms.contains(&arm) {
        return Ok(Err(format!("{} has no such arm: {}", case.environment, task.other_arms)));
    }
    let sizes = if gpu.info.is_software { &WORKGROUP_SIZES[..1] } else { &WORKGROUP_SIZES[..] };
    let mut best: Option<(u64, Program)> = None;
    let mut objection = String::from("no workgroup size fits");
    for &size in sizes {
        let program = (task.program)(arm, size);
        if case.environment == "nbody" && !nbody::fits(case.population, size) {
            objection = format!("{} bodies are too many for a workgroup", case.population);
            continue;
        }
        if let Some(reason) = gpu.objection(&program) {
            objection = reason;
            continue;
        }
        let prepared = Prepared::new(gpu, &program, &task.blocks)?;
        // A first run may still compile.
        let mut fastest = prepared.run(Policy::OneSubmit)?.wall_ns;
        for _ in 0..if sizes.len() > 1 { CALIBRATION_RUNS } else { 0 } {
            fastest = fastest.min(prepared.run(Policy::OneSubmit)?.wall_ns);
        }
        drop(prepared);
        if best.as_ref().is_none_or(|(time, _)| fastest < *time) {
            best = Some((fastest, program));
        }
    }
    Ok(best.map(|(_, program)| program).ok_or_else(|| format!("does not run on this device: {objection}")))
}
