//! The share of wall time in which the GPU is not computing, against n_embd: what claim C1 puts at 92%.

use super::chart::{Chart, Vertical};
use super::select::{Entry, Interval};
use super::{Picture, number, published, select, sweep};
use crate::error::Result;
use crate::record::directory::Run;

/// `1 - gpu_busy_ns / wall_median_ns`; nothing where the device gave no busy time. No less than -1, where the
/// instrumented run took more than twice the time.
pub fn idle_share(entry: &Entry) -> Option<Interval> {
    let busy = entry.row.gpu_busy_ns.filter(|busy| busy.is_finite() && *busy > 0.0)?;
    let idle = |wall: f64| (1.0 - busy / wall).max(-1.0);
    entry.wall().map(|wall| Interval { middle: idle(wall.middle), low: idle(wall.low), high: idle(wall.high) })
}

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = sweep::with(select::latest(runs, "decode"), idle_share);
    let groups = sweep::groups(&runs, sweep::N_EMBD, idle_share);
    if groups.is_empty() {
        return Picture::missing("it needs rows with gpu_busy_ns of the experiment `decode`");
    }
    let mut notes = sweep::notes(&runs);
    notes.push(
        "Computing is the sum over passes of end minus begin by GPU timestamps, in one instrumented run; below 0% \
         that run took longer than the median timed one."
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
