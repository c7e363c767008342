//! Measures the controls of a device: one case.

use super::case::{Judge, Made, Measured, Subject, blank_row, measure_case};
use crate::cases::entries::Entry;
use crate::cases::verdict::Verdict;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::Result;
use crate::program::Policy;
use crate::protocol::Plan;
use crate::record::rows::{Case, ResultRow};
use crate::workload::control::{Control, Scale, controls};

/// Rows of a control case: each control, and the last one once more as A/A. One fewer where no workgroups wait for each
/// other.
pub const ROWS: u64 = 10;

/// `case` is its name; `tolerance` is the spec's: of a value relative to the value expected.
pub fn measure_controls(gpu: &Gpu, plan: &Plan, case: &str, tolerance: f64, step: &dyn Fn(u64)) -> Result<Measured> {
    let binding_bytes = gpu.device.limits().max_storage_buffer_binding_size;
    let scale = Scale::of(gpu.info.is_software, binding_bytes, gpu.workgroups_together());
    measure_case(gpu, plan, &Controls { case, seed: plan.seed, tolerance, controls: controls(&scale) }, step)
}

struct Controls<'a> {
    case: &'a str,
    seed: u64,
    tolerance: f64,
    controls: Vec<Control>,
}

impl Subject for Controls<'_> {
    /// A control by its place.
    type Arm = usize;

    fn case(&self) -> Case {
        Case { case: self.case.into(), workload: "control".into(), seed: self.seed, ..Case::default() }
    }

    fn entries(&self) -> Result<Vec<Entry<usize>>> {
        let places = (0..self.controls.len()).map(|place| (place, 0)).chain([(self.controls.len() - 1, 1)]);
        Ok(places.map(|(place, replica)| (place, self.controls[place].policy, replica)).collect())
    }

    fn row(&self, &(place, policy, replica): &Entry<usize>) -> ResultRow {
        let control = &self.controls[place];
        let mut row = blank_row(self.case, control.arm, policy, replica);
        row.unit = control.unit.into();
        row.gate_tolerance = self.tolerance;
        row
    }

    /// What does not fit is an error: no device that runs anything is too small for them.
    fn objection(&self, _: &usize) -> Option<String> {
        None
    }

    fn make(&self, places: &[usize]) -> Result<Made<'_>> {
        let of = |&place: &usize| (self.controls[place].program.clone(), self.controls[place].blocks.clone());
        let programs = places.iter().map(of).collect();
        Ok(Made { programs, weights_sha256: String::new(), judge: Box::new(Expected(self)) })
    }
}

struct Expected<'a>(&'a Controls<'a>);

impl Judge for Expected<'_> {
    fn describe(&self, place: usize, _: Policy, prepared: &Prepared, row: &mut ResultRow) -> Result<()> {
        let control = &self.0.controls[place];
        row.units = control.units;
        row.multiply_adds = control.multiply_adds;
        (row.barriers, row.rounds) = control.barriers_and_rounds();
        row.workgroups = prepared.program().phases[0].dispatches[0].workgroups;
        row.min_bytes = control.min_bytes;
        Ok(())
    }

    fn verdict(&mut self, place: usize, prepared: &Prepared) -> Result<Verdict> {
        let control = &self.0.controls[place];
        let error = control.error(&prepared.read(&control.program.outputs[0])?);
        Ok(Verdict::of_error(error, self.0.tolerance, "what was expected", control.units))
    }
}
