//! `manifest.toml`: what was run, on what, and the digests of the tables beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this layout.
    pub schema: u32,
    pub experiment: String,
    /// `YYYY-MM-DD`, UTC.
    pub date: String,
    /// False while a run is under way or was stopped: the rows are right, some are missing.
    pub complete: bool,
    /// The spec as it was run, whole, and its SHA-256.
    pub spec: String,
    pub spec_sha256: String,
    pub device: Device,
    pub host: Host,
    pub software: Software,
    /// By file name: `cases.csv`, `results.csv`, `samples.csv`.
    pub files: BTreeMap<String, FileDigest>,
}

/// A GPU as wgpu reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    pub name: String,
    /// PCI vendor and device numbers, hexadecimal; 0 where the backend has none.
    pub vendor: String,
    pub device: String,
    /// `vulkan`, `metal`, `dx12`.
    pub backend: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `Cpu`, ...
    pub device_type: String,
    /// True for llvmpipe, SwiftShader and their like: for correctness, never for a performance claim.
    pub is_software: bool,
    pub driver: String,
    pub driver_info: String,
    pub subgroup_min_size: u32,
    pub subgroup_max_size: u32,
    /// Of one GPU timestamp tick; 0 where there are none.
    pub timestamp_period_ns: f64,
    /// wgpu feature names, sorted.
    pub features: Vec<String>,
    /// wgpu limits by name.
    pub limits: BTreeMap<String, u64>,
}

/// The machine around it. No host name, no user name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    pub os: String,
    pub arch: String,
    pub cpus: u32,
    /// Smallest step seen between two readings of the wall clock.
    pub clock_resolution_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Software {
    pub onedispatch: String,
    pub wgpu: String,
    /// Commit the binary was built from, empty where unknown, and whether the tree was clean.
    pub commit: String,
    pub clean: bool,
    /// SHA-256 of the binary that ran.
    pub binary_sha256: String,
}

/// Digests of one CSV file. `rows[i]` and `columns[name]` are over canonical cells, so that one changed cell is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    pub sha256: String,
    /// The first 16 hexadecimal digits of each row's SHA-256, in file order.
    pub rows: Vec<String>,
    pub columns: BTreeMap<String, String>,
}
