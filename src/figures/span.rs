//! Tokens per second of one kernel against dispatches per token: what is gained as a dispatch covers more.

use std::collections::BTreeMap;

use super::chart::{Chart, Curve, Group, Panel, Point, Vertical};
use super::picture::Picture;
use super::{number, palette, sweep};
use crate::analysis::ladder::{EXPERIMENT, KERNEL, Ladder};
use crate::analysis::select;
use crate::error::Result;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::workload::decode::span::Span;

/// The experiment that has the same ladder in the shape of GPT-2 124M.
const LARGE: &str = "span-gpt2";

pub fn draw(all: &[Run]) -> Result<Picture> {
    let mut runs = select::latest_hardware(all, EXPERIMENT);
    runs.retain(|run| run.has_ladder());
    if runs.is_empty() {
        return Picture::missing("it needs timed rungs of the experiment `span` on a hardware device");
    }
    let (most, shown) = match sweep::has_several_devices(&runs) {
        true => (2, "two widths the smallest and the largest"),
        false => (3, "three widths the smallest, middle and largest"),
    };
    let large = select::latest_hardware(all, LARGE);
    let of_large = |run: &Run| large.iter().find(|large| large.device_folder() == run.device_folder()).copied();
    let groups = runs.iter().map(|run| Group {
        heading: run.device(),
        is_software: false,
        panels: panels(run, most)
            .into_iter()
            .chain(of_large(run).map_or_else(Vec::new, |run| panels(run, 1)))
            .collect(),
    });
    let mut notes = sweep::notes(&runs);
    notes.push(format!(
        "From right to left a dispatch covers an operation, a stage (up to where workgroups wait for each other), a layer, a token, \
         16 tokens, and the whole generation, where the policy makes no difference. Of more than {shown} are shown."
    ));
    if !large.is_empty() {
        notes.push("n_embd 768 · n_layer 12 is the shape of GPT-2 124M, with its vocabulary of 50,257.".into());
    }
    Picture::drawn(Chart {
        title: "What is gained as a dispatch covers more?".into(),
        subtitle: format!(
            "Tokens per second of {} by the number of dispatches per token: the same shader, of which a dispatch \
             covers more or less. {}.",
            KERNEL.name(),
            sweep::constants(&runs, sweep::N_EMBD)
        ),
        x_title: "dispatches per token".into(),
        y_title: "tokens/s".into(),
        vertical: Vertical::Log(number::short),
        reference: None,
        groups: groups.collect(),
        notes,
    })
}

/// A row of panels for each of `most` widths, a panel for each number of layers.
fn panels(run: &Run, most: usize) -> Vec<Panel> {
    let mut by_width: BTreeMap<u32, Vec<Panel>> = BTreeMap::new();
    for case in run.decode_cases() {
        by_width.entry(case.n_embd).or_default().extend(panel(run, case));
    }
    let rows = by_width.into_values().filter(|panels| !panels.is_empty()).collect();
    sweep::thinned(rows, most).into_iter().flatten().collect()
}

fn panel(run: &Run, case: &Case) -> Option<Panel> {
    let mut curves: BTreeMap<Policy, Vec<Point>> = BTreeMap::new();
    let ladder = Ladder::of(run, case);
    let policies = || Policy::ALL.into_iter().filter(|policy| ladder.at(Span::Operation, *policy).is_some());
    for rung in &ladder.rungs {
        let y = rung.entry.rate()?;
        let x = per_token(rung.entry.row.dispatches as f64 / rung.entry.row.units as f64);
        // All in one dispatch is the end of every curve.
        let of = if rung.span == Span::Generation { policies().collect() } else { vec![rung.policy] };
        for policy in of {
            curves.entry(policy).or_default().push(Point { x, y, capped: rung.entry.is_capped() });
        }
    }
    let curve = |(policy, mut points): (Policy, Vec<Point>)| {
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        Curve { look: palette::policy_look(policy), points }
    };
    let heading = format!("n_embd {} · n_layer {}", case.n_embd, case.n_layer);
    (!curves.is_empty()).then(|| Panel { heading, curves: curves.into_iter().map(curve).collect() })
}

/// As it is printed below the axis: of several dispatches a token the one that a generation has besides is not seen.
fn per_token(dispatches: f64) -> f64 {
    let digits = if dispatches < 1.0 { 1e3 } else { 1e1 };
    (dispatches * digits).round() / digits
}
