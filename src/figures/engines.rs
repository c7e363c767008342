//! What people run a model with, beside the arms in the same format, and what the device's memory allows.

use super::dots::{Dot, Group, Kind, Page, Row};
use super::palette::{self, peer_look};
use super::picture::Picture;
use super::rollout_ladder::gained;
use super::{number, sweep};
use crate::analysis::measured::{Measured, fastest};
use crate::analysis::select;
use crate::error::Result;
use crate::program::Checks;
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::statistics::Interval;
use crate::workload::decode::format::Format;
use crate::workload::decode::{Algorithm, Arm};

/// Kinds of dots.
const CHECKED: usize = 0;
const UNCHECKED: usize = 1;
const ENGINE: usize = 2;
const BOUND: usize = 3;

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = select::latest_hardware(runs, "engines");
    let of_run = |run: &&'_ Run| {
        let of_case = |case| Format::ALL.into_iter().filter_map(|format| in_format(run, case, format)).collect();
        run.decode_cases().flat_map::<Vec<Group>, _>(of_case).collect::<Vec<_>>()
    };
    let groups: Vec<Group> = runs.iter().flat_map(of_run).collect();
    if groups.is_empty() {
        return Picture::missing(
            "it needs timed rows of peers beside a run of the experiment `engines` on a hardware device",
        );
    }
    let mut notes = sweep::notes(&runs);
    notes.push(
        "×: how many times as fast one dispatch with WebGPU's checks is as the row; below 1 the row is faster. A factor whose \
         interval holds 1 is shown as no difference (≈). An engine with wrong output has no row."
            .into(),
    );
    notes.push(sweep::BOUND.into());
    let look = |label: &'static str, look: palette::Look| Kind { label, color: look.color, marker: look.marker };
    let fused = |checks| palette::arm_look(&Arm { checks, ..Arm::of(Algorithm::FusedGrid) }.name());
    let page = Page {
        title: "What would you pick?",
        subtitle: "Tokens per second of one stream: the arms, all in one dispatch, and engines that people run models with, by \
                   the format of the weights."
            .into(),
        x_title: "tokens/s",
        print: number::short,
        kinds: vec![
            look("one dispatch, checked", fused(Checks::Bounds)),
            look("unchecked", fused(Checks::None)),
            look("engines", peer_look("llama-cpp", String::new(), false)),
            look("the device's bound", palette::bound_look()),
        ],
        columns: vec!["one dispatch over"],
        reference: None,
        groups,
        notes,
    };
    page.draw().map(Picture::Drawn)
}

/// A row for each way, the fastest first; nothing where no arm or no engine has a time in this format.
fn in_format(run: &Run, case: &Case, format: Format) -> Option<Group> {
    let arms = run.arms_in(case, format);
    let with = |checks| fastest(arms.iter().copied().filter(|arm| checks_of(arm) == Some(checks)));
    let checked = with(Checks::Bounds)?;
    let engines = run.peers_in(case, format);
    if engines.iter().all(|engine| engine.rate().is_none()) {
        return None;
    }
    let arms = [(CHECKED, Some(checked)), (UNCHECKED, with(Checks::None))];
    let arms = arms.into_iter().filter_map(|(kind, arm)| Some((kind, arm?)));
    let mut ways: Vec<(Dot, Measured)> = arms
        .chain(engines.into_iter().map(|engine| (ENGINE, engine)))
        .filter_map(|(kind, way)| Some((Dot::of_rate(kind, &way)?, way)))
        .collect();
    ways.sort_by(|(a, _), (b, _)| b.at.mid.total_cmp(&a.at.mid));
    let row = |(dot, way): (Dot, Measured)| {
        let text = if dot.kind == CHECKED { String::new() } else { gained(&checked, &way) };
        Row { label: way.label(), band: None, dots: vec![dot], texts: vec![text] }
    };
    let rows = bound(&checked).into_iter().chain(ways.into_iter().map(row)).collect();
    let heading = format!("{} · {} · {}", run.device(), case.model(), format.name());
    Some(Group { heading, rows })
}

fn checks_of(arm: &Measured) -> Option<Checks> {
    arm.decode_arm().filter(|arm| arm.is_fused()).map(|arm| arm.checks)
}

/// What the device would allow the arm.
fn bound(arm: &Measured) -> Option<Row> {
    let mid = arm.bound_rate()?;
    let at = Interval { low: mid, mid, high: mid };
    let dots = vec![Dot { kind: BOUND, at, is_capped: false }];
    Some(Row { label: "bound".into(), band: None, dots, texts: vec![String::new()] })
}
