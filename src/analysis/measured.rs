//! What is said of one measured row, or of two: throughput, idle share, counts, fraction of the bound, speed-up.

use super::number::{Cell, Number};
use crate::record::peers::PeerRow;
use crate::record::rows::{Case, Key, ResultRow};
use crate::record::run::Run;
use crate::record::summary::bootstrap_seed;
use crate::record::table::Row;
use crate::statistics::{Interval, ratio_interval};
use crate::workload::decode::Arm;

/// The arm that is run under each policy, and goes by the policy's name.
pub const STEPWISE: &str = "stepwise";

/// What that of rollouts is called since its kernel is the one of whole episodes.
const STEP: &str = "fused@step";

/// Whether it is that arm, by either name.
pub fn is_stepwise(arm: &str) -> bool {
    [STEPWISE, STEP].contains(&arm)
}

/// One row of one run, with its case.
#[derive(Clone, Copy)]
pub struct Measured<'a> {
    pub run: &'a Run,
    pub case: &'a Case,
    pub row: &'a ResultRow,
    /// Whether it is of another framework than this project's arms.
    pub is_peer: bool,
}

/// What a row is called: a stepwise one by its policy, any other by its arm, and by both where it is not in one submit.
pub fn label(key: &Key) -> String {
    match (key.arm.as_str(), key.policy.as_str()) {
        (arm, policy) if is_stepwise(arm) => policy.to_owned(),
        (arm, "one-submit" | "") => arm.to_owned(),
        (arm, policy) => format!("{arm}.{policy}"),
    }
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
    let rates = arms.filter_map(|measured| Some((measured.rate()?, measured)));
    rates.max_by(|(a, _), (b, _)| a.mid.total_cmp(&b.mid)).map(|(_, measured)| measured)
}

impl<'a> Measured<'a> {
    /// See [`label`].
    pub fn label(&self) -> String {
        label(&self.row.key)
    }

    /// The arm that it is of; nothing for a peer, and for what is no arm of decoding here.
    pub fn decode_arm(&self) -> Option<Arm> {
        Arm::named(&self.row.key.arm).ok().filter(|_| !self.is_peer)
    }

    pub fn is_stepwise(&self) -> bool {
        is_stepwise(&self.row.key.arm)
    }

    pub fn is_control(&self) -> bool {
        self.case.workload == "control" && self.row.key.replica == 0
    }

    /// Whether it made fewer units or samples than it was asked for.
    pub fn is_capped(&self) -> bool {
        !self.row.cap.is_empty()
    }

    /// Whether it made every new token of every sequence that its decode case asks for.
    pub fn is_whole(&self) -> bool {
        self.row.units == u64::from(self.case.new_tokens) * u64::from(self.case.sequences.max(1))
    }

    /// Wall time of a checked row; nothing where no clock could have read it (less than 1 ns, more than 30 years).
    pub fn wall_ns(&self) -> Option<Interval> {
        let plausible = |wall: &f64| (1.0..1e18).contains(wall);
        let mid = self.row.wall_median_ns.filter(plausible).filter(|_| self.row.gate == "pass")?;
        let end = |value: Option<f64>| value.filter(plausible).unwrap_or(mid);
        Some(Interval { low: end(self.row.wall_low_ns), mid, high: end(self.row.wall_high_ns) })
    }

    /// Units per second.
    pub fn rate(&self) -> Option<Interval> {
        let per_s = |wall_ns: f64| self.row.units as f64 / wall_ns * 1e9;
        let wall = self.wall_ns().filter(|_| self.row.units > 0)?;
        Some(Interval { low: per_s(wall.high), mid: per_s(wall.mid), high: per_s(wall.low) })
    }

    pub fn cell(&self, column: &str) -> Cell {
        let key = &self.row.key;
        let row = format!("{} {} {} {}", key.case, key.arm, key.policy, key.replica);
        match self.is_peer {
            true => {
                Cell::new(file(self.run, PeerRow::FILE), format!("{} {} {}", key.case, key.arm, key.policy), column)
            }
            false => Cell::new(file(self.run, ResultRow::FILE), row, column),
        }
    }

    /// [`Measured::rate`]; the column `units_per_s` is verified to be the same.
    pub fn units_per_s(&self) -> Option<Number> {
        let rate = self.rate()?;
        let number = Number::cell(rate.mid, self.cell("units_per_s"));
        Some(number.within(rate.low, rate.high, "units / {wall_high_ns, wall_low_ns} * 1e9"))
    }

    /// Billions of units per second.
    pub fn g_units_per_s(&self) -> Option<Number> {
        let rate = self.rate()?;
        let number = Number::derived(rate.mid / 1e9, "units_per_s / 1e9", vec![self.cell("units_per_s")]);
        Some(number.within(rate.low / 1e9, rate.high / 1e9, "units / {wall_high_ns, wall_low_ns}"))
    }

    pub fn us_per_unit(&self) -> Option<Number> {
        let wall = self.wall_ns().filter(|_| self.row.units > 0)?;
        let per_unit = |ns: f64| ns / self.row.units as f64 / 1e3;
        let cells = vec![self.cell("wall_median_ns"), self.cell("units")];
        let number = Number::derived(per_unit(wall.mid), "wall_median_ns / units / 1e3", cells);
        Some(number.within(per_unit(wall.low), per_unit(wall.high), "{wall_low_ns, wall_high_ns} / units / 1e3"))
    }

    /// From the first pass's begin to the last one's end by the GPU's clock; nothing where the device gave no times.
    pub fn gpu_us_per_unit(&self) -> Option<Number> {
        let gpu_ns = self.row.gpu_median_ns.filter(|gpu_ns| gpu_ns.is_finite() && self.row.units > 0)?;
        let cells = vec![self.cell("gpu_median_ns"), self.cell("units")];
        Some(Number::derived(gpu_ns / self.row.units as f64 / 1e3, "gpu_median_ns / units / 1e3", cells))
    }

    /// How many times as long `slow`, of the same run and case, takes by the GPU's clock.
    pub fn gpu_speedup_over(&self, slow: &Measured) -> Option<Number> {
        let (fast, slow) = (self.gpu_us_per_unit()?, slow.gpu_us_per_unit()?);
        let called = |number: &Number, name: &'static str| {
            number.cells[..1].iter().cloned().map(move |cell| cell.called(name)).collect::<Vec<_>>()
        };
        let cells = [called(&slow, "a"), called(&fast, "b")].concat();
        Some(Number::derived(slow.value / fast.value, "a / b, each by its units", cells))
    }

    /// Width of the 95% interval of wall time, relative to the median.
    pub fn spread(&self) -> Option<Number> {
        let wall = self.wall_ns()?;
        let cells = ["wall_high_ns", "wall_low_ns", "wall_median_ns"].map(|column| self.cell(column)).to_vec();
        let formula = "(wall_high_ns - wall_low_ns) / wall_median_ns";
        Some(Number::derived((wall.high - wall.low) / wall.mid, formula, cells))
    }

    /// Share of wall time in which the GPU was in no pass; nothing where the device gave no busy time. Below zero where the
    /// instrumented run, which is not among the samples, took longer than the timed ones.
    pub fn idle(&self) -> Option<Number> {
        let busy = self.row.gpu_busy_ns.filter(|busy| busy.is_finite() && *busy > 0.0)?;
        let wall = self.wall_ns()?;
        let share = |wall_ns: f64| 1.0 - busy / wall_ns;
        let cells = vec![self.cell("gpu_busy_ns"), self.cell("wall_median_ns")];
        let number = Number::derived(share(wall.mid), "1 - gpu_busy_ns / wall_median_ns", cells);
        Some(number.within(share(wall.low), share(wall.high), "1 - gpu_busy_ns / {wall_low_ns, wall_high_ns}"))
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

    /// The least time that memory and arithmetic allow, over the time taken.
    ///
    /// The ceilings are those that the controls `copy` and `fma` of the same run measured. `copy` is the rate of memory:
    /// what fits into the caches is read faster, so a small model may come out above 1. (What no row may exceed is the
    /// fastest control, caches included; `verify` holds rows to that.)
    pub fn bound_fraction(&self) -> Option<Number> {
        let (copy, fma) = (self.run.ceiling("copy")?, self.run.ceiling("fma")?);
        let bytes_s = self.row.min_bytes as f64 / copy.rate()?.mid;
        let multiply_adds_s = self.row.multiply_adds as f64 / fma.rate()?.mid;
        let bound_ns = bytes_s.max(multiply_adds_s) * 1e9;
        let wall = self.wall_ns().filter(|_| bound_ns > 0.0)?;
        let cells = vec![
            self.cell("min_bytes"),
            copy.cell("units_per_s").called("copy"),
            self.cell("multiply_adds"),
            fma.cell("units_per_s").called("fma"),
            self.cell("wall_median_ns"),
        ];
        let formula = "max(min_bytes / copy, multiply_adds / fma) * 1e9 / wall_median_ns";
        let number = Number::derived(bound_ns / wall.mid, formula, cells);
        let formula = "max(min_bytes / copy, multiply_adds / fma) * 1e9 / {wall_high_ns, wall_low_ns}";
        Some(number.within(bound_ns / wall.high, bound_ns / wall.low, formula))
    }

    /// Bytes that have to move for each unit, at least.
    pub fn bytes_per_unit(&self) -> Option<Number> {
        let cells = vec![self.cell("min_bytes"), self.cell("units")];
        let per_unit = self.row.min_bytes as f64 / self.row.units as f64;
        (self.row.units > 0).then(|| Number::derived(per_unit, "min_bytes / units", cells))
    }

    /// Least microseconds for each unit that a program's barriers and rounds, or its bytes, allow one after another: the longer
    /// of the two. A barrier takes what it takes in the control `workgroup-barrier` of the same run, and a round what one takes
    /// in `exchange`, its own barrier included; bytes move at the rate of `copy`.
    pub fn floor_us(&self) -> Option<Number> {
        let control_ns = |arm: &str| {
            let control = self.run.ceiling(arm)?;
            Some((control, 1e9 / control.rate()?.mid))
        };
        let (barrier, barrier_ns) = control_ns("workgroup-barrier")?;
        let (copy, byte_ns) = control_ns("copy")?;
        let row = self.row;
        let mut cells = vec![self.cell("barriers"), barrier.cell("units_per_s").called("barrier")];
        let (waits_ns, waits) = match row.rounds {
            0 => (row.barriers as f64 * barrier_ns, "barriers / barrier"),
            rounds => {
                let (exchange, round_ns) = control_ns("exchange")?;
                cells.extend([self.cell("rounds"), exchange.cell("units_per_s").called("exchange")]);
                let others = row.barriers.saturating_sub(rounds) as f64;
                (others * barrier_ns + rounds as f64 * round_ns, "(barriers - rounds) / barrier + rounds / exchange")
            }
        };
        cells.extend([self.cell("min_bytes"), copy.cell("units_per_s").called("copy"), self.cell("units")]);
        let bytes_ns = row.min_bytes as f64 * byte_ns;
        let formula = format!("max({waits}, min_bytes / copy) / units * 1e6");
        let floor_us = waits_ns.max(bytes_ns) / row.units as f64 / 1e3;
        (row.units > 0).then(|| Number::derived(floor_us, formula, cells))
    }

    /// [`Measured::floor_us`] over the time taken.
    pub fn floor_fraction(&self) -> Option<Number> {
        let (floor, taken) = (self.floor_us()?, self.us_per_unit()?);
        let cells = [floor.cells.clone(), vec![self.cell("wall_median_ns")]].concat();
        Some(Number::derived(
            floor.value / taken.value,
            format!("({}) / (wall_median_ns / units / 1e3)", floor.formula),
            cells,
        ))
    }

    /// Units per second at the bound of [`Measured::bound_fraction`].
    pub fn bound_rate(&self) -> Option<f64> {
        Some(self.rate()?.mid / self.bound_fraction()?.value)
    }

    fn samples_ns(&self) -> Vec<f64> {
        let of_run = if self.is_peer { &self.run.peers.samples } else { &self.run.samples };
        let samples = of_run.iter().filter(|sample| sample.key == self.row.key);
        samples.map(|sample| sample.wall_ns as f64).collect()
    }

    /// The rate of this over that of `other`, of another case or run: there are no samples that were taken in turn, so the
    /// ratio has no interval.
    pub fn ratio_to(&self, other: &Measured) -> Option<Number> {
        let cells = vec![self.cell("units_per_s").called("a"), other.cell("units_per_s").called("b")];
        Some(Number::derived(self.rate()?.mid / other.rate()?.mid, "a / b", cells))
    }

    /// How many times as fast this is as `slow`, of the same run and case.
    pub fn speedup_over(&self, slow: &Measured) -> Option<Number> {
        let value = self.rate()?.mid / slow.rate()?.mid;
        let cells = vec![self.cell("units_per_s").called("a"), slow.cell("units_per_s").called("b")];
        let number = Number::derived(value, "a / b", cells);
        let seed = bootstrap_seed(&self.row.key);
        let (slow_ns, own_ns) = (slow.samples_ns(), self.samples_ns());
        if slow_ns.is_empty() || own_ns.is_empty() {
            return Some(number);
        }
        let units = self.row.units as f64 / slow.row.units as f64;
        let formula = "bootstrap 95% interval of a / b over samples.csv wall_ns";
        Some(number.within_later(formula, move || {
            let ratio = ratio_interval(&slow_ns, &own_ns, seed).expect("neither side is empty");
            (ratio.low * units, ratio.high * units)
        }))
    }
}
