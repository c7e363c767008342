//! What one dispatch gains for work that is no chain of steps, beside what the A/A control of each case leaves open.

use super::dots::{Dot, Group, Kind, Page, Row};
use super::palette::policy_look;
use super::picture::Picture;
use super::{number, sweep};
use crate::analysis::rollouts::{busy_ratio, fused, in_several, is_control, noise};
use crate::analysis::select;
use crate::error::Result;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;

const EXPERIMENTS: [&str; 3] = ["rollout-controls", "rollout-pi", "rollout-nbody"];

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs: Vec<&Run> = EXPERIMENTS.iter().flat_map(|name| select::latest_hardware(runs, name)).collect();
    let mut groups: Vec<Group> = Vec::new();
    for run in &runs {
        let rows: Vec<Row> = run.cases.iter().filter_map(|case| row(run, case)).collect();
        match groups.iter_mut().find(|group| group.heading == run.device()) {
            Some(group) => group.rows.extend(rows),
            None if rows.is_empty() => {}
            None => groups.push(Group { heading: run.device(), rows }),
        }
    }
    if groups.is_empty() {
        return Picture::missing(
            "it needs timed rows of the experiment `rollout-controls`, `rollout-pi` or `rollout-nbody` on a hardware device",
        );
    }
    let kind = |label, policy| {
        let look = policy_look(policy);
        Kind { label, color: look.color, marker: look.marker }
    };
    let mut notes = sweep::notes(&runs);
    notes.push(
        "Behind a name: points × coordinates of a test function, individuals × samples of monte-carlo-pi, bodies × steps of nbody. Grey: \
         how far the same arm, entered twice (A/A), differs from itself; a gain within it is none (≈). GPU alone: how many times \
         as long the fastest way of several dispatches keeps the GPU busy, by its own clock, gaps between dispatches included; \
         what a gain has beyond that is the host's part. The terms of a test function go through memory between two dispatches, which one \
         dispatch spares: that is less work."
            .into(),
    );
    let page = Page {
        title: "Does work without a chain of steps gain from one dispatch?",
        subtitle: "How many times as fast one dispatch is as several that do the same arithmetic: test functions, whose terms \
                   stand side by side, with the terms in memory in between; pi by counted random samples, in ten dispatches of the same \
                   kernel; and bodies that all pull at each other, with a dispatch for each step."
            .into(),
        x_title: "times as fast in one dispatch",
        print: number::short,
        kinds: vec![
            kind("over waiting for each dispatch", Policy::WaitEach),
            kind("over the fastest way of several", Policy::OneSubmit),
        ],
        columns: vec!["over\nwaiting", "over the\nfastest", "GPU\nalone"],
        reference: Some(1.0),
        groups,
        notes,
    };
    page.draw().map(Picture::Drawn)
}

fn row(run: &Run, case: &Case) -> Option<Row> {
    let fused = fused(run, case).filter(|_| is_control(case))?;
    let [fastest, waits] = in_several(run, case);
    let noise = noise(run, case);
    let gain = |slow: &Option<crate::analysis::measured::Measured>| {
        slow.as_ref().and_then(|slow| fused.speedup_over(slow)).map(|number| number.as_interval())
    };
    let gains = [gain(&waits), gain(&fastest)];
    let shown = |gain: &Option<crate::statistics::Interval>| match gain {
        Some(gain) if noise.is_some_and(|noise| gain.low <= noise && gain.high >= 1.0 / noise) => "≈".to_string(),
        Some(gain) => number::step(gain.mid),
        None => String::new(),
    };
    let kernels = fastest.and_then(|slow| busy_ratio(&fused, &slow));
    let mut texts: Vec<String> = gains.iter().map(shown).collect();
    texts.push(kernels.map_or_else(String::new, |ratio| number::step(ratio.value)));
    let dots: Vec<Dot> = [(gains[0], &waits), (gains[1], &fastest)]
        .into_iter()
        .enumerate()
        .filter_map(|(kind, (gain, slow))| Some(Dot::of_ratio(kind, gain?, [&fused, slow.as_ref()?])))
        .collect();
    let label = format!(
        "{} · {} × {}",
        case.environment,
        number::short(case.population.into()),
        number::short(case.steps.into())
    );
    (!dots.is_empty()).then_some(Row { label, band: noise.map(|noise| (1.0 / noise, noise)), dots, texts })
}
