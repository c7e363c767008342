//! A population on a device: its program, what a run made of it, and whether its single steps are right.

use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Error, Result};
use crate::program::{Blocks, Policy, Program};
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::gate::{Found, Gate, Reference};
use crate::workload::rollout::{Arm, Tuning};

/// What a program's last run made.
pub fn found(prepared: &Prepared) -> Result<Found> {
    Ok(Found::of_bytes(&prepared.read("episodes")?, &prepared.read("states")?))
}

/// Checks single steps of an arm from states that the oracle visited. Its kernels are those of whole episodes.
pub fn check_single(
    gpu: &Gpu,
    environment: &Environment,
    arm: Arm,
    tuning: &Tuning,
    reference: &Reference,
) -> Result<Gate> {
    let program = arm.program(environment, reference.shared.individuals, 1, &Tuning { traced: false, ..*tuning });
    let prepared = prepare(gpu, &program, || reference.shared.blocks(environment))?;
    prepared.run(Policy::OneSubmit)?;
    Ok(reference.check_single(&found(&prepared)?))
}

/// A program on the GPU; what does not fit is said in terms of a population, before its blocks are made: the host may not have the memory
/// for them either.
pub fn prepare<'a>(gpu: &'a Gpu, program: &'a Program, blocks: impl FnOnce() -> Blocks) -> Result<Prepared<'a>> {
    if let Some(objection) = gpu.objection(program) {
        let (name, device) = (&program.name, &gpu.info.name);
        let mend = "choose a smaller population, or fewer steps where every state is kept";
        return Err(Error::input(format!("{name} does not fit {device}: {objection}; {mend}")));
    }
    Prepared::new(gpu, program, &blocks())
}
