//! `onedispatch compare`: two runs of one experiment, what differs beyond their noise, and what both say of the claims.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::agreement;
use super::text_table::aligned;
use crate::analysis::agreement::{experiment, nearest};
use crate::error::{Error, Result};
use crate::output;
use crate::record::rows::{Key, ResultRow};
use crate::record::run::{Run, load};
use crate::record::summary::bootstrap_seed;
use crate::statistics::{Interval, indistinguishable, noise_factor, ratio_interval};

/// Compare two runs of one experiment: a ratio of medians with its 95% interval for each case, arm and policy; then for each claim
/// that rests on it whether both have the same verdict
#[derive(clap::Args)]
pub struct Args {
    /// Directory of one run, such as data/nvidia-h200/2026-01-31-decode
    pub a: PathBuf,
    /// Directory of the other; without it the run is B, and A the nearest run of its experiment under --data
    pub b: Option<PathBuf>,
    /// Where the nearest run is looked for
    #[arg(long, default_value = "data", value_name = "DIR", conflicts_with = "b")]
    pub data: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    let text = match &args.b {
        Some(b) => compare(&load(&args.a)?, &load(b)?)?,
        None => beside_nearest(&load(&args.a)?, &args.data)?,
    };
    output::text(text)
}

/// A run beside the nearest one under `data` but itself.
fn beside_nearest(own: &Run, data: &Path) -> Result<String> {
    let place = |run: &Run| run.path.canonicalize().ok();
    let mut others = super::results(data)?;
    others.retain(|run| place(run) != place(own));
    let kin = nearest(&others, own).ok_or_else(|| {
        let (name, data) = (experiment(own), data.display());
        Error::input(format!("{data} has no other run of `{name}` with a case in common; name one: compare A B"))
    })?;
    compare(kin, own)
}

/// The comparison as text. Fails where the runs have no timed row in common.
pub fn compare(a: &Run, b: &Run) -> Result<String> {
    let (of_a, of_b) = (experiment(a), experiment(b));
    if of_a != of_b {
        return Err(Error::input(format!("A is a run of `{of_a}` and B of `{of_b}`; give two runs of one experiment")));
    }
    let (times_a, times_b) = (Times::of(a), Times::of(b));
    let both: Vec<&Key> =
        times_a.wall_ns_per_unit.keys().filter(|key| times_b.wall_ns_per_unit.contains_key(*key)).copied().collect();
    if !both.iter().any(|key| key.replica == 0) {
        return Err(Error::input(format!(
            "{} and {} have no timed case, arm and policy in common; give two runs of one experiment",
            a.path.display(),
            b.path.display()
        )));
    }
    let mut text = format!("A  {}\nB  {}\n", a.path.display(), b.path.display());
    text += &differences(a, b);
    for (name, times) in [("A", &times_a), ("B", &times_b)] {
        text += &match times.widest_noise() {
            Some(noise) => format!("noise of {name}: up to {noise:.3}x between two runs of the same (A/A)\n"),
            None => format!("noise of {name}: unknown, it has no A/A control\n"),
        };
    }
    let rows: Vec<[String; 7]> = both
        .iter()
        .filter(|key| key.replica == 0)
        .filter_map(|key| {
            let (ns_a, ns_b) = (&times_a.wall_ns_per_unit[key], &times_b.wall_ns_per_unit[key]);
            let ratio = ratio_interval(ns_b, ns_a, bootstrap_seed(key))?;
            let noise = times_a.noise(key).max(times_b.noise(key));
            let ms = |run: &Run| run.results.iter().find(|row| row.key == **key)?.wall_median_ns.map(|ns| ns / 1e6);
            Some([
                key.case.clone(),
                key.arm.clone(),
                key.policy.clone(),
                format!("{:.3}", ms(a)?),
                format!("{:.3}", ms(b)?),
                format!("{:.3} [{:.3}, {:.3}]", ratio.mid, ratio.low, ratio.high),
                verdict(&ratio, noise).to_owned(),
            ])
        })
        .collect();
    text += "\n";
    text += &aligned(["case", "arm", "policy", "A ms", "B ms", "B/A wall time [95%]", ""], &rows, 3..6);
    for (name, only, other) in [("A", &times_a, &times_b), ("B", &times_b, &times_a)] {
        for key in only.wall_ns_per_unit.keys().filter(|key| !other.wall_ns_per_unit.contains_key(*key)) {
            text += &format!("timed only in {name}: {}\n", named(key));
        }
    }
    text += "\n";
    text += &agreement::text(a, b);
    Ok(text)
}

fn verdict(ratio: &Interval, noise: f64) -> &'static str {
    match () {
        () if ratio.contains(1.0) || indistinguishable(ratio, noise) => "",
        () if ratio.mid < 1.0 => "B faster",
        () => "B slower",
    }
}

/// The timed rows of a run.
struct Times<'a> {
    /// Samples by key. Per unit, since a row that was cut made fewer units than its counterpart may have.
    wall_ns_per_unit: BTreeMap<&'a Key, Vec<f64>>,
}

impl<'a> Times<'a> {
    fn of(run: &'a Run) -> Times<'a> {
        let units: BTreeMap<&Key, u64> = run.results.iter().map(|row| (&row.key, row.units.max(1))).collect();
        let mut wall_ns_per_unit = BTreeMap::<&Key, Vec<f64>>::new();
        for sample in &run.samples {
            if let Some(units) = units.get(&sample.key) {
                wall_ns_per_unit.entry(&sample.key).or_default().push(sample.wall_ns as f64 / *units as f64);
            }
        }
        Times { wall_ns_per_unit }
    }

    /// The A/A noise of this case, arm and policy; of the widest of the run where these were not run twice.
    fn noise(&self, key: &Key) -> f64 {
        self.own_noise(key).or(self.widest_noise()).unwrap_or(1.0)
    }

    fn own_noise(&self, key: &Key) -> Option<f64> {
        let twin = Key { replica: 1, ..key.clone() };
        let (one, two) = (self.wall_ns_per_unit.get(key)?, self.wall_ns_per_unit.get(&twin)?);
        ratio_interval(two, one, bootstrap_seed(key)).map(|pair| noise_factor(&pair))
    }

    fn widest_noise(&self) -> Option<f64> {
        self.wall_ns_per_unit
            .keys()
            .filter(|key| key.replica == 0)
            .filter_map(|key| self.own_noise(key))
            .max_by(f64::total_cmp)
    }
}

/// A line for everything but the times that is not the same in both.
fn differences(a: &Run, b: &Run) -> String {
    let (m, n) = (&a.manifest, &b.manifest);
    let short = |digest: &str| digest.chars().take(16).collect::<String>();
    let fields = [
        ("experiment", m.experiment.clone(), n.experiment.clone()),
        ("spec", short(&m.spec_sha256), short(&n.spec_sha256)),
        ("device", m.device.name.clone(), n.device.name.clone()),
        ("backend", m.device.backend.clone(), n.device.backend.clone()),
        (
            "driver",
            format!("{} {}", m.device.driver, m.device.driver_info),
            format!("{} {}", n.device.driver, n.device.driver_info),
        ),
        ("onedispatch", m.software.onedispatch.clone(), n.software.onedispatch.clone()),
        ("wgpu", m.software.wgpu.clone(), n.software.wgpu.clone()),
        ("binary", short(&m.software.binary_sha256), short(&n.software.binary_sha256)),
    ];
    let mut text = String::new();
    for (what, a, b) in fields.into_iter().filter(|(_, a, b)| a != b) {
        text += &format!("{what} differs: A `{a}`, B `{b}`\n");
    }
    for (name, run) in [("A", a), ("B", b)].into_iter().filter(|(_, run)| !run.manifest.complete) {
        text += &format!("{name} is partial: {} cases\n", run.cases.len());
    }
    text += &differing_cases(a, b);
    text += &differing_arms("program", a, b, |row| &row.program_sha256);
    text += &differing_arms("shaders", a, b, |row| &row.shaders_sha256);
    text
}

fn differing_cases(a: &Run, b: &Run) -> String {
    let mut text = String::new();
    for case in &a.cases {
        if b.cases.iter().any(|other| other.case == case.case && other != case) {
            text += &format!("case {} has other parameters or weights in B\n", case.case);
        }
    }
    for (name, run, other) in [("A", a, b), ("B", b, a)] {
        for case in run.cases.iter().filter(|case| other.cases.iter().all(|there| there.case != case.case)) {
            text += &format!("case {} is only in {name}\n", case.case);
        }
    }
    text
}

fn differing_arms(what: &str, a: &Run, b: &Run, digest: fn(&ResultRow) -> &String) -> String {
    let there: BTreeMap<&Key, &ResultRow> = b.results.iter().map(|row| (&row.key, row)).collect();
    let arms: BTreeSet<&str> = a
        .results
        .iter()
        .filter(|row| there.get(&row.key).is_some_and(|other| digest(other) != digest(row)))
        .map(|row| row.key.arm.as_str())
        .collect();
    if arms.is_empty() {
        return String::new();
    }
    format!("{what} differs in the arms {}\n", arms.into_iter().collect::<Vec<_>>().join(", "))
}

fn named(key: &Key) -> String {
    let replica = if key.replica == 0 { String::new() } else { format!(" (replica {})", key.replica) };
    format!("{} {} {}{replica}", key.case, key.arm, key.policy)
}
