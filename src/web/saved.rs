//! The file that "Save results" of the page writes: see `web/js/results.js`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::program::Policy;
use crate::record::manifest::Host;

/// Version of the layout of a page's results: that of `web/js/results.js`.
pub const FORMAT: &str = "onedispatch-browser-1";

/// Keys that are not named here are not looked at.
#[derive(Clone, Debug, Deserialize)]
pub struct ResultFile {
    /// `YYYY-MM-DD`, UTC.
    pub date: String,
    pub page: Page,
    pub browser: PageBrowser,
    pub host: Host,
    pub device: PageDevice,
    pub timestamps: bool,
    pub runs: Vec<PageRun>,
}

/// What the page was made by.
#[derive(Clone, Debug, Deserialize)]
pub struct Page {
    pub onedispatch: String,
    pub commit: String,
    pub clean: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PageBrowser {
    pub name: String,
    pub version: String,
    pub isolated: bool,
}

/// A GPU as WebGPU describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct PageDevice {
    pub name: String,
    pub vendor: String,
    pub architecture: String,
    pub description: String,
    pub is_software: bool,
    pub subgroup_min_size: u32,
    pub subgroup_max_size: u32,
    pub features: Vec<String>,
    pub limits: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PageRun {
    pub experiment: String,
    pub spec_sha256: String,
    pub cases: Vec<SavedCase>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SavedCase {
    pub case: String,
    pub weights_sha256: String,
    pub rows: Vec<PageRow>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PageRow {
    pub arm: String,
    pub policy: Policy,
    pub replica: u32,
    pub program_sha256: String,
    pub samples: Vec<PageSample>,
    /// The time of a run while it warmed up, by which the number of samples was chosen. Without it the samples have to explain
    /// their number.
    pub typical_ns: Option<f64>,
    /// Why there are no samples; else empty.
    pub reason: String,
    /// Bytes by the name of a buffer, in base64.
    pub outputs: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PageSample {
    pub order: u32,
    pub wall_ns: Value,
    pub gpu_ns: Option<u64>,
    pub gpu_flag: String,
}
