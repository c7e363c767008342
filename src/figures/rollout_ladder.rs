//! Rollouts by environment: one dispatch per operation and one per step under each policy, and one dispatch in all.

use std::collections::BTreeSet;

use super::dots::{Dot, Group, Kind, Page, Row};
use super::palette::policy_look;
use super::picture::Picture;
use super::{number, palette, sweep};
use crate::analysis::measured::{Measured, fastest};
use crate::analysis::rollouts::fused;
use crate::analysis::select;
use crate::error::Result;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;

pub const EXPERIMENTS: [&str; 2] = ["rollout", "rollout-portfolio"];

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs: Vec<&Run> = EXPERIMENTS.iter().flat_map(|name| select::latest_hardware(runs, name)).collect();
    let is_crowded = sweep::has_several_devices(&runs);
    let most = if is_crowded { 2 } else { usize::MAX };
    let ladders = |run: &&Run| sweep::thinned(run.cases.iter().filter_map(|case| ladder(run, case)).collect(), most);
    let groups: Vec<Group> = runs.iter().flat_map(ladders).collect();
    if groups.is_empty() {
        return Picture::missing(
            "it needs timed rows of the experiment `rollout` or `rollout-portfolio` on a hardware device",
        );
    }
    let look = |label: &'static str, look: palette::Look| Kind { label, color: look.color, marker: look.marker };
    let mut kinds = vec![
        look("per operation", policy_look(Policy::WaitEach)),
        look("per step", policy_look(Policy::OneSubmit)),
        look("fused", palette::arm_look("fused")),
    ];
    let mut columns = vec!["over per\noperation", "over per\nstep"];
    let has_spans = groups.iter().flat_map(|group| &group.rows).any(|row| row.dots.iter().any(|dot| dot.kind == SPANS));
    if has_spans {
        kinds.push(look("several steps", policy_look(Policy::SubmitPerToken)));
        columns.push("over several\nsteps");
    }
    let mut notes = sweep::notes(&runs);
    notes.push(
        "×: how many times as fast one dispatch in all is as the way of its row, which is the gain of fusion and, above \
         one-submit, of batching. A step takes the place of a token here: submit-per-token has one submit for each step. A factor \
         whose interval holds 1 is shown as no difference (≈)."
            .into(),
    );
    if is_crowded {
        notes.push(
            "Of more than two environments of an experiment on a device the first and the last are shown.".into(),
        );
    }
    let mut page = Page {
        title: "What does each way of dispatching make of a rollout?",
        subtitle: "Environment steps per second by environment and policy, of a population that is followed through an episode \
                   each: one dispatch per operation of a step, as a framework runs it; one dispatch per step; one dispatch in \
                   all. Only steps of episodes that go on are counted."
            .into(),
        x_title: "environment steps/s",
        print: number::short,
        kinds,
        columns,
        reference: None,
        groups,
        notes,
    };
    if has_spans {
        page.notes.push("Where a dispatch covers several steps, the fastest policy is shown.".into());
        for row in page.groups.iter_mut().flat_map(|group| &mut group.rows) {
            row.texts.resize(page.columns.len(), String::new());
        }
    }
    page.draw().map(Picture::Drawn)
}

/// The kind of dot of dispatches that cover several steps, and not all.
const SPANS: usize = 3;

/// A row for each number of steps that a dispatch of the fused kernel covers, under the policy that is the fastest.
fn spans(fused: &Measured, arms: &[Measured]) -> Vec<Row> {
    let number = |arm: &Measured| arm.row.key.arm.strip_prefix("fused@steps:")?.parse::<u32>().ok();
    let numbers: BTreeSet<u32> = arms.iter().filter_map(number).collect();
    let row = |steps: u32| {
        let best = fastest(arms.iter().copied().filter(|arm| number(arm) == Some(steps)))?;
        let texts = vec![String::new(), String::new(), gained(fused, &best)];
        Some(Row { label: format!("{steps} steps each"), band: None, dots: vec![Dot::of_rate(SPANS, &best)?], texts })
    };
    numbers.into_iter().filter_map(row).collect()
}

/// A row for each policy, for each longer span, and one for the fused arm; nothing where that has no time, or is alone.
fn ladder(run: &Run, case: &Case) -> Option<Group> {
    let fused = fused(run, case).filter(|_| case.workload == "rollout")?;
    let arms = run.arms(case);
    let arm = |name: &str, policy: Policy| {
        let is =
            |arm: &&Measured| arm.row.key.arm == name && arm.row.key.policy == policy.name() && arm.rate().is_some();
        arms.iter().find(is).copied()
    };
    let row = |policy: Policy| {
        let per_step = run.stepwise(case, policy).filter(|arm| arm.rate().is_some());
        let ways = [arm("per-operation", policy), per_step];
        let dots = ways.iter().enumerate().filter_map(|(kind, way)| Dot::of_rate(kind, way.as_ref()?)).collect();
        let texts = ways.iter().map(|way| way.as_ref().map_or_else(String::new, |way| gained(&fused, way))).collect();
        Row { label: policy.name().into(), band: None, dots, texts }
    };
    let mut rows: Vec<Row> = Policy::ALL.into_iter().map(row).filter(|row| !row.dots.is_empty()).collect();
    if rows.is_empty() {
        return None;
    }
    rows.extend(spans(&fused, &arms));
    let dots = vec![Dot::of_rate(2, &fused)?];
    rows.push(Row { label: "one dispatch".into(), band: None, dots, texts: vec![String::new(); 2] });
    let Case { environment, population, steps, .. } = case;
    let heading = format!("{} · {environment} · population {population}, steps {steps}", run.device());
    Some(Group { heading, rows })
}

/// The factor of one over another, as figures print a step.
pub fn gained(fast: &Measured, slow: &Measured) -> String {
    let factor = fast.speedup_over(slow).map(|number| number.as_interval());
    factor.map_or_else(String::new, |factor| if factor.contains(1.0) { "≈".into() } else { number::step(factor.mid) })
}
