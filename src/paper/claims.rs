//! The verdict on each published claim, computed from rows by a rule that the paper prints.

use super::ledger::{Cell, Ledger, Number};
use super::print::Print;
use super::published::{CLAIMS, Claim, Test, is_published_case};
use super::quantities::Measured;
use super::survey::Experiment;
use crate::record::rows::Case;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    WeakBaselineOnly,
    DoesNotHold,
    NotMeasured,
}

impl Verdict {
    pub const ALL: [Verdict; 4] =
        [Verdict::Holds, Verdict::WeakBaselineOnly, Verdict::DoesNotHold, Verdict::NotMeasured];

    pub fn wording(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::WeakBaselineOnly => "holds only against a weak baseline",
            Verdict::DoesNotHold => "does not hold here",
            Verdict::NotMeasured => "not measured here",
        }
    }

    /// In keys.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::WeakBaselineOnly => "weak-only",
            Verdict::DoesNotHold => "fails",
            Verdict::NotMeasured => "open",
        }
    }
}

/// What was measured for a claim, case by case, and what follows.
pub struct Judgement<'a> {
    pub verdict: Verdict,
    /// Against the fastest stepwise policy of each case, or against no baseline where the claim has none. A case without a
    /// number (a failed gate, an arm that could not run) counts as one that does not reach the claim.
    pub strong: Vec<(&'a Case, Option<Number>)>,
    /// Against `wait-each`.
    pub weak: Vec<(&'a Case, Option<Number>)>,
}

impl Claim {
    /// Does a measured number reach what was published? A number with an interval is given the benefit of it.
    pub fn reached_by(&self, number: &Number) -> bool {
        match self.test {
            Test::Error => number.as_interval().low <= self.high,
            _ => number.as_interval().high >= self.low,
        }
    }

    /// What is compared with the published value, in the words of the paper's table.
    pub fn rule(&self) -> &'static str {
        match self.test {
            Test::Idle => "share of wall time in which no dispatch ran, at least the published share",
            Test::RoundTrips => {
                "waits of the host in a generation of the four-layer cases, at least the published count"
            }
            Test::Speedup(_) => {
                "tokens per second of the fused arm over those of the baseline, at least the published low end"
            }
            Test::Throughput(_) => "tokens per second, at least the published value; no baseline takes part",
            Test::Error => {
                "largest error of any row of the device, at most the published value; no baseline takes part"
            }
            Test::NotMeasured(reason) => reason,
        }
    }
}

/// By the rule: *holds* where every published case reaches the claim against the strong baseline, *holds only against a
/// weak baseline* where every one does so against `wait-each`, else *does not hold here*.
pub fn judge<'a>(claim: &Claim, decode: Option<&Experiment<'a>>, all: &[Measured<'a>]) -> Judgement<'a> {
    let (strong, weak) = match claim.test {
        Test::NotMeasured(_) => (Vec::new(), Vec::new()),
        Test::Error => (largest_error(all), Vec::new()),
        _ => decode.map_or_else(Default::default, |decode| by_case(claim.test, decode)),
    };
    let every = |cases: &[(&Case, Option<Number>)]| {
        cases.iter().all(|(_, number)| number.as_ref().is_some_and(|number| claim.reached_by(number)))
    };
    let measured = |cases: &[(&Case, Option<Number>)]| cases.iter().any(|(_, number)| number.is_some());
    let verdict = match (measured(&strong), measured(&weak)) {
        (false, false) => Verdict::NotMeasured,
        (true, _) if every(&strong) => Verdict::Holds,
        (_, true) if every(&weak) => Verdict::WeakBaselineOnly,
        _ => Verdict::DoesNotHold,
    };
    Judgement { verdict, strong, weak }
}

type ByCase<'a> = Vec<(&'a Case, Option<Number>)>;

fn by_case<'a>(test: Test, decode: &Experiment<'a>) -> (ByCase<'a>, ByCase<'a>) {
    let (mut strong, mut weak) = (Vec::new(), Vec::new());
    for case in decode.cases().filter(|case| is_published_case(case)) {
        let (fastest, waiting) = (decode.fastest_stepwise(case), decode.arm(case, "wait-each"));
        let over = |arm: &str, slow: Option<Measured<'a>>| decode.arm(case, arm)?.speedup_over(&slow?);
        match test {
            Test::Idle => {
                strong.push((case, fastest.and_then(|arm| arm.idle())));
                weak.push((case, waiting.and_then(|arm| arm.idle())));
            }
            Test::RoundTrips if case.n_layer == 4 => {
                strong.push((case, fastest.map(|arm| arm.waits())));
                weak.push((case, waiting.map(|arm| arm.waits())));
            }
            Test::Speedup(arm) => {
                strong.push((case, over(arm, fastest)));
                weak.push((case, over(arm, waiting)));
            }
            Test::Throughput(arm) if (case.n_embd, case.n_layer) == (32, 1) => {
                strong.push((case, decode.arm(case, arm).and_then(|arm| arm.units_per_s())));
            }
            _ => {}
        }
    }
    (strong, weak)
}

fn largest_error<'a>(all: &[Measured<'a>]) -> ByCase<'a> {
    let errors = all.iter().filter_map(|measured| Some((measured.case, measured.gate_error()?)));
    let largest = errors.max_by(|(_, a), (_, b)| a.value.total_cmp(&b.value));
    largest.map(|(case, error)| (case, Some(error))).into_iter().collect()
}

/// The published values, as numbers like any other.
pub fn add_published(ledger: &mut Ledger) {
    for claim in CLAIMS {
        let key = format!("published.{}", claim.id.to_lowercase());
        let cell = |column: &str| Cell::new(claim.source, claim.id, column);
        for (end, value) in [("low", claim.low), ("high", claim.high)] {
            ledger.add_value(&format!("{key}.{end}"), claim.print.short(value), value, cell(end));
        }
        let range = |(low, high): (f64, f64)| match (claim.print.short(low), claim.print.short(high)) {
            (low, high) if low == high => low,
            (low, high) => format!("{low}–{high}"),
        };
        let published = range((claim.low, claim.high));
        ledger.add_words(&format!("{key}.range"), published, "low–high", vec![cell("low"), cell("high")]);
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
pub fn add_verdicts<'a>(ledger: &mut Ledger, slug: &str, decode: Option<&Experiment<'a>>, all: &[Measured<'a>]) {
    let mut tally = [0; Verdict::ALL.len()];
    for claim in CLAIMS {
        let judgement = judge(claim, decode, all);
        let key = format!("{slug}.claim.{}", claim.id.to_lowercase());
        let mut cells = Vec::new();
        for (baseline, values) in [("strong", &judgement.strong), ("weak", &judgement.weak)] {
            let numbers: Vec<(&Case, &Number)> =
                values.iter().filter_map(|(case, number)| Some((*case, number.as_ref()?))).collect();
            cells.extend(numbers.iter().flat_map(|(_, number)| number.cells.clone()));
            super::survey::add_range(ledger, &format!("{key}.{baseline}"), &numbers, claim.print);
            let reached = numbers.iter().filter(|(_, number)| claim.reached_by(number)).count() as f64;
            let cells: Vec<Cell> = numbers.iter().flat_map(|(_, number)| number.cells.clone()).collect();
            let formula = format!("cases that reach {} by the rule of {}", claim.print.short(claim.low), claim.id);
            let reached = Number::derived(reached, formula, cells.clone());
            ledger.add(&format!("{key}.{baseline}.reached"), &reached, Print::Count);
            let cases = Number::derived(values.len() as f64, "published cases", cells);
            ledger.add(&format!("{key}.{baseline}.cases"), &cases, Print::Count);
        }
        ledger.add_words(&format!("{key}.verdict"), judgement.verdict.wording(), claim.rule(), cells);
        tally[judgement.verdict as usize] += 1;
    }
    for verdict in Verdict::ALL {
        let cells = vec![Cell::new("onedispatch", slug, format!("claims: {}", verdict.wording()))];
        let count = Number::derived(f64::from(tally[verdict as usize]), "count", cells);
        ledger.add(&format!("{slug}.claims.{}", verdict.name()), &count, Print::Count);
    }
}
