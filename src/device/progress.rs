//! How many workgroups make progress together: a probe, since WebGPU promises nothing of the kind.

use super::adapter::Gpu;
use super::executor::Prepared;
use crate::error::Result;
use crate::program::{Binding, Blocks, Buffer, Checks, Contents, Dispatch, Kernel, Phase, Policy, Program};

/// Larger dispatches are not tried.
const MOST: u32 = 4096;

/// Times that a workgroup asks whether all have arrived: some milliseconds on a GPU, where asking takes most of a
/// microsecond, and on a CPU, where it takes nanoseconds but a thread may have to wake up.
fn patience(gpu: &Gpu) -> u32 {
    if gpu.info.is_software { 1 << 22 } else { 1 << 14 }
}

impl Gpu {
    /// Workgroups that may wait for each other, by [`workgroups_together`], which is asked once; 1 where the probe itself fails.
    pub fn workgroups_together(&self) -> u32 {
        *self.together.get_or_init(|| workgroups_together(self).unwrap_or(1))
    }
}

/// Workgroups that may wait for each other on this device: half of the largest power of two that was seen to make
/// progress together at the largest workgroup size, since another kernel may need more registers. On a software device,
/// where a workgroup has a core to itself, all of them. At least 1.
pub fn workgroups_together(gpu: &Gpu) -> Result<u32> {
    let mut together = 1;
    while together < MOST && meet(gpu, 2 * together)? {
        together *= 2;
    }
    Ok(if gpu.info.is_software { together } else { (together / 2).max(1) })
}

fn meet(gpu: &Gpu, workgroups: u32) -> Result<bool> {
    let largest = gpu.device.limits().max_compute_invocations_per_workgroup;
    let program = program(workgroups, if gpu.info.is_software { 64 } else { largest }, patience(gpu));
    let prepared = Prepared::of_fitting(gpu, &program, &Blocks::new(), None)?;
    prepared.run(Policy::OneSubmit)?;
    let met: Vec<u32> = bytemuck::pod_collect_to_vec(&prepared.read("met")?);
    Ok(met == [workgroups])
}

/// The probe: `met` tells how many of `workgroups` saw all of them.
pub fn program(workgroups: u32, workgroup_size: u32, patience: u32) -> Program {
    let constants = [("WORKGROUP_SIZE", workgroup_size), ("PATIENCE", patience)];
    let word = |name: &str| Buffer { name: name.into(), bytes: 4, contents: Contents::Zero };
    let bindings = (0..2).map(|buffer| Binding { buffer, offset: 0, bytes: 4, stride: 0 }).collect();
    Program {
        name: "progress".into(),
        buffers: vec![word("arrived"), word("met")],
        kernels: vec![Kernel {
            shader: "control/progress.wgsl".into(),
            entry: "progress".into(),
            constants: constants.map(|(name, value)| (name.into(), f64::from(value))).into(),
            workgroup_size,
            workgroup_bytes: 0,
            subgroup_size: 0,
            workgroups_together: 1,
            checks: Checks::Bounds,
        }],
        phases: vec![Phase {
            name: "progress".into(),
            repeat: 1,
            dispatches: vec![Dispatch { kernel: 0, bindings, workgroups }],
        }],
        outputs: vec!["met".into()],
    }
}
