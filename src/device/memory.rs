//! Buffers of a program on a GPU.

use std::sync::{Arc, Weak};

use super::adapter::Gpu;
use super::reading::wait;
use crate::error::{Error, Result};
use crate::program::{Block, Blocks, Buffer, Program};

/// A buffer that shaders can use, with nothing in it yet.
pub fn create(gpu: &Gpu, buffer: &Buffer) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(&buffer.name),
        size: buffer.bytes,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    })
}

/// What wgpu holds of written bytes before it hands them over.
const MOST_WRITTEN: u64 = 64 << 20;

/// The buffer of a constant, which all programs share while its block is there.
pub fn constant(gpu: &Gpu, program: &Program, buffer: &Buffer, name: &str, blocks: &Blocks) -> Result<wgpu::Buffer> {
    let Some(block) = blocks.get(name).filter(|block| block.bytes() <= buffer.bytes) else {
        let bytes = buffer.bytes;
        return Err(Error::input(format!("{}: no block `{name}` of {bytes} bytes was given", program.name)));
    };
    let mut made = gpu.constants.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    made.retain(|(block, _)| block.strong_count() > 0);
    let is_same = |made: &Weak<dyn Block>| std::ptr::addr_eq(made.as_ptr(), Arc::as_ptr(block));
    if let Some((_, made)) = made.iter().find(|(made, _)| is_same(made)) {
        return Ok(made.clone());
    }
    let filled = create(gpu, buffer);
    let mut written = 0;
    block.write(&mut |at, bytes| {
        for (index, piece) in bytes.chunks(MOST_WRITTEN as usize).enumerate() {
            gpu.queue.write_buffer(&filled, at + index as u64 * MOST_WRITTEN, piece);
            written += piece.len() as u64;
            if written >= MOST_WRITTEN {
                written = 0;
                // What goes wrong is met again by the run.
                let _ = wait(gpu, gpu.queue.submit([]));
            }
        }
    });
    made.push((Arc::downgrade(block), filled.clone()));
    Ok(filled)
}
