//! Tokens per second against the number of new tokens.

use super::chart::{Chart, Vertical};
use super::picture::Picture;
use super::{number, sweep};
use crate::analysis::measured::Measured;
use crate::analysis::select;
use crate::error::Result;
use crate::record::run::Run;

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = select::latest_hardware(runs, "decode-tokens");
    let groups = sweep::groups(&runs, sweep::NEW_TOKENS, Measured::rate);
    if groups.is_empty() {
        return Picture::missing("it needs timed rows of the experiment `decode-tokens` on a hardware device");
    }
    Picture::drawn(Chart {
        title: "Does the gain last when more tokens are generated?".into(),
        subtitle: format!(
            "Tokens per second of GPT-2 decoding by length of the generation; dashed: one dispatch per operation, by \
             policy; solid: one dispatch in all. {}.",
            sweep::constants(&runs, sweep::NEW_TOKENS)
        ),
        x_title: "new tokens".into(),
        y_title: "tokens/s".into(),
        vertical: Vertical::Log(number::short),
        reference: None,
        groups,
        notes: sweep::notes(&runs),
    })
}
