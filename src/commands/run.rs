//! `onedispatch run SPEC…`: measures experiments and writes their rows.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::destination;
use super::text_table::aligned;
use crate::cases;
use crate::device::Gpu;
use crate::error::{Error, Result};
use crate::measure::case::Measured;
use crate::measure::{control, decode, provenance, rollout};
use crate::output;
use crate::protocol::Plan;
use crate::record::directory::RunDirectory;
use crate::record::rows::ResultRow;
use crate::record::run::{Run, load};
use crate::spec::{Spec, Workload};
use crate::workload::control::CASE as CONTROL;

#[derive(clap::Args)]
pub struct Args {
    /// Experiments, as in `experiments/`
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Part of the adapter's name, as `onedispatch devices` shows it [default: the first one, hardware before software]
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// Where rows go: DIR/<device>/<date>-<experiment>/
    #[arg(long, default_value = "data", value_name = "DIR")]
    out: PathBuf,
    /// Cut each experiment down to minutes on a software device; its rows are kept apart and support no claim
    #[arg(long)]
    quick: bool,
}

pub fn run(args: Args) -> Result<()> {
    // All specs are read before anything is measured: a typing error in the last one must not wait for hours.
    let specs = args.specs.iter().map(|path| Spec::read(path)).collect::<Result<Vec<_>>>()?;
    destination::folder(&args.out)?;
    let gpu = Gpu::open(args.adapter.as_deref())?;
    if gpu.info.is_software {
        let name = &gpu.info.name;
        output::line(format_args!(
            "{name} is a software device: its rows check that things work, never how fast they are"
        ))?;
    }
    for spec in specs {
        let spec = if args.quick { spec.quick() } else { spec };
        measure(&gpu, &spec, &args.out, None)?;
    }
    Ok(())
}

/// Measures an experiment and returns its run. Where there is an `end`, cases that are not likely to be over by then are left
/// for another time, all but the first.
pub(super) fn measure(gpu: &Gpu, spec: &Spec, out: &Path, end: Option<Instant>) -> Result<Run> {
    let plan = Plan::of(spec);
    let cases = spec.cases();
    let rows_per_case = if spec.workload == Workload::Decode { cases::decode::entries(spec)?.len() as u64 } else { 0 };
    let rollouts = spec.rollout_cases();
    // Impossible sizes are found now, not after hours of the cases before them.
    cases.iter().try_for_each(|case| cases::decode::validate(spec, case))?;
    rollouts.iter().try_for_each(|case| cases::rollout::validate(spec, case))?;
    let (mut directory, finished) = RunDirectory::open(out, provenance::manifest(spec, &gpu.info)?)?;
    output::line(format_args!("{} on {} -> {}", spec.name, gpu.info.name, directory.path().display()))?;
    if !finished.is_empty() {
        output::line(format_args!("going on after {} finished cases", finished.len()))?;
    }
    let left = |name: &str| !finished.contains(name);
    let cases_left = cases.iter().filter(|case| left(&case.name)).count() as u64;
    let rollouts_left = rollouts.iter().filter(|case| left(&case.name));
    let rollout_rows = rollouts_left.map(|case| cases::rollout::rows_of(spec, case)).sum::<Result<u64>>()?;
    let control_rows = if left(CONTROL) { control::ROWS } else { 0 };
    let total = u64::from(plan.samples) * (cases_left * rows_per_case + rollout_rows + control_rows);
    let bar = ProgressBar::new(total).with_style(
        ProgressStyle::with_template("{bar:30} {percent:>3}%  {elapsed} gone, {eta} left  {msg}")
            .map_err(|error| Error::input(error.to_string()))?,
    );
    let step = |count: u64| bar.inc(count);
    let mut keep = |measured: Measured| directory.append(&measured.case, &measured.results, &measured.samples);
    if left(CONTROL) {
        bar.set_message(CONTROL);
        keep(control::measure_controls(gpu, &plan, spec.tolerance, &step)?)?;
    }
    let mut time = Time::until(end);
    for case in cases.iter().filter(|case| left(&case.name)) {
        if !time.is_enough() {
            break;
        }
        bar.set_message(case.name.clone());
        keep(decode::measure_case(gpu, spec, &plan, case, &step)?)?;
        gpu.forget_pipelines();
    }
    for case in rollouts.iter().filter(|case| left(&case.name)) {
        if !time.is_enough() {
            break;
        }
        bar.set_message(case.name.clone());
        keep(rollout::measure_case(gpu, spec, &plan, case, &step)?)?;
    }
    bar.finish_and_clear();
    let path = if time.is_over { directory.path().to_owned() } else { directory.finish()? };
    let run = load(&path)?;
    output::text(table(&run))?;
    let failed = run.results.iter().filter(|row| row.gate != "pass").count();
    if failed > 0 {
        output::line(format_args!("{failed} rows have no time: see the column `reason` of results.csv"))?;
    }
    if time.is_over {
        output::line(format_args!("the time is over; the same command goes on after {} cases", run.cases.len()))?;
    }
    Ok(run)
}

/// What is left of it, by the longest case so far: later ones are rarely shorter.
struct Time {
    end: Option<Instant>,
    case_began: Option<Instant>,
    longest: Duration,
    is_over: bool,
}

impl Time {
    fn until(end: Option<Instant>) -> Time {
        Time { end, case_began: None, longest: Duration::ZERO, is_over: false }
    }

    /// Whether it is likely to suffice for another case, which then begins. It always does for the first.
    fn is_enough(&mut self) -> bool {
        let now = Instant::now();
        if let Some(began) = self.case_began.replace(now) {
            self.longest = self.longest.max(now - began);
            self.is_over = self.end.is_some_and(|end| now + self.longest > end);
        }
        !self.is_over
    }
}

/// Results as a person reads them: one line a row.
fn table(run: &Run) -> String {
    let ms = |ns: Option<f64>| ns.map_or(String::new(), |ns| format!("{:.3}", ns * 1e-6));
    let line = |row: &ResultRow| {
        let interval = match (row.wall_low_ns, row.wall_high_ns) {
            (Some(_), Some(_)) => format!("{} to {}", ms(row.wall_low_ns), ms(row.wall_high_ns)),
            _ => String::new(),
        };
        [
            row.key.case.clone(),
            row.key.arm.clone(),
            row.key.policy.clone(),
            row.units_per_s.map_or("-".into(), |rate| format!("{rate:.3e}")),
            if row.unit == "dispatch" { "dispatches".into() } else { format!("{}s", row.unit) },
            ms(row.wall_median_ns),
            interval,
            if row.reason.is_empty() { row.cap.clone() } else { row.reason.clone() },
        ]
    };
    let rows: Vec<_> = run.results.iter().filter(|row| row.key.replica == 0).map(line).collect();
    aligned(["case", "arm", "policy", "per second", "", "wall ms", "95% interval", "notes"], &rows, 5..6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_case_is_measured_whatever_the_time() {
        let mut time = Time::until(Some(Instant::now()));
        assert!(time.is_enough() && !time.is_over);
        assert!(!time.is_enough() && time.is_over);
        let mut endless = Time::until(None);
        assert!((0..3).all(|_| endless.is_enough()));
    }

    #[test]
    fn no_case_is_begun_that_would_end_too_late() {
        let now = Instant::now();
        let (end, case_began) = (Some(now + Duration::from_secs(60)), now.checked_sub(Duration::from_secs(40)));
        let time = |longest_s| Time { end, case_began, longest: Duration::from_secs(longest_s), is_over: false };
        assert!(time(50).is_enough());
        assert!(!time(70).is_enough());
    }
}
