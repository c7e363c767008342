//! Tokens per second of one kernel against dispatches per token: what a dispatch gains by the more it covers.

use std::collections::BTreeMap;

use super::chart::{Chart, Curve, Group, Panel, Point, Vertical};
use super::{Picture, number, palette, sweep};
use crate::analysis::measured::Measured;
use crate::analysis::select;
use crate::error::Result;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::workload::decode::{Algorithm, Arm};

/// The kernel whose rungs are drawn.
const KERNEL: Algorithm = Algorithm::FusedGrid;

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = sweep::with(select::latest_hardware(runs, "span"), |entry| entry.rate());
    let groups: Vec<Group> = runs
        .iter()
        .map(|run| Group {
            is_software: false,
            panels: run.decode_cases().filter_map(|case| panel(run, case)).collect(),
        })
        .filter(|group| !group.panels.is_empty())
        .collect();
    if groups.is_empty() {
        return Picture::missing("it needs timed rows of the experiment `span` on a hardware device");
    }
    let devices: Vec<String> = runs.iter().map(|run| run.device()).collect();
    let mut notes = sweep::notes(&runs);
    notes.push(
        "From right to left a dispatch covers an operation, a stage (up to where workgroups wait for each other), a layer, a token, \
         16 tokens, and the whole generation, where policies do not tell apart."
            .into(),
    );
    Picture::drawn(Chart {
        title: "What does a dispatch gain by the more it covers?".into(),
        subtitle: format!(
            "Tokens per second of {} by how often it is dispatched: the same shader, of which a dispatch \
             covers more or less. {}. {}.",
            KERNEL.name(),
            devices.join("; then "),
            sweep::constants(&runs, sweep::N_EMBD)
        ),
        x_title: "dispatches per token".into(),
        y_title: "tokens/s".into(),
        vertical: Vertical::Log(number::short),
        reference: None,
        groups,
        notes,
    })
}

fn panel(run: &Run, case: &Case) -> Option<Panel> {
    let rungs: Vec<(Arm, Measured)> = run
        .arms(case)
        .into_iter()
        .filter_map(|entry| Some((Arm::named(&entry.row.key.arm).ok()?, entry)))
        .filter(|(arm, entry)| *arm == Arm { span: arm.span, ..Arm::of(KERNEL) } && entry.rate().is_some())
        .collect();
    let mut curves: BTreeMap<Policy, Vec<Point>> = BTreeMap::new();
    for (arm, entry) in &rungs {
        let y = entry.rate()?;
        // As it is printed below the axis.
        let x = (1e3 * entry.row.dispatches as f64 / entry.row.units as f64).round() / 1e3;
        let policy: Policy = entry.row.key.policy.parse().ok()?;
        // All in one dispatch is the end of every curve.
        let of = if arm.is_fused() { Policy::ALL.to_vec() } else { vec![policy] };
        for policy in of {
            curves.entry(policy).or_default().push(Point { x, y, capped: entry.is_capped() });
        }
    }
    let curve = |(policy, mut points): (Policy, Vec<Point>)| {
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        Curve { look: palette::policy_look(policy), points }
    };
    let heading = format!("n_embd {} · n_layer {}", case.n_embd, case.n_layer);
    (!curves.is_empty()).then(|| Panel { heading, curves: curves.into_iter().map(curve).collect() })
}
