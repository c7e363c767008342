//! Waiting for a GPU, and what its buffers hold then.

use std::time::{Duration, Instant};

use super::adapter::{Gpu, one_line};
use crate::error::{Error, Result};

/// A run that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long a wait asks before it sleeps.
const SPIN: Duration = Duration::from_millis(100);

/// Waits for everything that was submitted, up to `submission` and no further.
pub fn wait(gpu: &Gpu, submission: wgpu::SubmissionIndex) -> Result<()> {
    // A thread that sleeps wakes up tens of microseconds after the GPU is done, so it asks for a while. A software device
    // needs the core itself.
    let begun = Instant::now();
    while !gpu.info.is_software && begun.elapsed() < SPIN {
        match gpu.device.poll(wgpu::PollType::Poll) {
            Ok(status) if status.is_queue_empty() => return Ok(()),
            Ok(_) => std::hint::spin_loop(),
            Err(_) => break,
        }
    }
    let poll = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) };
    gpu.device.poll(poll).map(|_| ()).map_err(|error| {
        Error::input(format!("{}: {}; finished rows are kept", gpu.info.name, one_line(&error.to_string())))
    })
}

pub fn read_buffer(gpu: &Gpu, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
    let staging = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: bytes,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, bytes);
    let submission = gpu.queue.submit([encoder.finish()]);
    let mapped = std::sync::Arc::new(std::sync::OnceLock::new());
    let result = mapped.clone();
    staging.slice(..).map_async(wgpu::MapMode::Read, move |outcome| {
        let _ = result.set(outcome.is_ok());
    });
    wait(gpu, submission)?;
    gpu.take_fault()?;
    match (mapped.get(), staging.slice(..).get_mapped_range()) {
        (Some(true), Ok(view)) => Ok(view.to_vec()),
        _ => Err(Error::input(format!("{}: results could not be read back; the device may be lost", gpu.info.name))),
    }
}
