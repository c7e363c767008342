//! Which rows a figure draws.
//!
//! Of each device the latest complete run of an experiment (a partial one where there is none); of each run the cases'
//! first replicas. Rows whose gate failed are counted, never drawn. Devices are kept apart: nothing joins two runs.

use std::collections::BTreeMap;

use crate::record::directory::Run;
use crate::record::rows::{Case, ResultRow};

/// A row with the run and the case it belongs to.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub run: &'a Run,
    pub case: &'a Case,
    pub row: &'a ResultRow,
}

impl Entry<'_> {
    pub fn capped(&self) -> bool {
        !self.row.cap.is_empty()
    }

    /// Units per second, and the interval of it that the wall time's interval gives; nothing where no unit was made.
    pub fn rate(&self) -> Option<Interval> {
        let per_s = |wall_ns: f64| self.row.units as f64 / wall_ns * 1e9;
        self.wall().filter(|_| self.row.units > 0).map(|wall| Interval {
            middle: per_s(wall.middle),
            low: per_s(wall.high),
            high: per_s(wall.low),
        })
    }

    /// Wall time in nanoseconds; nothing where no clock could have read it (less than 1 ns, more than 30 years).
    pub fn wall(&self) -> Option<Interval> {
        let plausible = |wall: &f64| (1.0..1e18).contains(wall);
        let middle = self.row.wall_median_ns.filter(plausible)?;
        let bound = |value: Option<f64>| value.filter(plausible).unwrap_or(middle);
        Some(Interval { middle, low: bound(self.row.wall_low_ns), high: bound(self.row.wall_high_ns) })
    }
}

/// A median with the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub middle: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// `self / other`, with the widest interval that the two intervals allow.
    pub fn over(self, other: Interval) -> Interval {
        Interval { middle: self.middle / other.middle, low: self.low / other.high, high: self.high / other.low }
    }

    /// Whether the interval leaves open which of the two is larger.
    pub fn holds_one(self) -> bool {
        (self.low..=self.high).contains(&1.0)
    }
}

/// The run of `experiment` to draw for each device: hardware first, then by name.
pub fn latest<'a>(runs: &'a [Run], experiment: &str) -> Vec<&'a Run> {
    let mut by_device: BTreeMap<_, &Run> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.manifest.experiment == experiment) {
        let drawn = by_device.entry(run.path.parent()).or_insert(run);
        let recency = |run: &'a Run| (run.manifest.complete, &run.manifest.date, &run.path);
        if recency(run) > recency(drawn) {
            *drawn = run;
        }
    }
    let mut drawn: Vec<_> = by_device.into_values().collect();
    drawn.sort_by_key(|run| (run.manifest.device.is_software, device(run), &run.path));
    drawn
}

/// As [`latest`], without software devices.
pub fn latest_hardware<'a>(runs: &'a [Run], experiment: &str) -> Vec<&'a Run> {
    let mut drawn = latest(runs, experiment);
    drawn.retain(|run| !run.manifest.device.is_software);
    drawn
}

/// A device's name without what follows in brackets, and its backend: `NVIDIA H200, vulkan`.
pub fn device(run: &Run) -> String {
    let device = &run.manifest.device;
    let name = device.name.split(" (").next().unwrap_or(&device.name);
    format!("{name}, {}", device.backend)
}

/// The rows of a run that may be drawn: checked, timed, of a case that is not a control.
pub fn entries(run: &Run) -> Vec<Entry<'_>> {
    decode_rows(run).filter(|entry| entry.row.gate == "pass" && entry.wall().is_some()).collect()
}

/// The rows of a run that are not drawn because their output was wrong.
pub fn failed(run: &Run) -> Vec<Entry<'_>> {
    decode_rows(run).filter(|entry| entry.row.gate != "pass").collect()
}

fn decode_rows(run: &Run) -> impl Iterator<Item = Entry<'_>> {
    let cases: BTreeMap<&str, &Case> = run.cases.iter().map(|case| (case.case.as_str(), case)).collect();
    run.results.iter().filter(|row| row.key.replica == 0).filter_map(move |row| {
        let case = *cases.get(row.key.case.as_str())?;
        (case.workload != "control").then_some(Entry { run, case, row })
    })
}

/// What a control row of this run measured, in units per second.
pub fn ceiling(run: &Run, arm: &str) -> Option<f64> {
    let control = |row: &&ResultRow| {
        row.key.arm == arm
            && row.key.replica == 0
            && row.gate == "pass"
            && run.cases.iter().any(|case| case.case == row.key.case && case.workload == "control")
    };
    let rates = run.results.iter().filter(control).filter_map(|row| row.units_per_s);
    rates.filter(|rate| rate.is_finite() && *rate > 0.0).max_by(f64::total_cmp)
}
