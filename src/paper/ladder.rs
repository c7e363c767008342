//! What the rungs of one kernel say, and by how much the ladder of two kernels overstated fusion.

use super::ledger::Ledger;
use super::print::Print;
use super::range::add_range;
use crate::analysis::claims::{fastest_of_one_workgroup, is_published_case};
use crate::analysis::ladder::{self, entry};
use crate::analysis::number::{Cell, Number};
use crate::analysis::published;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::workload::decode::span::Span;

/// Numbers of one case, by `ladder.<quantity>`; nothing where a run has no rungs.
///
/// `weak` is an operation a dispatch with a wait for each, `unfused` the fastest rung whose dispatches wait for nothing inside,
/// `whole` the one dispatch; a span by itself is its fastest policy. `ladder.over.*` are speed-ups of `whole`, and
/// `ladder.step.<span>` what a span gains over the one before.
///
/// The first ladder set a fused kernel over the fastest `stepwise`, which is another kernel: `ladder.over.two-kernels` is that
/// factor. `overstated` is how many times as large it is as that over `unfused`, whichever fused kernel is taken; it is
/// the product of what the other kernel made of it (`overstated-by-kernel`) and of what a dispatch per operation did where a
/// stage would do (`overstated-by-cut`).
pub fn numbers_of_case(run: &Run, case: &Case) -> Vec<(String, Number, Print)> {
    let ladder = ladder::Ladder::of(run, case);
    let (Some(whole), Some(unfused)) = (entry(ladder.whole()), entry(ladder.fastest_unfused())) else {
        return Vec::new();
    };
    let weak = entry(ladder.at(Span::Operation, Policy::WaitEach));
    let [operation, stage] = [Span::Operation, Span::Stage].map(|span| entry(ladder.fastest(span)));
    let stage_at_once = entry(ladder.at(Span::Stage, Policy::OneSubmit));
    let stepwise = run.fastest_stepwise(case);
    let mut numbers: Vec<(String, Number, Print)> = Vec::new();
    for (name, fast, slow) in [
        ("over.weak", Some(whole), weak),
        ("over.unfused", Some(whole), Some(unfused)),
        ("over.stage", Some(whole), stage),
        ("over.two-kernels", Some(whole), stepwise),
        ("batching", operation, weak),
        ("overstated", Some(unfused), stepwise),
        ("overstated-by-kernel", operation, stepwise),
        ("overstated-by-cut", Some(unfused), operation),
    ] {
        let number = fast.zip(slow).and_then(|(fast, slow)| fast.speedup_over(&slow));
        numbers.extend(number.map(|number| (name.to_owned(), number, Print::Significant)));
    }
    let by_gpu = stage_at_once.and_then(|slow| whole.gpu_speedup_over(&slow));
    numbers.extend(by_gpu.map(|number| ("gpu.over.stage.one-submit".to_owned(), number, Print::Significant)));
    for (name, rung) in [("weak", weak), ("operation", operation), ("unfused", Some(unfused)), ("whole", Some(whole))] {
        let quantities = rung.map(|rung| {
            [("idle", rung.idle(), Print::Percent), ("tokens_per_s", rung.units_per_s(), Print::Significant)]
        });
        for (quantity, number, print) in quantities.into_iter().flatten() {
            numbers.extend(number.map(|number| (format!("{name}.{quantity}"), number, print)));
        }
    }
    for pair in ladder.spans().windows(2) {
        let [Some(before), Some(after)] = [pair[0], pair[1]].map(|span| entry(ladder.fastest(span))) else { continue };
        let step = after.speedup_over(&before);
        numbers.extend(step.map(|step| (format!("step.{}", pair[1].name()), step, Print::Significant)));
    }
    numbers.into_iter().map(|(name, number, print)| (format!("ladder.{name}"), number, print)).collect()
}

/// `<base>.<case>.ladder.unfused` names the fastest unfused rung; the list `<base>.steps` has the spans of the run but the first.
pub fn add_ladder(ledger: &mut Ledger, base: &str, run: &Run) {
    let mut spans: Vec<Span> = Vec::new();
    for case in run.decode_cases() {
        let ladder = ladder::Ladder::of(run, case);
        spans.extend(ladder.spans());
        if let (Some(_), Some(unfused)) = (ladder.whole(), ladder.fastest_unfused()) {
            let words = format!("{}, {}", unfused.span.name(), unfused.policy.name());
            let which = "span and policy of the largest units_per_s, of those that wait for nothing inside a dispatch";
            let cells = vec![unfused.entry.cell("units_per_s")];
            ledger.add_words(&format!("{base}.{}.ladder.unfused", case.case), words, which, cells);
        }
    }
    spans.sort_unstable();
    spans.dedup();
    if spans.len() > 1 {
        let steps = spans[1..].iter().map(|span| span.name()).collect();
        ledger.lists.insert(format!("{base}.steps"), steps);
    }
}

/// `<device>.claim.c9.first.*`: what C9 was first judged on, the fastest fused arm of one workgroup over `stepwise` in one submit,
/// over the published cases of `decode`, with `.reached` and `.cases`.
pub fn add_first_form(ledger: &mut Ledger, slug: &str, runs: &[&Run]) {
    let claim = published::claim("C9").zip(runs.iter().find(|run| run.manifest.experiment == "decode"));
    let Some((claim, run)) = claim else { return };
    let factor =
        |case: &'_ Case| fastest_of_one_workgroup(run, case)?.speedup_over(&run.stepwise(case, Policy::OneSubmit)?);
    let cases = run.decode_cases().filter(|case| is_published_case(case));
    let numbers: Vec<(&Case, Number)> = cases.filter_map(|case| Some((case, factor(case)?))).collect();
    let key = format!("{slug}.claim.c9.first");
    let reached = numbers.iter().filter(|(_, number)| claim.reached_by(number)).count();
    let cells: Vec<Cell> = numbers.iter().flat_map(|(_, number)| number.cells.clone()).collect();
    for (name, count, formula) in
        [("reached", reached, "published cases that reach the claim"), ("cases", numbers.len(), "published cases")]
    {
        let number = Number::derived(count as f64, formula, cells.clone());
        ledger.add(&format!("{key}.{name}"), &number, Print::Count);
    }
    let numbers: Vec<(&Case, &Number)> = numbers.iter().map(|(case, number)| (*case, number)).collect();
    add_range(ledger, &key, &numbers, Print::Significant);
}
