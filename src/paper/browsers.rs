//! What the rows of browsers say beside the native ones of the same experiment and device.

use super::ledger::Ledger;
use super::print::Print;
use super::range::add_range;
use crate::analysis::measured::{fastest, file};
use crate::analysis::number::{Cell, Number};
use crate::analysis::select::in_browsers;
use crate::record::rows::Case;
use crate::record::run::Run;

const EXPERIMENT: &str = "browser";

/// `<device>.in-browser.*` of the newest run in a browser: `engine`, its name and version; `<case>.fused.tokens_per_s` of the
/// fastest fused kernel there, and of each peer of the browser at its fastest `<case>.<peer>.tokens_per_s` and
/// `<case>.over.<peer>`, how many times as fast that kernel is; the lists `peers` and `compared`, of these peers and cases; and
/// over the cases, for each arm and policy, `<label>.native.min` and `.max`, how many times as fast it is natively.
pub fn add_browsers(ledger: &mut Ledger, slug: &str, natives: &[&Run], all: &[Run]) {
    let Some(native) = natives.iter().find(|run| run.manifest.experiment == EXPERIMENT) else { return };
    let Some(browser) = in_browsers(all, native).into_iter().last() else { return };
    let base = format!("{slug}.in-browser");
    if let Some(engine) = &browser.manifest.browser {
        let cell = Cell::new(file(browser, "manifest.toml"), "browser", "name");
        ledger.add_cell(&format!("{base}.engine"), format!("{} ({})", engine.name, engine.version), cell);
    }
    let mut compared: Vec<String> = Vec::new();
    let mut series: Vec<(String, Vec<(&Case, Number)>)> = Vec::new();
    for case in native.decode_cases() {
        let Some(same) = browser.decode_cases().find(|other| other.case == case.case) else { continue };
        let fused = fastest(browser.arms(same).into_iter().filter(|arm| !arm.is_stepwise()));
        let key = format!("{base}.{}", case.case);
        if let Some(rate) = fused.and_then(|arm| arm.units_per_s()) {
            ledger.add(&format!("{key}.fused.tokens_per_s"), &rate, Print::Significant);
        }
        for peer in browser.peer_names() {
            let Some(fast) = browser.fastest_of_peer(same, peer) else { continue };
            let over = fused.and_then(|fused| fused.speedup_over(&fast));
            for (name, number) in [(format!("{peer}.tokens_per_s"), fast.units_per_s()), (format!("over.{peer}"), over)]
            {
                if let Some(number) = number {
                    ledger.add(&format!("{key}.{name}"), &number, Print::Significant);
                }
            }
            compared.push(case.case.clone());
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
    compared.dedup();
    ledger.lists.insert(format!("{base}.peers"), browser.peer_names().into_iter().map(str::to_owned).collect());
    ledger.lists.insert(format!("{base}.compared"), compared);
    for (label, numbers) in &series {
        let numbers: Vec<(&Case, &Number)> = numbers.iter().map(|(case, number)| (*case, number)).collect();
        add_range(ledger, &format!("{base}.{label}.native"), &numbers, Print::Significant);
    }
}
