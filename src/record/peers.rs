//! Rows of peers: the same work in other frameworks, beside the arms that were measured in the same session.
//!
//! | file | what is in it |
//! |---|---|
//! | `peer-results.csv` | [`PeerRow`]: one variant of a peer on one case of the run |
//! | `peer-samples.csv` | [`PeerSample`]: each of its timed runs |
//! | `peers.toml` | [`PeerManifest`]: the digests of both |
//!
//! They lie in the directory of the arms' run, since a ratio is only taken there, and in files of their own, since the
//! run's stay as they were written. Whoever reads a run meets them as [`Peers`], in the form of its own rows.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::digest;
use super::fault::Fault;
use super::line_ends::crlf;
use super::manifest::{FileDigest, read_toml};
use super::replace::replace;
use super::rows::{Case, Key, ResultRow, Sample};
pub use super::rows::{PeerRow, PeerSample};
use super::summary::Summary;
use super::table::{Row, Table};
use crate::error::{Error, Result};
use crate::workload::decode::format::Format;

/// Name of the file that holds the digests.
pub const FILE: &str = "peers.toml";
/// The version of the layout that this program reads and writes.
pub const SCHEMA: u32 = 1;

/// The digests of the two tables. `peers.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerManifest {
    pub schema: u32,
    /// By file name.
    pub files: BTreeMap<String, FileDigest>,
}

/// The peers of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peers {
    pub rows: Vec<PeerRow>,
    /// `results[i]` is `rows[i]` in the form of an arm's row, see [`PeerRow::result`].
    pub results: Vec<ResultRow>,
    pub samples: Vec<Sample>,
}

fn key(case: &str, peer: &str, variant: &str) -> Key {
    Key { case: case.into(), arm: peer.into(), policy: variant.into(), replica: 0 }
}

impl PeerRow {
    /// The peer stands for the arm and the variant for its policy.
    pub fn key(&self) -> Key {
        key(&self.case, &self.peer, &self.variant)
    }

    /// The format of its matrices, or what is wrong with what its settings say of it.
    pub fn weights(&self) -> std::result::Result<Format, String> {
        weights(&self.settings())
    }

    /// What the column says; nothing where it cannot be read.
    pub fn settings(&self) -> Map<String, Value> {
        serde_json::from_str(&self.settings).unwrap_or_default()
    }

    /// As an arm's row, in the unit of its case. What is only counted in arms (workgroups, dispatches, submits, waits, barriers)
    /// is 0.
    pub fn result(&self) -> ResultRow {
        ResultRow {
            key: self.key(),
            units: self.units,
            multiply_adds: self.multiply_adds,
            min_bytes: self.min_bytes,
            gate: self.gate.clone(),
            gate_error: self.gate_error,
            gate_tolerance: self.gate_tolerance,
            samples: self.samples,
            wall_median_ns: self.wall_median_ns,
            wall_low_ns: self.wall_low_ns,
            wall_high_ns: self.wall_high_ns,
            units_per_s: self.units_per_s,
            cap: self.cap.clone(),
            reason: self.reason.clone(),
            program_sha256: self.source_sha256.clone(),
            ..ResultRow::default()
        }
    }

    /// Writes every column that comes from the samples; `units` must be set.
    pub fn summarised(mut self, summary: &Summary) -> PeerRow {
        let mut row = self.result();
        summary.write_into(&mut row);
        self.samples = row.samples;
        (self.wall_median_ns, self.wall_low_ns, self.wall_high_ns) =
            (row.wall_median_ns, row.wall_low_ns, row.wall_high_ns);
        self.units_per_s = row.units_per_s;
        self
    }
}

impl PeerSample {
    pub fn key(&self) -> Key {
        key(&self.case, &self.peer, &self.variant)
    }

    /// As an arm's sample. The order among variants is not recorded: `order` counts within one.
    pub fn sample(&self) -> Sample {
        Sample {
            key: self.key(),
            sample: self.sample,
            order: self.sample,
            wall_ns: self.wall_ns,
            gpu_ns: None,
            gpu_flag: String::new(),
        }
    }
}

impl Peers {
    pub fn of(rows: Vec<PeerRow>, samples: &[PeerSample]) -> Peers {
        let results = rows.iter().map(PeerRow::result).collect();
        Peers { rows, results, samples: samples.iter().map(PeerSample::sample).collect() }
    }
}

impl PeerManifest {
    pub fn to_text(&self) -> std::result::Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }

    /// `file` is only for messages.
    pub fn parse(text: &str, file: &str) -> std::result::Result<PeerManifest, Fault> {
        if let Some(fault) = crlf(text.as_bytes(), file) {
            return Err(fault);
        }
        let manifest: PeerManifest = read_toml(text, file)?;
        match manifest.schema {
            SCHEMA => Ok(manifest),
            other => {
                Err(Fault::file(file, format!("`{other}`"), format!("{SCHEMA}, the layout known here"))
                    .at_column("schema"))
            }
        }
    }
}

/// The format of a variant's matrices, by its settings: f32 unless they say otherwise; or what is wrong with what they say.
pub fn weights(settings: &Map<String, Value>) -> std::result::Result<Format, String> {
    let Some(given) = settings.get("weights") else { return Ok(Format::F32) };
    given.as_str().and_then(Format::named).ok_or_else(|| {
        let known = Format::ALL.map(Format::name).join(", ");
        format!("its weights are in {given}; known are {known}")
    })
}

/// Whether two dates, `YYYY-MM-DD`, can be of one session, which may go on over midnight.
pub fn one_session(a: &str, b: &str) -> bool {
    let day = |date: &str| date.parse::<NaiveDate>().ok();
    day(a).zip(day(b)).is_some_and(|(a, b)| (a - b).num_days().abs() <= 1)
}

/// How far the environment steps of a rollout may be from those expected, as a share: rounding ends few episodes at another
/// step.
const STEPS_APART: f64 = 0.01;

/// Whether a population was followed through as many environment steps as expected. The oracle judges a sample of it; this
/// holds the lengths of all others, by which a rate is counted.
pub fn as_many_steps(made: u64, expected: u64) -> bool {
    made.abs_diff(expected) as f64 <= STEPS_APART * expected as f64
}

/// The peers of the run in `directory`; none where it has none.
pub fn read(directory: &Path) -> Result<Peers> {
    let (rows, samples) = recorded(directory)?;
    Ok(Peers::of(rows, &samples))
}

/// Adds rows to those that the run in `directory` has, on the disk whole or not at all.
///
/// # Errors
/// An input error where another process writes to the run; a check error where a recorded row was changed since.
pub fn append(directory: &Path, rows: &[PeerRow], samples: &[PeerSample]) -> Result<()> {
    let lock = directory.join(Case::FILE);
    let lock = File::open(&lock).map_err(|error| Error::io(&lock, error))?;
    if let Err(TryLockError::WouldBlock) = lock.try_lock() {
        return Err(Error::input(format!("{}: another process is writing there; wait for it", directory.display())));
    }
    let (mut all_rows, mut all_samples) = recorded(directory)?;
    all_rows.extend_from_slice(rows);
    all_samples.extend_from_slice(samples);
    let mut manifest = PeerManifest { schema: SCHEMA, files: BTreeMap::new() };
    // The digests come last: until they are there, what is new in the tables counts for nothing.
    write_table(directory, &all_samples, &mut manifest)?;
    write_table(directory, &all_rows, &mut manifest)?;
    let path = directory.join(FILE);
    let text = manifest.to_text().map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
    replace(&path, text.as_bytes())
}

fn write_table<R: Row>(directory: &Path, rows: &[R], manifest: &mut PeerManifest) -> Result<()> {
    let table = Table::of(rows);
    let csv = table.to_csv(true);
    replace(&directory.join(R::FILE), &csv)?;
    manifest.files.insert(R::FILE.to_owned(), digest::file(&csv, &table));
    Ok(())
}

/// The rows that `peers.toml` has digests of. What follows them was left by an import that was stopped.
fn recorded(directory: &Path) -> Result<(Vec<PeerRow>, Vec<PeerSample>)> {
    let path = directory.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(error) => return Err(Error::io(&path, error)),
    };
    let manifest = PeerManifest::parse(&text, &path.display().to_string())?;
    Ok((recorded_rows(directory, &manifest)?, recorded_rows(directory, &manifest)?))
}

fn recorded_rows<R: Row>(directory: &Path, manifest: &PeerManifest) -> Result<Vec<R>> {
    let path = directory.join(R::FILE);
    let csv = fs::read(&path).map_err(|error| Error::io(&path, error))?;
    let file = path.display().to_string();
    let mut table = Table::parse::<R>(&csv, &file)?;
    let recorded = manifest.files.get(R::FILE).map_or(&[][..], |file| &file.rows);
    let is_there = |(index, row): (usize, &String)| {
        table.rows.get(index).is_some_and(|cells| digest::row(table.columns, cells) == *row)
    };
    if let Some(index) = recorded.iter().enumerate().position(|row| !is_there(row)) {
        let expected = "the recorded row: restore it, or remove all three files of peers and import them again";
        return Err(Fault::file(&file, "changed since it was written", expected).at_row(index + 1).into());
    }
    table.rows.truncate(recorded.len());
    table.rows(&file).map_err(|faults| faults.into_iter().next().map_or(Error::check(file), Error::from))
}
