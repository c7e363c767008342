//! What the control rows say: the cost of an empty dispatch, the device's ceilings, and the noise.

use super::ledger::Ledger;
use super::print::Print;
use crate::analysis::measured::Measured;
use crate::analysis::number::{Cell, Number};
use crate::statistics::noise_factor;

/// `<device>.control.*`: what an empty dispatch costs and the ceilings. Where several runs have a control, the first one
/// is printed; rounds of waiting are printed with the kernels that wait.
pub fn add_controls<'a>(ledger: &mut Ledger, slug: &str, rows: impl Iterator<Item = &'a Measured<'a>>) {
    for control in rows.filter(|row| row.is_control() && row.row.unit != "round") {
        let key = format!("{slug}.control.{}", control.row.key.arm);
        let (key, number) = match control.row.unit.as_str() {
            "dispatch" => (format!("{key}.{}.us", control.row.key.policy), control.us_per_unit()),
            "barrier" => (format!("{key}.us"), control.us_per_unit()),
            "byte" => (format!("{key}.gb_per_s"), control.g_units_per_s()),
            _ => (format!("{key}.g_per_s"), control.g_units_per_s()),
        };
        if let (false, Some(number)) = (ledger.number.contains_key(&key), number) {
            ledger.add(&key, &number, Print::Significant);
        }
    }
}

/// `<device>.aa.*`: how far two entries of the same arm in the same run differ. Returns the largest factor.
pub fn add_repeatability(ledger: &mut Ledger, slug: &str, rows: &[Measured]) -> f64 {
    let mut spreads = Vec::new();
    for second in rows.iter().filter(|measured| measured.row.key.replica == 1) {
        let first = rows.iter().find(|first| {
            let (a, b) = (&first.row.key, &second.row.key);
            std::ptr::eq(first.run, second.run)
                && (&a.case, &a.arm, &a.policy, a.replica) == (&b.case, &b.arm, &b.policy, 0)
        });
        spreads.extend(first.and_then(|first| second.speedup_over(first)));
    }
    let off = |ratio: &Number| (ratio.value - 1.0).abs();
    spreads.sort_by(|a, b| off(a).total_cmp(&off(b)));
    for (key, ratio) in [("median", spreads.get(spreads.len() / 2)), ("max", spreads.last())] {
        if let Some(ratio) = ratio {
            let number =
                Number::derived(off(ratio), format!("{key} over A/A pairs of abs(a / b - 1)"), ratio.cells.clone());
            ledger.add(&format!("{slug}.aa.{key}"), &number, Print::Percent);
        }
    }
    let pairs = Cell::new(format!("{slug}/*/results.csv"), "replica 1", "units_per_s");
    let count = Number::derived(spreads.len() as f64, "count", vec![pairs]);
    ledger.add(&format!("{slug}.aa.pairs"), &count, Print::Count);
    let noise = |ratio: &Number| noise_factor(&ratio.as_interval());
    let Some(widest) = spreads.iter().max_by(|a, b| noise(a).total_cmp(&noise(b))) else { return 1.0 };
    let formula =
        "largest over A/A pairs of the end of the 95% interval of a / b that is farther from 1, counted upwards";
    let number = Number::derived(noise(widest), formula, widest.cells.clone());
    ledger.add(&format!("{slug}.aa.noise"), &number, Print::Significant);
    number.value
}
