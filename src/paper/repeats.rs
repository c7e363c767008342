//! How far whole runs of an experiment on one device differ: what the intervals within a run do not show.

use super::ledger::Ledger;
use super::print::Print;
use super::range::add_range;
use crate::analysis::claims::judge;
use crate::analysis::measured::{Measured, file};
use crate::analysis::number::{Cell, Number};
use crate::analysis::published::{CLAIMS, Claim};
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::statistics::median;

/// The complete runs of the experiment of `newest` on the same device and driver with the same kernels, `newest` among them.
fn repeats<'a>(newest: &Run, runs: &'a [Run]) -> Vec<&'a Run> {
    let is_repeat = |run: &&Run| {
        run.device_folder() == newest.device_folder()
            && run.manifest.experiment == newest.manifest.experiment
            && run.manifest.complete
            && !run.is_quick()
            && run.manifest.device.driver_info == newest.manifest.device.driver_info
            && has_kernels_of(newest, run)
    };
    runs.iter().filter(is_repeat).collect()
}

/// Whether the rows that two runs both have are of the same texts.
fn has_kernels_of(newest: &Run, run: &Run) -> bool {
    let texts: Vec<_> = newest.decode_rows().map(|row| (&row.row.key, &row.row.shaders_sha256)).collect();
    run.decode_rows().all(|row| {
        let same = texts.iter().find(|(key, _)| **key == row.row.key);
        same.is_none_or(|(_, text)| **text == row.row.shaders_sha256)
    })
}

/// A row of one arm and case in every run: how many times as fast the fastest run is as the slowest.
struct Repeated<'a> {
    label: String,
    case: &'a Case,
    factor: Number,
    /// The same by the GPU's clock.
    gpu_factor: Option<Number>,
    has_one_size: bool,
}

/// `<base>.repeats.*`, where there are several runs: the factor between the fastest and the slowest run, by arm and over
/// all rows; how many rows differ by more than the A/A `noise`; in how many the runs chose different workgroup sizes;
/// and on how many of the claims that rest on the experiment they agree.
pub fn add_repeats(ledger: &mut Ledger, base: &str, newest: &Run, runs: &[Run], noise: f64) {
    let repeats = repeats(newest, runs);
    if repeats.len() < 2 {
        return;
    }
    let rows: Vec<Repeated> = newest.decode_rows().filter_map(|row| repeated(&row, &repeats)).collect();
    let mut labels: Vec<String> = Vec::new();
    for row in &rows {
        if !labels.contains(&row.label) {
            labels.push(row.label.clone());
        }
    }
    let key = format!("{base}.repeats");
    for label in &labels {
        let of_arm = || rows.iter().filter(|row| row.label == *label);
        let factors: Vec<f64> = of_arm().map(|row| row.factor.value).collect();
        let cells: Vec<Cell> = of_arm().flat_map(|row| row.factor.cells.clone()).collect();
        if let Some(median) = median(&factors) {
            let number = Number::derived(median, "median over cases of max(units_per_s) / min(units_per_s)", cells);
            ledger.add(&format!("{key}.{label}.median"), &number, Print::Significant);
        }
        let numbers: Vec<(&Case, &Number)> = of_arm().map(|row| (row.case, &row.factor)).collect();
        add_range(ledger, &format!("{key}.{label}"), &numbers, Print::Significant);
        let gpu: Vec<(&Case, &Number)> =
            of_arm().filter_map(|row| Some((row.case, row.gpu_factor.as_ref()?))).collect();
        add_range(ledger, &format!("{key}.{label}.gpu"), &gpu, Print::Significant);
    }
    let all: Vec<(&Case, &Number)> = rows.iter().map(|row| (row.case, &row.factor)).collect();
    add_range(ledger, &key, &all, Print::Significant);
    if let Some(row) = rows.iter().max_by(|a, b| a.factor.value.total_cmp(&b.factor.value)) {
        let cells = row.factor.cells.clone();
        ledger.add_words(&format!("{key}.max.arm"), &row.label, "arm of the largest factor", cells);
    }
    let beyond = rows.iter().filter(|row| row.factor.value > noise).count();
    let sizes = rows.iter().filter(|row| !row.has_one_size).count();
    let files = |column: &str| repeats.iter().map(|run| Cell::new(file(run, "results.csv"), "all", column)).collect();
    for (name, count, column, formula) in [
        ("runs", repeats.len(), "case", "count of runs"),
        ("rows", rows.len(), "units_per_s", "rows that all runs timed over the same number of tokens"),
        ("beyond", beyond, "units_per_s", "rows whose max(units_per_s) / min(units_per_s) is above the A/A noise"),
        ("sizes", sizes, "workgroup_size", "rows whose runs differ in workgroup_size"),
        ("claims", claims_of(newest).count(), "case", "claims that are judged on the experiment"),
        ("verdicts", agreeing(&repeats), "units_per_s", "of these, of the same verdict whichever run is taken"),
    ] {
        ledger.add(&format!("{key}.{name}"), &Number::derived(count as f64, formula, files(column)), Print::Count);
    }
    let over_fastest: Vec<(&Case, Number)> = repeats
        .iter()
        .flat_map(|run| run.decode_cases().map(move |case| (*run, case)))
        .filter_map(|(run, case)| {
            Some((case, run.arm(case, "fused-workgroup")?.speedup_over(&run.fastest_stepwise(case)?)?))
        })
        .collect();
    let over_fastest: Vec<(&Case, &Number)> = over_fastest.iter().map(|(case, number)| (*case, number)).collect();
    add_range(ledger, &format!("{key}.fused-workgroup.over.fastest-stepwise"), &over_fastest, Print::Significant);
    ledger.lists.insert(format!("{key}.arms"), labels);
}

/// `row` in all of `runs`; nothing where one did not time it, or over another number of tokens.
fn repeated<'a>(row: &Measured<'a>, runs: &[&Run]) -> Option<Repeated<'a>> {
    let is_same = |other: &Measured| {
        other.row.key == row.row.key && other.row.units == row.row.units && other.wall_ns().is_some()
    };
    let same: Vec<Measured> = runs.iter().map(|run| run.decode_rows().find(is_same)).collect::<Option<_>>()?;
    let rates = same.iter().map(Measured::units_per_s).collect::<Option<Vec<_>>>()?;
    let gpu_times = same.iter().map(Measured::gpu_us_per_unit).collect::<Option<Vec<_>>>();
    Some(Repeated {
        label: row.label(),
        case: row.case,
        factor: largest_over_smallest(&rates, "max(units_per_s) / min(units_per_s)")?,
        gpu_factor: gpu_times
            .and_then(|times| largest_over_smallest(&times, "max(gpu_median_ns / units) / min(gpu_median_ns / units)")),
        has_one_size: same.iter().all(|other| other.row.workgroup_size == row.row.workgroup_size),
    })
}

fn largest_over_smallest(numbers: &[Number], formula: &str) -> Option<Number> {
    let largest = numbers.iter().max_by(|a, b| a.value.total_cmp(&b.value))?;
    let smallest = numbers.iter().min_by(|a, b| a.value.total_cmp(&b.value))?;
    let cells = largest.cells.iter().chain(&smallest.cells).cloned().collect();
    Some(Number::derived(largest.value / smallest.value, formula, cells))
}

/// Claims that are judged on the experiment of `run`.
fn claims_of(run: &Run) -> impl Iterator<Item = &'static Claim> {
    CLAIMS.iter().filter(|claim| claim.test.experiment() == run.manifest.experiment)
}

/// Those of them on which every run alone gives the same verdict.
fn agreeing(runs: &[&Run]) -> usize {
    let is_same = |claim: &&Claim| {
        let mut verdicts = runs.iter().map(|run| judge(claim, Some(run), &run.rows().collect::<Vec<_>>()).verdict);
        let first = verdicts.next();
        verdicts.all(|verdict| Some(verdict) == first)
    };
    claims_of(runs[0]).filter(is_same).count()
}
