//! The fraction of the physical bound that each arm reaches.

use super::chart::{Chart, Vertical};
use super::select::{Entry, Interval};
use super::{Picture, number, select, sweep};
use crate::error::Result;
use crate::record::directory::Run;

/// The shortest time that the device's own ceilings allow for a row's work, over the time it took: at most 1 for a row
/// that is possible.
///
/// The bound is `max(min_bytes / copy ceiling, multiply_adds / fma ceiling)`, the ceilings those that the control rows
/// of the same run measured (arms `copy` and `fma`).
pub fn fraction_of_bound(entry: &Entry) -> Option<Interval> {
    let seconds_of_copy = entry.row.min_bytes as f64 / select::ceiling(entry.run, "copy")?;
    let seconds_of_fma = entry.row.multiply_adds as f64 / select::ceiling(entry.run, "fma")?;
    let bound_ns = seconds_of_copy.max(seconds_of_fma) * 1e9;
    let bound = Interval { middle: bound_ns, low: bound_ns, high: bound_ns };
    (bound_ns > 0.0).then(|| entry.wall().map(|wall| bound.over(wall)))?
}

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = sweep::with(select::latest_hardware(runs, "decode"), fraction_of_bound);
    let groups = sweep::groups(&runs, sweep::N_EMBD, fraction_of_bound);
    if groups.is_empty() {
        return Picture::missing(
            "it needs a run of the experiment `decode` on a hardware device that holds the controls `copy` and `fma`",
        );
    }
    Picture::drawn(Chart {
        title: "How close to the hardware's limit is each way?".into(),
        subtitle: format!(
            "Shortest time that the device's measured copy and multiply-add rates allow, as a share of the time taken. \
             {}.",
            sweep::constants(&runs, sweep::N_EMBD)
        ),
        x_title: "n_embd".into(),
        y_title: "share of the physical bound".into(),
        vertical: Vertical::Log(number::percent),
        reference: Some((1.0, "physical bound".into())),
        groups,
        notes: sweep::notes(&runs),
    })
}
