//! What the rows of browsers say beside the native ones of the same experiment and device.

use std::collections::BTreeMap;

use super::ledger::Ledger;
use super::peers;
use super::print::Print;
use super::range::{Extreme, add_range};
use crate::analysis::measured::{Measured, fastest, file};
use crate::analysis::number::{Cell, Number};
use crate::analysis::select::in_browsers;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;

const EXPERIMENT: &str = "browser";

/// `<device>.in-browser.<engine>.*` for each engine of the list `<device>.in-browser.engines`, and as the engine `native` of the
/// native run: `name`, the engine's name and version; `<case>.fused.tokens_per_s` of the fastest fused kernel there, and over the
/// cases how many times as fast as each stepwise policy it is, `fused.over.<policy>.min` and `.max`; `waited_us`, an empty dispatch
/// that is waited for; `shortest_ms`, the least time in which a row that waits once came to its end; and for each arm and policy, `<label>.native.min` and `.max`, how many times
/// as fast it is natively. Of its peers: what [`peers::add_peers`] and [`peers::numbers_of_case`] say, the list
/// `<device>.in-browser.<engine>.variants` of those with a time, and `best.over.best.min` and `.max` over the cases.
pub fn add_browsers(ledger: &mut Ledger, slug: &str, natives: &[&Run], all: &[Run]) {
    let Some(native) = natives.iter().find(|run| run.manifest.experiment == EXPERIMENT) else { return };
    let base = format!("{slug}.in-browser");
    let mut engines = Vec::new();
    for browser in in_browsers(all, native) {
        let Some(engine) = &browser.manifest.browser else { continue };
        let name = engine.name.to_lowercase().replace(' ', "-");
        let base = format!("{base}.{name}");
        let cell = Cell::new(file(browser, "manifest.toml"), "browser", "name");
        ledger.add_cell(&format!("{base}.name"), format!("{} ({})", engine.name, engine.version), cell);
        add_rates(ledger, &base, browser);
        add_costs(ledger, &base, native, browser);
        add_peers(ledger, &base, browser);
        engines.push(name);
    }
    if !engines.is_empty() {
        add_rates(ledger, &format!("{base}.native"), native);
    }
    ledger.lists.insert(format!("{base}.engines"), engines);
}

/// What one run's own rows say of it.
fn add_rates(ledger: &mut Ledger, base: &str, run: &Run) {
    let mut series: BTreeMap<String, Vec<(&Case, Number)>> = BTreeMap::new();
    for case in run.decode_cases() {
        let fused = fastest(run.arms(case).into_iter().filter(|arm| !arm.is_stepwise()));
        let Some(rate) = fused.and_then(|arm| arm.units_per_s()) else { continue };
        ledger.add(&format!("{base}.{}.fused.tokens_per_s", case.case), &rate, Print::Significant);
        for policy in Policy::ALL {
            let slow = run.stepwise(case, policy);
            let over = fused.zip(slow).and_then(|(fused, slow)| fused.speedup_over(&slow));
            series.entry(policy.name().to_owned()).or_default().extend(over.map(|over| (case, over)));
        }
    }
    for (policy, numbers) in &series {
        add_range(ledger, &format!("{base}.fused.over.{policy}"), &borrowed(numbers), Print::Significant);
    }
    let is_waited = |row: &Measured| row.is_control() && row.label() == "empty.wait-each";
    if let Some(each) = run.rows().find(is_waited).and_then(|row| row.us_per_unit()) {
        ledger.add(&format!("{base}.waited_us"), &each, Print::Significant);
    }
    let waits_once = run.rows().filter(|row| row.row.waits == 1).filter_map(|row| Some((row.wall_ns()?.mid, row)));
    if let Some((wall_ns, row)) = waits_once.min_by(|(a, _), (b, _)| a.total_cmp(b)) {
        let formula = "smallest wall_median_ns of rows that wait once, / 1e6";
        let number = Number::derived(wall_ns / 1e6, formula, vec![row.cell("wall_median_ns")]);
        ledger.add(&format!("{base}.shortest_ms"), &number, Print::Significant);
    }
}

/// What the browser costs each arm and policy.
fn add_costs(ledger: &mut Ledger, base: &str, native: &Run, browser: &Run) {
    let mut series: BTreeMap<String, Vec<(&Case, Number)>> = BTreeMap::new();
    for case in native.decode_cases() {
        let Some(same) = browser.decode_cases().find(|other| other.case == case.case) else { continue };
        for arm in native.arms(case) {
            let ratio = browser.arm(same, &arm.label()).and_then(|there| arm.ratio_to(&there));
            series.entry(arm.label()).or_default().extend(ratio.map(|ratio| (case, ratio)));
        }
    }
    for (label, numbers) in &series {
        add_range(ledger, &format!("{base}.{label}.native"), &borrowed(numbers), Print::Significant);
    }
}

fn add_peers(ledger: &mut Ledger, base: &str, browser: &Run) {
    peers::add_peers(ledger, base, browser);
    let (mut variants, mut over): (Vec<String>, Vec<(&Case, Number)>) = (Vec::new(), Vec::new());
    for case in browser.decode_cases() {
        let timed = browser.peers_of(case).into_iter().filter(|row| row.units_per_s().is_some()).map(|row| row.label());
        variants.extend(timed.filter(|label| !variants.contains(label)).collect::<Vec<_>>());
        for (name, number, print) in peers::numbers_of_case(browser, case) {
            // There already, with peers or without.
            if name == "fused.tokens_per_s" {
                continue;
            }
            ledger.add(&format!("{base}.{}.{name}", case.case), &number, print);
            if name == "best.over.best" {
                over.push((case, number));
            }
        }
    }
    add_range(ledger, &format!("{base}.best.over.best"), &borrowed(&over), Print::Significant);
    ledger.lists.insert(format!("{base}.variants"), variants);
}

fn borrowed<'a>(numbers: &'a [(&'a Case, Number)]) -> Vec<Extreme<'a>> {
    numbers.iter().map(|(case, number)| (*case, number)).collect()
}
