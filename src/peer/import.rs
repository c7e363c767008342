//! What a peer wrote, as rows: matched with the run that it belongs to, and judged anew.
//!
//! Nothing that can be worked out is taken from the file. The case comes from the run's spec, the weights from the case,
//! and whether an output is right from the oracle that follows the output's own tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::case::tolerance;
use super::result::{Engine, Made, ResultFile, VariantResult, parse};
use super::rollout::{self, Judge};
use super::times::check_times;
use crate::cases::decode::{config_of, request_of};
use crate::digest::sha256_hex;
use crate::error::{Error, Result, Within};
use crate::record::peers::{self, PeerRow, PeerSample, as_many_steps, one_session};
use crate::record::run::Run;
use crate::record::summary::summarise;
use crate::spec::{DecodeCase, RolloutCase, Spec, Workload};
use crate::workload::decode::format::Format;
use crate::workload::decode::gate::Reference;
use crate::workload::decode::{Algorithm, Arm, Tuning, cost, random, tensors};

/// What became of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The directory of the run that its rows stand beside.
    pub run: PathBuf,
    pub case: String,
    pub peer: String,
    pub timed: usize,
    /// Variants without times, each with the reason.
    pub untimed: Vec<(String, String)>,
}

/// Reads a result, and adds its rows beside those of the run among `runs` that was measured with it.
///
/// # Errors
/// One line that says why it is refused: an input error where it is no result, or none of these runs; a check error where
/// what it holds cannot be true. Nothing is written then.
pub fn import(file: &Path, runs: &[Run]) -> Result<Imported> {
    let bytes = std::fs::read(file).map_err(|error| Error::io(file, error))?;
    import_bytes(&bytes, runs).within(file.display())
}

fn import_bytes(bytes: &[u8], runs: &[Run]) -> Result<Imported> {
    let (result, run, (rows, samples)) = judged(bytes, runs)?;
    peers::append(&run.path, &rows, &samples)?;
    let (timed, untimed): (Vec<PeerRow>, _) = rows.into_iter().partition(|row| row.samples > 0);
    let untimed = untimed.into_iter().map(|row| (row.variant, row.reason)).collect();
    let timed = timed.len();
    Ok(Imported { run: run.path.clone(), case: result.case, peer: result.peer, timed, untimed })
}

/// A result, the run that it belongs to, and its rows as they will stand there; nothing is written.
///
/// # Errors
/// As [`import`].
pub fn judged<'a>(bytes: &[u8], runs: &'a [Run]) -> Result<(ResultFile, &'a Run, Judged)> {
    let result = parse(bytes)?;
    let run = belonging(&result, runs)?;
    let file_sha256 = sha256_hex(bytes);
    refuse_again(&result, &file_sha256, &run.path)?;
    let rows = judge(&result, run, &file_sha256)?;
    Ok((result, run, rows))
}

/// The run that a result was measured beside: of the same spec, with the same case and weights, in the same engine, on the
/// same device and driver, in the same session.
fn belonging<'a>(result: &ResultFile, runs: &'a [Run]) -> Result<&'a Run> {
    let of_spec: Vec<&Run> = runs.iter().filter(|run| run.manifest.spec_sha256 == result.spec_sha256).collect();
    if of_spec.is_empty() {
        return Err(Error::input(format!(
            "belongs to the experiment `{}` with the spec {}, of which there is no run; measure the arms on the same \
             device with `onedispatch run`",
            result.experiment,
            short(&result.spec_sha256)
        )));
    }
    let fitting: Vec<&Run> = of_spec.iter().copied().filter(|run| objection(result, run).is_none()).collect();
    match fitting[..] {
        [run] => Ok(run),
        // What keeps it from the newest run is what there is to mend.
        [] => {
            let nearest = of_spec.iter().max_by_key(|run| (closeness(result, run), &run.manifest.date, &run.path));
            let why = nearest.and_then(|run| Some((objection(result, run)?, run.path.display())));
            Err(why.map_or_else(
                || Error::input("belongs to no run"),
                |(why, run)| Error::input(format!("{why}, so it does not belong to {run}")),
            ))
        }
        _ => {
            let names = fitting.iter().map(|run| run.path.display().to_string()).collect::<Vec<_>>().join(" and to ");
            Err(Error::input(format!("could belong to {names}; name the one that it was measured with by --run")))
        }
    }
}

/// How many of the checks of [`objections`] a run passes before the first that it fails.
fn closeness(result: &ResultFile, run: &Run) -> usize {
    objections(result, run).iter().take_while(|objection| objection.is_none()).count()
}

/// Why a result cannot have been measured beside a run of its spec.
fn objection(result: &ResultFile, run: &Run) -> Option<String> {
    objections(result, run).into_iter().flatten().next()
}

fn objections(result: &ResultFile, run: &Run) -> [Option<String>; 5] {
    let there = &run.manifest.device;
    let case = run.cases.iter().find(|case| case.workload != "control" && case.case == result.case);
    let of_case = match case {
        None => Some(format!("its case `{}` is none that the run has finished", result.case)),
        Some(case) if case.weights_sha256.is_empty() => {
            Some(format!("no arm of the run could run its case `{}`", result.case))
        }
        Some(case) if case.weights_sha256 != result.weights_sha256 => {
            let (found, expected) = (short(&result.weights_sha256), short(&case.weights_sha256));
            Some(format!("the weights of its case `{}` have the digest {found}, the run's {expected}", result.case))
        }
        Some(_) => None,
    };
    let engine = run.manifest.browser.as_ref().map(|it| Engine { name: it.name.clone(), version: it.version.clone() });
    let place = |engine: &Option<Engine>| engine.as_ref().map_or("natively".into(), |it| format!("in {it}"));
    let device = result.device.name.trim() != there.name.trim();
    let (driver, known) = (result.device.driver.trim(), there.driver_info.trim());
    let driver_differs = !driver.is_empty() && !known.is_empty() && driver != known;
    let date = !one_session(&result.date, &run.manifest.date);
    [
        of_case,
        (result.engine != engine).then(|| format!("it ran {}, the run {}", place(&result.engine), place(&engine))),
        device.then(|| format!("its device is `{}`, the run's `{}`", result.device.name, there.name)),
        driver_differs.then(|| format!("its driver is {driver}, the run's {known}")),
        date.then(|| format!("its date is {}, the run's {}: another session", result.date, run.manifest.date)),
    ]
}

/// Enough of a digest to tell it from others.
pub(crate) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn refuse_again(result: &ResultFile, file_sha256: &str, run: &Path) -> Result<()> {
    let there = peers::read(run)?.rows;
    if there.iter().any(|row| row.file_sha256 == file_sha256) {
        return Err(Error::input(format!("is already imported into {}", run.display())));
    }
    let known: BTreeSet<_> =
        there.iter().map(|row| (row.case.as_str(), row.peer.as_str(), row.variant.as_str())).collect();
    let names = result.results.iter().map(|variant| variant.variant.as_str());
    match names.into_iter().find(|name| known.contains(&(result.case.as_str(), result.peer.as_str(), name))) {
        Some(name) => Err(Error::input(format!(
            "{} already has `{name}` of {} on {}, from another file; rows are only added, so measure the arms again too",
            run.display(),
            result.peer,
            result.case
        ))),
        None => Ok(()),
    }
}

/// A reason in which of each absolute path only the last name is left: where a file lay on the machine is nobody's
/// business.
pub(crate) fn without_places(reason: &str) -> String {
    let mut out = String::new();
    let mut rest = reason;
    while let Some(start) = rest.find('/') {
        let (before, path) = rest.split_at(start);
        out.push_str(before);
        let end = path.find(|c: char| c.is_whitespace() || "'\"`:;,()".contains(c)).unwrap_or(path.len());
        // `24/7` is none, nor is `a/b`.
        let is_absolute = !before.ends_with(|c: char| c.is_alphanumeric() || c == '.');
        let name = path[..end].rsplit('/').next().unwrap_or_default();
        out.push_str(if is_absolute { name } else { &path[..end] });
        rest = &path[end..];
    }
    out + rest
}

/// What all variants of a result have in common, from the run's spec and its case.
struct Remade<'a> {
    spec: Spec,
    /// Where a variant gives a reason and no output.
    units: u64,
    multiply_adds: u64,
    /// By the format of the weights.
    min_bytes: &'a dyn Fn(Format) -> u64,
}

type Judgement<'a> = &'a mut dyn FnMut(&VariantResult) -> std::result::Result<Made, String>;

/// The rows of a result, each variant checked by the oracle and its times by the protocol and the run's ceilings. One that the
/// oracle finds wrong keeps no others out.
fn judge(result: &ResultFile, run: &Run, file_sha256: &str) -> Result<Judged> {
    let spec = Spec::parse(&run.manifest.spec, "the run's spec")?;
    let rollout = spec.rollout_cases().into_iter().find(|case| case.name == result.case);
    match (spec.workload, rollout, spec.cases().into_iter().find(|case| case.name == result.case)) {
        (Workload::Rollout, Some(case), _) => judge_rollout(result, run, file_sha256, (spec, &case)),
        (Workload::Decode, _, Some(case)) => judge_decode(result, run, file_sha256, (spec, &case)),
        _ => Err(Error::input(format!("the run's spec has no case `{}`", result.case))),
    }
}

/// The rows of a result, and the samples of those that were timed.
pub type Judged = (Vec<PeerRow>, Vec<PeerSample>);

fn judge_decode(result: &ResultFile, run: &Run, sha256: &str, (spec, case): (Spec, &DecodeCase)) -> Result<Judged> {
    let config = config_of(case)?;
    let request = request_of(case, &config, 0);
    // The count does not depend on the workgroup.
    let workgroup_size = Arm::of(Algorithm::Stepwise).workgroup_sizes()[0];
    let tuning = Tuning::of(workgroup_size, request.positions());
    let multiply_adds = cost::work(&Arm::of(Algorithm::Stepwise).program(&config, &request, &tuning)).multiply_adds;
    // A peer may read the whole prompt at a time.
    let all = request.prompt.len() as u32;
    let min_bytes = |format| cost::min_bytes(&config, std::slice::from_ref(&request), format, all);
    let weights = random::weights(&config, case.seed);
    check_weights(result, &tensors::weights_sha256(&config, &weights))?;
    let mut references = BTreeMap::from([(Format::F32, Reference::new(&config, &weights))]);
    let units = u64::from(request.new_tokens);
    let remade = Remade { spec, units, multiply_adds, min_bytes: &min_bytes };
    remade.judge(result, run, sha256, &mut |variant| {
        let format = variant.weights()?;
        // A variant in another format is held to the oracle of the weights that are left in it, as an arm is.
        let of_format = || Reference::owning(config.clone(), format.rounded(&config, &weights));
        let reference = references.entry(format).or_insert_with(of_format);
        let logits: Vec<f32> = variant.last_logits.iter().map(|logit| logit.map_or(f32::NAN, |l| l as f32)).collect();
        if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
            let wrong = format!("logit {at} of the last token is NaN or infinite");
            return Ok(Made { units, multiply_adds, error: None, wrong });
        }
        let gate = reference.check(&request, &variant.tokens, &logits, tolerance(&remade.spec, format));
        Ok(Made { units, multiply_adds, error: gate.error, wrong: gate.reason })
    })
}

fn judge_rollout(result: &ResultFile, run: &Run, sha256: &str, (spec, case): (Spec, &RolloutCase)) -> Result<Judged> {
    let judge = Judge::of(&spec, case, rollout::environment_of(&spec, case)?);
    check_weights(result, &judge.population_sha256)?;
    let remade = Remade { spec, units: 0, multiply_adds: 0, min_bytes: &|_| judge.min_bytes };
    let arm = run.results.iter().find(|row| row.key.case == case.name && row.gate == "pass" && row.units > 0);
    remade.judge(result, run, sha256, &mut |variant| {
        let made = judge.judge(variant)?;
        match arm {
            Some(arm) if made.wrong.is_empty() && !as_many_steps(made.units, arm.units) => {
                let wrong = format!("{} environment steps in all, where the arms made {}", made.units, arm.units);
                Ok(Made { wrong, ..made })
            }
            _ => Ok(made),
        }
    })
}

fn check_weights(result: &ResultFile, made_here: &str) -> Result<()> {
    if made_here == result.weights_sha256 {
        return Ok(());
    }
    Err(Error::check(format!(
        "its weights, {}, are not those that this program makes for `{}`, {}",
        short(&result.weights_sha256),
        result.case,
        short(made_here)
    )))
}

impl Remade<'_> {
    fn judge(&self, result: &ResultFile, run: &Run, file_sha256: &str, judgement: Judgement) -> Result<Judged> {
        let (mut rows, mut samples) = (Vec::new(), Vec::new());
        for variant in &result.results {
            let blank = self.blank_row(result, variant, file_sha256)?;
            let (row, taken) = self.judge_variant(blank, variant, run, judgement)?;
            rows.push(row);
            samples.extend(taken);
        }
        Ok((rows, samples))
    }

    fn blank_row(&self, result: &ResultFile, variant: &VariantResult, file_sha256: &str) -> Result<PeerRow> {
        let format = variant.weights().map_err(|why| Error::input(format!("variant `{}`: {why}", variant.variant)))?;
        Ok(PeerRow {
            case: result.case.clone(),
            peer: result.peer.clone(),
            variant: variant.variant.clone(),
            units: self.units,
            multiply_adds: self.multiply_adds,
            min_bytes: (self.min_bytes)(format),
            gate: "fail".into(),
            gate_error: None,
            gate_tolerance: tolerance(&self.spec, format),
            samples: 0,
            wall_median_ns: None,
            wall_low_ns: None,
            wall_high_ns: None,
            units_per_s: None,
            cap: String::new(),
            reason: without_places(&variant.reason),
            date: result.date.clone(),
            driver: result.device.driver.clone(),
            settings: Value::Object(variant.settings.clone()).to_string(),
            versions: Value::Object(result.versions.clone()).to_string(),
            source_sha256: result.source_sha256.clone(),
            file_sha256: file_sha256.into(),
        })
    }

    fn judge_variant(
        &self,
        blank: PeerRow,
        variant: &VariantResult,
        run: &Run,
        judgement: Judgement,
    ) -> Result<(PeerRow, Vec<PeerSample>)> {
        let refuse = |why: String| Err(Error::check(format!("variant `{}`: {why}", variant.variant)));
        if !variant.reason.is_empty() {
            return match variant.samples_ns.is_empty() {
                true => Ok((blank, Vec::new())),
                false => refuse(format!("has times, and a reason why it has none: {}", variant.reason)),
            };
        }
        let made = match judgement(variant) {
            Ok(made) => made,
            Err(why) => return refuse(why),
        };
        let Made { units, multiply_adds, error, wrong } = made;
        // As an arm's row: what is wrong has no times, and says why.
        if !wrong.is_empty() {
            let reason = format!("wrong output: {wrong}");
            return Ok((PeerRow { gate_error: error, reason, ..blank }, Vec::new()));
        }
        let row = PeerRow { units, multiply_adds, gate: "pass".into(), gate_error: error, ..blank };
        let (times, cap) = match check_times(&self.spec, &variant.samples_ns, None, &row.result(), run) {
            Ok(checked) => checked,
            Err(why) => return refuse(why),
        };
        let sample = |(sample, wall_ns): (u32, u64)| PeerSample {
            case: row.case.clone(),
            peer: row.peer.clone(),
            variant: row.variant.clone(),
            sample,
            wall_ns,
        };
        let samples: Vec<PeerSample> = (0..).zip(times).map(sample).collect();
        let of_run: Vec<_> = samples.iter().map(PeerSample::sample).collect();
        let summary = summarise(&row.key(), &of_run);
        Ok((PeerRow { cap, ..row }.summarised(&summary), samples))
    }
}
