//! Measuring experiments on GPUs that are alike: one, or several at once, which take the next case whenever they have time.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::text_table::aligned;
use crate::cases;
use crate::device::Gpu;
use crate::error::{Error, Result};
use crate::measure::case::Measured;
use crate::measure::{control, decode, provenance, rollout};
use crate::output;
use crate::parallel;
use crate::protocol::Plan;
use crate::record::directory::RunDirectory;
use crate::record::manifest::Manifest;
use crate::record::rows::ResultRow;
use crate::record::run::{Run, load};
use crate::record::shard::Shard;
use crate::spec::{DecodeCase, RolloutCase, Spec};
use crate::workload::control::case_of_part;

/// What measures, and where rows go.
pub(super) struct Measuring<'a> {
    /// One at least, and all of one device in all that is recorded of it.
    pub gpus: &'a [Gpu],
    pub out: &'a Path,
    /// Only the cases that are dealt to it.
    pub shard: Option<Shard>,
    /// Where there is one, cases that are not likely to be over by then are left for another time, all but the first.
    pub end: Option<Instant>,
    /// Where progress is shown.
    pub bars: MultiProgress,
}

impl Measuring<'_> {
    /// Measures an experiment and returns its run.
    pub fn measure(&self, spec: &Spec) -> Result<Run> {
        let cases = self.cases(spec)?;
        let manifest = Manifest { shard: self.shard, ..provenance::manifest(spec, &self.gpus[0].info)? };
        let (directory, finished) = RunDirectory::open(self.out, manifest)?;
        let path = directory.path().to_owned();
        let on = match self.gpus.len() {
            1 => self.gpus[0].info.name.clone(),
            several => format!("{several} GPUs, each {}", self.gpus[0].info.name),
        };
        output::line(format_args!("{} on {on} -> {}", spec.name, path.display()))?;
        if !finished.is_empty() {
            output::line(format_args!("going on after {} finished cases", finished.len()))?;
        }
        let parts: Vec<(&Gpu, u32)> =
            self.gpus.iter().enumerate().map(|(place, gpu)| (gpu, self.part(place))).collect();
        let cases: VecDeque<Work> = cases.into_iter().filter(|case| !finished.contains(case.name())).collect();
        let controls = parts.iter().filter(|(_, part)| !finished.contains(&case_of_part(*part))).count() as u64;
        let rows = cases.iter().map(|case| case.rows(spec)).sum::<Result<u64>>()? + controls * control::ROWS;
        let plan = Plan::of(spec);
        let bar = self.bars.add(bar(u64::from(plan.samples) * rows)?);
        let under_way = UnderWay {
            spec,
            plan,
            finished,
            directory: Mutex::new(directory),
            cases: Mutex::new(cases),
            bar: &bar,
            end: self.end,
        };
        let outcomes = parallel::at_once(&parts, |(gpu, part)| under_way.work(gpu, *part));
        bar.finish_and_clear();
        outcomes.into_iter().collect::<Result<Vec<()>>>()?;
        let is_over = !held(&under_way.cases).is_empty();
        // Other shards have the cases that are missing here.
        if !is_over && self.shard.is_none() {
            under_way.directory.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).finish()?;
        }
        let run = load(&path)?;
        output::text(table(&run))?;
        let failed = run.results.iter().filter(|row| row.gate != "pass").count();
        if failed > 0 {
            output::line(format_args!("{failed} rows have no time: see the column `reason` of results.csv"))?;
        }
        if is_over {
            output::line(format_args!("the time is over; the same command goes on after {} cases", run.cases.len()))?;
        } else if let Some(shard) = self.shard {
            output::line(format_args!(
                "shard {shard} is finished; `onedispatch merge` makes one run of all {}",
                shard.of()
            ))?;
        }
        Ok(run)
    }

    /// Those to measure. Impossible sizes are found now, not after hours of the cases before them.
    fn cases(&self, spec: &Spec) -> Result<Vec<Work>> {
        let decode = spec.cases().into_iter().map(Work::Decode);
        let cases: Vec<Work> = decode.chain(spec.rollout_cases().into_iter().map(Work::Rollout)).collect();
        cases.iter().try_for_each(|case| case.validate(spec))?;
        let is_ours = |place| self.shard.is_none_or(|shard| shard.takes(place));
        Ok(cases.into_iter().enumerate().filter(|(place, _)| is_ours(*place)).map(|(_, case)| case).collect())
    }

    /// What rows say of who measured them, see [`Case::part`](crate::record::rows::Case::part).
    fn part(&self, place: usize) -> u32 {
        match self.shard {
            Some(shard) => shard.number(),
            None if self.gpus.len() == 1 => 0,
            None => place as u32 + 1,
        }
    }
}

fn bar(total: u64) -> Result<ProgressBar> {
    let template = "{bar:30} {percent:>3}%  {elapsed} gone, {eta} left  {msg}";
    let style = ProgressStyle::with_template(template).map_err(|error| Error::input(error.to_string()))?;
    Ok(ProgressBar::new(total).with_style(style))
}

/// A case to measure.
enum Work {
    Decode(DecodeCase),
    Rollout(RolloutCase),
}

impl Work {
    fn name(&self) -> &str {
        match self {
            Work::Decode(case) => &case.name,
            Work::Rollout(case) => &case.name,
        }
    }

    fn validate(&self, spec: &Spec) -> Result<()> {
        match self {
            Work::Decode(case) => cases::decode::validate(spec, case),
            Work::Rollout(case) => cases::rollout::validate(spec, case),
        }
    }

    fn rows(&self, spec: &Spec) -> Result<u64> {
        match self {
            Work::Decode(_) => Ok(cases::decode::entries(spec)?.len() as u64),
            Work::Rollout(case) => cases::rollout::rows_of(spec, case),
        }
    }

    fn measure(&self, gpu: &Gpu, spec: &Spec, plan: &Plan, step: &dyn Fn(u64)) -> Result<Measured> {
        match self {
            Work::Decode(case) => {
                let measured = decode::measure_case(gpu, spec, plan, case, step);
                // Another case has kernels of its own.
                gpu.forget_pipelines();
                measured
            }
            Work::Rollout(case) => rollout::measure_case(gpu, spec, plan, case, step),
        }
    }
}

/// An experiment that is being measured, as all GPUs at work on it share it.
struct UnderWay<'a> {
    spec: &'a Spec,
    plan: Plan,
    finished: BTreeSet<String>,
    directory: Mutex<RunDirectory>,
    /// Those that nobody has taken.
    cases: Mutex<VecDeque<Work>>,
    bar: &'a ProgressBar,
    end: Option<Instant>,
}

impl UnderWay<'_> {
    /// Measures a GPU's controls, then cases while there are any. After an error nobody takes another one.
    fn work(&self, gpu: &Gpu, part: u32) -> Result<()> {
        let outcome = self.controls(gpu, part).and_then(|()| self.take_turns(gpu, part));
        if outcome.is_err() {
            held(&self.cases).clear();
        }
        outcome
    }

    fn controls(&self, gpu: &Gpu, part: u32) -> Result<()> {
        let name = case_of_part(part);
        if self.finished.contains(&name) {
            return Ok(());
        }
        self.bar.set_message(name.clone());
        let measured =
            control::measure_controls(gpu, &self.plan, &name, self.spec.tolerance, &|count| self.bar.inc(count))?;
        self.keep(measured, part)
    }

    fn take_turns(&self, gpu: &Gpu, part: u32) -> Result<()> {
        let mut time = Time::until(self.end);
        while let Some(case) = self.next(&mut time) {
            self.bar.set_message(case.name().to_owned());
            let measured = case.measure(gpu, self.spec, &self.plan, &|count| self.bar.inc(count))?;
            self.keep(measured, part)?;
        }
        Ok(())
    }

    fn next(&self, time: &mut Time) -> Option<Work> {
        let mut cases = held(&self.cases);
        if cases.is_empty() || !time.is_enough() { None } else { cases.pop_front() }
    }

    fn keep(&self, mut measured: Measured, part: u32) -> Result<()> {
        measured.case.part = part;
        held(&self.directory).append(&measured.case, &measured.results, &measured.samples)
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What is left of it, by the longest case so far: later ones are rarely shorter.
struct Time {
    end: Option<Instant>,
    case_began: Option<Instant>,
    longest: Duration,
}

impl Time {
    fn until(end: Option<Instant>) -> Time {
        Time { end, case_began: None, longest: Duration::ZERO }
    }

    /// Whether it is likely to suffice for another case, which then begins. It always does for the first.
    fn is_enough(&mut self) -> bool {
        let now = Instant::now();
        let Some(began) = self.case_began.replace(now) else { return true };
        self.longest = self.longest.max(now - began);
        self.end.is_none_or(|end| now + self.longest <= end)
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
        assert!(time.is_enough());
        assert!(!time.is_enough());
        let mut endless = Time::until(None);
        assert!((0..3).all(|_| endless.is_enough()));
    }

    #[test]
    fn no_case_is_begun_that_would_end_too_late() {
        let now = Instant::now();
        let (end, case_began) = (Some(now + Duration::from_secs(60)), now.checked_sub(Duration::from_secs(40)));
        let time = |longest_s| Time { end, case_began, longest: Duration::from_secs(longest_s) };
        assert!(time(50).is_enough());
        assert!(!time(70).is_enough());
    }
}
