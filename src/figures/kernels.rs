//! The fused kernels as a ladder: what each version of them gains over the one before, with WebGPU's checks and without.

use super::dots::{Dot, Group, Kind, Page, Row};
use super::palette::{self, policy_look};
use super::picture::Picture;
use super::rollout_ladder::gained;
use super::{number, sweep};
use crate::analysis::measured::Measured;
use crate::analysis::select;
use crate::error::Result;
use crate::program::{Checks, Policy};
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::workload::decode::{Algorithm, Arm};

const EXPERIMENTS: [&str; 2] = ["peers", "peers-gpt2"];

/// The versions, in the order in which `shaders/README.md` tells of them.
const VERSIONS: [Algorithm; 3] = [Algorithm::FusedWorkgroup, Algorithm::FusedSubgroup, Algorithm::FusedGrid];

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs: Vec<&Run> = EXPERIMENTS.iter().flat_map(|name| select::latest_hardware(runs, name)).collect();
    let (most, shown) = match sweep::has_several_devices(&runs) {
        true => (2, "two cases of an experiment the smallest and the largest"),
        false => (3, "three cases of an experiment the smallest, middle and largest"),
    };
    let groups: Vec<Group> = runs.iter().flat_map(|run| groups(run, most)).collect();
    if groups.is_empty() {
        return Picture::missing(
            "it needs timed rows of several fused kernels in the experiment `peers` or `peers-gpt2` on a hardware device",
        );
    }
    let mut notes = sweep::notes(&runs);
    notes.push(format!(
        "×: how many times as fast a row is as the row above, both checked or, where that was not measured, both unchecked; and \
         what leaving out the checks gains. A factor whose interval holds 1 is shown as no difference (≈). Of more than {shown} \
         are shown."
    ));
    let [checked, unchecked] =
        [Checks::Bounds, Checks::None].map(|checks| palette::arm_look(&arm_of(Algorithm::FusedWorkgroup, checks)));
    let page = Page {
        title: "What does each version of the fused kernel gain?",
        subtitle: "Tokens per second of GPT-2 decoding: one submit per token, with one dispatch per operation; then one dispatch \
                   in all, by one workgroup, by one with subgroup operations, and by many workgroups that wait for each other. \
                   With checks of indices (in older runs of loops as well), and without any."
            .into(),
        x_title: "tokens/s",
        print: number::short,
        kinds: vec![
            Kind { label: "checked", color: checked.color, marker: checked.marker },
            Kind { label: "unchecked", color: policy_look(Policy::OneSubmit).color, marker: unchecked.marker },
        ],
        columns: vec!["over the\nrow above", "without\nchecks"],
        reference: None,
        groups,
        notes,
    };
    page.draw().map(Picture::Drawn)
}

fn arm_of(algorithm: Algorithm, checks: Checks) -> String {
    Arm { checks, ..Arm::of(algorithm) }.name()
}

fn groups(run: &Run, most: usize) -> Vec<Group> {
    let mut cases: Vec<&Case> = run.decode_cases().collect();
    cases.sort_by_key(|case| (u64::from(case.n_embd) * u64::from(case.n_embd) * u64::from(case.n_layer), case.n_embd));
    sweep::thinned(cases.into_iter().filter_map(|case| ladder(run, case)).collect(), most)
}

/// A row for each version that has a time; nothing where there are fewer than two.
fn ladder(run: &Run, case: &Case) -> Option<Group> {
    let arm = |label: &str| run.arm(case, label).filter(|arm| arm.rate().is_some());
    let stepwise = run.stepwise(case, Policy::SubmitPerToken).filter(|arm| arm.rate().is_some());
    let versions = VERSIONS.map(|version| {
        let pair = [Checks::Bounds, Checks::None].map(|checks| arm(&arm_of(version, checks)));
        (version.name().to_owned(), pair)
    });
    let ways = [(Policy::SubmitPerToken.name().to_owned(), [stepwise, None])].into_iter().chain(versions);
    let ways: Vec<(String, [Option<Measured>; 2])> =
        ways.filter(|(_, pair)| pair.iter().any(Option::is_some)).collect();
    if ways.len() < 2 {
        return None;
    }
    let row = |index: usize| {
        let (label, pair) = &ways[index];
        let above = index.checked_sub(1).map_or([None, None], |above| ways[above].1);
        // A stepwise row has no unchecked twin: what is over it is over its checked rate.
        let over = pair[0].zip(above[0]).or(pair[1].zip(above[1])).or(pair[1].zip(above[0]));
        let checks = pair[1].zip(pair[0]);
        let texts = [over, checks].map(|pair| pair.map_or_else(String::new, |(fast, slow)| gained(&fast, &slow)));
        let dots = pair.iter().enumerate().filter_map(|(kind, arm)| Dot::of_rate(kind, arm.as_ref()?)).collect();
        Row { label: label.clone(), band: None, dots, texts: texts.to_vec() }
    };
    let heading = format!("{} · {}", run.device(), case.model());
    Some(Group { heading, rows: (0..ways.len()).map(row).collect() })
}
