//! How long a conversation may be, which all its turns share: programs of one capacity share pipelines and the cache.

use std::num::NonZeroU32;

use crate::device::Gpu;
use crate::error::{Error, Result};
use crate::workload::decode::buffers;
use crate::workload::decode::model::{Config, Request, Sampling};

/// The longest context that is taken unasked: of a large model its cache is a GiB.
const MOST: u32 = 4096;

/// Tokens of the prompt and of the answer that sizes are tried on.
const TYPICAL: u32 = 32;

/// The tokens asked for; else those of the model, up to [`MOST`], as far as one buffer of the device holds their cache.
pub fn capacity(gpu: &Gpu, config: &Config, asked: Option<NonZeroU32>) -> Result<u32> {
    let of_model = config.n_positions;
    match asked.map(u32::from) {
        Some(asked) if asked > of_model => {
            Err(Error::input(format!("--context is {asked}; the model has {of_model} positions; give at most these")))
        }
        Some(asked) => Ok(asked),
        None => {
            let bound = gpu.device.limits().max_storage_buffer_binding_size;
            // The arm is not known yet, so the cache is taken for the largest that one has.
            let fitting = bound / buffers::cache_bytes(config, 1);
            Ok(of_model.min(MOST).min(u32::try_from(fitting).unwrap_or(MOST)).max(1))
        }
    }
}

/// The request that fills a context.
pub fn longest(capacity: u32, sampling: Sampling) -> Request {
    of(capacity, 1, sampling)
}

/// One token, and one for it.
pub fn shortest(sampling: Sampling) -> Request {
    of(1, 1, sampling)
}

/// One such as a turn brings.
pub fn typical(capacity: u32, sampling: Sampling) -> Request {
    let half = (capacity / 2).clamp(1, TYPICAL);
    of(half, half, sampling)
}

fn of(prompt: u32, new_tokens: u32, sampling: Sampling) -> Request {
    Request { prompt: vec![0; prompt as usize], new_tokens, sampling, end_tokens: Vec::new() }
}
