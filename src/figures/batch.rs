//! Tokens per second of all sequences together against their number.

use super::chart::{Chart, Vertical};
use super::picture::Picture;
use super::sweep::{self, Mark};
use super::{number, palette};
use crate::analysis::select;
use crate::error::Result;
use crate::record::run::Run;

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = sweep::with(select::latest_hardware(runs, "decode-batch"), |entry| entry.rate());
    let groups = sweep::grouped(&runs, sweep::SEQUENCES, |run| {
        let arms = sweep::timed(run).into_iter().filter_map(|entry| {
            let rate = entry.rate()?;
            Some(Mark::of(&entry, palette::look(&entry.row.key), rate))
        });
        let bounds = run.decode_cases().filter_map(|case| sweep::bound(run, case));
        arms.chain(bounds).collect()
    });
    if groups.is_empty() {
        return Picture::missing("it needs timed rows of the experiment `decode-batch` on a hardware device");
    }
    let mut notes = sweep::notes(&runs);
    notes.push(format!(
        "{} Sequences that are decoded together could read each weight once for all of them.",
        sweep::BOUND
    ));
    Picture::drawn(Chart {
        title: "How many sequences fill the GPU?".into(),
        subtitle: format!(
            "Tokens per second of GPT-2 decoding in total, by the number of sequences that one dispatch decodes, a workgroup \
             for each. {}.",
            sweep::constants(&runs, sweep::SEQUENCES)
        ),
        x_title: "sequences".into(),
        y_title: "tokens/s, in total".into(),
        vertical: Vertical::Log(number::short),
        reference: None,
        groups,
        notes,
    })
}
