//! Whether two runs of one experiment say the same of the published claims: of each the verdict in both, and of each ratio that it
//! rests on whether the interval of the one reaches what the other measured.
//!
//! Both are judged on the cases that both have, with the same parameters and weights. Quick runs and runs of the whole experiment
//! are of one experiment; no speed is told from a quick run or from a software device, but counts and errors are.

use super::claims::{self, Compared, Verdict};
use super::published::{self, Unit};
use super::rollouts::{self, Runs, Wanted};
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::statistics::Interval;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    Same,
    Other,
    /// One of the two has not measured it: 0 is A, 1 is B.
    MissingIn(usize),
    /// With the reason.
    CannotTell(&'static str),
}

/// A claim in two runs.
pub struct Claimed {
    pub id: &'static str,
    pub wording: &'static str,
    pub unit: Unit,
    /// Of A and of B.
    pub verdicts: [Verdict; 2],
    pub agreement: Agreement,
    pub ratios: Vec<Ratio>,
}

/// A number that a claim rests on, in two runs.
#[derive(Clone, Debug)]
pub struct Ratio {
    pub case: String,
    /// Against the strong or the weak baseline; of a number that stands beside another, that it does.
    pub baseline: &'static str,
    pub unit: Unit,
    pub a: Interval,
    pub b: Interval,
}

impl Ratio {
    /// Whether B's interval reaches what A measured; nothing of an error or of ranks, which are what they are on a device, and good
    /// enough or not.
    pub fn is_reached(&self) -> Option<bool> {
        (!matches!(self.unit, Unit::Error | Unit::Correlation)).then(|| self.b.contains(self.a.mid))
    }
}

/// The experiment that a run is of, whole or quick.
pub fn experiment(run: &Run) -> &str {
    let name = &run.manifest.experiment;
    name.strip_suffix("-quick").unwrap_or(name)
}

/// The cases that both have.
pub fn common<'a>(a: &'a Run, b: &Run) -> Vec<&'a Case> {
    a.cases.iter().filter(|case| b.cases.contains(case)).collect()
}

/// Each claim that rests on their experiment, decoding first. A claim that both preprints have is there once for each.
pub fn claims(a: &Run, b: &Run) -> Vec<Claimed> {
    let (a, b) = (on_common_cases(a, b), on_common_cases(b, a));
    let decoding = published::CLAIMS.iter().filter_map(|claim| {
        let judged = [&a, &b].map(|run| {
            let is_of_run = claim.test == published::Test::Error || claim.test.experiment() == experiment(run);
            let rows: Vec<_> = run.rows().collect();
            claims::judge(claim, Some(run).filter(|_| is_of_run), &rows)
        });
        let verdicts = judged.each_ref().map(|judgement| judgement.verdict);
        let sides = |side: fn(&claims::Judgement) -> Vec<(String, Interval)>| judged.each_ref().map(side);
        let ratios = [
            matched("strong", claim.unit, sides(|judgement| intervals(&judgement.strong))),
            matched("weak", claim.unit, sides(|judgement| intervals(&judgement.weak))),
        ];
        let mut claimed = claimed((claim.id, claim.wording, claim.unit), [&a, &b], verdicts, ratios.concat())?;
        // A row that was cut has fewer waits, and no other ratio.
        let is_cut = |judgement: &claims::Judgement| judgement.strong.iter().any(|compared| compared.is_capped);
        if claim.unit == Unit::RoundTrips && judged.iter().any(is_cut) {
            claimed.agreement = Agreement::CannotTell("a row was cut short");
        }
        Some(claimed)
    });
    let rollouts = rollouts::CLAIMS.iter().filter_map(|claim| {
        let judged = [&a, &b].map(|run| claim.judge(&Runs(vec![run])));
        let verdicts = judged.each_ref().map(|judgement| judgement.verdict);
        let sides = |side: fn(&rollouts::Judgement) -> Vec<(String, Interval)>| judged.each_ref().map(side);
        let ratios = [
            matched("strong", claim.unit, sides(|judgement| of_rollouts(&judgement.strong))),
            matched(
                if claim.beside.is_some() { "beside" } else { "weak" },
                claim.beside.unwrap_or(claim.unit),
                sides(|judgement| of_rollouts(&judgement.weak)),
            ),
        ];
        claimed((claim.id, claim.wording, claim.unit), [&a, &b], verdicts, ratios.concat())
    });
    decoding.chain(rollouts).collect()
}

/// Nothing where neither run has anything to say.
fn claimed(
    (id, wording, unit): (&'static str, &'static str, Unit),
    runs: [&Run; 2],
    verdicts: [Verdict; 2],
    ratios: Vec<Ratio>,
) -> Option<Claimed> {
    let is_of_speed = !matches!(unit, Unit::RoundTrips | Unit::Error);
    let is_any = |what: fn(&Run) -> bool| runs.into_iter().any(what);
    let agreement = match verdicts {
        [Verdict::NotMeasured, Verdict::NotMeasured] => return None,
        [Verdict::NotMeasured, _] => Agreement::MissingIn(0),
        [_, Verdict::NotMeasured] => Agreement::MissingIn(1),
        _ if is_of_speed && is_any(|run| run.manifest.device.is_software) => {
            Agreement::CannotTell("a software device tells no speed")
        }
        _ if is_of_speed && is_any(Run::is_quick) => Agreement::CannotTell("a quick run has too few samples"),
        [a, b] if a == b => Agreement::Same,
        _ => Agreement::Other,
    };
    Some(Claimed { id, wording, unit, verdicts, agreement, ratios })
}

fn intervals(compared: &[Compared]) -> Vec<(String, Interval)> {
    let numbers = compared.iter().filter_map(|compared| Some((compared.case, compared.number.as_ref()?)));
    numbers.map(|(case, number)| (case.case.clone(), number.as_interval())).collect()
}

fn of_rollouts(wanted: &[Wanted]) -> Vec<(String, Interval)> {
    // What is slower is the fastest of its kind, which may be another one in the other run.
    let fast = |wanted: &Wanted| wanted.what.split(" over ").next().unwrap_or_default().to_owned();
    wanted
        .iter()
        .map(|wanted| (format!("{} {}", wanted.case.case, fast(wanted)), wanted.number.as_interval()))
        .collect()
}

fn matched(baseline: &'static str, unit: Unit, [a, b]: [Vec<(String, Interval)>; 2]) -> Vec<Ratio> {
    let of_b = |name: &str| b.iter().find(|(there, _)| there == name).map(|(_, interval)| *interval);
    a.into_iter().filter_map(|(case, a)| Some(Ratio { b: of_b(&case)?, case, baseline, unit, a })).collect()
}

fn on_common_cases(run: &Run, other: &Run) -> Run {
    let mut run = run.clone();
    run.cases.retain(|case| other.cases.contains(case));
    let names: Vec<String> = run.cases.iter().map(|case| case.case.clone()).collect();
    let is_common = |case: &String| names.contains(case);
    run.results.retain(|row| is_common(&row.key.case));
    run.samples.retain(|sample| is_common(&sample.key.case));
    run.peers.rows.retain(|row| is_common(&row.case));
    run.peers.results.retain(|row| is_common(&row.key.case));
    run.peers.samples.retain(|sample| is_common(&sample.key.case));
    run
}

/// Of `runs` the one that stands nearest to `own`: of the same experiment with cases in common, natively or in the same browser;
/// of the same kind of device (hardware or software), the same device, its vendor, its backend; the newest whole one.
pub fn nearest<'a>(runs: &'a [Run], own: &Run) -> Option<&'a Run> {
    let device = &own.manifest.device;
    let browser = |run: &Run| run.manifest.browser.as_ref().map(|browser| browser.name.clone());
    let candidates = runs.iter().filter(|run| {
        browser(run) == browser(own)
            && experiment(run) == experiment(own)
            && common(run, own).iter().any(|case| case.workload != "control")
    });
    candidates.max_by_key(|run| {
        let there = &run.manifest.device;
        (
            there.is_software == device.is_software,
            run.device_folder() == own.device_folder(),
            there.vendor == device.vendor,
            there.backend == device.backend,
            !run.is_quick(),
            run.manifest.complete,
            run.manifest.date.clone(),
            run.path.clone(),
        )
    })
}
