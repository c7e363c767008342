//! Whether everything under `data/` is as it was written, and whether it can be true.
//!
//! - [`tables`]: manifests and tables against their digests;
//! - [`rows`]: rows against each other: gates, statistics worked out anew from the samples, equal work, physical bounds;
//! - [`signatures`]: signatures against what they sign, and against those who may.

mod rows;
mod signatures;
mod tables;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

pub use self::signatures::Signed;
use self::tables::CheckedRun;
use super::description;
use super::digest;
use super::directory::{device_folder, is_run_folder};
use super::fault::Fault;
use super::line_ends::crlf;
use super::manifest::{self, Manifest};
use super::peers::{self, PeerManifest, PeerRow, PeerSample, Peers};
use super::replace::replace;
use super::rows::{Case, ResultRow, Sample};
use super::signature;
use super::signers::Signers;
use super::table::Row;
use crate::error::{Error, Result};
use crate::parallel;
use crate::spec::Spec;

/// What was looked at, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    pub faults: Vec<Fault>,
    /// Folders of the runs, of those that were stopped before their end, and of shards.
    pub runs: Vec<String>,
    pub partial: Vec<String>,
    pub shards: Vec<String>,
    /// Signed files, in the order of the runs.
    pub signed: Vec<Signed>,
    pub files: usize,
    pub rows: usize,
    pub cells: usize,
    /// Over every file but the description, see [`digest::root`].
    pub root_digest: String,
}

/// Checks every file under `data_root`, or a single run where `data_root` is the directory of one. An error is what kept
/// it from being read at all.
pub fn verify(data_root: &Path) -> Result<Verification> {
    verify_watched(data_root, None, &|_, _| ())
}

/// As [`verify`]; whoever signed a run has to be among `signers`, where they are given. `watch` is told of the bytes that were
/// checked since it was told last, and of how many there are.
pub fn verify_watched(
    data_root: &Path,
    signers: Option<&Signers>,
    watch: &(dyn Fn(u64, u64) + Sync),
) -> Result<Verification> {
    let mut files = BTreeMap::new();
    let mut faults = Vec::new();
    read_tree(data_root, "", &mut files, &mut faults)?;
    let root_digest = digest_of(&files);

    let mut folders = BTreeSet::new();
    for path in files.keys() {
        match place(path) {
            Place::Run(folder) => {
                folders.insert(folder.to_owned());
            }
            Place::Description => {}
            Place::Aside if path == README => faults.extend(crlf(&files[path], path)),
            Place::Aside => {}
            Place::Unknown => faults.push(Fault::file(
                path,
                "a file that belongs to no run",
                "README.md, sources/, what `onedispatch describe` writes and, in <device>/<date>-<experiment>/, manifest.toml and the three tables, and those of peers, and signatures of manifest.toml and peers.toml",
            )),
        }
    }
    if folders.is_empty() {
        faults.push(Fault::file(&data_root.display().to_string(), "no run", "at least one manifest.toml"));
    }
    let mut all = Verification {
        faults,
        runs: folders.into_iter().collect(),
        partial: Vec::new(),
        shards: Vec::new(),
        signed: Vec::new(),
        files: files.len(),
        rows: 0,
        cells: 0,
        root_digest,
    };
    let bytes = |folder: &str| -> u64 {
        let of_run = files.range(folder.to_owned()..).take_while(|(path, _)| path.starts_with(folder));
        of_run.map(|(_, bytes)| bytes.len() as u64).sum()
    };
    let total = all.runs.iter().map(|folder| bytes(folder)).sum();
    let checked = parallel::map(&all.runs, |folder| {
        let mut checked = CheckedRun::default();
        check_run(&files, folder, signers, &mut checked);
        watch(bytes(folder), total);
        checked
    });
    for (folder, checked) in all.runs.iter().zip(checked) {
        all.faults.extend(checked.faults);
        all.partial.extend(checked.is_partial.then(|| folder.clone()));
        all.shards.extend(checked.is_shard.then(|| folder.clone()));
        all.signed.extend(checked.signed);
        all.rows += checked.rows;
        all.cells += checked.cells;
    }
    // What is wrong in a table would be named again.
    if all.faults.is_empty() {
        all.faults = description::faults(&files);
    }
    Ok(all)
}

/// The digest of everything under `data_root`, see [`digest::root`], without a look at what it holds.
pub fn root_digest(data_root: &Path) -> Result<String> {
    let mut files = BTreeMap::new();
    read_tree(data_root, "", &mut files, &mut Vec::new())?;
    Ok(digest_of(&files))
}

/// Writes the description of what lies under `data_root`, removes what is left of an older one, and returns the paths of those
/// written; none where there is no run.
pub fn describe(data_root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = BTreeMap::new();
    read_tree(data_root, "", &mut files, &mut Vec::new())?;
    if !files.keys().any(|path| matches!(place(path), Place::Run(folder) if !folder.is_empty())) {
        return Ok(Vec::new());
    }
    let description = description::of(&files);
    let stale = files.keys().filter(|path| description::is_of_description(path) && !description.contains_key(*path));
    for path in stale.map(|path| data_root.join(path)) {
        fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
    }
    let mut written = Vec::new();
    for (path, contents) in description {
        let path = data_root.join(path);
        let folder = path.parent().unwrap_or(data_root);
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        replace(&path, &contents)?;
        written.push(path);
    }
    Ok(written)
}

fn digest_of(files: &BTreeMap<String, Vec<u8>>) -> String {
    let own = files.iter().filter(|(path, _)| !description::is_of_description(path));
    let digests: Vec<(&str, String)> =
        own.map(|(path, bytes)| (path.as_str(), crate::digest::sha256_hex(bytes))).collect();
    digest::root(digests.iter().map(|(path, sha256)| (*path, sha256.as_str())))
}

const README: &str = "README.md";

enum Place<'a> {
    /// A file of the run in this folder.
    Run(&'a str),
    /// Something that stands beside the runs.
    Aside,
    /// Follows from all that is not of this kind.
    Description,
    Unknown,
}

fn place(path: &str) -> Place<'_> {
    let run = [manifest::FILE, Case::FILE, ResultRow::FILE, Sample::FILE];
    let peers = [peers::FILE, PeerRow::FILE, PeerSample::FILE];
    let is_signature =
        |file: &str| file.strip_suffix(signature::ENDING).is_some_and(|file| signature::SIGNED.contains(&file));
    let known = |file| run.contains(&file) || peers.contains(&file) || is_signature(file);
    match path.split('/').collect::<Vec<_>>()[..] {
        [README] | ["sources", _, ..] => Place::Aside,
        _ if description::is_of_description(path) => Place::Description,
        [file] if known(file) => Place::Run(""),
        [_, _, file] if known(file) => Place::Run(&path[..path.len() - file.len()]),
        _ => Place::Unknown,
    }
}

/// Reads every file below `directory`, by its path relative to the root with `/` between its parts.
fn read_tree(
    directory: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Vec<u8>>,
    faults: &mut Vec<Fault>,
) -> Result<()> {
    let at = |error| Error::io(directory, error);
    for entry in fs::read_dir(directory).map_err(at)? {
        let entry = entry.map_err(at)?;
        let kind = entry.file_type().map_err(at)?;
        let path = entry.path();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            read_tree(&path, &format!("{name}/"), files, faults)?;
        } else if kind.is_file() {
            files.insert(name, fs::read(&path).map_err(|error| Error::io(&path, error))?);
        } else {
            faults.push(Fault::file(&name, "neither a file nor a directory", "plain files"));
        }
    }
    Ok(())
}

fn check_run(files: &BTreeMap<String, Vec<u8>>, folder: &str, signers: Option<&Signers>, all: &mut CheckedRun) {
    let file = |name: &str| format!("{folder}{name}");
    let manifest_file = file(manifest::FILE);
    let Some(bytes) = files.get(&manifest_file) else {
        return all.faults.push(Fault::file(&manifest_file, "no such file", "the manifest of the tables beside it"));
    };
    let text = String::from_utf8_lossy(bytes);
    let manifest = match Manifest::parse(&text, &manifest_file) {
        Ok(manifest) => manifest,
        Err(fault) => return all.faults.push(fault),
    };
    all.is_shard = manifest.shard.is_some();
    all.is_partial = !manifest.complete && !all.is_shard;
    let mut faults = manifest.changes(&text, &manifest_file);
    let mut meaning = check_manifest(&manifest, folder, &manifest_file);
    for name in
        manifest.files.keys().filter(|name| ![Case::FILE, ResultRow::FILE, Sample::FILE].contains(&name.as_str()))
    {
        faults.push(
            Fault::file(&manifest_file, "digests of an unknown file", "cases.csv, results.csv and samples.csv")
                .at_column(format!("files.{name}")),
        );
    }
    let mut checked =
        tables::Checked { digests: &manifest.files, manifest_file: &manifest_file, files, folder, all, faults };
    let cases = checked.table::<Case>();
    let results = checked.table::<ResultRow>();
    let samples = checked.table::<Sample>();
    let mut faults = checked.faults;
    let peers = check_peer_tables(files, folder, all, &mut faults);
    faults.extend(signatures::check(files, folder, &manifest.date, signers, &mut all.signed));
    if let (Some(cases), Some(results), Some(samples)) = (cases, results, samples) {
        let files =
            rows::Files { cases: file(Case::FILE), results: file(ResultRow::FILE), samples: file(Sample::FILE) };
        meaning.extend(rows::check(&files, &cases, &results, &samples, manifest.complete));
        meaning.extend(rows::check_parts(&files, &cases, &manifest));
        if let Some(peers) = peers {
            let peer_files = rows::Files {
                cases: files.cases.clone(),
                results: file(PeerRow::FILE),
                samples: file(PeerSample::FILE),
            };
            meaning.extend(rows::check_peers(&files, &peer_files, &manifest, (&cases, &results), &peers));
        }
    }
    // Where a digest and a meaning name the same place, the meaning knows better what was expected.
    let known: HashSet<_> = meaning.iter().map(Fault::place).collect();
    faults.retain(|fault| !known.contains(&fault.place()));
    all.faults.extend(faults);
    all.faults.extend(meaning);
}

/// The tables of a run's peers against their digests. `None` where there are none, or they cannot be read.
fn check_peer_tables(
    files: &BTreeMap<String, Vec<u8>>,
    folder: &str,
    all: &mut CheckedRun,
    faults: &mut Vec<Fault>,
) -> Option<Peers> {
    let file = |name: &str| format!("{folder}{name}");
    let manifest_file = file(peers::FILE);
    let Some(bytes) = files.get(&manifest_file) else {
        if let Some(table) = [PeerRow::FILE, PeerSample::FILE].map(file).iter().find(|table| files.contains_key(*table))
        {
            let expected = format!("the digests of {table}; import the peers' results again");
            faults.push(Fault::file(&manifest_file, "no such file", expected));
        }
        return None;
    };
    let text = String::from_utf8_lossy(bytes);
    let manifest = match PeerManifest::parse(&text, &manifest_file) {
        Ok(manifest) => manifest,
        Err(fault) => {
            faults.push(fault);
            return None;
        }
    };
    if manifest.to_text().is_ok_and(|canonical| canonical != text) {
        let there = "not written as onedispatch writes it";
        faults.push(Fault::file(&manifest_file, there, "no other layout, comment or blank line"));
    }
    for name in manifest.files.keys().filter(|name| ![PeerRow::FILE, PeerSample::FILE].contains(&name.as_str())) {
        let expected = format!("{} and {}", PeerRow::FILE, PeerSample::FILE);
        let fault = Fault::file(&manifest_file, "digests of an unknown file", expected);
        faults.push(fault.at_column(format!("files.{name}")));
    }
    let digests = &manifest.files;
    let mut checked =
        tables::Checked { digests, manifest_file: &manifest_file, files, folder, all, faults: std::mem::take(faults) };
    let rows = checked.table::<PeerRow>();
    let samples = checked.table::<PeerSample>();
    *faults = checked.faults;
    Some(Peers::of(rows?, &samples?))
}

/// What a manifest says twice, or its folder says as well.
fn check_manifest(manifest: &Manifest, folder: &str, file: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut differs = |key: &str, there: &str, expected: String| {
        if there != expected {
            faults.push(Fault::file(file, format!("`{there}`"), format!("`{expected}`")).at_column(key));
        }
    };
    differs("spec_sha256", &manifest.spec_sha256, crate::digest::sha256_hex(manifest.spec.as_bytes()));
    if let Ok(spec) = Spec::parse(&manifest.spec, "spec") {
        differs("experiment", &manifest.experiment, spec.name);
    }
    if let [device, run, _] = folder.split('/').collect::<Vec<_>>()[..] {
        if device != device_folder(&manifest.device.name) {
            let there = format!("`{}` in the folder of `{device}`", manifest.device.name);
            faults.push(Fault::file(file, there, "the device of its folder").at_column("device.name"));
        }
        if !is_run_folder(run, manifest) {
            let there = format!("`{}`, `{}` in the folder `{run}`", manifest.date, manifest.experiment);
            faults.push(Fault::file(file, there, "a folder <date>-<experiment>").at_column("date"));
        }
    }
    faults
}
