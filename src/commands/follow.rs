//! Text of an answer as it is made: a run that comes back every few tokens.

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::interrupt::Watch;
use crate::device::executor::Prepared;
use crate::error::Result;
use crate::output;
use crate::workload::decode::model::Request;
use crate::workload::decode::span::Span;
use crate::workload::decode::text::Tokenizer;
use crate::workload::decode::text_stream::TextStream;
use crate::workload::decode::{Arm, new_tokens};

/// Tokens that are fed between two looks: few enough to be followed as they come.
const CHUNK: u32 = 4;

/// The arm itself where it comes back between tokens; else the same kernel, a few of the tokens that are fed at a time.
pub fn in_chunks(arm: Arm, fed: u32) -> Arm {
    let chunk = NonZeroU32::new(CHUNK.min(fed)).expect("at least one token is fed");
    arm.is_fused().then(|| arm.cut(Span::Chunk(chunk)).ok()).flatten().unwrap_or(arm)
}

/// A run that is followed.
pub struct Follow<'a> {
    pub prepared: &'a Prepared<'a>,
    pub request: &'a Request,
    pub tokenizer: &'a Tokenizer,
    /// Ends the run where it was asked to.
    pub watch: &'a Watch,
    /// Whether the text of an end token is shown, too.
    pub shows_end: bool,
}

/// What came of it.
#[derive(Default)]
pub struct Followed {
    pub tokens: Vec<u32>,
    /// What was printed of them.
    pub text: String,
    /// How many tokens there were when the first was seen, and how long that took.
    pub first: (usize, Duration),
    pub whole: Duration,
}

impl Follow<'_> {
    /// Runs until the end, and prints the text of the tokens as they are seen, with a line's end behind them.
    pub fn run(&self) -> Result<Followed> {
        let Follow { prepared, request, tokenizer, watch, shows_end } = *self;
        let is_end = |token: &u32| request.end_tokens.contains(token);
        let mut stream = TextStream::new(tokenizer, &request.prompt);
        let mut seen = Followed::default();
        let begun = Instant::now();
        prepared.run_watched(&mut || {
            let tokens: Vec<u32> = bytemuck::pod_collect_to_vec(&prepared.read("tokens")?);
            let tokens = new_tokens(request, &tokens);
            seen.whole = begun.elapsed();
            if seen.tokens.is_empty() && !tokens.is_empty() {
                seen.first = (tokens.len(), seen.whole);
            }
            let has_ended = tokens.last().is_some_and(is_end);
            let shown = &tokens[seen.tokens.len()..tokens.len() - usize::from(has_ended && !shows_end)];
            let text = stream.push(shown)?;
            output::raw(&text)?;
            seen.text += &text;
            seen.tokens = tokens;
            Ok(if has_ended || watch.was_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let rest = stream.finish()?;
        output::raw(format_args!("{rest}\n"))?;
        seen.text += &rest;
        Ok(seen)
    }
}
