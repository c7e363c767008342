//! Tokens per second against n_embd, for every arm and policy.

use super::chart::{Chart, Vertical};
use super::picture::Picture;
use super::{number, sweep};
use crate::analysis::measured::Measured;
use crate::analysis::select;
use crate::error::Result;
use crate::record::run::Run;

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = select::latest(runs, "decode");
    let groups = sweep::groups(&runs, sweep::N_EMBD, Measured::rate);
    if groups.is_empty() {
        return Picture::missing("it needs timed rows of the experiment `decode`");
    }
    Picture::drawn(Chart {
        title: "How fast is decoding, dispatched one by one or fused?".into(),
        subtitle: format!(
            "Tokens per second of GPT-2 decoding by model width; dashed: one dispatch per operation, by policy; solid: \
             one dispatch in all. {}.",
            sweep::constants(&runs, sweep::N_EMBD)
        ),
        x_title: "n_embd".into(),
        y_title: "tokens/s".into(),
        vertical: Vertical::Log(number::short),
        reference: None,
        groups,
        notes: sweep::notes(&runs),
    })
}
