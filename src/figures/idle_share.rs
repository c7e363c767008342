//! The share of wall time in which the GPU is not computing, against n_embd, on rungs of one kernel: what claim C1 puts at 92%.

use super::chart::{Chart, Vertical};
use super::picture::Picture;
use super::sweep::{self, Mark};
use super::{number, palette};
use crate::analysis::ladder::{EXPERIMENT, KERNEL, Ladder, Rung};
use crate::analysis::measured::Measured;
use crate::analysis::{published, select};
use crate::error::Result;
use crate::record::run::Run;
use crate::statistics::Interval;
use crate::workload::decode::span::Span;

/// [`Measured::idle`], no less than -1: what is further below would press the rest of the axis together.
fn idle_share(row: &Measured) -> Option<Interval> {
    let Interval { low, mid, high } = row.idle()?.as_interval();
    Some(Interval { low: low.max(-1.0), mid: mid.max(-1.0), high: high.max(-1.0) })
}

/// An operation a dispatch under each policy, and everything in one.
fn marks(run: &Run) -> Vec<Mark<'_>> {
    let mark = |rung: Rung<'_>, case| {
        let look = match rung.span {
            Span::Operation => palette::policy_look(rung.policy),
            Span::Generation => palette::arm_look(KERNEL.name()),
            _ => return None,
        };
        Some(Mark { case, look, y: idle_share(&rung.entry)?, capped: rung.entry.is_capped() })
    };
    let of_case = |case| Ladder::of(run, case).rungs.into_iter().filter_map(move |rung| mark(rung, case));
    run.decode_cases().flat_map(of_case).collect()
}

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let mut runs = select::latest_hardware(runs, EXPERIMENT);
    runs.retain(|run| !marks(run).is_empty());
    let groups = sweep::grouped(&runs, sweep::N_EMBD, marks);
    if groups.is_empty() {
        return Picture::missing("it needs rungs with gpu_busy_ns of the experiment `span` on a hardware device");
    }
    let mut notes = sweep::notes(&runs);
    notes.push(
        "Computing is the sum over passes of end minus begin by GPU timestamps, in instrumented runs of their \
         own; a share below 0% says that those runs took longer than the median timed one."
            .into(),
    );
    let claimed =
        published::claim("C1").map(|claim| (claim.low, format!("{} claimed (C1)", number::percent(claim.low))));
    Picture::drawn(Chart {
        title: "How much of the time is the GPU not computing?".into(),
        subtitle: format!(
            "Share of wall time outside the GPU's passes, by model width, of one kernel; dashed: one dispatch per \
             operation, by policy; solid: one dispatch in all. {}.",
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
