//! Rows against each other: what no run of this program would have written.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::record::ceilings::{Ceiling, HEADROOM, ceilings};
use crate::record::fault::Fault;
use crate::record::manifest::Manifest;
use crate::record::peers::{Peers, as_many_steps, one_session};
use crate::record::rows::{Case, Key, ResultRow, Sample};
use crate::record::shard::Shard;
use crate::record::summary::Summary;
use crate::record::table::Row;
use crate::workload::decode::Arm;
use crate::workload::decode::format::Format;

/// Paths of the tables, for messages.
pub struct Files {
    pub cases: String,
    pub results: String,
    pub samples: String,
}

/// Checks the tables of one run; `complete` where it ran to its end.
pub fn check(files: &Files, cases: &[Case], results: &[ResultRow], samples: &[Sample], complete: bool) -> Vec<Fault> {
    let by_key = by_key(samples);
    let mut faults = check_cases(files, cases, results);
    for (index, row) in results.iter().enumerate() {
        let samples = by_key.get(&row.key).map_or(&[][..], Vec::as_slice);
        let place = Fault::file(&files.results, "", "").at_row(index + 1);
        faults.extend(check_gate(row, &place));
        faults.extend(check_statistics(row, samples, &place));
    }
    faults.extend(check_samples(files, results, samples));
    faults.extend(check_work(files, cases, results));
    faults.extend(check_step_work(files, cases, results));
    faults.extend(check_bounds(files, &ceilings(cases, results), results, complete));
    faults
}

/// Of a shard each case is its own, and of a merged run each is of one of its shards.
pub fn check_parts(files: &Files, cases: &[Case], manifest: &Manifest) -> Vec<Fault> {
    let (possible, expected) = match (manifest.shard.map(Shard::number), manifest.shards.len() as u32) {
        (Some(number), _) => (number..=number, format!("`{number}`, the shard of its manifest")),
        (None, 0) => return Vec::new(),
        (None, shards) => (1..=shards, format!("a shard that it was merged of, 1 to {shards}")),
    };
    let wrong = cases.iter().enumerate().filter(|(_, case)| !possible.contains(&case.part));
    let fault = |(index, case): (usize, &Case)| {
        let place = Fault::file(&files.cases, "", "").at_row(index + 1);
        place.cell("part", format!("`{}`", case.part), expected.as_str())
    };
    wrong.map(fault).collect()
}

fn by_key(samples: &[Sample]) -> HashMap<&Key, Vec<&Sample>> {
    let mut by_key: HashMap<&Key, Vec<&Sample>> = HashMap::new();
    samples.iter().for_each(|sample| by_key.entry(&sample.key).or_default().push(sample));
    by_key
}

/// Checks the peers of a run against its own tables, whose paths are `files`.
pub fn check_peers(
    files: &Files,
    peer_files: &Files,
    manifest: &Manifest,
    (cases, results): (&[Case], &[ResultRow]),
    peers: &Peers,
) -> Vec<Fault> {
    let by_key = by_key(&peers.samples);
    let mut keys = HashSet::new();
    let mut faults = Vec::new();
    for (index, (peer, row)) in peers.rows.iter().zip(&peers.results).enumerate() {
        let place = Fault::file(&peer_files.results, "", "").at_row(index + 1);
        faults.extend(check_gate(row, &place));
        faults.extend(check_statistics(row, by_key.get(&row.key).map_or(&[][..], Vec::as_slice), &place));
        if !keys.insert(&row.key) {
            faults.push(place.cell("variant", "the peer and variant of an earlier row", "each variant of a case once"));
        }
        if !one_session(&manifest.date, &peer.date) {
            let expected = format!("a date within a day of the run's, {}", manifest.date);
            faults.push(place.cell("date", format!("`{}`", peer.date), expected));
        }
        let Some(case) = cases.iter().find(|case| case.case == row.key.case && case.workload != "control") else {
            let expected = format!("a decode or rollout case of {}", files.cases);
            faults.push(place.cell("case", format!("`{}`", row.key.case), expected));
            continue;
        };
        match peer.weights() {
            Ok(format) => faults.extend(check_peer_work(row, format, case, results, &place)),
            Err(why) => faults.push(place.cell("settings", why, "a format of weights that is known here, or none")),
        }
    }
    faults.extend(check_samples(peer_files, &peers.results, &peers.samples));
    faults.extend(check_bounds(peer_files, &ceilings(cases, results), &peers.results, true));
    faults
}

/// A peer's work is counted as that of the case's arms, and its bytes as those of the arms that have their weights in the same format.
fn check_peer_work(row: &ResultRow, format: Format, case: &Case, results: &[ResultRow], place: &Fault) -> Vec<Fault> {
    let mut faults = Vec::new();
    let is_rollout = case.workload == "rollout";
    let possible = match (is_rollout, row.gate.as_str()) {
        (false, _) => u64::from(case.new_tokens)..=u64::from(case.new_tokens),
        (true, "pass") => u64::from(case.population)..=u64::from(case.population) * u64::from(case.steps),
        (true, _) => 0..=0,
    };
    let whole = |arm: &&ResultRow| {
        arm.key.case == case.case && arm.gate == "pass" && (is_rollout || arm.units == row.units) && arm.units > 0
    };
    let arm = results.iter().find(whole);
    if !possible.contains(&row.units) {
        let expected = match is_rollout {
            false => format!("`{}`, the new tokens of {}", case.new_tokens, case.case),
            true if row.gate != "pass" => "`0`, since it did not pass".to_owned(),
            true => format!("from {} to {}, the steps of whole episodes", possible.start(), possible.end()),
        };
        faults.push(place.cell("units", format!("`{}`", row.units), expected));
    } else if let Some(arm) = arm.filter(|arm| row.gate == "pass" && !as_many_steps(row.units, arm.units)) {
        let expected = format!("about `{}`, the steps that the arms of {} made", arm.units, case.case);
        faults.push(place.cell("units", format!("`{}`", row.units), expected));
    }
    let Some(arm) = arm else { return faults };
    // The arms' count for each unit, which is whole.
    let multiply_adds = (u128::from(arm.multiply_adds) * u128::from(row.units) / u128::from(arm.units)) as u64;
    let in_format =
        |arm: &&ResultRow| is_rollout || Arm::named(&arm.key.arm).map_or(Format::F32, |arm| arm.format) == format;
    let min_bytes = results.iter().filter(whole).find(in_format).map_or(row.min_bytes, |arm| arm.min_bytes);
    for (column, there, expected, may_differ) in
        [("multiply_adds", row.multiply_adds, multiply_adds, padding(case)), ("min_bytes", row.min_bytes, min_bytes, 0)]
    {
        if ![0, may_differ].contains(&there.abs_diff(expected)) {
            let expected = format!("`{expected}`, as the arms of {}", case.case);
            faults.push(place.cell(column, format!("`{there}`"), expected));
        }
    }
    faults
}

impl Fault {
    fn cell(&self, column: &str, there: impl std::fmt::Display, expected: impl Into<String>) -> Fault {
        Fault { there: there.to_string(), expected: expected.into(), ..self.clone() }.at_column(column)
    }
}

fn check_cases(files: &Files, cases: &[Case], results: &[ResultRow]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut names = HashSet::new();
    let with_results: HashSet<&str> = results.iter().map(|row| row.key.case.as_str()).collect();
    for (index, case) in cases.iter().enumerate() {
        let place = Fault::file(&files.cases, "", "").at_row(index + 1);
        if !names.insert(case.case.as_str()) {
            faults.push(place.cell("case", format!("`{}` again", case.case), "each case once"));
        } else if !with_results.contains(case.case.as_str()) {
            faults.push(place.cell("case", format!("`{}`", case.case), "a case that results.csv has rows of"));
        }
        if !["decode", "rollout", "control"].contains(&case.workload.as_str()) {
            faults.push(place.cell("workload", format!("`{}`", case.workload), "`decode`, `rollout` or `control`"));
        }
    }
    let mut keys = HashSet::new();
    for (index, row) in results.iter().enumerate() {
        let place = Fault::file(&files.results, "", "").at_row(index + 1);
        if !names.contains(row.key.case.as_str()) {
            faults.push(place.cell("case", format!("`{}`", row.key.case), "a case of cases.csv"));
        }
        if !keys.insert(&row.key) {
            faults.push(place.cell("replica", "the key of an earlier row", "each key once"));
        }
    }
    faults
}

/// Nothing is timed that was not checked, and nothing lacks a time without a reason.
fn check_gate(row: &ResultRow, place: &Fault) -> Vec<Fault> {
    let mut faults = Vec::new();
    let timed = row.samples > 0 || row.wall_median_ns.is_some();
    if row.gate != "pass" && row.gate != "fail" {
        faults.push(place.cell("gate", format!("`{}`", row.gate), "`pass` or `fail`"));
    } else if timed && row.gate != "pass" {
        faults.push(place.cell("gate", "`fail` beside times", "no times, or `pass`"));
    }
    if row.gate == "pass" && !row.gate_error.is_some_and(|error| error >= 0.0 && error <= row.gate_tolerance) {
        let there = row.gate_error.map_or("no error beside `pass`".to_owned(), |error| format!("`{error:?}`"));
        faults.push(place.cell("gate_error", there, format!("at most the tolerance, {:?}", row.gate_tolerance)));
    }
    if !row.gate_tolerance.is_finite() || row.gate_tolerance < 0.0 {
        faults.push(place.cell("gate_tolerance", format!("`{:?}`", row.gate_tolerance), "a finite number, 0 or more"));
    }
    if timed && !row.reason.is_empty() {
        faults.push(place.cell("reason", format!("`{}` beside times", row.reason), "nothing"));
    }
    if !timed && row.reason.is_empty() {
        faults.push(place.cell("reason", "nothing, though there are no times", "why there are none"));
    }
    faults
}

/// Every column that comes from the samples, worked out from them anew.
fn check_statistics(row: &ResultRow, samples: &[&Sample], place: &Fault) -> Vec<Fault> {
    let mut expected = row.clone();
    Summary::of(&row.key, samples.iter().copied()).write_into(&mut expected);
    let cells = row.cells().into_iter().zip(expected.cells()).zip(ResultRow::COLUMNS);
    cells
        .filter(|((there, expected), _)| there != expected)
        .map(|((there, expected), column)| {
            place.cell(column, format!("`{there}`"), format!("`{expected}` by its samples"))
        })
        .collect()
}

fn check_samples(files: &Files, results: &[ResultRow], samples: &[Sample]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let results: HashMap<&Key, &ResultRow> = results.iter().map(|row| (&row.key, row)).collect();
    let mut seen = HashSet::new();
    for (index, sample) in samples.iter().enumerate() {
        let place = Fault::file(&files.samples, "", "").at_row(index + 1);
        match results.get(&sample.key) {
            None => faults.push(place.cell("case", "a key that no result has", "a key of results.csv")),
            Some(row) if sample.sample >= row.samples => {
                faults.push(place.cell("sample", format!("`{}`", sample.sample), format!("less than {}", row.samples)));
            }
            Some(_) => {}
        }
        if !seen.insert((&sample.key, sample.sample)) {
            faults.push(place.cell("sample", format!("`{}` again", sample.sample), "each sample of a key once"));
        }
        if sample.wall_ns == 0 {
            faults.push(place.cell("wall_ns", "`0`", "a time"));
        }
        if let Some(gpu_ns) = sample.gpu_ns {
            if gpu_ns == 0 || gpu_ns > sample.wall_ns {
                let expected = format!("from 1 to the wall time, {}; else empty and flagged", sample.wall_ns);
                faults.push(place.cell("gpu_ns", format!("`{gpu_ns}`"), expected));
            }
            if !sample.gpu_flag.is_empty() {
                faults.push(place.cell("gpu_flag", format!("`{}` beside a GPU time", sample.gpu_flag), "nothing"));
            }
        } else if !["", "zero", "negative", "longer-than-wall"].contains(&sample.gpu_flag.as_str()) {
            let expected = "nothing, `zero`, `negative` or `longer-than-wall`";
            faults.push(place.cell("gpu_flag", format!("`{}`", sample.gpu_flag), expected));
        }
    }
    faults
}

/// The rows of each case, with their places.
fn by_case(results: &[ResultRow]) -> HashMap<&str, Vec<(usize, &ResultRow)>> {
    let mut by_case: HashMap<&str, Vec<(usize, &ResultRow)>> = HashMap::new();
    results.iter().enumerate().for_each(|(index, row)| by_case.entry(&row.key.case).or_default().push((index, row)));
    by_case
}

/// Multiply-adds by which two counts of a decode case's work may differ: kernels that take four outputs at a time pad the head
/// to a multiple of four tokens of the vocabulary, others leave that out. 0 for a rollout.
fn padding(case: &Case) -> u64 {
    let tokens = u64::from(case.new_tokens) * u64::from(case.sequences.max(1));
    let spare = case.vocab_size.next_multiple_of(4) - case.vocab_size;
    tokens * u64::from(case.n_embd.next_multiple_of(4)) * u64::from(spare)
}

/// The arms of a decode case do the same arithmetic; those that made fewer tokens are left out.
fn check_work(files: &Files, cases: &[Case], results: &[ResultRow]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let by_case = by_case(results);
    for case in cases.iter().filter(|case| case.workload == "decode") {
        let rows = by_case.get(case.case.as_str()).map_or(&[][..], Vec::as_slice);
        let tokens = u64::from(case.new_tokens) * u64::from(case.sequences.max(1));
        let whole = |(_, row): &&(usize, &ResultRow)| row.gate == "pass" && row.units == tokens;
        let mut counts = BTreeMap::<u64, usize>::new();
        rows.iter().filter(whole).for_each(|(_, row)| *counts.entry(row.multiply_adds).or_default() += 1);
        let Some((usual, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else { continue };
        let differs = |row: &ResultRow| ![0, padding(case)].contains(&row.multiply_adds.abs_diff(usual));
        for (index, row) in rows.iter().filter(whole).filter(|(_, row)| differs(row)) {
            let place = Fault::file(&files.results, "", "").at_row(index + 1);
            let expected = format!("`{usual}`, as the other arms of {}", case.case);
            faults.push(place.cell("multiply_adds", format!("`{}`", row.multiply_adds), expected));
        }
    }
    faults
}

/// The arms of a rollout do the same arithmetic for each step; how many steps an episode has can hang on rounding.
fn check_step_work(files: &Files, cases: &[Case], results: &[ResultRow]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let by_case = by_case(results);
    for case in cases.iter().filter(|case| case.workload == "rollout") {
        let of_case = by_case.get(case.case.as_str()).map_or(&[][..], Vec::as_slice);
        let rows = || of_case.iter().filter(|(_, row)| row.gate == "pass").copied();
        let Some((_, first)) = rows().next() else { continue };
        let work = |row: &ResultRow, other: &ResultRow| u128::from(row.multiply_adds) * u128::from(other.units);
        for (index, row) in rows().filter(|(_, row)| work(row, first) != work(first, row)) {
            let place = Fault::file(&files.results, "", "").at_row(index + 1);
            let expected = format!("as many for each of {} steps as the first arm of {}", row.units, case.case);
            faults.push(place.cell("multiply_adds", format!("`{}`", row.multiply_adds), expected));
        }
        let episodes = u64::from(case.episodes.max(1)) * u64::from(case.generations.max(1));
        let most = u64::from(case.population) * u64::from(case.steps) * episodes;
        for (index, row) in rows().filter(|(_, row)| row.units > most || row.units < u64::from(case.population)) {
            let place = Fault::file(&files.results, "", "").at_row(index + 1);
            let expected = format!("from {} to {most}, the steps of whole episodes", case.population);
            faults.push(place.cell("units", format!("`{}`", row.units), expected));
        }
    }
    faults
}

/// No row computes or moves bytes faster than the controls of the same run, which do nothing else.
fn check_bounds(files: &Files, ceilings: &[Ceiling], results: &[ResultRow], complete: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    for ceiling in ceilings {
        let Ceiling { what, per_s, controls } = ceiling;
        let Some(per_s) = per_s else {
            if complete {
                let expected = format!("a timed control {controls}, which bounds the {what} per second of the others");
                faults.push(Fault::file(&files.results, format!("no ceiling for {what}"), expected));
            }
            continue;
        };
        for (index, row) in results.iter().enumerate() {
            let Some(wall_ns) = row.wall_median_ns else { continue };
            if let Some(rate) = ceiling.implausible(row, wall_ns) {
                let place = Fault::file(&files.results, "", "").at_row(index + 1);
                let there = format!("`{wall_ns:?}`, implausible: {rate:.3e} {what} per second");
                let expected = format!("at most {HEADROOM} times the measured ceiling, {per_s:.3e} ({controls})");
                faults.push(place.cell("wall_median_ns", there, expected));
            }
        }
    }
    faults
}
