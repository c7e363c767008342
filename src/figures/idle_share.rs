//! The share of wall time in which the GPU is not computing, against n_embd: what claim C1 puts at 92%.

use super::chart::{Chart, Vertical};
use super::{Picture, number, sweep};
use crate::analysis::measured::Measured;
use crate::analysis::{published, select};
use crate::error::Result;
use crate::measure::statistics::Interval;
use crate::record::run::Run;

/// [`Measured::idle`], no less than -1: what is further below would press the rest of the axis together.
fn idle_share(row: &Measured) -> Option<Interval> {
    let Interval { low, mid, high } = row.idle()?.as_interval();
    Some(Interval { low: low.max(-1.0), mid: mid.max(-1.0), high: high.max(-1.0) })
}

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = sweep::with(select::latest_hardware(runs, "decode"), idle_share);
    let groups = sweep::groups(&runs, sweep::N_EMBD, idle_share);
    if groups.is_empty() {
        return Picture::missing("it needs rows with gpu_busy_ns of the experiment `decode` on a hardware device");
    }
    let mut notes = sweep::notes(&runs);
    notes.push(
        "Computing is the sum over passes of end minus begin by GPU timestamps, in instrumented runs of their \
         own; below 0% those took longer than the median timed one."
            .into(),
    );
    let claimed =
        published::claim("C1").map(|claim| (claim.low, format!("{} claimed (C1)", number::percent(claim.low))));
    Picture::drawn(Chart {
        title: "How much of the time is the GPU not computing?".into(),
        subtitle: format!(
            "Share of wall time outside the GPU's passes, by model width; dashed: one dispatch per operation, by \
             policy; solid: one dispatch in all. {}.",
            sweep::constants(&runs, sweep::N_EMBD)
        ),
        x_title: "n_embd".into(),
        y_title: "share of wall time not computing".into(),
        vertical: Vertical::Share,
        reference: claimed,
        groups,
        notes,
    })
}
