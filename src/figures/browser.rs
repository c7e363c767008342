//! What a browser costs: the same programs natively and on a browser's engine, on one device.

use super::dots::{Dot, Group, Kind, Page, Row};
use super::picture::Picture;
use super::{number, palette, sweep};
use crate::analysis::measured::fastest;
use crate::analysis::select;
use crate::error::Result;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::workload::decode::Algorithm;

const EXPERIMENT: &str = "browser";

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let pairs: Vec<(&Run, &Run)> = select::latest_hardware(runs, EXPERIMENT)
        .into_iter()
        .flat_map(|native| select::in_browsers(runs, native).into_iter().map(move |browser| (native, browser)))
        .collect();
    let groups: Vec<Group> = pairs.iter().filter_map(|(native, browser)| group(native, browser)).collect();
    if groups.is_empty() {
        return Picture::missing("it needs the experiment `browser` natively and in a browser on one hardware device");
    }
    let all: Vec<&Run> = pairs.iter().flat_map(|(native, browser)| [*native, *browser]).collect();
    let mut notes: Vec<String> = sweep::notes(&all).into_iter().skip(1).collect();
    notes.push(
        "The two runs were made one after the other, so a ratio has no interval, and the noise of both is in it. Each run chose \
         its own sizes of workgroups."
            .into(),
    );
    let page = Page {
        title: "What does the browser itself cost?",
        subtitle: "How many times as fast the same programs, from the same shaders, run natively (wgpu) as in a browser or \
                   on its engine, on the same device. Both run with WebGPU's checks. Numbers: tokens per second of the fastest fused \
                   kernel of one workgroup."
            .into(),
        x_title: "times as fast natively",
        print: number::short,
        kinds: ways().iter().map(|way| Kind { label: way.label, color: way.look.color, marker: way.look.marker }).collect(),
        columns: vec!["tokens/s\nnatively", "in the\nbrowser"],
        reference: Some(1.0),
        groups,
        notes,
    };
    page.draw().map(Picture::Drawn)
}

struct Way {
    label: &'static str,
    look: palette::Look,
}

/// What is compared, by the label of its row.
fn ways() -> [Way; 4] {
    let policy = |policy: Policy| Way { label: policy.name(), look: palette::policy_look(policy) };
    let fused = |algorithm: Algorithm| Way { label: algorithm.name(), look: palette::arm_look(algorithm.name()) };
    [
        policy(Policy::WaitEach),
        policy(Policy::OneSubmit),
        fused(Algorithm::FusedWorkgroup),
        fused(Algorithm::FusedSubgroup),
    ]
}

fn group(native: &Run, browser: &Run) -> Option<Group> {
    let engine = browser.manifest.browser.as_ref()?;
    let rows: Vec<Row> = native.decode_cases().filter_map(|case| row(native, browser, case)).collect();
    let heading = format!("{} · {} ({})", native.device(), engine.name, engine.version);
    (!rows.is_empty()).then_some(Group { heading, rows })
}

fn row(native: &Run, browser: &Run, case: &Case) -> Option<Row> {
    let same = browser.decode_cases().find(|other| other.case == case.case)?;
    let dots: Vec<Dot> = ways()
        .iter()
        .enumerate()
        .filter_map(|(kind, way)| {
            let (natively, there) = (native.arm(case, way.label)?, browser.arm(same, way.label)?);
            Some(Dot::of_ratio(kind, natively.ratio_to(&there)?.as_interval(), [&natively, &there]))
        })
        .collect();
    let best = |run: &Run, case: &Case| {
        let fused = run.arms(case).into_iter().filter(|arm| arm.row.key.arm.starts_with("fused-"));
        fastest(fused).and_then(|arm| arm.rate()).map_or_else(String::new, |rate| number::rate(rate.mid))
    };
    let texts = vec![best(native, case), best(browser, same)];
    let label = case.model();
    (!dots.is_empty()).then_some(Row { label, band: None, dots, texts })
}
