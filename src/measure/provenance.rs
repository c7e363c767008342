//! What a manifest says of the machine and of the program that measured. No host name, no user name.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::digest::sha256_hex;
use crate::error::{Error, Result};
use crate::record::manifest::{self, Device, Host, Manifest, Software};
use crate::spec::Spec;

/// The manifest of a run that starts now.
pub fn manifest(spec: &Spec, device: &Device) -> Result<Manifest> {
    Ok(Manifest {
        schema: manifest::SCHEMA,
        experiment: spec.name.clone(),
        date: chrono::Utc::now().format("%Y-%m-%d").to_string(),
        complete: false,
        shard: None,
        shards: Vec::new(),
        spec: spec.text.clone(),
        spec_sha256: sha256_hex(spec.text.as_bytes()),
        device: device.clone(),
        host: host(),
        software: software()?,
        browser: None,
        files: BTreeMap::new(),
    })
}

fn host() -> Host {
    Host {
        os: std::env::consts::OS.into(),
        arch: std::env::consts::ARCH.into(),
        cpus: std::thread::available_parallelism().map_or(0, |count| count.get() as u32),
        clock_resolution_ns: clock_resolution_ns(),
    }
}

/// The smallest step seen between readings of the clock that times runs.
fn clock_resolution_ns() -> u64 {
    let mut smallest = u64::MAX;
    let mut last = Instant::now();
    for _ in 0..10_000 {
        let now = Instant::now();
        let step = (now - last).as_nanos() as u64;
        if step > 0 {
            smallest = smallest.min(step);
            last = now;
        }
    }
    smallest
}

/// What the running program was built from.
pub struct Build {
    pub version: &'static str,
    /// Empty where unknown.
    pub commit: &'static str,
    pub clean: bool,
}

pub fn build() -> Build {
    Build {
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("ONEDISPATCH_COMMIT"),
        clean: env!("ONEDISPATCH_CLEAN") == "true",
    }
}

pub fn software() -> Result<Software> {
    let binary = std::env::current_exe()
        .and_then(std::fs::read)
        .map_err(|error| Error::input(format!("the running program cannot be read to be hashed: {error}")))?;
    Ok(Software {
        onedispatch: build().version.into(),
        wgpu: locked_version("wgpu"),
        commit: build().commit.into(),
        clean: build().clean,
        binary_sha256: sha256_hex(&binary),
    })
}

/// The version of a crate that this binary was built with, from the lock file.
fn locked_version(name: &str) -> String {
    let mut lines = include_str!("../../Cargo.lock").lines();
    let package = format!("name = \"{name}\"");
    lines.find(|line| *line == package);
    let version = lines.next().and_then(|line| line.strip_prefix("version = "));
    version.unwrap_or_default().trim_matches('"').into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_lock_file_knows_wgpu() {
        assert!(super::locked_version("wgpu").starts_with("30."), "{}", super::locked_version("wgpu"));
    }
}
