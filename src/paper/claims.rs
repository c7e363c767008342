//! The published claims and the verdicts on them, as numbers of the ledger.

use super::ledger::Ledger;
use super::print::Print;
use super::range::add_range;
use crate::analysis::claims::{Verdict, judge, peers_there};
use crate::analysis::measured::Measured;
use crate::analysis::number::{Cell, Number};
use crate::analysis::published::{CLAIMS, Test};
use crate::record::rows::Case;
use crate::record::run::Run;

/// A verdict in keys.
fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::WeakBaselineOnly => "weak-only",
        Verdict::DoesNotHold => "fails",
        Verdict::NotMeasured => "open",
    }
}

/// The published values, as numbers like any other.
pub fn add_published(ledger: &mut Ledger) {
    for claim in CLAIMS {
        let print = Print::of(claim.unit);
        let key = format!("published.{}", claim.id.to_lowercase());
        let cell = |column: &str| Cell::new(claim.source, claim.id, column);
        for (end, value) in [("low", claim.low), ("high", claim.high)] {
            ledger.add_value(&format!("{key}.{end}"), print.short(value), value, cell(end));
        }
        let range = |(low, high): (f64, f64)| match (print.short(low), print.short(high)) {
            (low, high) if low == high => low,
            (low, high) => format!("{low}–{high}"),
        };
        let published = range((claim.low, claim.high));
        ledger.add_words(&format!("{key}.range"), published, "low–high", vec![cell("low"), cell("high")]);
        if claim.test == Test::RoundTrips {
            let formula = "high / (64 tokens * 4 layers)";
            let per_layer = Number::derived(claim.high / (64.0 * 4.0), formula, vec![cell("high")]);
            ledger.add(&format!("{key}.per-layer"), &per_layer, Print::Count);
        }
        if let Some(corrected) = claim.corrected {
            ledger.add_cell(&format!("{key}.corrected"), range(corrected), cell("range corrected in the errata"));
        }
        ledger.add_cell(&format!("{key}.wording"), claim.wording, cell("wording"));
        ledger.add_cell(&format!("{key}.measured-on"), claim.measured_on, cell("measured on"));
        ledger.add_cell(&format!("{key}.rule"), claim.rule(), Cell::new("onedispatch", claim.id, "rule"));
    }
    let count = Number::cell(CLAIMS.len() as f64, Cell::new("onedispatch", "claims", "count"));
    ledger.add("published.claims", &count, Print::Count);
    ledger.lists.insert("claims".to_owned(), CLAIMS.iter().map(|claim| claim.id.to_owned()).collect());
}

/// `<device>.claim.<id>.*` for each claim; `<device>.claims.<verdict>` counts them.
///
/// `runs` are those that claims of speed may rest on, one of each experiment.
pub fn add_verdicts<'a>(ledger: &mut Ledger, slug: &str, runs: &[&'a Run], rows: &[Measured<'a>]) {
    let mut tally = [0; Verdict::ALL.len()];
    for claim in CLAIMS {
        let print = Print::of(claim.unit);
        let run = runs.iter().copied().find(|run| run.manifest.experiment == claim.test.experiment());
        let judgement = judge(claim, run, rows);
        let key = format!("{slug}.claim.{}", claim.id.to_lowercase());
        let mut cells = Vec::new();
        for (baseline, values) in [("strong", &judgement.strong), ("weak", &judgement.weak)] {
            let numbers: Vec<(&Case, &Number)> =
                values.iter().filter_map(|compared| Some((compared.case, compared.number.as_ref()?))).collect();
            cells.extend(numbers.iter().flat_map(|(_, number)| number.cells.clone()));
            add_range(ledger, &format!("{key}.{baseline}"), &numbers, print);
            let reached = numbers.iter().filter(|(_, number)| claim.reached_by(number)).count() as f64;
            let cells: Vec<Cell> = numbers.iter().flat_map(|(_, number)| number.cells.clone()).collect();
            let formula = format!("cases that reach {} by the rule of {}", print.short(claim.low), claim.id);
            let reached = Number::derived(reached, formula, cells.clone());
            ledger.add(&format!("{key}.{baseline}.reached"), &reached, Print::Count);
            let cases = Number::derived(values.len() as f64, "published cases", cells);
            ledger.add(&format!("{key}.{baseline}.cases"), &cases, Print::Count);
        }
        if let (Test::Alike(peers), Some(run)) = (claim.test, run) {
            let there = peers_there(run, peers).into_iter().map(str::to_owned).collect();
            ledger.lists.insert(format!("{key}.peers"), there);
        }
        ledger.add_words(&format!("{key}.verdict"), judgement.verdict.wording(), claim.rule(), cells);
        tally[judgement.verdict as usize] += 1;
    }
    for verdict in Verdict::ALL {
        let cells = vec![Cell::new("onedispatch", slug, format!("claims: {}", verdict.wording()))];
        let count = Number::derived(f64::from(tally[verdict as usize]), "count", cells);
        ledger.add(&format!("{slug}.claims.{}", name(verdict)), &count, Print::Count);
    }
}
