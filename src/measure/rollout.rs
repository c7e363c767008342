//! Measures a rollout case: a population in the workgroup sizes that suit the device, checked against the oracle.

use super::calibration::{Calibrator, Turns};
use super::case::{Judge, Made, Measured, Subject, does_not_run, measure_case as measure};
use super::episodes::{check_single, found};
use super::rollout_rows::{case_row, rollout_row};
use super::{evolution_case, task};
use crate::cases::entries::Entry;
use crate::cases::rollout::{entries, priced, task_of};
use crate::cases::verdict::Verdict;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::Result;
use crate::program::{Blocks, Policy};
use crate::protocol::Plan;
use crate::record::rows::{Case, ResultRow};
use crate::spec::{RolloutCase, Spec};
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::gate::{Gate, Reference};
use crate::workload::rollout::population::Population;
use crate::workload::rollout::{Arm, Tuning, cost};

/// Workgroup sizes that calibration tries; a software device gets the first alone.
const WORKGROUP_SIZES: [u32; 3] = [64, 128, 256];
/// Steps of a calibration run, as far as the case has so many.
const CALIBRATION_STEPS: u32 = 50;

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
    measure(gpu, plan, &Episodes { gpu, spec, case, environment, prices_sha256 }, step)
}

/// Episodes of a population in an environment.
struct Episodes<'a> {
    gpu: &'a Gpu,
    spec: &'a Spec,
    case: &'a RolloutCase,
    environment: &'a Environment,
    prices_sha256: String,
}

impl Subject for Episodes<'_> {
    type Arm = Arm;

    fn case(&self) -> Case {
        case_row(self.case, String::new(), self.prices_sha256.clone())
    }

    fn entries(&self) -> Result<Vec<Entry<Arm>>> {
        entries(self.spec, self.case)
    }

    fn row(&self, &(arm, policy, replica): &Entry<Arm>) -> ResultRow {
        rollout_row(self.spec, self.case, (&arm.name(), arm.span()), policy, replica)
    }

    fn objection(&self, arm: &Arm) -> Option<String> {
        let program =
            arm.program(self.environment, self.case.population, self.case.steps, &Tuning::of(WORKGROUP_SIZES[0]));
        self.gpu.objection(&program).map(does_not_run)
    }

    fn make(&self, arms: &[Arm]) -> Result<Made<'_>> {
        let RolloutCase { population: count, steps, seed, .. } = *self.case;
        let population = Population::random(self.environment, count, seed);
        let blocks = population.blocks(self.environment);
        let tuned = self.tuned(arms, &blocks)?;
        let program = |&(arm, ref tuning): &(Arm, Tuning)| arm.program(self.environment, count, steps, tuning);
        let reference = Reference::new(self.environment, &population, steps, self.spec.tolerance);
        Ok(Made {
            programs: tuned.iter().map(|tuned| (program(tuned), blocks.clone())).collect(),
            weights_sha256: population.sha256(),
            judge: Box::new(Oracle { episodes: self, singles: vec![None; tuned.len()], tuned, reference }),
        })
    }
}

impl Episodes<'_> {
    /// The arms in the workgroup sizes that suit them. All rungs of the ladder have that of whole episodes: but for what a
    /// dispatch covers they are one kernel.
    fn tuned(&self, arms: &[Arm], blocks: &Blocks) -> Result<Vec<(Arm, Tuning)>> {
        let mut calibrator = Calibrator::new(self.gpu);
        let mut known: Vec<(Arm, Tuning)> = Vec::new();
        let mut tuned = Vec::new();
        for &arm in arms {
            let like = if arm == Arm::PerOperation { arm } else { Arm::WHOLE };
            let tuning = match known.iter().find(|(arm, _)| *arm == like) {
                Some((_, tuning)) => *tuning,
                None => self.fastest(&mut calibrator, like, blocks)?,
            };
            known.push((like, tuning));
            tuned.push((arm, tuning));
        }
        Ok(tuned)
    }

    fn fastest(&self, calibrator: &mut Calibrator, arm: Arm, blocks: &Blocks) -> Result<Tuning> {
        let sizes = if self.gpu.info.is_software { &WORKGROUP_SIZES[..1] } else { &WORKGROUP_SIZES[..] };
        let steps = self.case.steps.min(CALIBRATION_STEPS);
        // A software device runs threads one after the other.
        let lanes = if self.gpu.info.is_software { vec![1] } else { arm.lanes(self.environment) };
        let tunings =
            sizes.iter().flat_map(|&size| lanes.iter().map(move |&lanes| Tuning { lanes, ..Tuning::of(size) }));
        let choice = |tuning| (tuning, arm.program(self.environment, self.case.population, steps, &tuning));
        let choices = tunings.map(choice).filter(|(_, program)| self.gpu.objection(program).is_none()).collect();
        // A population may be there only so often.
        let fastest = calibrator.fastest(&arm.name(), choices, blocks, Turns::OneByOne)?;
        Ok(fastest.unwrap_or(Tuning::of(WORKGROUP_SIZES[0])))
    }
}

struct Oracle<'a> {
    episodes: &'a Episodes<'a>,
    /// By arm.
    tuned: Vec<(Arm, Tuning)>,
    reference: Reference<'a>,
    /// Of an arm's single steps, which are checked once: its kernels do not change.
    singles: Vec<Option<Gate>>,
}

impl Judge for Oracle<'_> {
    fn describe(&self, _: usize, _: Policy, prepared: &Prepared, row: &mut ResultRow) -> Result<()> {
        let Episodes { environment, case, .. } = self.episodes;
        // How many steps there are is only known once they were made.
        prepared.run(Policy::OneSubmit)?;
        row.units = found(prepared)?.steps();
        row.multiply_adds = row.units * cost::multiply_adds_per_step(prepared.program(), environment);
        row.min_bytes = cost::min_bytes(environment, case.population);
        let kernels = &prepared.program().kernels;
        row.subgroup_size = kernels.iter().map(|kernel| kernel.subgroup_size).max().unwrap_or(0);
        Ok(())
    }

    fn verdict(&mut self, arm: usize, prepared: &Prepared) -> Result<Verdict> {
        let found = found(prepared)?;
        let single = match &self.singles[arm] {
            Some(gate) => gate.clone(),
            None => {
                let (arm, tuning) = &self.tuned[arm];
                check_single(self.episodes.gpu, self.episodes.environment, *arm, tuning, &self.reference)?
            }
        };
        self.singles[arm] = Some(single.clone());
        let Gate { error, reason, .. } = single.and(self.reference.check(&found));
        Ok(Verdict { error, reason, units: found.steps(), ranking: Some(self.reference.ranking(&found)) })
    }
}
