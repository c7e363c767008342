//! Text as it is made, before anything is timed.

use super::request::Asked;
use crate::commands::arm::Chosen;
use crate::commands::follow::{Follow, in_chunks};
use crate::commands::interrupt::Watch;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Error, Result};
use crate::output;
use crate::workload::decode::model::Config;

/// The tokens whose text was printed, after the prompt's; none where the device cannot run the arm in chunks.
///
/// # Errors
/// That it was stopped, where Ctrl-C ended it: what there was is printed then.
pub fn stream(gpu: &Gpu, config: &Config, asked: &Asked, chosen: &Chosen) -> Result<Option<Vec<u32>>> {
    let Asked { request, tokenizer: Some(tokenizer), text: Some(prompt) } = asked else { return Ok(None) };
    let program = in_chunks(chosen.arm, request.positions()).program(config, request, &chosen.tuning);
    if gpu.objection(&program).is_some() {
        return Ok(None);
    }
    let prepared = Prepared::new(gpu, &program, &chosen.blocks)?;
    output::raw(prompt)?;
    let watch = Watch::begin();
    let tokens = Follow { prepared: &prepared, request, tokenizer, watch: &watch, shows_end: true }.run()?.tokens;
    if watch.was_asked() {
        let count = tokens.len();
        return Err(Error::stopped(format!("stopped after {count} tokens, which were not checked")));
    }
    Ok(Some(tokens))
}
