//! `devices.json`: what committed devices made of the page's decode sizes, to stand beside the visitor's own rows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::record::manifest::Device;
use crate::record::rows::{Case, ResultRow};
use crate::record::run::Run;
use crate::spec::Spec;

/// One entry for each device, hardware first: `{device, is_software, rows}`. A row is a timed arm (never an A/A replica) of a
/// case that has the sizes of a case of `specs`, from a run that is no quick one.
pub fn rows(runs: &[Run], specs: &[Spec]) -> Value {
    let mut devices: BTreeMap<(bool, &str), Vec<Value>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.manifest.complete && !run.is_quick()) {
        let Device { name, is_software, .. } = &run.manifest.device;
        for case in run.cases.iter().filter(|case| is_of(case, specs)) {
            let timed =
                |row: &&ResultRow| row.key.case == case.case && row.key.replica == 0 && row.units_per_s.is_some();
            let rows = run.results.iter().filter(timed).map(|row| row_of(run, case, row));
            devices.entry((*is_software, name)).or_default().extend(rows);
        }
    }
    devices
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|((is_software, device), rows)| json!({ "device": device, "is_software": is_software, "rows": rows }))
        .collect()
}

fn is_of(case: &Case, specs: &[Spec]) -> bool {
    let decode = |other: &crate::spec::DecodeCase| {
        let sizes = (other.n_embd, other.n_layer, other.new_tokens, other.vocab_size, other.prompt_tokens);
        (case.n_embd, case.n_layer, case.new_tokens, case.vocab_size, case.prompt_tokens) == sizes
            && case.shape == other.shape
            && case.sequences.max(1) == other.sequences
    };
    let rollout = |other: &crate::spec::RolloutCase| case.environment == other.environment;
    match case.workload.as_str() {
        "decode" => specs.iter().flat_map(Spec::cases).any(|other| decode(&other)),
        "rollout" => specs.iter().flat_map(Spec::rollout_cases).any(|other| rollout(&other)),
        _ => false,
    }
}

fn row_of(run: &Run, case: &Case, row: &ResultRow) -> Value {
    let rate = |ns: Option<f64>| ns.map(|ns| row.units as f64 / ns * 1e9);
    json!({
        "experiment": run.manifest.experiment,
        "date": run.manifest.date,
        "browser": run.manifest.browser.as_ref().map(|browser| &browser.name),
        "case": case.case,
        "workload": case.workload,
        "n_embd": case.n_embd,
        "n_layer": case.n_layer,
        "new_tokens": case.new_tokens,
        "environment": case.environment,
        "population": case.population,
        "steps": case.steps,
        "arm": row.key.arm,
        "policy": row.key.policy,
        "unit": row.unit,
        "units_per_s": row.units_per_s,
        // The slowest time is the lowest rate.
        "low": rate(row.wall_high_ns),
        "high": rate(row.wall_low_ns),
        "wall_median_ns": row.wall_median_ns,
        "dispatches": row.dispatches,
        "submits": row.submits,
        "waits": row.waits,
    })
}
