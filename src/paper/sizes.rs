//! What cases of several sizes say together: wins and losses, where they cross over, and what a dispatch count grows by.

use super::ledger::Ledger;
use super::print::Print;
use crate::analysis::measured::Measured;
use crate::analysis::number::{Cell, Number};
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::statistics::indistinguishable;

/// `<key>.faster`, `.slower`, `.level`: in how many cases a speed-up lies above, below or within the A/A control's noise.
pub fn add_wins(ledger: &mut Ledger, key: &str, numbers: &[(&Case, &Number)], noise: f64) {
    let sides = [("faster", "above"), ("slower", "below"), ("level", "within")];
    if sides.iter().all(|(name, _)| ledger.leaves_out(&format!("{key}.{name}"))) {
        return sides.iter().for_each(|(name, _)| ledger.add_pending(&format!("{key}.{name}")));
    }
    let cells: Vec<Cell> = numbers.iter().flat_map(|(_, number)| number.cells.clone()).collect();
    let counts = numbers.iter().fold([0; 3], |mut counts, (_, number)| {
        let interval = number.as_interval();
        let place = if indistinguishable(&interval, noise) { 2 } else { usize::from(interval.high < 1.0) };
        counts[place] += 1;
        counts
    });
    for ((name, side), count) in sides.into_iter().zip(counts) {
        let formula = format!("cases whose 95% interval of a / b lies {side} the A/A noise");
        ledger.add(&format!("{key}.{name}"), &Number::derived(f64::from(count), formula, cells.clone()), Print::Count);
    }
}

/// `<base>.dispatches.per_layer` and `.per_token`: what the stepwise program issues for each token and layer, and for each
/// token besides, from two cases that differ in nothing but their layers.
pub fn add_dispatches(ledger: &mut Ledger, base: &str, run: &Run) {
    let rows: Vec<Measured> = run.decode_rows().filter(|row| row.label() == Policy::OneSubmit.name()).collect();
    let pair = rows.iter().find_map(|few| {
        let same = |row: &&Measured| {
            (row.case.n_embd, row.case.new_tokens) == (few.case.n_embd, few.case.new_tokens)
                && row.case.n_layer > few.case.n_layer
        };
        Some((few, rows.iter().find(same)?))
    });
    let Some((few, many)) = pair else { return };
    let (Some(a), Some(b)) = (few.dispatches_per_unit(), many.dispatches_per_unit()) else { return };
    let [few_layers, many_layers] = [few, many].map(|row| f64::from(row.case.n_layer));
    let per_layer = (b.value - a.value) / (many_layers - few_layers);
    let cells = [a.cells, b.cells].concat();
    for (name, value, formula) in [
        ("per_layer", per_layer, "difference of dispatches / units over difference of n_layer"),
        ("per_token", a.value - per_layer * few_layers, "dispatches / units less those per layer"),
    ] {
        ledger.add(&format!("{base}.dispatches.{name}"), &Number::derived(value, formula, cells.clone()), Print::Count);
    }
}

/// `<base>.crossover.l<L>.faster` and `.slower`: for each number of layers the largest width at which a speed-up lies
/// above the A/A control's noise, and the smallest at which it lies below.
pub fn add_crossover(ledger: &mut Ledger, base: &str, numbers: &[(&Case, &Number)], noise: f64) {
    let mut layers: Vec<u32> = numbers.iter().map(|(case, _)| case.n_layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let names = layers.iter().map(ToString::to_string).collect();
    ledger.lists.insert(format!("{base}.crossover"), names);
    for n_layer in layers {
        let of_layer = || numbers.iter().filter(|(case, _)| case.n_layer == n_layer);
        let clear = || of_layer().filter(|(_, number)| !indistinguishable(&number.as_interval(), noise));
        let faster = clear().filter(|(_, number)| number.value > 1.0).max_by_key(|(case, _)| case.n_embd);
        let slower = clear().filter(|(_, number)| number.value < 1.0).min_by_key(|(case, _)| case.n_embd);
        if let Some((case, _)) = of_layer().next() {
            let cell = Cell::new("cases.csv", case.case.clone(), "n_layer");
            let key = format!("{base}.crossover.l{n_layer}.L");
            ledger.add(&key, &Number::cell(f64::from(n_layer), cell), Print::Count);
        }
        for (name, end, formula) in [
            ("faster", faster, "largest n_embd whose 95% interval of a / b lies above the A/A noise"),
            ("slower", slower, "smallest n_embd whose 95% interval of a / b lies below the A/A noise"),
        ] {
            if let Some((case, number)) = end {
                let number = Number::derived(f64::from(case.n_embd), formula, number.cells.clone());
                ledger.add(&format!("{base}.crossover.l{n_layer}.{name}"), &number, Print::Count);
            }
        }
    }
}
