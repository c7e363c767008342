//! Measures the controls of a device: one case, named `control`.

use super::case::{Candidate, Measured, Verdict, blank_row, measure};
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::Result;
use crate::protocol::Plan;
use crate::record::rows::Case;
use crate::workload::control::{CASE, Scale, controls};

/// Rows of a control case: each control, and the last one once more as A/A. One fewer where no workgroups wait for each
/// other.
pub const ROWS: u64 = 10;

/// `tolerance` is the spec's: of a value relative to the value expected.
pub fn measure_controls(gpu: &Gpu, plan: &Plan, tolerance: f64, step: &dyn Fn(u64)) -> Result<Measured> {
    let binding_bytes = gpu.device.limits().max_storage_buffer_binding_size;
    let scale = Scale::of(gpu.info.is_software, binding_bytes, gpu.workgroups_together());
    let controls = controls(&scale);
    let prepared: Vec<Prepared> =
        controls.iter().map(|control| Prepared::new(gpu, &control.program, &control.blocks)).collect::<Result<_>>()?;
    let entries = (0..controls.len()).map(|index| (index, 0)).chain([(controls.len() - 1, 1)]);
    let candidates = entries
        .map(|(index, replica)| {
            let control = &controls[index];
            let traffic = control.program.traffic(control.policy);
            let mut row = blank_row(CASE, control.arm, control.policy, replica);
            row.unit = control.unit.into();
            row.units = control.units;
            row.workgroup_size = control.program.kernels[0].workgroup_size;
            (row.dispatches, row.submits, row.waits) = (traffic.dispatches, traffic.submits, traffic.waits);
            row.multiply_adds = control.multiply_adds;
            (row.barriers, row.rounds) = control.barriers_and_rounds();
            row.workgroups = control.program.phases[0].dispatches[0].workgroups;
            row.min_bytes = control.min_bytes;
            row.gate_tolerance = tolerance;
            row.program_sha256 = control.program.sha256();
            row.shaders_sha256 = crate::shaders::sha256(&control.program);
            Candidate { prepared: &prepared[index], policy: control.policy, row }
        })
        .collect();
    let mut check = |candidate: &Candidate| {
        let same = |control: &&crate::workload::control::Control| {
            control.arm == candidate.row.key.arm && control.policy == candidate.policy
        };
        let Some(control) = controls.iter().find(same) else {
            return Ok(Verdict { error: None, reason: "no such control".into(), ranking: None });
        };
        let error = control.error(&candidate.prepared.read(&control.program.outputs[0])?);
        let reason = match error {
            Some(error) if error <= tolerance => String::new(),
            Some(error) => format!("the output is off by {error:.1e} of what was expected"),
            None => "the output is not finite or not whole".into(),
        };
        Ok(Verdict { error, reason, ranking: None })
    };
    let (results, samples) = measure(plan, candidates, &mut check, step)?;
    let case = Case { case: CASE.into(), workload: "control".into(), seed: plan.seed, ..Case::default() };
    Ok(Measured { case, results, samples })
}
