//! A run as it is read back from its directory.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::digest;
use super::fault::Fault;
use super::manifest::{self, Manifest};
use super::peers::{self, Peers};
use super::rows::{Case, ResultRow, Sample};
use super::table::{Row, Table, record_ends};
use crate::error::{Error, Result};
use crate::parallel;

#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub path: PathBuf,
    pub manifest: Manifest,
    pub cases: Vec<Case>,
    pub results: Vec<ResultRow>,
    pub samples: Vec<Sample>,
    /// The same work in other frameworks, measured in the same session.
    pub peers: Peers,
}

/// Reads one run. Of a run that was stopped, the finished cases.
pub fn load(directory: &Path) -> Result<Run> {
    let manifest = read_manifest(directory)?;
    if !manifest.complete {
        let finished = finished(directory, &manifest)?;
        let Finished { cases, results, samples, .. } = finished;
        let peers = peers::read(directory)?;
        return Ok(Run { path: directory.to_owned(), manifest, cases, results, samples, peers });
    }
    Ok(Run {
        path: directory.to_owned(),
        manifest,
        cases: read_rows(directory)?,
        results: read_rows(directory)?,
        samples: read_rows(directory)?,
        peers: peers::read(directory)?,
    })
}

/// Every run under `data_root`, as `<device>/<date>-<experiment>/`, sorted by path.
pub fn load_all(data_root: &Path) -> Result<Vec<Run>> {
    let mut found = Vec::new();
    for device in directories(data_root)? {
        found.extend(directories(&device)?.into_iter().filter(|run| run.join(manifest::FILE).exists()));
    }
    parallel::map(&found, |run| load(run)).into_iter().collect()
}

pub(super) fn read_manifest(directory: &Path) -> Result<Manifest> {
    let path = directory.join(manifest::FILE);
    let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
    Ok(Manifest::parse(&text, &path.display().to_string())?)
}

/// Sorted; none where `directory` does not exist.
pub(super) fn directories(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(directory, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Error::io(directory, error))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read_rows<R: Row>(directory: &Path) -> Result<Vec<R>> {
    let path = directory.join(R::FILE);
    let csv = fs::read(&path).map_err(|error| Error::io(&path, error))?;
    rows(&csv, &path).map(|(_, rows)| rows)
}

fn rows<R: Row>(csv: &[u8], path: &Path) -> Result<(Table, Vec<R>)> {
    let file = path.display().to_string();
    let table = Table::parse::<R>(csv, &file)?;
    let rows = table.rows(&file).map_err(first)?;
    Ok((table, rows))
}

fn first(faults: Vec<Fault>) -> Error {
    let more = faults.len() - 1;
    let line = faults.first().map(Fault::to_string).unwrap_or_default();
    Error::check(if more == 0 { line } else { format!("{line} (and {more} more)") })
}

/// The finished cases of a run under way or stopped, and how long each file is with them alone.
///
/// Rows are appended case by case: its samples, its results, at last its own row in `cases.csv`. So the finished cases
/// are the longest run of cases from the first whose rows are all there, and what follows them is left over.
pub(super) struct Finished {
    pub cases: Vec<Case>,
    pub results: Vec<ResultRow>,
    pub samples: Vec<Sample>,
    /// Bytes by file name; 0 where not even the header is whole.
    pub bytes: Vec<(&'static str, usize)>,
}

pub(super) fn finished(directory: &Path, manifest: &Manifest) -> Result<Finished> {
    let mut cases = WholeRows::<Case>::read(directory)?;
    let mut results = WholeRows::<ResultRow>::read(directory)?;
    let mut samples = WholeRows::<Sample>::read(directory)?;
    // Where a file lost rows that were recorded, its last case may lack some that nothing else tells of.
    let lost_results = manifest.files.get(ResultRow::FILE).is_some_and(|file| results.rows.len() < file.rows.len());
    let (mut kept_cases, mut kept_results, mut kept_samples) = (0, 0, 0);
    for case in &cases.rows {
        let case_results = count_while(&results.rows[kept_results..], |row| row.key.case == case.case);
        let case_samples = count_while(&samples.rows[kept_samples..], |row| row.key.case == case.case);
        let of_case = &samples.rows[kept_samples..kept_samples + case_samples];
        let whole = results.rows[kept_results..kept_results + case_results]
            .iter()
            .all(|row| of_case.iter().filter(|sample| sample.key == row.key).count() == row.samples as usize);
        let last_of_lost = lost_results && kept_results + case_results == results.rows.len();
        if case_results == 0 || !whole || last_of_lost {
            break;
        }
        kept_cases += 1;
        kept_results += case_results;
        kept_samples += case_samples;
    }
    let bytes = vec![
        cases.keep(kept_cases, manifest)?,
        results.keep(kept_results, manifest)?,
        samples.keep(kept_samples, manifest)?,
    ];
    Ok(Finished { cases: cases.rows, results: results.rows, samples: samples.rows, bytes })
}

fn count_while<R>(rows: &[R], mut of_case: impl FnMut(&R) -> bool) -> usize {
    rows.iter().take_while(|row| of_case(row)).count()
}

/// The rows of a file whose last line may be half-written.
struct WholeRows<R> {
    path: PathBuf,
    table: Table,
    rows: Vec<R>,
    /// As [`record_ends`].
    ends: Vec<usize>,
}

impl<R: Row> WholeRows<R> {
    fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(R::FILE);
        let csv = match fs::read(&path) {
            Ok(csv) => csv,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io(&path, error)),
        };
        let ends = record_ends(&csv);
        let (table, rows) = match ends.last() {
            Some(&end) => rows(&csv[..end], &path)?,
            None => (Table::of::<R>(&[]), Vec::new()),
        };
        Ok(WholeRows { path, table, rows, ends })
    }

    /// Drops all but the first `kept` rows, and refuses rows that are not the ones recorded: what was changed since must
    /// not be signed anew.
    fn keep(&mut self, kept: usize, manifest: &Manifest) -> Result<(&'static str, usize)> {
        let recorded = manifest.files.get(R::FILE).map_or(&[][..], |file| &file.rows);
        for (index, (cells, recorded)) in self.table.rows.iter().zip(recorded).take(kept).enumerate() {
            if digest::row(self.table.columns, cells) != *recorded {
                let file = self.path.display().to_string();
                let fault = Fault::file(
                    &file,
                    "changed since it was written",
                    "the recorded row: restore it, or move the directory away",
                );
                return Err(fault.at_row(index + 1).into());
            }
        }
        self.rows.truncate(kept);
        Ok((R::FILE, self.ends.get(kept).copied().unwrap_or(0)))
    }
}
