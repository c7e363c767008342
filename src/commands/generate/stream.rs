//! Text as it is made, before anything is timed.

use std::num::NonZeroU32;
use std::ops::ControlFlow;

use super::arm::Chosen;
use super::request::Asked;
use crate::commands::interrupt::Watch;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Error, Result};
use crate::output;
use crate::program::Program;
use crate::workload::decode::model::{Config, Request};
use crate::workload::decode::new_tokens;
use crate::workload::decode::span::Span;
use crate::workload::decode::text::Tokenizer;
use crate::workload::decode::text_stream::TextStream;

/// Tokens that are fed between two looks: few enough to be followed as they come.
const CHUNK: u32 = 4;

/// The tokens whose text was printed, after the prompt's; none where the device cannot run the arm in chunks.
///
/// # Errors
/// That it was stopped, where Ctrl-C ended it: what there was is printed then.
pub fn stream(gpu: &Gpu, config: &Config, asked: &Asked, chosen: &Chosen) -> Result<Option<Vec<u32>>> {
    let Asked { request, tokenizer: Some(tokenizer), text: Some(prompt) } = asked else { return Ok(None) };
    let program = in_chunks(config, request, chosen);
    if gpu.objection(&program).is_some() {
        return Ok(None);
    }
    let prepared = Prepared::new(gpu, &program, &chosen.blocks)?;
    output::text(prompt)?;
    let watch = Watch::begin();
    let tokens = follow(&prepared, request, tokenizer, &watch)?;
    if watch.was_asked() {
        let count = tokens.len();
        return Err(Error::stopped(format!("stopped after {count} tokens, which were not checked")));
    }
    Ok(Some(tokens))
}

/// The arm's own program where it comes back between tokens; else the same kernel, a few tokens at a time.
fn in_chunks(config: &Config, request: &Request, chosen: &Chosen) -> Program {
    let chunk = NonZeroU32::new(CHUNK.min(request.positions())).expect("at least one token is fed");
    match chosen.arm.is_fused().then(|| chosen.arm.cut(Span::Chunk(chunk))) {
        Some(Ok(arm)) => arm.program(config, request, &chosen.tuning),
        _ => chosen.program.clone(),
    }
}

fn follow(prepared: &Prepared, request: &Request, tokenizer: &Tokenizer, watch: &Watch) -> Result<Vec<u32>> {
    let mut stream = TextStream::new(tokenizer, &request.prompt);
    let mut shown = Vec::new();
    prepared.run_watched(&mut || {
        let tokens: Vec<u32> = bytemuck::pod_collect_to_vec(&prepared.read("tokens")?);
        let tokens = new_tokens(request, &tokens);
        output::text(stream.push(&tokens[shown.len()..])?)?;
        shown = tokens;
        let has_ended = shown.last().is_some_and(|token| request.end_tokens.contains(token));
        Ok(if has_ended || watch.was_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    output::line(stream.finish()?)?;
    Ok(shown)
}
