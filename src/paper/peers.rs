//! What the rows of peers say beside the arms of the same run.

use super::ledger::Ledger;
use super::print::Print;
use crate::analysis::claims::{WEAK_VARIANT, fastest_of_one_workgroup};
use crate::analysis::measured::{Measured, fastest, file};
use crate::analysis::number::{Cell, Number};
use crate::record::peers::{PeerRow, PeerSample};
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::record::table::Row;

/// Numbers of one case with peers, by `<peer>.<variant>.<quantity>`; a peer by itself, `<peer>.<quantity>`, is its fastest
/// variant in f32, and `fused` the fastest fused arm of one workgroup. `<arm>.over.<peer>` are speed-ups, by which `best`
/// is the fastest of all arms or of all peers.
pub fn numbers_of_case(run: &Run, case: &Case) -> Vec<(String, Number, Print)> {
    let mut numbers = Vec::new();
    let variants = run.peers_of(case);
    if variants.is_empty() {
        return numbers;
    }
    let mut add =
        |name: String, number: Option<Number>, print| numbers.extend(number.map(|number| (name, number, print)));
    for variant in &variants {
        add(format!("{}.tokens_per_s", variant.label()), variant.units_per_s(), Print::Significant);
        add(format!("{}.gate_error", variant.label()), variant.gate_error(), Print::Power);
        add(format!("{}.spread", variant.label()), variant.spread(), Print::Percent);
    }
    let peers: Vec<(&str, Measured)> =
        run.peer_names().into_iter().filter_map(|peer| Some((peer, run.fastest_of_peer(case, peer)?))).collect();
    for (peer, fast) in &peers {
        add(format!("{peer}.tokens_per_s"), fast.units_per_s(), Print::Significant);
        add(format!("{peer}.bound"), fast.bound_fraction(), Print::Percent);
        let weak = run.peer(case, &format!("{peer}.{WEAK_VARIANT}"));
        let over = weak.and_then(|weak| fast.speedup_over(&weak));
        add(format!("{peer}.over.{WEAK_VARIANT}"), over, Print::Significant);
    }
    let arms = run.arms(case);
    let fused = fastest_of_one_workgroup(run, case);
    let mut named: Vec<(String, Measured)> = arms.iter().map(|arm| (arm.label(), *arm)).collect();
    named.extend(fused.map(|fused| ("fused".to_owned(), fused)));
    for (name, arm) in &named {
        for variant in &variants {
            add(format!("{name}.over.{}", variant.label()), arm.speedup_over(variant), Print::Significant);
        }
        for (peer, fast) in &peers {
            add(format!("{name}.over.{peer}"), arm.speedup_over(fast), Print::Significant);
        }
    }
    add("fused.tokens_per_s".into(), fused.and_then(|fused| fused.units_per_s()), Print::Significant);
    let best_arm = fastest(arms.into_iter());
    for (peer, fast) in &peers {
        add(format!("best.over.{peer}"), best_arm.and_then(|arm| arm.speedup_over(fast)), Print::Significant);
    }
    let best = best_arm.zip(fastest(peers.iter().map(|(_, fast)| *fast)));
    add("best.over.best".into(), best.and_then(|(arm, peer)| arm.speedup_over(&peer)), Print::Significant);
    numbers
}

/// `<base>.peers.*`: how many rows and samples there are, and for each peer its versions; `<base>.<case>.<peer>.fastest`
/// names its fastest variant. Nothing where a run has no peers.
pub fn add_peers(ledger: &mut Ledger, base: &str, run: &Run) {
    if run.peers.rows.is_empty() {
        return;
    }
    let untimed = run.peers.rows.iter().filter(|row| row.samples == 0).count();
    for (name, count, table, column) in [
        ("rows", run.peers.rows.len(), PeerRow::FILE, "variant"),
        ("untimed", untimed, PeerRow::FILE, "reason"),
        ("samples", run.peers.samples.len(), PeerSample::FILE, "wall_ns"),
    ] {
        let formula = if name == "untimed" { "count where not empty" } else { "count" };
        let number = Number::derived(count as f64, formula, vec![Cell::new(file(run, table), "all", column)]);
        ledger.add(&format!("{base}.peers.{name}"), &number, Print::Count);
    }
    let names = run.peer_names();
    for peer in &names {
        if let Some(row) = run.peers.rows.iter().find(|row| row.peer == *peer) {
            let cell = |column: &str| {
                Cell::new(file(run, PeerRow::FILE), format!("{} {} {}", row.case, row.peer, row.variant), column)
            };
            ledger.add_cell(&format!("{base}.peers.{peer}.versions"), versions(&row.versions), cell("versions"));
        }
        for case in run.decode_cases() {
            if let Some(fast) = run.fastest_of_peer(case, peer) {
                let key = format!("{base}.{}.{peer}.fastest", case.case);
                let which = "variant of the largest units_per_s, of those in f32";
                ledger.add_words(&key, &fast.row.key.policy, which, vec![fast.cell("units_per_s")]);
            }
        }
    }
    ledger.lists.insert(format!("{base}.peers"), names.into_iter().map(str::to_owned).collect());
}

/// A JSON object as `cuda 12.8, torch 2.11.0`.
fn versions(json: &str) -> String {
    let versions: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    versions.iter().map(|(name, value)| format!("{name} {}", text(value))).collect::<Vec<_>>().join(", ")
}
