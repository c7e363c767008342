//! What the paper says about one measured arm, or about two: throughput, idle share, counts, fraction of the bound,
//! speed-up. Each with its cells and formula.

use super::ledger::{Cell, Number};
use crate::measure::statistics::ratio_interval;
use crate::record::directory::Run;
use crate::record::rows::{Case, ResultRow};

/// Seed of the bootstrap behind the paper's ratios.
const SEED: u64 = 2026;

/// One row of one run, with its case.
#[derive(Clone, Copy)]
pub struct Measured<'a> {
    pub run: &'a Run,
    pub case: &'a Case,
    pub row: &'a ResultRow,
}

/// The device's measured ceilings: control rows.
#[derive(Clone, Copy, Default)]
pub struct Ceilings<'a> {
    /// The most bytes per second that any control moved: a large copy, or reads of what fits in the caches.
    pub bytes: Option<Measured<'a>>,
    /// Multiply-adds per second out of registers.
    pub multiply_adds: Option<Measured<'a>>,
}

/// `<device>/<date>-<experiment>/<file>`, as seen from `data/`.
pub fn file(run: &Run, name: &str) -> String {
    let part = |path: Option<&std::path::Path>| {
        path.and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    format!("{}/{}/{name}", part(run.path.parent()), part(Some(&run.path)))
}

/// The one with the largest rate, among those that have one.
pub fn fastest<'a>(arms: impl Iterator<Item = Measured<'a>>) -> Option<Measured<'a>> {
    let rate = |measured: &Measured| measured.row.units_per_s.unwrap_or(f64::NEG_INFINITY);
    arms.filter(|measured| measured.row.units_per_s.is_some()).max_by(|a, b| rate(a).total_cmp(&rate(b)))
}

impl<'a> Measured<'a> {
    /// `wait-each` and its like for stepwise arms, else the arm's name.
    pub fn label(&self) -> String {
        let key = &self.row.key;
        match (key.arm.as_str(), key.policy.as_str()) {
            ("stepwise", policy) => policy.to_owned(),
            (arm, "one-submit" | "") => arm.to_owned(),
            (arm, policy) => format!("{arm}.{policy}"),
        }
    }

    pub fn is_stepwise(&self) -> bool {
        self.row.key.arm == "stepwise"
    }

    pub fn cell(&self, column: &str) -> Cell {
        let key = &self.row.key;
        let row = format!("{} {} {} {}", key.case, key.arm, key.policy, key.replica);
        Cell::new(file(self.run, "results.csv"), row, column)
    }

    pub fn case_cell(&self, column: &str) -> Cell {
        Cell::new(file(self.run, "cases.csv"), self.case.case.clone(), column)
    }

    pub fn units_per_s(&self) -> Option<Number> {
        let row = self.row;
        let number = Number::cell(row.units_per_s?, self.cell("units_per_s"));
        let (low, high) = (row.wall_low_ns?, row.wall_high_ns?);
        let per_s = |ns: f64| row.units as f64 / ns * 1e9;
        Some(number.within(per_s(high), per_s(low), "units / {wall_high_ns, wall_low_ns} * 1e9"))
    }

    /// Billions of units per second.
    pub fn g_units_per_s(&self) -> Option<Number> {
        let rate = self.units_per_s()?;
        let number = Number::derived(rate.value / 1e9, "units_per_s / 1e9", rate.cells);
        let ends = rate.interval?;
        Some(number.within(ends.low / 1e9, ends.high / 1e9, "units / {wall_high_ns, wall_low_ns}"))
    }

    pub fn us_per_unit(&self) -> Option<Number> {
        let row = self.row;
        let per_unit = |ns: f64| ns / row.units as f64 / 1e3;
        let cells = vec![self.cell("wall_median_ns"), self.cell("units")];
        let number = Number::derived(per_unit(row.wall_median_ns?), "wall_median_ns / units / 1e3", cells);
        let (low, high) = (per_unit(row.wall_low_ns?), per_unit(row.wall_high_ns?));
        Some(number.within(low, high, "{wall_low_ns, wall_high_ns} / units / 1e3"))
    }

    /// Share of wall time in which no dispatch ran. Below zero where the instrumented run was slower than the timed ones.
    pub fn idle(&self) -> Option<Number> {
        let share = 1.0 - self.row.gpu_busy_ns? / self.row.wall_median_ns?;
        let cells = vec![self.cell("gpu_busy_ns"), self.cell("wall_median_ns")];
        Some(Number::derived(share, "1 - gpu_busy_ns / wall_median_ns", cells))
    }

    pub fn count(&self, column: &str, count: u64) -> Number {
        Number::cell(count as f64, self.cell(column))
    }

    pub fn waits(&self) -> Number {
        self.count("waits", self.row.waits)
    }

    pub fn dispatches_per_unit(&self) -> Option<Number> {
        let cells = vec![self.cell("dispatches"), self.cell("units")];
        let per_unit = self.row.dispatches as f64 / self.row.units as f64;
        (self.row.units > 0).then(|| Number::derived(per_unit, "dispatches / units", cells))
    }

    pub fn gate_error(&self) -> Option<Number> {
        Some(Number::cell(self.row.gate_error?, self.cell("gate_error")))
    }

    /// The least time the device's measured ceilings allow, over the time taken.
    pub fn bound_fraction(&self, ceilings: &Ceilings) -> Option<Number> {
        let (bytes, multiply_adds) = (ceilings.bytes?, ceilings.multiply_adds?);
        let bytes_s = self.row.min_bytes as f64 / bytes.row.units_per_s?;
        let multiply_adds_s = self.row.multiply_adds as f64 / multiply_adds.row.units_per_s?;
        let fraction = bytes_s.max(multiply_adds_s) * 1e9 / self.row.wall_median_ns?;
        let cells = vec![
            self.cell("min_bytes"),
            bytes.cell("units_per_s").called("bytes_per_s"),
            self.cell("multiply_adds"),
            multiply_adds.cell("units_per_s").called("multiply_adds_per_s"),
            self.cell("wall_median_ns"),
        ];
        let formula = "max(min_bytes / bytes_per_s, multiply_adds / multiply_adds_per_s) * 1e9 / wall_median_ns";
        Some(Number::derived(fraction, formula, cells))
    }

    fn wall_ns(&self) -> Vec<f64> {
        let samples = self.run.samples.iter().filter(|sample| sample.key == self.row.key);
        samples.map(|sample| sample.wall_ns as f64).collect()
    }

    /// How many times as fast this is as `slow`, of the same run and case.
    pub fn speedup_over(&self, slow: &Measured) -> Option<Number> {
        let value = self.row.units_per_s? / slow.row.units_per_s?;
        let cells = vec![self.cell("units_per_s").called("a"), slow.cell("units_per_s").called("b")];
        let number = Number::derived(value, "a / b", cells);
        let Some(ratio) = ratio_interval(&slow.wall_ns(), &self.wall_ns(), SEED) else { return Some(number) };
        let units = self.row.units as f64 / slow.row.units as f64;
        let formula = "bootstrap 95% interval of a / b over samples.csv wall_ns";
        Some(number.within(ratio.low * units, ratio.high * units, formula))
    }
}
