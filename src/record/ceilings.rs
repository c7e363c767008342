//! What no row of a run may exceed: the rates of its controls, which do nothing but move bytes or multiply and add.

use std::collections::HashSet;

use super::rows::{Case, ResultRow};

/// A row may be this much faster than the fastest control: controls are measured too, and not at every clock speed.
pub const HEADROOM: f64 = 1.25;

/// The fastest control of a run for one kind of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// `multiply-adds` or `bytes`.
    pub what: &'static str,
    /// Per second; none where the run has no such control.
    pub per_s: Option<f64>,
    /// Names of the controls.
    pub controls: &'static str,
}

/// The ceilings that the controls among `results` set.
pub fn ceilings(cases: &[Case], results: &[ResultRow]) -> [Ceiling; 2] {
    let controls: HashSet<&str> =
        cases.iter().filter(|case| case.workload == "control").map(|case| case.case.as_str()).collect();
    let fastest = |arms: &[&str], unit: &str| {
        let control = |row: &&ResultRow| {
            controls.contains(row.key.case.as_str()) && arms.contains(&row.key.arm.as_str()) && row.unit == unit
        };
        results.iter().filter(control).filter_map(|row| row.units_per_s).max_by(f64::total_cmp)
    };
    [
        Ceiling { what: "multiply-adds", per_s: fastest(&["fma"], "multiply-add"), controls: "fma" },
        Ceiling { what: "bytes", per_s: fastest(&["copy", "cached-read"], "byte"), controls: "copy or cached-read" },
    ]
}

impl Ceiling {
    /// The rate at which `row` did this work, where it took `wall_ns` and that is faster than can be.
    pub fn implausible(&self, row: &ResultRow, wall_ns: f64) -> Option<f64> {
        let work = if self.what == "bytes" { row.min_bytes } else { row.multiply_adds };
        let rate = work as f64 / wall_ns * 1e9;
        let ceiling = self.per_s?;
        (rate.is_nan() || rate > HEADROOM * ceiling).then_some(rate)
    }
}
