//! Runs a program on a GPU under a policy, and times it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use super::adapter::{Gpu, one_line};
use super::memory;
use super::pipeline::pipeline;
use super::reading::{read_buffer, wait};
use super::stamps::{Stamped, Stamps, plausible};
use crate::error::{Error, Result};
use crate::program::{Blocks, Contents, Policy, Program};

/// A program with its pipelines, buffers and bind groups on a GPU.
pub struct Prepared<'a> {
    gpu: &'a Gpu,
    program: &'a Program,
    buffers: Vec<wgpu::Buffer>,
    /// What is written before every run.
    fills: Vec<(usize, Arc<Vec<u8>>)>,
    /// By phase and dispatch.
    steps: Vec<Vec<Step>>,
    span: Option<Stamps>,
    /// The buffer that was taken over, if one was: no run clears it.
    taken_over: Option<usize>,
}

/// A buffer that goes from one program on to another, with what runs left in it.
pub struct Kept {
    name: String,
    bytes: u64,
    buffer: wgpu::Buffer,
}

struct Step {
    pipeline: wgpu::ComputePipeline,
    /// One for each repetition of the phase, or one for all.
    bind_groups: Vec<wgpu::BindGroup>,
    workgroups: u32,
}

/// What one run took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// From the first encoder call to the end of the last wait.
    pub wall_ns: u64,
    /// From the first pass's begin to the last pass's end, as the GPU's clock says; `Err` says why the reading cannot be.
    pub gpu_ns: Option<std::result::Result<u64, &'static str>>,
}

impl<'a> Prepared<'a> {
    /// Compiles and uploads a program that fits, which takes over a buffer that was `kept`. An error names the shader that does not
    /// compile, or the memory that is missing.
    pub(super) fn of_fitting(
        gpu: &'a Gpu,
        program: &'a Program,
        blocks: &Blocks,
        kept: Option<&Kept>,
    ) -> Result<Prepared<'a>> {
        let taken_over = kept.map(|kept| kept.place(program)).transpose()?;
        let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffers = program.buffers.iter().enumerate().map(|(index, buffer)| match (&buffer.contents, kept) {
            (_, Some(kept)) if taken_over == Some(index) => Ok(kept.buffer.clone()),
            (Contents::Constant(name), _) => memory::constant(gpu, program, buffer, name, blocks),
            _ => Ok(memory::create(gpu, buffer)),
        });
        let buffers = buffers.collect::<Result<Vec<_>>>()?;
        if let Some(error) = pollster::block_on(memory.pop()) {
            let bytes: u64 = program.buffers.iter().map(|buffer| buffer.bytes).sum();
            let message = one_line(&error.to_string());
            return Err(Error::input(format!(
                "{}: out of memory for the {} MiB of {} ({message}); choose a smaller model",
                gpu.info.name,
                bytes.div_ceil(1 << 20),
                program.name
            )));
        }
        let mut fills = Vec::new();
        for (index, buffer) in program.buffers.iter().enumerate() {
            let bytes = buffer.bytes as usize;
            match &buffer.contents {
                Contents::Zero => fills.push((index, Arc::new(vec![0; bytes]))),
                Contents::Poison => fills.push((index, Arc::new(vec![0xff; bytes]))),
                Contents::Words(words) => {
                    fills.push((index, Arc::new(bytemuck::cast_slice(words).to_vec())));
                }
                Contents::Constant(_) | Contents::Scratch => {}
            }
        }
        let pipelines = program.kernels.iter().map(|kernel| pipeline(gpu, kernel)).collect::<Result<Vec<_>>>()?;
        let validation = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let steps = program
            .phases
            .iter()
            .map(|phase| {
                let step = |dispatch| create_step(gpu, dispatch, phase.repeat, &pipelines, &buffers);
                phase.dispatches.iter().map(step).collect()
            })
            .collect();
        if let Some(error) = pollster::block_on(validation.pop()) {
            return Err(Error::input(format!("{}: {}", program.name, one_line(&error.to_string()))));
        }
        let span = gpu.has_timestamps().then(|| Stamps::new(gpu, 1));
        let prepared = Prepared { gpu, program, buffers, fills, steps, span, taken_over };
        prepared.reset()?;
        Ok(prepared)
    }

    /// Runs the program once, from its initial contents, and times it.
    pub fn run(&self, policy: Policy) -> Result<Timing> {
        self.reset()?;
        self.go_on(policy)
    }

    /// Runs the program once more from where the last run left its buffers, and times it.
    pub fn go_on(&self, policy: Policy) -> Result<Timing> {
        let begun = Instant::now();
        self.submit_all(policy, self.span.as_ref(), Stamped::FirstAndLast)?;
        let wall_ns = begun.elapsed().as_nanos() as u64;
        self.gpu.take_fault()?;
        let gpu_ns = match &self.span {
            None => None,
            Some(stamps) => {
                let period = self.gpu.info.timestamp_period_ns;
                let pairs = stamps.read(self.gpu)?;
                Some(plausible(pairs[0], period, wall_ns))
            }
        };
        Ok(Timing { wall_ns, gpu_ns })
    }

    /// Runs the program once, from its initial contents, and waits after each repetition of a phase, where `after` looks at the
    /// buffers and may end the run.
    pub fn run_watched(&self, after: &mut dyn FnMut() -> Result<ControlFlow<()>>) -> Result<()> {
        self.reset()?;
        for mut steps in self.repetitions() {
            wait(self.gpu, self.submit(&mut steps, None))?;
            self.gpu.take_fault()?;
            if after()?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Nanoseconds in which the GPU was within a pass: the sum over passes of end minus begin, from a run of its own. Under
    /// `wait-each` and `submit-each` a pass is one dispatch. None without timestamps, or where one of them cannot be.
    pub fn busy_ns(&self, policy: Policy) -> Result<Option<f64>> {
        if !self.gpu.has_timestamps() {
            return Ok(None);
        }
        let passes = self.program.traffic(policy).submits as u32;
        let stamps = Stamps::new(self.gpu, passes);
        self.reset()?;
        self.submit_all(policy, Some(&stamps), Stamped::Every)?;
        self.gpu.take_fault()?;
        let passes = stamps.read(self.gpu)?;
        if passes.iter().any(|(begin, end)| *begin == 0 || end < begin) {
            return Ok(None);
        }
        let ticks: u64 = passes.iter().map(|(begin, end)| end - begin).sum();
        let busy = ticks as f64 * self.gpu.info.timestamp_period_ns;
        Ok((busy > 0.0).then_some(busy))
    }

    pub fn program(&self) -> &Program {
        self.program
    }

    /// Whether the program has a buffer of this name.
    pub fn has(&self, name: &str) -> bool {
        self.program.buffer(name).is_some()
    }

    /// A buffer as the last run left it, for a program that goes on from there.
    pub fn keep(&self, name: &str) -> Result<Kept> {
        let index = self.index(name)?;
        let bytes = self.program.buffers[index].bytes;
        Ok(Kept { name: name.into(), bytes, buffer: self.buffers[index].clone() })
    }

    /// The bytes of an output as the last run left it.
    pub fn read(&self, output: &str) -> Result<Vec<u8>> {
        let index = self.index(output)?;
        read_buffer(self.gpu, &self.buffers[index], self.program.buffers[index].bytes)
    }

    fn index(&self, name: &str) -> Result<usize> {
        self.program.buffer(name).ok_or_else(|| Error::input(format!("no buffer is called {name}")))
    }

    fn reset(&self) -> Result<()> {
        for (index, bytes) in &self.fills {
            self.gpu.queue.write_buffer(&self.buffers[*index], 0, bytes);
        }
        // What an earlier run left behind is right, so it would hide a kernel that misses a write.
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        for (index, (buffer, plan)) in self.buffers.iter().zip(&self.program.buffers).enumerate() {
            if plan.contents == Contents::Scratch && self.taken_over != Some(index) {
                encoder.clear_buffer(buffer, 0, None);
            }
        }
        let submission = self.gpu.queue.submit([encoder.finish()]);
        wait(self.gpu, submission)
    }

    /// The dispatches of each repetition of each phase, with the number of the repetition.
    fn repetitions(&self) -> impl Iterator<Item = impl Iterator<Item = (&Step, usize)>> {
        let phases = self.program.phases.iter().zip(&self.steps);
        phases.flat_map(|(phase, steps)| {
            (0..phase.repeat as usize).map(move |repetition| steps.iter().map(move |step| (step, repetition)))
        })
    }

    /// One compute pass in a submit of its own.
    fn submit(
        &self,
        steps: &mut dyn Iterator<Item = (&Step, usize)>,
        timestamp_writes: Option<wgpu::ComputePassTimestampWrites>,
    ) -> wgpu::SubmissionIndex {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        let mut set = None;
        for (step, repetition) in steps {
            if set != Some(&step.pipeline) {
                pass.set_pipeline(&step.pipeline);
                set = Some(&step.pipeline);
            }
            pass.set_bind_group(0, &step.bind_groups[repetition % step.bind_groups.len()], &[]);
            pass.dispatch_workgroups(step.workgroups, 1, 1);
        }
        drop(pass);
        self.gpu.queue.submit([encoder.finish()])
    }

    fn submit_all(&self, policy: Policy, stamps: Option<&Stamps>, stamped: Stamped) -> Result<()> {
        // A pass is what one submit carries: a dispatch, a token, some tokens, or everything.
        let passes = self.program.traffic(policy).submits as u32;
        let mut pass_index = 0;
        let mut last = None;
        let mut submit = |steps: &mut dyn Iterator<Item = (&Step, usize)>| -> Result<()> {
            let writes = stamps.and_then(|stamps| stamps.writes(stamped, pass_index, passes));
            pass_index += 1;
            let submission = self.submit(steps, writes);
            if policy == Policy::WaitEach {
                wait(self.gpu, submission)?;
            } else {
                last = Some(submission);
            }
            Ok(())
        };
        let tokens = || self.repetitions();
        match policy {
            Policy::WaitEach | Policy::SubmitEach => {
                for step in tokens().flatten() {
                    submit(&mut std::iter::once(step))?;
                }
            }
            Policy::SubmitPerToken => {
                for mut steps in tokens() {
                    submit(&mut steps)?;
                }
            }
            Policy::SubmitAhead => {
                let mut left = tokens();
                // The last submit carries what is left.
                for count in (0..passes).map(|index| 1usize << index) {
                    submit(&mut left.by_ref().take(count).flatten())?;
                }
            }
            Policy::OneSubmit => submit(&mut tokens().flatten())?,
        }
        last.map_or(Ok(()), |submission| wait(self.gpu, submission))
    }
}

impl Kept {
    /// Which buffer of a program it is.
    fn place(&self, program: &Program) -> Result<usize> {
        let is_same = |index: &usize| program.buffers[*index].bytes == self.bytes;
        program.buffer(&self.name).filter(is_same).ok_or_else(|| {
            Error::input(format!("{}: no buffer `{}` of {} bytes to go on with", program.name, self.name, self.bytes))
        })
    }
}

fn create_step(
    gpu: &Gpu,
    dispatch: &crate::program::Dispatch,
    repeat: u32,
    pipelines: &[wgpu::ComputePipeline],
    buffers: &[wgpu::Buffer],
) -> Step {
    let pipeline = pipelines[dispatch.kernel].clone();
    let layout = pipeline.get_bind_group_layout(0);
    let bind_group = |repetition: u64| {
        let entry = |(index, binding): (usize, &crate::program::Binding)| wgpu::BindGroupEntry {
            binding: index as u32,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &buffers[binding.buffer],
                offset: binding.offset + repetition * binding.stride,
                size: std::num::NonZeroU64::new(binding.bytes),
            }),
        };
        let entries: Vec<wgpu::BindGroupEntry> = dispatch.bindings.iter().enumerate().map(entry).collect();
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries })
    };
    let moves = dispatch.bindings.iter().any(|binding| binding.stride > 0);
    let bind_groups = (0..if moves { u64::from(repeat) } else { 1 }).map(bind_group).collect();
    Step { pipeline, bind_groups, workgroups: dispatch.workgroups }
}
