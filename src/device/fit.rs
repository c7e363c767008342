//! Whether a program fits a device, which is asked before it is compiled.

use super::adapter::Gpu;
use super::executor::{Kept, Prepared};
use crate::error::{Error, Result};
use crate::program::{Blocks, Program};

impl Gpu {
    /// Why a program cannot run on this device: which limit, what is needed and what there is.
    pub fn objection(&self, program: &Program) -> Option<String> {
        self.info.objection(program, &|| self.workgroups_together())
    }

    fn check(&self, program: &Program) -> Result<()> {
        let Some(objection) = self.objection(program) else { return Ok(()) };
        let (name, device) = (&program.name, &self.info.name);
        Err(Error::input(format!("{name} does not fit {device}: {objection}; choose a smaller model")))
    }
}

impl<'a> Prepared<'a> {
    /// Compiles and uploads. An error names the shader that does not compile, the limit that is too small, or the memory
    /// that is missing.
    pub fn new(gpu: &'a Gpu, program: &'a Program, blocks: &Blocks) -> Result<Prepared<'a>> {
        gpu.check(program)?;
        Prepared::of_fitting(gpu, program, blocks, None)
    }

    /// The same of a program that goes on from what another one left in a buffer: its runs begin with that as it is.
    pub fn after(gpu: &'a Gpu, program: &'a Program, blocks: &Blocks, kept: &Kept) -> Result<Prepared<'a>> {
        gpu.check(program)?;
        Prepared::of_fitting(gpu, program, blocks, Some(kept))
    }
}
