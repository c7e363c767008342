//! `manifest.toml`: what was run, on what, and the digests of the tables beside it.
//!
//! On disk a last table, `[digests]`, holds a digest of each other value by its dotted key, so that a changed one is
//! named; `files` is left out, since the tables themselves tell what it has to say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::line_ends::crlf;
use super::shard::Shard;
pub use crate::device_info::Device;
use crate::digest;
use crate::error::printable;

pub const FILE: &str = "manifest.toml";
/// The version of the layout that this program reads and writes.
pub const SCHEMA: u32 = 1;

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
    /// Of a shard: which one. It is never complete, since others have the rest of its cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// SHA-256 of the manifests of the shards that it was merged of, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<String>,
    /// The spec as it was run, whole, and its SHA-256.
    pub spec: String,
    pub spec_sha256: String,
    pub device: Device,
    pub host: Host,
    pub software: Software,
    /// Of a run in a browser; `software` is then what made the page, and its binary what imported the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<Browser>,
    /// By file name: `cases.csv`, `results.csv`, `samples.csv`.
    pub files: BTreeMap<String, FileDigest>,
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

/// The browser that measured, as it describes itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Browser {
    pub name: String,
    pub version: String,
    /// Whether the page was cross-origin isolated, which gives it a fine clock.
    pub isolated: bool,
    /// SHA-256 of the file that the page saved.
    pub file_sha256: String,
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

/// Digests of a manifest's values by dotted key, such as `device.limits.max_buffer_size`.
type Digests = BTreeMap<String, String>;

const DIGESTS: &str = "\n[digests]\n";

impl Manifest {
    /// The whole file: the manifest, then its digests.
    pub fn to_text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{}{DIGESTS}{}", toml::to_string_pretty(self)?, toml::to_string(&self.digests())?))
    }

    /// Reads a file that [`Manifest::to_text`] wrote, without checking its digests. `file` is only for messages.
    pub fn parse(text: &str, file: &str) -> Result<Manifest, Fault> {
        if let Some(fault) = crlf(text.as_bytes(), file) {
            return Err(fault);
        }
        let manifest: Manifest = read_toml(body_and_digests(text).0, file)?;
        if manifest.schema != SCHEMA {
            return Err(Fault::file(
                file,
                format!("`{}`", manifest.schema),
                format!("{SCHEMA}, the layout known here"),
            )
            .at_column("schema"));
        }
        Ok(manifest)
    }

    /// What was changed in a file since [`Manifest::to_text`] wrote it, by key. `self` is what the file holds.
    pub fn changes(&self, text: &str, file: &str) -> Vec<Fault> {
        let recorded: Digests = match read_toml(body_and_digests(text).1, file) {
            Ok(digests) => digests,
            Err(fault) => return vec![fault.at_column("digests")],
        };
        let actual = self.digests();
        let values = self.values();
        let keys: std::collections::BTreeSet<&String> = recorded.keys().chain(actual.keys()).collect();
        let mut faults = Vec::new();
        for key in keys {
            let there = || values.get(key).map_or("no such key".to_owned(), |value| format!("`{value}`"));
            let expected = match (recorded.get(key), actual.get(key)) {
                (Some(recorded), Some(actual)) if recorded == actual => continue,
                (Some(recorded), Some(_)) => format!("what was recorded (its digest is {recorded})"),
                (Some(_), None) => "the recorded value".to_owned(),
                (None, _) => format!("its digest under digests.{key}"),
            };
            faults.push(Fault::file(file, there(), expected).at_column(key.as_str()));
        }
        if faults.is_empty() && self.to_text().is_ok_and(|canonical| canonical != text) {
            faults.push(Fault::file(
                file,
                "not written as onedispatch writes it",
                "no other layout, comment or blank line",
            ));
        }
        faults
    }

    fn digests(&self) -> Digests {
        self.values().into_iter().map(|(key, value)| (key, digest::short(value.as_bytes()))).collect()
    }

    /// Each value's JSON form by dotted key, without `files`.
    pub(super) fn values(&self) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        if let Ok(serde_json::Value::Object(mut manifest)) = serde_json::to_value(self) {
            manifest.remove("files");
            flatten("", &manifest, &mut values);
        }
        values
    }
}

fn flatten(prefix: &str, table: &serde_json::Map<String, serde_json::Value>, values: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            serde_json::Value::Object(table) => flatten(&format!("{key}."), table, values),
            value => {
                values.insert(key, value.to_string());
            }
        }
    }
}

fn body_and_digests(text: &str) -> (&str, &str) {
    text.rsplit_once(DIGESTS).unwrap_or((text, ""))
}

/// A fault of one line where TOML's own message has many.
pub(super) fn read_toml<T: serde::de::DeserializeOwned>(text: &str, file: &str) -> Result<T, Fault> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let line = error.span().map_or(String::new(), |span| {
            let line = text.get(..span.start).map_or(0, |before| before.matches('\n').count()) + 1;
            format!(" at line {line} (`{}`)", printable(text.lines().nth(line - 1).unwrap_or_default()))
        });
        Fault::file(file, format!("{}{line}", error.message()), format!("a manifest of schema {SCHEMA}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_quoted_in_short() {
        let fault = read_toml::<BTreeMap<String, u64>>(&"9".repeat(100_000), "manifest.toml").unwrap_err().to_string();
        assert!(fault.len() < 400 && fault.contains("999...`"), "{fault}");
    }

    #[test]
    fn the_largest_limit_survives() {
        let limits = BTreeMap::from([("max_buffer_size".to_owned(), u64::MAX)]);
        let text = toml::to_string(&limits).unwrap();
        assert_eq!(toml::from_str::<BTreeMap<String, u64>>(&text).unwrap(), limits);
    }
}
