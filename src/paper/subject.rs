//! Which device the paper speaks of. Its tables have all devices.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::ladder;
use crate::analysis::select::newest;
use crate::record::run::Run;

/// The experiments that the paper cannot do without.
const EXPERIMENTS: [&str; 3] = ["decode", "decode-tokens", "controls"];

/// What another device needs beside these to take the place of the first one: what is said of other frameworks has to be of the
/// same device as the rest.
const PEERS: &str = "peers";

/// The device where none has these and the ladder of one kernel.
const OTHERWISE: &str = "nvidia-h200";

/// The folder of the device that has the ladder of one kernel beside [`EXPERIMENTS`] and [`PEERS`]; of several, the one that has most
/// experiments.
pub fn subject(runs: &[Run]) -> String {
    let mut held: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for run in hardware(runs) {
        held.entry(run.device_folder()).or_default().insert(&run.manifest.experiment);
    }
    let laddered = with_ladder_of_any(runs);
    let needed = || EXPERIMENTS.iter().chain([&PEERS]);
    held.retain(|device, names| laddered.contains(device) && needed().all(|name| names.contains(name)));
    // Of equals the first by name.
    let most = held.into_iter().rev().max_by_key(|(_, names)| names.len());
    most.map_or_else(|| OTHERWISE.to_owned(), |(device, _)| device)
}

/// The experiments that the paper needs and `runs` of `device` do not hold.
pub fn missing(runs: &[Run], device: &str) -> Vec<&'static str> {
    let held: Vec<&Run> = newest(runs).into_iter().filter(|run| run.device_folder() == device).collect();
    let is_held = |name: &str| held.iter().any(|run| run.manifest.experiment == name && !run.is_quick());
    EXPERIMENTS.into_iter().filter(|name| !is_held(name)).collect()
}

/// The devices that have the ladder of one kernel, the paper's own before the others.
pub fn with_ladder(runs: &[Run]) -> Vec<String> {
    let subject = subject(runs);
    let mut devices = with_ladder_of_any(runs);
    devices.sort_by_key(|device| *device != subject);
    devices
}

fn with_ladder_of_any(runs: &[Run]) -> Vec<String> {
    let is = |run: &&Run| run.manifest.experiment == ladder::EXPERIMENT && run.has_ladder();
    hardware(runs).filter(is).map(Run::device_folder).collect()
}

fn hardware(runs: &[Run]) -> impl Iterator<Item = &Run> {
    newest(runs).into_iter().filter(|run| !run.manifest.device.is_software && !run.is_quick())
}
