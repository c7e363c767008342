//! Measures a case that has no policy: bodies, points of a test function, or draws.

use super::calibration::{Calibrator, Turns};
use super::case::{Judge, Made, Measured, Subject, does_not_run, measure_case as measure};
use super::rollout_rows::{case_row, rollout_row};
use crate::cases::entries::Entry;
use crate::cases::rollout::task_entries;
use crate::cases::verdict::Verdict;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::Result;
use crate::program::{Policy, Program};
use crate::protocol::Plan;
use crate::record::rows::{Case, ResultRow};
use crate::spec::{RolloutCase, Spec};
use crate::workload::rollout::nbody;
use crate::workload::rollout::task::{Arm, Task};

/// Workgroup sizes that calibration tries; a software device gets the first alone.
const WORKGROUP_SIZES: [u32; 4] = [64, 128, 256, 512];

pub fn measure_case(
    gpu: &Gpu,
    spec: &Spec,
    plan: &Plan,
    (case, task): (&RolloutCase, &Task),
    step: &dyn Fn(u64),
) -> Result<Measured> {
    measure(gpu, plan, &TaskCase { gpu, spec, case, task }, step)
}

struct TaskCase<'a> {
    gpu: &'a Gpu,
    spec: &'a Spec,
    case: &'a RolloutCase,
    task: &'a Task,
}

impl Subject for TaskCase<'_> {
    type Arm = Arm;

    fn case(&self) -> Case {
        case_row(self.case, self.task.sha256.clone(), String::new())
    }

    fn entries(&self) -> Result<Vec<Entry<Arm>>> {
        task_entries(self.spec)
    }

    fn row(&self, &(arm, policy, replica): &Entry<Arm>) -> ResultRow {
        let mut row = rollout_row(self.spec, self.case, (arm.name(), self.task.span(arm)), policy, replica);
        row.unit = self.task.unit.into();
        row
    }

    fn objection(&self, arm: &Arm) -> Option<String> {
        if !self.task.arms.contains(arm) {
            return Some(format!("{} has no such arm: {}", self.case.environment, self.task.other_arms));
        }
        self.fitting(*arm).err().map(does_not_run)
    }

    fn make(&self, arms: &[Arm]) -> Result<Made<'_>> {
        let mut calibrator = Calibrator::new(self.gpu);
        let mut programs = Vec::new();
        for &arm in arms {
            let choices = self.fitting(arm).unwrap_or_default();
            let choices = choices.into_iter().map(|program| (program.clone(), program)).collect();
            let fastest = calibrator.fastest(arm.name(), choices, &self.task.blocks, Turns::OneByOne)?;
            programs.extend(fastest.map(|program| (program, self.task.blocks.clone())));
        }
        let units = u64::from(self.case.population) * u64::from(self.case.steps);
        let judge = Box::new(Expected { task: self.task, units, tolerance: self.spec.tolerance });
        Ok(Made { programs, weights_sha256: self.task.sha256.clone(), judge })
    }
}

impl TaskCase<'_> {
    /// The programs of an arm in the workgroup sizes that fit; or why none does.
    fn fitting(&self, arm: Arm) -> std::result::Result<Vec<Program>, String> {
        let sizes = if self.gpu.info.is_software { &WORKGROUP_SIZES[..1] } else { &WORKGROUP_SIZES[..] };
        let mut fitting = Vec::new();
        let mut objection = String::from("no workgroup size fits");
        for &size in sizes {
            if self.case.environment == "nbody" && !nbody::fits(self.case.population, size) {
                objection = format!("{} bodies are too many for a workgroup", self.case.population);
                continue;
            }
            let program = (self.task.program)(arm, size);
            match self.gpu.objection(&program) {
                Some(reason) => objection = reason,
                None => fitting.push(program),
            }
        }
        if fitting.is_empty() { Err(objection) } else { Ok(fitting) }
    }
}

struct Expected<'a> {
    task: &'a Task,
    units: u64,
    tolerance: f64,
}

impl Judge for Expected<'_> {
    fn describe(&self, _: usize, _: Policy, _: &Prepared, row: &mut ResultRow) -> Result<()> {
        row.units = self.units;
        row.multiply_adds = self.units * self.task.multiply_adds_per_unit;
        row.min_bytes = self.task.min_bytes;
        Ok(())
    }

    fn verdict(&mut self, _: usize, prepared: &Prepared) -> Result<Verdict> {
        let output = prepared.read(&prepared.program().outputs[0])?;
        let verdict = Verdict::of_error(self.task.error(&output), self.tolerance, "its range", self.units);
        Ok(Verdict { ranking: self.task.ranking(&output), ..verdict })
    }
}
