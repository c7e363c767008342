//! Kernels, compiled on a GPU.

use super::adapter::{Gpu, one_line};
use crate::error::{Error, Result};
use crate::program::{Checks, Kernel, Program};
use crate::shaders;

/// Compiles the kernels of several programs at once: preparing these programs afterwards takes no compiling.
pub fn compile<'a>(gpu: &Gpu, programs: impl Iterator<Item = &'a Program> + Send) -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let next = std::sync::Mutex::new(programs.flat_map(|program| &program.kernels));
    let take = || next.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
    let work = || std::iter::from_fn(take).try_for_each(|kernel| pipeline(gpu, kernel).map(|_| ()));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The pipeline of a kernel, which is compiled once.
pub fn pipeline(gpu: &Gpu, kernel: &Kernel) -> Result<wgpu::ComputePipeline> {
    let made = || gpu.pipelines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // How many workgroups wait for each other is a matter of the dispatch.
    let is_same = |made: &Kernel| Kernel { workgroups_together: kernel.workgroups_together, ..made.clone() } == *kernel;
    if let Some((_, pipeline)) = made().iter().find(|(made, _)| is_same(made)) {
        return Ok(pipeline.clone());
    }
    let pipeline = create_pipeline(gpu, kernel)?;
    made().push((kernel.clone(), pipeline.clone()));
    Ok(pipeline)
}

fn create_pipeline(gpu: &Gpu, kernel: &Kernel) -> Result<wgpu::ComputePipeline> {
    let file = &kernel.shader;
    let source =
        shaders::source(file).ok_or_else(|| Error::input(format!("there is no shader `{file}` in this binary")))?;
    let validation = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let internal = gpu.device.push_error_scope(wgpu::ErrorFilter::Internal);
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some(file), source: wgpu::ShaderSource::Wgsl(source.into()) };
    let checks = match kernel.checks {
        Checks::None => wgpu::ShaderRuntimeChecks::unchecked(),
        Checks::Bounds => {
            wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() }
        }
        Checks::BoundsAndLoops => wgpu::ShaderRuntimeChecks::checked(),
    };
    // SAFETY: the source is one of this program's own files. Its indices stay within its buffers and its loops end for the sizes
    // that a program gives it, which the gate sees: kernels give the same output with any checks.
    let module = unsafe { gpu.device.create_shader_module_trusted(descriptor, checks) };
    let constants: Vec<(&str, f64)> = kernel.constants.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(file),
        layout: None,
        module: &module,
        entry_point: Some(&kernel.entry),
        compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
        cache: None,
    });
    let errors = [pollster::block_on(internal.pop()), pollster::block_on(validation.pop())];
    match errors.into_iter().flatten().next() {
        None => Ok(pipeline),
        Some(error) => Err(Error::input(format!(
            "shaders/{file} does not compile on {}: {}; please report it with the output of `onedispatch devices`",
            gpu.info.name,
            one_line(&error.to_string())
        ))),
    }
}
