//! Whether a program fits a device, which is asked before it is compiled.

use super::adapter::Gpu;
use super::executor::Prepared;
use crate::error::{Error, Result};
use crate::program::{Blocks, Program};

impl Gpu {
    /// Why a program cannot run on this device: which limit, what is needed and what there is.
    pub fn objection(&self, program: &Program) -> Option<String> {
        self.info.objection(program, &|| self.workgroups_together())
    }
}

impl<'a> Prepared<'a> {
    /// Compiles and uploads. An error names the shader that does not compile, the limit that is too small, or the memory
    /// that is missing.
    pub fn new(gpu: &'a Gpu, program: &'a Program, blocks: &Blocks) -> Result<Prepared<'a>> {
        if let Some(objection) = gpu.objection(program) {
            let (name, device) = (&program.name, &gpu.info.name);
            return Err(Error::input(format!("{name} does not fit {device}: {objection}; choose a smaller model")));
        }
        Prepared::of_fitting(gpu, program, blocks)
    }
}
