//! The run that a peer's result is taken in beside, and peers that run on the CPU: the Python for them, and what they write.

#![allow(dead_code)] // each test crate takes what it needs

use std::path::Path;
use std::process::Command;

use onedispatch::cases::decode::config_of;
use onedispatch::digest::sha256_hex;
use onedispatch::measure::decode::case_row;
use onedispatch::peer::import::import;
use onedispatch::record::manifest::Manifest;
use onedispatch::record::rows::ResultRow;
use onedispatch::record::run::load_all;
use onedispatch::spec::{DecodeCase, Spec};
use onedispatch::workload::decode::{random, tensors};

use crate::fixture::{self, Measured};

/// Of a run of a spec's text on a device.
pub fn manifest(text: &str, device: &str, date: &str) -> Manifest {
    let experiment = Spec::parse(text, "spec").unwrap().name;
    let (spec, spec_sha256) = (text.to_owned(), sha256_hex(text.as_bytes()));
    let mut manifest = Manifest { experiment, spec, spec_sha256, date: date.into(), ..fixture::manifest() };
    manifest.device.name = device.into();
    manifest
}

/// A case of decoding with the row of an arm, as the runner would write it; `fill` tells the work.
pub fn decoded(case: &DecodeCase, fill: impl Fn(&mut ResultRow)) -> Measured {
    let config = config_of(case).unwrap();
    let weights_sha256 = tensors::weights_sha256(&config, &random::weights(&config, case.seed));
    let about = case_row(case, weights_sha256);
    let mut measured = Measured { case: about, results: Vec::new(), samples: Vec::new() };
    measured.add("fused-workgroup", "one-submit", 0, 800_000, fill);
    measured
}

/// The Python that runs peers: $PYTHON, or python3; none where it has not the packages, unless REQUIRE_PEERS says that it must.
pub fn python() -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or("python3".into());
    // Packages are imported by the names that they are installed by.
    let needed = include_str!("../../peers/requirements-cpu.txt").lines();
    let needed: String =
        needed.filter_map(|line| line.split_once("==")).map(|(name, _)| format!("import {name}\n")).collect();
    let output = Command::new(&python).args(["-c", &needed]).output();
    let there = output.is_ok_and(|output| output.status.success());
    let required = std::env::var("REQUIRE_PEERS").is_ok_and(|value| !value.is_empty());
    assert!(there || !required, "{python} has not what peers need: install peers/requirements-cpu.txt");
    if !there {
        eprintln!(
            "skipped: {python} has not what peers need; `pip install -r peers/requirements-cpu.txt`, or set PYTHON"
        );
    }
    there.then_some(python)
}

/// Whether what a peer needs was built by a script, which takes minutes; REQUIRE_PEERS says that it must have been.
pub fn has_built(peer: &str, is_there: bool, script: &str) -> bool {
    let required = std::env::var("REQUIRE_PEERS").is_ok_and(|value| !value.is_empty());
    assert!(is_there || !required, "{peer} is not built: run {script}");
    if !is_there {
        eprintln!("skipped: {peer} is not built; {script} builds it");
    }
    is_there
}

/// The peers in Python that have this script, but for those that need a GPU or are too large to be installed for a test.
pub fn peers_with(script: &str) -> Vec<String> {
    const NOT_HERE: [&str; 4] = ["gymnax", "pytorch", "transformers", "triton"];
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path());
    // `peer` is what they share.
    let peers = folders.filter(|folder| folder.join(script).exists() && !folder.join("__init__.py").exists());
    let names = peers.map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned());
    let mut names: Vec<String> = names.filter(|name| !NOT_HERE.contains(&name.as_str())).collect();
    names.sort();
    names
}

/// Runs a script of a peer on the CPU, and gives what it said.
pub fn run_peer(python: &str, script: &str, case: &Path, out: &Path, more: &[&str]) {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let output = Command::new(python)
        .arg(peers.join(script))
        .arg(case)
        .args(["--device", "cpu", "--out"])
        .arg(out)
        .args(more)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Every variant of a peer on the CPU passes its own check and this program's, and has its times.
pub fn taken_in(data: &Path, file: &Path) {
    let imported = import(file, &load_all(data).unwrap()).unwrap();
    assert!(imported.timed >= 1 && imported.untimed.is_empty(), "{imported:?}");
    assert_eq!(fixture::fault_lines(data), "");
}

/// Peers say themselves when they ran.
pub fn today() -> String {
    chrono::Utc::now().format("%Y-%m-%d").to_string()
}
