//! What the rows of browsers say beside the native ones of the same experiment and device.

use super::ledger::Ledger;
use super::peers;
use super::print::Print;
use super::range::add_range;
use crate::analysis::measured::{fastest, file};
use crate::analysis::number::{Cell, Number};
use crate::analysis::select::in_browsers;
use crate::record::rows::Case;
use crate::record::run::Run;

const EXPERIMENT: &str = "browser";

/// `<device>.in-browser.*` of the newest run in a browser: `engine`, its name and version; `<case>.fused.tokens_per_s` of the
/// fastest fused kernel there; and over the cases, for each arm and policy, `<label>.native.min` and `.max`, how many times as
/// fast it is natively. Of its peers: what [`peers::add_peers`] and [`peers::numbers_of_case`] say, the list
/// `<device>.in-browser.variants` of those with a time, and `best.over.best.min` and `.max` over the cases.
pub fn add_browsers(ledger: &mut Ledger, slug: &str, natives: &[&Run], all: &[Run]) {
    let Some(native) = natives.iter().find(|run| run.manifest.experiment == EXPERIMENT) else { return };
    let Some(browser) = in_browsers(all, native).into_iter().last() else { return };
    let base = format!("{slug}.in-browser");
    if let Some(engine) = &browser.manifest.browser {
        let cell = Cell::new(file(browser, "manifest.toml"), "browser", "name");
        ledger.add_cell(&format!("{base}.engine"), format!("{} ({})", engine.name, engine.version), cell);
    }
    let mut series: Vec<(String, Vec<(&Case, Number)>)> = Vec::new();
    for case in native.decode_cases() {
        let Some(same) = browser.decode_cases().find(|other| other.case == case.case) else { continue };
        let fused = browser.arms(same).into_iter().filter(|arm| !arm.is_stepwise());
        if let Some(rate) = fastest(fused).and_then(|arm| arm.units_per_s()) {
            ledger.add(&format!("{base}.{}.fused.tokens_per_s", case.case), &rate, Print::Significant);
        }
        for arm in native.arms(case) {
            let there = browser.arm(same, &arm.label());
            let Some(ratio) = there.and_then(|there| arm.ratio_to(&there)) else { continue };
            match series.iter_mut().find(|(label, _)| *label == arm.label()) {
                Some((_, numbers)) => numbers.push((case, ratio)),
                None => series.push((arm.label(), vec![(case, ratio)])),
            }
        }
    }
    add_peers(ledger, &base, browser);
    for (label, numbers) in &series {
        let numbers: Vec<(&Case, &Number)> = numbers.iter().map(|(case, number)| (*case, number)).collect();
        add_range(ledger, &format!("{base}.{label}.native"), &numbers, Print::Significant);
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
    let over: Vec<(&Case, &Number)> = over.iter().map(|(case, number)| (*case, number)).collect();
    add_range(ledger, &format!("{base}.best.over.best"), &over, Print::Significant);
    ledger.lists.insert(format!("{base}.variants"), variants);
}
