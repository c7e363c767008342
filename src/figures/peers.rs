//! Tokens per second against n_embd: the arms, other frameworks on the same device, and what the device would allow.

use super::chart::{Chart, Vertical};
use super::picture::Picture;
use super::sweep::{self, Mark};
use super::{number, palette};
use crate::analysis::claims::WEAK_VARIANT;
use crate::analysis::measured::{Measured, STEPWISE};
use crate::analysis::select;
use crate::error::Result;
use crate::record::run::Run;

/// Ends the label of the variant that waits for every token.
const WAITING: &str = ", waiting";

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let mut runs = select::latest_hardware(runs, "peers");
    runs.retain(|run| !marks_of_peers(run).is_empty());
    if runs.is_empty() {
        return Picture::missing(
            "it needs timed rows of peers beside a run of the experiment `peers` on a hardware device",
        );
    }
    let groups = sweep::grouped(&runs, sweep::N_EMBD, |run| {
        let arm = |entry: &Measured<'_>| entry.rate().map(|rate| (palette::look(&entry.row.key), rate));
        let arms = sweep::timed(run).into_iter().filter(|entry| is_shown(run, entry));
        let arms = arms.filter_map(|entry| arm(&entry).map(|(look, rate)| Mark::of(&entry, look, rate)));
        let bounds = run.decode_cases().filter_map(|case| sweep::bound(run, case));
        arms.chain(marks_of_peers(run)).chain(bounds).collect()
    });
    let mut notes = sweep::notes(&runs);
    let is_capped = |run: &&Run| marks_of_peers(run).iter().any(|mark| mark.capped);
    if runs.iter().any(is_capped) && !notes.iter().any(|note| note == sweep::CAPPED) {
        notes.push(sweep::CAPPED.into());
    }
    let is_waiting = |mark: &Mark| mark.look.label.ends_with(WAITING);
    let waiting = match runs.iter().any(|run| marks_of_peers(run).iter().any(is_waiting)) {
        true => ", and PyTorch's eager loop that waits for each token",
        false => "",
    };
    notes.push(format!("Of each framework the fastest of its variants that compute in f32{waiting}."));
    notes.push(sweep::BOUND.into());
    Picture::drawn(Chart {
        title: "How fast are other frameworks on the same GPU?".into(),
        subtitle: format!(
            "Tokens per second of GPT-2 decoding by model width. Thick: one dispatch, without WebGPU's checks where that was \
             measured; dashed: one dispatch per operation; thin: other frameworks; grey: what \
             the device's measured rates of memory and multiply-adds allow. {}.",
            sweep::constants(&runs, sweep::N_EMBD)
        ),
        x_title: "n_embd".into(),
        y_title: "tokens/s".into(),
        vertical: Vertical::Log(number::short),
        reference: None,
        groups,
        notes,
    })
}

/// Peers are many, so of an arm that was also measured without WebGPU's checks the checked one is left out here, and of the
/// stepwise policies all but the fastest of its case: other figures have them.
fn is_shown(run: &Run, entry: &Measured<'_>) -> bool {
    if entry.row.key.arm == STEPWISE {
        return run.fastest_stepwise(entry.case).is_some_and(|fastest| fastest.row.key == entry.row.key);
    }
    let unchecked = format!("{}-unchecked", entry.row.key.arm);
    run.arm(entry.case, &unchecked).is_none_or(|other| other.wall_ns().is_none())
}

/// Each peer at its fastest, and the variant that waits for every token, in every case.
fn marks_of_peers(run: &Run) -> Vec<Mark<'_>> {
    let mut marks = Vec::new();
    for case in run.decode_cases() {
        for peer in run.peer_names() {
            let weak = run.peer(case, &format!("{peer}.{WEAK_VARIANT}"));
            for (entry, label, is_weak) in [
                (run.fastest_of_peer(case, peer), format!("{peer}, fastest"), false),
                (weak, format!("{peer}{WAITING}"), true),
            ] {
                let mark = |entry: Measured<'_>| Some((entry.rate()?, entry.is_capped()));
                let look = palette::peer_look(peer, label, is_weak);
                marks.extend(entry.and_then(mark).map(|(y, capped)| Mark { case, look, y, capped }));
            }
        }
    }
    marks
}
