//! The fraction of the physical bound that each arm reaches.

use super::chart::{Chart, Vertical};
use super::picture::Picture;
use super::{number, sweep};
use crate::analysis::measured::Measured;
use crate::analysis::select;
use crate::error::Result;
use crate::record::run::Run;
use crate::statistics::Interval;

/// See [`Measured::bound_fraction`].
fn fraction_of_bound(row: &Measured) -> Option<Interval> {
    row.bound_fraction().map(|fraction| fraction.as_interval())
}

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = sweep::with(select::latest_hardware(runs, "decode"), fraction_of_bound);
    let groups = sweep::groups(&runs, sweep::N_EMBD, fraction_of_bound);
    if groups.is_empty() {
        return Picture::missing(
            "it needs a run of the experiment `decode` on a hardware device that holds the controls `copy` and `fma`",
        );
    }
    let mut notes = sweep::notes(&runs);
    notes.push(
        "The bound takes each byte from memory, at the rate of the control `copy`. What fits into the caches is read \
         faster, so a small model may lie above it."
            .into(),
    );
    Picture::drawn(Chart {
        title: "How close to the hardware's limit is each way?".into(),
        subtitle: format!(
            "Shortest time that the device's measured rates of memory and multiply-adds allow, as a share of the time \
             taken. {}.",
            sweep::constants(&runs, sweep::N_EMBD)
        ),
        x_title: "n_embd".into(),
        y_title: "share of the physical bound".into(),
        vertical: Vertical::Log(number::percent),
        reference: Some((1.0, "physical bound".into())),
        groups,
        notes,
    })
}
