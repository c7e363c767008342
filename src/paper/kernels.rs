//! What the fused kernels' rows say beside each other: what they wait for, what many workgroups gain over one, and what many
//! sequences gain over one.

use super::ledger::Ledger;
use super::print::Print;
use crate::analysis::claims::fastest_of_one_workgroup;
use crate::analysis::measured::{Measured, fastest, file};
use crate::analysis::number::{Cell, Number};
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::statistics::indistinguishable;
use crate::workload::decode::format::Format;
use crate::workload::decode::{Algorithm, Arm};

/// Numbers of one case, by `<arm>.<quantity>` for each fused arm: `workgroups`, `rounds_per_token`, `barriers_per_token`,
/// `bytes_per_token`, the floor that these imply (`floor_us` for each token, `of_floor` the fraction reached),
/// and `over.one-sequence`, how many times as many tokens in total as the fewest sequences of the run make. `best-fused` is
/// the fastest fused arm in f32, `best-fused.over.best-peer` its speed-up over the fastest peer in f32, and
/// `many.over.one` that of `fused-grid` over the fastest arm of one workgroup, both with WebGPU's checks.
pub fn numbers_of_case(run: &Run, case: &Case) -> Vec<(String, Number, Print)> {
    let mut numbers = Vec::new();
    let mut add =
        |name: String, number: Option<Number>, print| numbers.extend(number.map(|number| (name, number, print)));
    let arms = run.arms(case);
    let few = fewest_sequences(run, case);
    for arm in arms.iter().filter(|arm| fused(arm).is_some()) {
        let (label, row) = (arm.label(), arm.row);
        let workgroups = (row.workgroups > 0).then(|| arm.count("workgroups", row.workgroups.into()));
        add(format!("{label}.workgroups"), workgroups, Print::Count);
        for (column, count) in [("rounds", row.rounds), ("barriers", row.barriers)] {
            add(format!("{label}.{column}_per_token"), per_token(arm, column, count), Print::Significant);
        }
        add(format!("{label}.bytes_per_token"), arm.bytes_per_unit(), Print::Significant);
        add(format!("{label}.floor_us"), arm.floor_us(), Print::Significant);
        add(format!("{label}.of_floor"), arm.floor_fraction(), Print::Percent);
        let of_few = few.and_then(|few| run.arm(few, &label));
        add(format!("{label}.over.one-sequence"), of_few.and_then(|few| arm.ratio_to(&few)), Print::Significant);
    }
    let in_f32 = |arm: &Measured| fused(arm).is_some_and(|arm| arm.format == Format::F32);
    let best = fastest(arms.iter().copied().filter(in_f32));
    add("best-fused.tokens_per_s".into(), best.and_then(|best| best.units_per_s()), Print::Significant);
    add("best-fused.bound".into(), best.and_then(|best| best.bound_fraction()), Print::Percent);
    let peers = run.peer_names().into_iter().filter_map(|peer| run.fastest_of_peer(case, peer));
    let over = best.zip(fastest(peers)).and_then(|(best, peer)| best.speedup_over(&peer));
    add("best-fused.over.best-peer".into(), over, Print::Significant);
    let many = run.arm(case, Algorithm::FusedGrid.name()).zip(fastest_of_one_workgroup(run, case));
    add("many.over.one".into(), many.and_then(|(many, one)| many.speedup_over(&one)), Print::Significant);
    numbers
}

/// The fused arm that a row is of; nothing for a stepwise one.
fn fused(measured: &Measured) -> Option<Arm> {
    measured.decode_arm().filter(|arm| arm.is_fused())
}

fn per_token(arm: &Measured, column: &str, count: u64) -> Option<Number> {
    let cells = vec![arm.cell(column), arm.cell("units")];
    let number = || Number::derived(count as f64 / arm.row.units as f64, format!("{column} / units"), cells);
    (arm.row.units > 0).then(number)
}

/// The case that differs from `case` in having the fewest sequences; nothing for that itself.
fn fewest_sequences<'a>(run: &'a Run, case: &Case) -> Option<&'a Case> {
    let sizes = |case: &Case| (case.n_embd, case.n_layer, case.vocab_size, case.prompt_tokens, case.new_tokens);
    let same = run.decode_cases().filter(|other| sizes(other) == sizes(case));
    same.min_by_key(|other| other.sequences).filter(|few| few.sequences > 0 && few.sequences < case.sequences)
}

/// `<base>.control.<control>.us`, what the run's own barriers and rounds take; `<base>.<case>.S`, the case's sequences;
/// `<base>.<case>.best-fused` names the fastest fused arm in f32. For each number of layers, in the list `<base>.many`:
/// `<base>.many.l<L>.L`, `.widest`, the largest n_embd, and `.from`, the smallest from which on many workgroups beat one at every
/// width, beyond the A/A control's noise; nothing where they do so at none.
pub fn add_kernels(ledger: &mut Ledger, base: &str, run: &Run, noise: f64) {
    // What the floors count with: the run's own controls.
    for arm in ["workgroup-barrier", "storage-barrier", "exchange"] {
        if let Some(number) = run.ceiling(arm).and_then(|control| control.us_per_unit()) {
            ledger.add(&format!("{base}.control.{arm}.us"), &number, Print::Significant);
        }
    }
    let mut layers: Vec<u32> = Vec::new();
    let mut gains: Vec<(&Case, Number)> = Vec::new();
    for case in run.decode_cases() {
        let key = format!("{base}.{}", case.case);
        if case.sequences > 0 {
            let cell = Cell::new(file(run, "cases.csv"), case.case.clone(), "sequences");
            ledger.add(&format!("{key}.S"), &Number::cell(f64::from(case.sequences), cell), Print::Count);
        }
        let in_f32 = |arm: &Measured| fused(arm).is_some_and(|arm| arm.format == Format::F32);
        if let Some(best) = fastest(run.arms(case).into_iter().filter(in_f32)) {
            let which = "fused arm of the largest units_per_s, of those in f32";
            ledger.add_words(&format!("{key}.best-fused"), best.label(), which, vec![best.cell("units_per_s")]);
        }
        let many = run.arm(case, Algorithm::FusedGrid.name()).zip(fastest_of_one_workgroup(run, case));
        if let Some(gain) = many.and_then(|(many, one)| many.speedup_over(&one)) {
            gains.push((case, gain));
            layers.push(case.n_layer);
        }
    }
    layers.sort_unstable();
    layers.dedup();
    gains.sort_by_key(|(case, _)| case.n_embd);
    for n_layer in &layers {
        let of_layer: Vec<&(&Case, Number)> = gains.iter().filter(|(case, _)| case.n_layer == *n_layer).collect();
        let cells: Vec<Cell> = of_layer.iter().flat_map(|(_, gain)| gain.cells.clone()).collect();
        let wins = |(_, gain): &&&(&Case, Number)| gain.value > 1.0 && !indistinguishable(&gain.as_interval(), noise);
        let from = of_layer.iter().rev().take_while(wins).last();
        let width = |entry: &(&Case, Number)| f64::from(entry.0.n_embd);
        for (name, value, formula) in [
            ("L", Some(f64::from(*n_layer)), "n_layer"),
            ("widest", of_layer.last().map(|entry| width(entry)), "largest n_embd"),
            (
                "from",
                from.map(|entry| width(entry)),
                "smallest n_embd from which on each 95% interval of a / b lies above the A/A noise",
            ),
        ] {
            if let Some(value) = value {
                let number = Number::derived(value, formula, cells.clone());
                ledger.add(&format!("{base}.many.l{n_layer}.{name}"), &number, Print::Count);
            }
        }
    }
    if !layers.is_empty() {
        ledger.lists.insert(format!("{base}.many"), layers.iter().map(ToString::to_string).collect());
    }
}
