//! What a page saved, as runs of their own under `data/`: judged anew.
//!
//! Nothing that can be worked out is taken from the file. The cases come from the spec, what ran is found among the programs
//! of the page by its digest, and whether an output is right is asked of the oracle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use serde::Deserialize;
use serde_json::Value;

use super::saved::{FORMAT, PageDevice, PageRow, PageRun, ResultFile, SavedCase};
use crate::cases::page::PageCase;
use crate::cases::page::programs::PageProgram;
use crate::digest::sha256_hex;
use crate::error::{Error, Result, Within};
use crate::measure::case::{Measured, blank_row};
use crate::measure::rollout_rows::case_row;
use crate::measure::{decode, provenance};
use crate::peer::import::{short, without_places};
use crate::peer::times::{check_count, check_times, time_of};
use crate::program::Policy;
use crate::record::directory::RunDirectory;
use crate::record::manifest::{self, Browser, Device, Manifest, Software};
use crate::record::peers::{Peers, as_many_steps};
use crate::record::rows::{Case, ResultRow, Sample};
use crate::record::run::Run;
use crate::record::summary::summarise;
use crate::spec::{Spec, Workload};
use crate::workload::control::CASE as CONTROL;
use crate::workload::decode::cost;

/// A directory that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub run: PathBuf,
    pub cases: usize,
    pub timed: usize,
    pub untimed: usize,
}

/// Whether these bytes claim to be a page's results.
pub fn is_result(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    serde_json::from_slice::<Head>(bytes).is_ok_and(|head| head.format == FORMAT)
}

/// Judges a page's results, which were measured by one of `specs`, and adds each experiment as a run under `data`.
///
/// # Errors
/// One line that says why the file is refused: an input error where it is none of these specs' or is there already; a check
/// error where what it holds cannot be true. Nothing is written then.
pub fn import(file: &Path, specs: &[Spec], data: &Path, there: &[Run]) -> Result<Vec<Imported>> {
    let bytes = std::fs::read(file).map_err(|error| Error::io(file, error))?;
    judged(&bytes, specs, there)
        .and_then(|runs| runs.into_iter().map(|run| write(run, data)).collect())
        .within(file.display())
}

/// A run as it will be written.
pub struct Judged {
    manifest: Manifest,
    cases: Vec<Measured>,
    complete: bool,
}

/// The runs of a page's results, each judged; nothing is written.
///
/// # Errors
/// As [`import`].
pub fn judged(bytes: &[u8], specs: &[Spec], there: &[Run]) -> Result<Vec<Judged>> {
    let result: ResultFile = serde_json::from_slice(bytes)
        .map_err(|error| Error::input(format!("{error}; give the file that the page saved")))?;
    let file_sha256 = sha256_hex(bytes);
    let same = |run: &&Run| run.manifest.browser.as_ref().is_some_and(|browser| browser.file_sha256 == file_sha256);
    if let Some(run) = there.iter().find(same) {
        return Err(Error::input(format!("is already imported into {}", run.path.display())));
    }
    check_about(&result)?;
    if result.runs.is_empty() {
        return Err(Error::input("has no runs; measure something with the page, and save its results again"));
    }
    let judge = |run: &PageRun| {
        let spec = specs.iter().find(|spec| sha256_hex(spec.text.as_bytes()) == run.spec_sha256).ok_or_else(|| {
            let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
            Error::input(format!(
                "belongs to the experiment `{}` with the spec {}, which is none that is known here ({}); use the version of \
                 onedispatch that made the page, or name the spec with --spec",
                run.experiment,
                short(&run.spec_sha256),
                names.join(", ")
            ))
        })?;
        let manifest = manifest_of(&result, spec, &file_sha256);
        judge_run(run, spec, manifest).within(&spec.name)
    };
    result.runs.iter().map(judge).collect()
}

fn write(mut judged: Judged, data: &Path) -> Result<Imported> {
    judged.manifest.software.binary_sha256 = provenance::software()?.binary_sha256;
    let (mut directory, _) = RunDirectory::open(data, judged.manifest)?;
    for case in &judged.cases {
        directory.append(&case.case, &case.results, &case.samples)?;
    }
    let run = directory.path().to_owned();
    if judged.complete {
        directory.finish()?;
    }
    let rows = || judged.cases.iter().flat_map(|case| &case.results);
    let timed = rows().filter(|row| row.samples > 0).count();
    Ok(Imported { run, cases: judged.cases.len(), timed, untimed: rows().count() - timed })
}

/// Refuses a description of device, browser or day that no page writes.
fn check_about(result: &ResultFile) -> Result<()> {
    let ResultFile { date, page, browser, host, device, .. } = result;
    let day = chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().filter(|day| day.to_string() == *date);
    // A clock may be a time zone ahead.
    let latest = chrono::Utc::now().date_naive() + chrono::Days::new(1);
    if day.is_none_or(|day| day > latest) {
        return Err(Error::input(format!("its date is `{date}`; a date is YYYY-MM-DD and not in the future")));
    }
    let texts = [
        ("the device's name", &device.name),
        ("the device's vendor", &device.vendor),
        ("the device's architecture", &device.architecture),
        ("the device's description", &device.description),
        ("the browser's name", &browser.name),
        ("the browser's version", &browser.version),
        ("the host's system", &host.os),
        ("the host's architecture", &host.arch),
        ("the page's version", &page.onedispatch),
        ("the page's commit", &page.commit),
    ];
    let features = device.features.iter().map(|feature| ("a feature", feature));
    let limits = device.limits.keys().map(|limit| ("a limit's name", limit));
    for (what, text) in texts.into_iter().chain(features).chain(limits) {
        if text.len() > 200 || text.chars().any(char::is_control) {
            return Err(Error::input(format!("{what} is no plain line of text")));
        }
    }
    if device.name.is_empty() || browser.name.is_empty() {
        return Err(Error::input("names no device or no browser"));
    }
    Ok(())
}

fn manifest_of(result: &ResultFile, spec: &Spec, file_sha256: &str) -> Manifest {
    let PageDevice { name, vendor, architecture, description, is_software, .. } = &result.device;
    let device = Device {
        name: name.clone(),
        vendor: vendor.clone(),
        device: architecture.clone(),
        backend: "webgpu".into(),
        device_type: if *is_software { "Cpu" } else { "Other" }.into(),
        is_software: *is_software,
        driver: String::new(),
        driver_info: description.clone(),
        subgroup_min_size: result.device.subgroup_min_size,
        subgroup_max_size: result.device.subgroup_max_size,
        // WebGPU gives nanoseconds.
        timestamp_period_ns: if result.timestamps { 1.0 } else { 0.0 },
        features: result.device.features.clone(),
        limits: result.device.limits.clone(),
    };
    Manifest {
        schema: manifest::SCHEMA,
        experiment: spec.name.clone(),
        date: result.date.clone(),
        complete: false,
        spec: spec.text.clone(),
        spec_sha256: sha256_hex(spec.text.as_bytes()),
        device,
        host: result.host.clone(),
        software: Software {
            onedispatch: result.page.onedispatch.clone(),
            wgpu: String::new(),
            commit: result.page.commit.clone(),
            clean: result.page.clean,
            // Of the program that judged it: known when it is written.
            binary_sha256: String::new(),
        },
        shard: None,
        shards: Vec::new(),
        browser: Some(Browser {
            name: result.browser.name.clone(),
            version: result.browser.version.clone(),
            isolated: result.browser.isolated,
            file_sha256: file_sha256.into(),
        }),
        files: BTreeMap::new(),
    }
}

/// The cases of a run in the spec's order, the controls first: they say what no other row may exceed.
fn judge_run(run: &PageRun, spec: &Spec, manifest: Manifest) -> Result<Judged> {
    let mut known = vec![CONTROL.to_string()];
    known.extend(spec.cases().into_iter().map(|case| case.name));
    known.extend(spec.rollout_cases().into_iter().map(|case| case.name));
    for (index, case) in run.cases.iter().enumerate() {
        if !known.contains(&case.case) {
            return Err(Error::input(format!("its case `{}` is none of the experiment's", case.case)));
        }
        if run.cases[..index].iter().any(|other| other.case == case.case) {
            return Err(Error::check(format!("its case `{}` is there twice", case.case)));
        }
    }
    let find = |name: &str| run.cases.iter().find(|case| case.case == name);
    let Some(controls) = find(CONTROL) else {
        return Err(Error::input("has no controls, which say what the device can do; measure it again with them"));
    };
    let is_software = manifest.device.is_software;
    let row = Case { case: CONTROL.into(), workload: "control".into(), seed: spec.seed, ..Case::default() };
    let measured = judge_case(controls, spec, row, is_software, None).within(CONTROL)?;
    let so_far = Run {
        path: PathBuf::from("the page"),
        manifest: manifest.clone(),
        cases: vec![measured.case.clone()],
        results: measured.results.clone(),
        samples: Vec::new(),
        peers: Peers::default(),
    };
    let mut cases = vec![measured];
    for case in spec.cases() {
        if let Some(found) = find(&case.name) {
            cases.push(
                judge_case(found, spec, decode::case_row(&case, String::new()), is_software, Some(&so_far))
                    .within(&case.name)?,
            );
        }
    }
    for case in spec.rollout_cases() {
        if let Some(found) = find(&case.name) {
            cases.push(
                judge_case(found, spec, case_row(&case, String::new(), String::new()), is_software, Some(&so_far))
                    .within(&case.name)?,
            );
        }
    }
    Ok(Judged { complete: cases.len() == known.len(), manifest, cases })
}

/// The row of an entry, which has to be there once.
fn row_of<'a>(case: &'a SavedCase, arm: &str, policy: Policy, replica: u32) -> Result<&'a PageRow> {
    let mut rows = case.rows.iter().filter(|row| row.arm == arm && row.policy == policy && row.replica == replica);
    match (rows.next(), rows.next()) {
        (Some(row), None) => Ok(row),
        (None, _) => Err(Error::check(format!("there is no row of {arm} under {policy}, replica {replica}"))),
        _ => Err(Error::check(format!("there are two rows of {arm} under {policy}, replica {replica}"))),
    }
}

/// The rows of a case, judged by what the page itself judges by.
fn judge_case(found: &SavedCase, spec: &Spec, mut row: Case, is_software: bool, run: Option<&Run>) -> Result<Measured> {
    let mut case = PageCase::of(spec, &found.case)?;
    if case.workload != Workload::Control {
        refuse_other_weights(found, &case.weights_sha256)?;
        row.weights_sha256 = case.weights_sha256.clone();
    }
    if found.rows.len() != case.entries.len() {
        let (there, expected) = (found.rows.len(), case.entries.len());
        return Err(Error::check(format!("there are {there} rows, expected {expected}")));
    }
    let expected_steps = case.expected_steps(row.steps);
    let (mut results, mut samples) = (Vec::new(), Vec::new());
    for entry in case.entries.clone() {
        let page = row_of(found, &entry.arm, entry.policy, entry.replica)?;
        let mut row = blank_row(&found.case, &entry.arm, entry.policy, entry.replica);
        row.span = entry.span.clone();
        row.gate_tolerance = spec.tolerance;
        let is_it = |program: &PageProgram| {
            program.arm == entry.arm
                && program.policy.is_none_or(|policy| policy == entry.policy)
                && program.sha256 == page.program_sha256
                && (case.workload != Workload::Control || program.for_software == Some(is_software))
        };
        let program = case.programs.iter().position(is_it);
        row.unit = case.programs[program.unwrap_or(0)].unit.into();
        let verdict = |case: &mut PageCase, program: usize| {
            let verdict = case.judge(program, &|name| output(page, name))?;
            if !verdict.reason.is_empty() {
                return Err(Error::check(format!("wrong output: {}", verdict.reason)));
            }
            if let Some(expected) = expected_steps.filter(|&expected| !as_many_steps(verdict.units, expected)) {
                let steps = verdict.units;
                let why = format!("wrong output: {steps} environment steps in all, expected about {expected}");
                return Err(Error::check(why));
            }
            let error = verdict.error.ok_or_else(|| Error::check("wrong output: nothing could be compared"))?;
            Ok((error, verdict.units))
        };
        judge_row(page, row, spec, (&mut case, program), verdict, run, (&mut results, &mut samples))?;
    }
    Ok(Measured { case: row, results, samples })
}

/// The bytes of a buffer as a run left them.
fn output(row: &PageRow, name: &str) -> Result<Vec<u8>> {
    let there = row.outputs.get(name).and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
    match there {
        Some(bytes) if bytes.len().is_multiple_of(4) => Ok(bytes),
        Some(bytes) => Err(Error::check(format!("its output `{name}` has {} bytes", bytes.len()))),
        None => Err(Error::check(format!("has no output `{name}`"))),
    }
}

/// The times of a row and why there are fewer than asked for, or what is wrong with them.
fn times(
    spec: &Spec,
    walls: &[Value],
    typical_ns: Option<f64>,
    row: &ResultRow,
    run: Option<&Run>,
) -> std::result::Result<(Vec<u64>, String), String> {
    if let Some(run) = run {
        return check_times(spec, walls, typical_ns, row, run);
    }
    let times =
        walls.iter().enumerate().map(|(at, time)| time_of(at, time)).collect::<std::result::Result<Vec<u64>, _>>()?;
    let cap = check_count(spec, &times, typical_ns)?;
    Ok((times, cap))
}

fn refuse_other_weights(found: &SavedCase, expected: &str) -> Result<()> {
    if found.weights_sha256 == expected {
        return Ok(());
    }
    let (there, expected) = (short(&found.weights_sha256), short(expected));
    Err(Error::check(format!("its weights have the digest {there}, those of the case {expected}")))
}

/// What is known of a row from its program.
fn describe(row: &mut ResultRow, program: &PageProgram, units: u64) {
    let per_unit = if program.units.is_none() { units } else { 1 };
    row.unit = program.unit.into();
    row.units = units;
    row.multiply_adds = per_unit * program.multiply_adds;
    row.min_bytes = program.min_bytes;
}

/// Adds the row of an entry and its samples. `verdict` gives the error of its output and the units that were made; `run` says what
/// no row may exceed, where that is known already.
fn judge_row(
    page: &PageRow,
    mut row: ResultRow,
    spec: &Spec,
    (case, index): (&mut PageCase, Option<usize>),
    verdict: impl Fn(&mut PageCase, usize) -> Result<(f64, u64)>,
    run: Option<&Run>,
    (results, samples): (&mut Vec<ResultRow>, &mut Vec<Sample>),
) -> Result<()> {
    let place = format!("{} under {}", page.arm, page.policy);
    if let Some(index) = index {
        let program = &case.programs[index];
        let traffic = program.program.traffic(page.policy);
        row.workgroup_size = program.workgroup_size;
        row.subgroup_size = program.subgroup_size;
        row.row_lanes = cost::row_lanes(&program.program);
        row.workgroups = program.workgroups();
        (row.dispatches, row.submits, row.waits) = (traffic.dispatches, traffic.submits, traffic.waits);
        row.barriers = program.barriers;
        row.rounds = program.rounds;
        row.program_sha256 = program.sha256.clone();
        row.shaders_sha256 = program.shaders_sha256.clone();
    }
    if !page.reason.is_empty() {
        if !page.samples.is_empty() {
            return Err(Error::check(format!("{place}: has times, and a reason why it has none: {}", page.reason)));
        }
        let plain: String = page.reason.chars().filter(|c| !c.is_control()).take(300).collect();
        row.reason = without_places(&plain);
        results.push(row);
        return Ok(());
    }
    let Some(index) = index else {
        let digest = short(&page.program_sha256);
        return Err(Error::check(format!("{place}: its program {digest} is none that the page has for this case")));
    };
    let (error, units) = verdict(case, index).within(&place)?;
    row.gate_error = Some(error);
    row.gate = "pass".into();
    describe(&mut row, &case.programs[index], units);
    let walls: Vec<Value> = page.samples.iter().map(|sample| sample.wall_ns.clone()).collect();
    let walls = times(spec, &walls, page.typical_ns, &row, run);
    let (walls, cap) = walls.map_err(|why| Error::check(format!("{place}: {why}")))?;
    row.cap = cap;
    let mut taken = Vec::new();
    for ((index, wall_ns), sample) in (0u32..).zip(walls).zip(&page.samples) {
        let possible = sample.gpu_ns.is_none_or(|gpu_ns| gpu_ns > 0 && gpu_ns <= wall_ns && sample.gpu_flag.is_empty());
        let flags = ["", "zero", "negative", "longer-than-wall"];
        if !possible || !flags.contains(&sample.gpu_flag.as_str()) {
            return Err(Error::check(format!("{place}: sample {index} has a GPU time that cannot be")));
        }
        taken.push(Sample {
            key: row.key.clone(),
            sample: index,
            order: sample.order,
            wall_ns,
            gpu_ns: sample.gpu_ns,
            gpu_flag: sample.gpu_flag.clone(),
        });
    }
    summarise(&row.key, &taken).write_into(&mut row);
    results.push(row);
    samples.extend(taken);
    Ok(())
}
