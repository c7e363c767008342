//! `onedispatch review SPEC…`: a reviewer's own measurement beside the nearest committed one, and a page that says what it confirms.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::MultiProgress;

use super::agreement::{ratio_rows, said, tally};
use super::destination;
use super::measuring::Measuring;
use crate::analysis::agreement::{Agreement, Claimed, claims, common, nearest};
use crate::analysis::measured::file;
use crate::device::Gpu;
use crate::error::{Error, Result, escaped};
use crate::output;
use crate::record::run::Run;
use crate::spec::{Spec, Workload};

/// Measure as many cases of some experiments as time allows, compare them with the nearest committed runs, and write a page that
/// says of each claim whether it was confirmed
#[derive(clap::Args)]
pub struct Args {
    /// Experiments, as in `experiments/`; each gets an equal share of the time, and one case at least
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Part of the adapter's name, as `onedispatch devices` shows it [default: the first one, hardware before software]
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// Minutes to measure for [default: 20, or 5 on a software device]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// What to compare with
    #[arg(long, default_value = "data", value_name = "DIR")]
    data: PathBuf,
    /// Where the page and the rows go
    #[arg(long, default_value = "target/review", value_name = "DIR")]
    out: PathBuf,
}

const PAGE: &str = "review.md";

pub fn run(args: Args) -> Result<()> {
    let specs = args.specs.iter().map(|path| Spec::read(path)).collect::<Result<Vec<_>>>()?;
    let committed = super::results(&args.data)?;
    destination::folder(&args.out)?;
    let gpu = Gpu::open(args.adapter.as_deref())?;
    let is_software = gpu.info.is_software;
    let minutes = args.minutes.unwrap_or(if is_software { 5 } else { 20 });
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let mut measured = Vec::new();
    for (place, spec) in specs.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let share = left / (specs.len() - place) as u32;
        // On a software device only outputs and counts are looked at; committed runs there have small rollouts.
        let spec = match spec.workload {
            _ if !is_software => spec.clone(),
            Workload::Rollout => spec.quick(),
            _ => spec.few_samples(),
        };
        let (out, end) = (&args.out.join("data"), Some(Instant::now() + share));
        let measuring =
            Measuring { gpus: std::slice::from_ref(&gpu), out, shard: None, end, bars: MultiProgress::new() };
        measured.push(measuring.measure(&spec)?);
    }
    std::fs::create_dir_all(&args.out).map_err(|error| Error::io(&args.out, error))?;
    let path = args.out.join(PAGE);
    let pairs: Vec<(&Run, Option<&Run>)> = measured.iter().map(|own| (own, nearest(&committed, own))).collect();
    std::fs::write(&path, page(&pairs, &args.data)).map_err(|error| Error::io(&path, error))?;
    output::line(format_args!("{}\n{}", summary(&pairs), path.display()))
}

/// A run of one's own, and the nearest committed one.
type Pair<'a> = (&'a Run, Option<&'a Run>);

/// Of all pairs that there are: the committed run is A.
fn all_claims(pairs: &[Pair]) -> Vec<Claimed> {
    pairs.iter().filter_map(|(own, nearest)| Some(claims((*nearest)?, own))).flatten().collect()
}

fn summary(pairs: &[Pair]) -> String {
    format!("claims beside the nearest committed runs: {}", tally(&all_claims(pairs)))
}

/// The page, in Markdown.
fn page(pairs: &[Pair], data: &Path) -> String {
    let mut text = "# What this machine says of the claims\n\n".to_owned();
    if let Some((own, _)) = pairs.first() {
        let manifest = &own.manifest;
        text += &format!(
            "Measured on {} ({}, {}) with onedispatch {} on {}.\n\n",
            cell(&own.device()),
            cell(&manifest.device.driver),
            cell(&manifest.device.driver_info),
            manifest.software.onedispatch,
            manifest.date
        );
    }
    let all = all_claims(pairs);
    text += &format!("**{}** — {}\n\n", verdict(&all), tally(&all));
    text += &outputs(pairs);
    text += "\n## Measured, and beside what\n\n";
    let lines = pairs.iter().map(|(own, nearest)| {
        let there = nearest.map_or("none with a case in common".to_owned(), |run| place(run, data));
        let both = nearest.map_or(0, |run| common(own, run).iter().filter(|case| case.workload != "control").count());
        let whole =
            if own.manifest.complete { "whole" } else { "as far as time allowed; the same command goes on with it" };
        [cell(&own.manifest.experiment), own.path.display().to_string(), there, both.to_string(), whole.to_owned()]
    });
    text += &table(["experiment", "here", "nearest committed run", "cases in both", ""], lines);
    text += "\n## Claims\n\n";
    let lines = all.iter().map(|claim| {
        let [there, here] = claim.verdicts.map(|verdict| verdict.wording().to_owned());
        [claim.id.to_owned(), claim.wording.to_owned(), there, here, said(&claim.agreement, ["there", "here"])]
    });
    text += &table(["", "published", "there", "here", ""], lines);
    text += "\n## Numbers that they rest on\n\n";
    text += "Ratios are taken within one run. Another GPU has other ratios; of the same model they should be near.\n\n";
    let lines = all.iter().flat_map(|claim| ratio_rows(claim, ["yes", "no"]));
    text +=
        &table(["claim", "case", "baseline", "there [95%]", "here [95%]", "this interval reaches that value"], lines);
    text += "\nHow each claim is judged stands in the paper's method; to compare two runs by hand: `onedispatch compare A B`.\n";
    text
}

/// In one sentence.
fn verdict(claims: &[Claimed]) -> &'static str {
    let any = |is: fn(&Agreement) -> bool| claims.iter().any(|claim| is(&claim.agreement));
    match (any(|agreement| *agreement == Agreement::Same), any(|agreement| *agreement == Agreement::Other)) {
        (true, false) => "What could be told is confirmed.",
        (true, true) => "Some verdicts are confirmed, and some differ.",
        (false, true) => "No verdict is confirmed, and some differ.",
        (false, false) => "Nothing could be told.",
    }
}

fn outputs(pairs: &[Pair]) -> String {
    let rows = || pairs.iter().flat_map(|(own, _)| &own.results);
    let passed = rows().filter(|row| row.gate == "pass").count();
    let failed: Vec<_> = rows().filter(|row| row.gate != "pass").collect();
    let mut text = format!("The f64 oracle found {passed} of {} rows right.\n", rows().count());
    for row in failed {
        let key = &row.key;
        text += &format!(
            "- no time: {} {} {}: {}\n",
            cell(&key.case),
            cell(&key.arm),
            cell(&key.policy),
            cell(&row.reason)
        );
    }
    text
}

/// Where a committed run is.
fn place(run: &Run, data: &Path) -> String {
    cell(&data.join(file(run, "").trim_end_matches('/')).display().to_string())
}

/// Text out of files, fit for a cell of a table.
fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|")
}

fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", header.join(" | "), "---|".repeat(N));
    for row in rows {
        text += &format!("| {} |\n", row.join(" | "));
    }
    text
}
