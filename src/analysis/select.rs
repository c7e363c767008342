//! Which runs and rows speak for a device.
//!
//! Of each device and experiment the newest run, whole ones before partial ones. Devices are kept apart, and nothing joins
//! two runs. Quick runs have too few samples for any number: only their outputs count. Runs in a browser have coarser clocks
//! and an engine of their own, so they stand beside the native ones and never for them.

use std::collections::BTreeMap;

use super::measured::{Measured, fastest, is_stepwise};
use crate::program::Policy;
use crate::record::rows::{Case, PeerRow, ResultRow};
use crate::record::run::Run;
use crate::workload::decode::format::Format;

/// The newest native run of each device and experiment, in this order, quick ones beside the others.
pub fn newest(runs: &[Run]) -> Vec<&Run> {
    newest_of(runs.iter().filter(|run| run.manifest.browser.is_none()))
}

/// The newest runs in browsers of the experiment and device of `native`: one of each browser.
pub fn in_browsers<'a>(runs: &'a [Run], native: &Run) -> Vec<&'a Run> {
    let is_same = |run: &&Run| {
        run.manifest.browser.is_some()
            && run.device_folder() == native.device_folder()
            && run.manifest.experiment == native.manifest.experiment
            && !run.is_quick()
    };
    let mut by_browser: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in runs.iter().filter(is_same) {
        let name = run.manifest.browser.as_ref().map_or("", |browser| browser.name.as_str());
        by_browser.entry(name).or_default().push(run);
    }
    by_browser.into_values().flat_map(|runs| newest_of(runs.into_iter())).collect()
}

fn newest_of<'a>(runs: impl Iterator<Item = &'a Run>) -> Vec<&'a Run> {
    let mut chosen: BTreeMap<_, &Run> = BTreeMap::new();
    let recency = |run: &Run| (run.manifest.complete, run.manifest.date.clone(), run.path.clone());
    for run in runs {
        let slot = chosen.entry((run.device_folder(), &run.manifest.experiment, run.is_quick())).or_insert(run);
        if recency(run) > recency(slot) {
            *slot = run;
        }
    }
    chosen.into_values().collect()
}

/// The run of `experiment` that speaks for each device: hardware first, then by the device's name.
pub fn latest<'a>(runs: &'a [Run], experiment: &str) -> Vec<&'a Run> {
    let mut latest = newest(runs);
    latest.retain(|run| run.manifest.experiment == experiment && !run.is_quick());
    latest.sort_by_key(|run| (run.manifest.device.is_software, run.device(), &run.path));
    latest
}

/// As [`latest`], without software devices: what a claim may rest on.
pub fn latest_hardware<'a>(runs: &'a [Run], experiment: &str) -> Vec<&'a Run> {
    let mut latest = latest(runs, experiment);
    latest.retain(|run| !run.manifest.device.is_software);
    latest
}

impl Run {
    /// The folder of its device below `data/`.
    pub fn device_folder(&self) -> String {
        let folder = self.path.parent().and_then(|device| device.file_name());
        folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The device's name without what follows in brackets, and its backend: `NVIDIA H200, vulkan`.
    pub fn device(&self) -> String {
        let device = &self.manifest.device;
        let name = device.name.split(" (").next().unwrap_or(&device.name);
        format!("{name}, {}", device.backend)
    }

    /// By its spec or by its name.
    pub fn is_quick(&self) -> bool {
        let spec = self.manifest.spec.parse::<toml::Table>().unwrap_or_default();
        spec.get("quick").and_then(toml::Value::as_bool).unwrap_or(false)
            || self.manifest.experiment.ends_with("-quick")
    }

    /// Every row, controls and replicas too.
    pub fn rows(&self) -> impl Iterator<Item = Measured<'_>> {
        let cases: BTreeMap<&str, &Case> = self.cases.iter().map(|case| (case.case.as_str(), case)).collect();
        self.results.iter().filter_map(move |row| {
            let case = *cases.get(row.key.case.as_str())?;
            Some(Measured { run: self, case, row, is_peer: false })
        })
    }

    pub fn decode_cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.workload == "decode")
    }

    /// The rows of the decode cases, without replicas.
    pub fn decode_rows(&self) -> impl Iterator<Item = Measured<'_>> {
        self.rows().filter(|measured| measured.case.workload == "decode" && measured.row.key.replica == 0)
    }

    /// The rows of every case but the controls, without replicas.
    pub fn case_rows(&self) -> impl Iterator<Item = Measured<'_>> {
        self.rows().filter(|measured| measured.case.workload != "control" && measured.row.key.replica == 0)
    }

    /// The rows of one case, without replicas.
    pub fn arms(&self, case: &Case) -> Vec<Measured<'_>> {
        self.rows().filter(|measured| measured.case.case == case.case && measured.row.key.replica == 0).collect()
    }

    /// The row of a case that goes by [`label`](super::measured::label).
    pub fn arm(&self, case: &Case, label: &str) -> Option<Measured<'_>> {
        self.arms(case).into_iter().find(|measured| measured.label() == label)
    }

    pub fn stepwise(&self, case: &Case, policy: Policy) -> Option<Measured<'_>> {
        let is = |row: &ResultRow| is_stepwise(&row.key.arm) && row.key.policy == policy.name();
        self.arms(case).into_iter().find(|measured| is(measured.row))
    }

    pub fn fastest_stepwise(&self, case: &Case) -> Option<Measured<'_>> {
        fastest(self.arms(case).into_iter().filter(Measured::is_stepwise))
    }

    /// The rows of peers in one case: what `arms` are compared with by [`Measured::speedup_over`].
    pub fn peers_of<'a>(&'a self, case: &'a Case) -> Vec<Measured<'a>> {
        let of_case = self.peers.results.iter().filter(|row| row.key.case == case.case);
        of_case.map(|row| Measured { run: self, case, row, is_peer: true }).collect()
    }

    /// The peer's row of a case that goes by [`label`](super::measured::label), such as `pytorch.graph`.
    pub fn peer<'a>(&'a self, case: &'a Case, label: &str) -> Option<Measured<'a>> {
        self.peers_of(case).into_iter().find(|measured| measured.label() == label)
    }

    /// The arms of a case whose weights are in a format.
    pub fn arms_in(&self, case: &Case, format: Format) -> Vec<Measured<'_>> {
        let is_in = |arm: &Measured| arm.decode_arm().is_some_and(|arm| arm.format == format);
        self.arms(case).into_iter().filter(is_in).collect()
    }

    /// The rows of peers in one case whose weights are in a format.
    pub fn peers_in<'a>(&'a self, case: &'a Case, format: Format) -> Vec<Measured<'a>> {
        let is_in = |peer: &Measured| self.peer_row(peer).is_some_and(|row| row.weights() == Ok(format));
        self.peers_of(case).into_iter().filter(is_in).collect()
    }

    /// What stands in a peer's table of a row.
    fn peer_row(&self, measured: &Measured) -> Option<&PeerRow> {
        self.peers.rows.iter().find(|row| row.key() == measured.row.key)
    }

    /// The fastest variant of a peer in a case, among those that compute in f32 as the arms do: none whose weights are in another
    /// format, and none whose matrix units round to `tf32`.
    pub fn fastest_of_peer<'a>(&'a self, case: &'a Case, peer: &str) -> Option<Measured<'a>> {
        let rounds =
            |peer: &Measured| self.peer_row(peer).is_some_and(|row| row.settings().get("tf32") == Some(&true.into()));
        let variants = self.peers_in(case, Format::F32).into_iter().filter(|row| row.row.key.arm == peer);
        fastest(variants.filter(|row| !rounds(row)))
    }

    /// The same for a claim to be held against: nothing of PyTorch where its compiled variant in a CUDA graph was not tried in the case,
    /// since to be faster than its other variants says little.
    pub fn strongest_of_peer<'a>(&'a self, case: &'a Case, peer: &str) -> Option<Measured<'a>> {
        let is_there = peer != "pytorch" || self.peer(case, "pytorch.compile-graph").is_some();
        self.fastest_of_peer(case, peer).filter(|_| is_there)
    }

    /// Names of the peers, in the order of their first rows.
    pub fn peer_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for row in &self.peers.rows {
            if !names.contains(&row.peer.as_str()) {
                names.push(&row.peer);
            }
        }
        names
    }

    /// The control row of this run by which `arm` bounds what others can do.
    pub fn ceiling(&self, arm: &str) -> Option<Measured<'_>> {
        fastest(self.rows().filter(|measured| measured.is_control() && measured.row.key.arm == arm))
    }
}
