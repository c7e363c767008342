//! One answer: what the cache lacks of the conversation is fed, and tokens are shown as they are made.

use crate::commands::arm::Chosen;
use crate::commands::follow::{Follow, Followed, in_chunks};
use crate::commands::interrupt::Watch;
use crate::device::Gpu;
use crate::device::executor::{Kept, Prepared};
use crate::error::{Error, Result};
use crate::measure::decode::{GAVE_UP, gave_up};
use crate::program::Policy;
use crate::workload::decode::buffers::CACHE;
use crate::workload::decode::checkpoint::Checkpoint;
use crate::workload::decode::model::Request;
use crate::workload::decode::text::Tokenizer;

/// A model on a device, as all turns have it.
pub struct Model<'a> {
    pub gpu: &'a Gpu,
    pub checkpoint: &'a Checkpoint,
    pub tokenizer: &'a Tokenizer,
    pub chosen: &'a Chosen,
}

/// What is asked, and how many tokens of it are in the cache.
pub struct Turn<'a> {
    pub request: &'a Request,
    pub cached: usize,
}

/// What came of it.
pub struct Answer {
    pub followed: Followed,
    pub was_stopped: bool,
}

/// Runs what is compiled at first, so that no message waits for that: kernels read a long prompt otherwise than a short one.
pub fn warm_up(model: &Model, requests: &[Request]) -> Result<()> {
    requests.iter().try_for_each(|request| {
        let arm = in_chunks(model.chosen.arm, request.positions());
        let program = arm.program(&model.checkpoint.config, request, &model.chosen.tuning);
        Prepared::new(model.gpu, &program, &model.chosen.blocks)?.run(Policy::OneSubmit).map(|_| ())
    })
}

impl Turn<'_> {
    /// The answer, and the cache behind it. Where tokens are cached, `cache` has them.
    pub fn answer(&self, model: &Model, cache: Option<&Kept>) -> Result<(Answer, Kept)> {
        let Model { gpu, checkpoint, tokenizer, chosen } = *model;
        let Turn { request, cached } = *self;
        let cached = cached as u32;
        let arm = in_chunks(chosen.arm, request.positions() - cached);
        let program = arm.program_after(&checkpoint.config, request, &chosen.tuning, cached);
        let prepared = match cache.filter(|_| cached > 0) {
            Some(cache) => Prepared::after(gpu, &program, &chosen.blocks, cache)?,
            None => Prepared::new(gpu, &program, &chosen.blocks)?,
        };
        let watch = Watch::begin();
        let followed = Follow { prepared: &prepared, request, tokenizer, watch: &watch, shows_end: false }.run()?;
        if gave_up(&prepared)? {
            return Err(Error::check(GAVE_UP));
        }
        Ok((Answer { followed, was_stopped: watch.was_asked() }, prepared.keep(CACHE)?))
    }

    /// How fast it went, in words, and how much of the context the conversation takes now.
    pub fn rates(&self, answer: &Answer, capacity: u32) -> String {
        let Followed { tokens, first: (first, until_first), whole, .. } = &answer.followed;
        let rate = |count: usize, time: std::time::Duration| count as f64 / time.as_secs_f64();
        let (fed, new) = (self.request.prompt.len() - self.cached, tokens.len());
        // The chunk in which the prompt ends may go on with the answer.
        let of_prompt = rate(fed + first - 1, *until_first);
        let of_answer = match new - first {
            0 => String::new(),
            rest => format!(" at {:.0} tokens/s", rate(rest, *whole - *until_first)),
        };
        let has_ended = tokens.last().is_some_and(|token| self.request.end_tokens.contains(token));
        let end = match (answer.was_stopped, has_ended) {
            (true, false) => " (stopped)",
            (false, false) => " (cut off)",
            (_, true) => "",
        };
        let all = self.request.prompt.len() + new;
        format!(
            "prompt {fed} tokens at {of_prompt:.0} tokens/s, answer {new} tokens{of_answer}{end}; context {all} of {capacity} tokens"
        )
    }
}
