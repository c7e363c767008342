//! Where a run is written: `data/<device>/<date>-<experiment>/`, case by case, so that a stopped run loses no finished
//! one.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::digest;
use super::manifest::{self, Host, Manifest};
use super::replace::replace;
use super::rows::{Case, ResultRow, Sample};
use super::run::{directories, finished, read_manifest};
use super::table::{Row, Table};
use crate::error::{Error, Result};

/// A directory that a run is being written to. Only one process writes to it at a time.
pub struct RunDirectory {
    path: PathBuf,
    manifest: Manifest,
    /// `cases.csv`, locked for as long as this lives.
    _lock: File,
}

impl RunDirectory {
    /// Goes on with a stopped run of the same experiment, spec, device and binary under `data_root`, or starts a new one
    /// that takes no other's name. `manifest` says what is about to run; its `files` and `complete` are not looked at.
    ///
    /// Returns the names of the cases that are finished already; what a stopped run left of others is dropped.
    pub fn open(data_root: &Path, manifest: Manifest) -> Result<(RunDirectory, BTreeSet<String>)> {
        check_name("the experiment's name", &manifest.experiment)?;
        check_name("the date", &manifest.date)?;
        let device = data_root.join(device_folder(&manifest.device.name));
        let path = match stopped_run(&device, &manifest)? {
            Some(path) => path,
            None => start(&device, manifest)?,
        };
        let cases = path.join(Case::FILE);
        let lock =
            OpenOptions::new().append(true).create(true).open(&cases).map_err(|error| Error::io(&cases, error))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(Error::input(format!(
                "{}: another process is writing there; wait for it, or choose another place with --out",
                path.display()
            )));
        }
        let mut directory = RunDirectory { manifest: read_manifest(&path)?, path, _lock: lock };
        let finished = directory.drop_unfinished()?;
        Ok((directory, finished))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a case with all its rows and has the disk hold them. On an error the directory is as it was before.
    pub fn append(&mut self, case: &Case, results: &[ResultRow], samples: &[Sample]) -> Result<()> {
        if results.is_empty() {
            return Err(Error::input(format!("case {} has no results to record", case.case)));
        }
        let path = self.path.clone();
        // The case's own row comes last: it says that the others are there.
        append_rows(&path, samples, || {
            append_rows(&path, results, || append_rows(&path, std::slice::from_ref(case), || self.write_manifest()))
        })
    }

    /// Marks the run complete.
    pub fn finish(mut self) -> Result<PathBuf> {
        self.manifest.complete = true;
        self.write_manifest()?;
        Ok(self.path)
    }

    fn drop_unfinished(&mut self) -> Result<BTreeSet<String>> {
        let finished = finished(&self.path, &self.manifest)?;
        for (file, bytes) in finished.bytes {
            let path = self.path.join(file);
            let header = match file {
                Case::FILE => Table::of::<Case>(&[]),
                ResultRow::FILE => Table::of::<ResultRow>(&[]),
                _ => Table::of::<Sample>(&[]),
            };
            cut(&path, bytes, &header.to_csv(true)).map_err(|error| Error::io(&path, error))?;
        }
        self.write_manifest()?;
        Ok(finished.cases.into_iter().map(|case| case.case).collect())
    }

    /// Writes the manifest with the digests of the tables as they lie on the disk. It is replaced whole or not at all.
    fn write_manifest(&mut self) -> Result<()> {
        self.digest_file::<Case>()?;
        self.digest_file::<ResultRow>()?;
        self.digest_file::<Sample>()?;
        replace_manifest(&self.path, &self.manifest)
    }

    fn digest_file<R: Row>(&mut self) -> Result<()> {
        let path = self.path.join(R::FILE);
        let csv = fs::read(&path).map_err(|error| Error::io(&path, error))?;
        let table = Table::parse::<R>(&csv, &path.display().to_string())?;
        self.manifest.files.insert(R::FILE.to_owned(), digest::file(&csv, &table));
        Ok(())
    }
}

/// A folder name for a device: `NVIDIA H200` is `nvidia-h200`, `llvmpipe (LLVM 19.1.7, 256 bits)` is `llvmpipe`.
pub fn device_folder(name: &str) -> String {
    let mut depth = 0;
    let plain = name.chars().map(|c| {
        depth += i32::from(c == '(');
        let inside = depth > 0;
        depth -= i32::from(c == ')' && inside);
        if inside { ' ' } else { c.to_ascii_lowercase() }
    });
    let plain: String = plain.map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    let folder = plain.split_whitespace().collect::<Vec<_>>().join("-");
    if folder.is_empty() { "device".to_owned() } else { folder }
}

/// Whether a directory's name is the one that an experiment gets on a date, `-2` and so on included.
pub fn is_run_folder(folder: &str, manifest: &Manifest) -> bool {
    let plain = run_folder(manifest);
    folder.strip_prefix(&plain).is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('-').and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n >= 2)
    })
}

fn run_folder(manifest: &Manifest) -> String {
    let shard = manifest.shard.map_or(String::new(), |shard| format!("-shard-{}-of-{}", shard.number(), shard.of()));
    format!("{}-{}{shard}", manifest.date, manifest.experiment)
}

/// Names become folders: nothing that leads elsewhere.
fn check_name(what: &str, name: &str) -> Result<()> {
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(fit) {
        return Ok(());
    }
    Err(Error::input(format!("{what} is `{name}`; use letters, digits, `-` and `_`, since a folder is named after it")))
}

fn stopped_run(device: &Path, manifest: &Manifest) -> Result<Option<PathBuf>> {
    let goes_on = |path: &PathBuf| read_manifest(path).is_ok_and(|there| !there.complete && same_run(&there, manifest));
    Ok(directories(device)?.into_iter().find(goes_on))
}

/// Whether rows of both may stand under one manifest.
fn same_run(a: &Manifest, b: &Manifest) -> bool {
    // The clock's resolution is measured anew each time.
    let host = |manifest: &Manifest| Host { clock_resolution_ns: 0, ..manifest.host.clone() };
    a.experiment == b.experiment
        && a.spec_sha256 == b.spec_sha256
        && a.device == b.device
        && a.software == b.software
        && a.browser == b.browser
        && a.shard == b.shard
        && a.shards == b.shards
        && host(a) == host(b)
}

/// Makes the first directory of the run's name that is not taken, with a manifest of no rows.
fn start(device: &Path, mut manifest: Manifest) -> Result<PathBuf> {
    fs::create_dir_all(device).map_err(|error| Error::io(device, error))?;
    manifest.complete = false;
    manifest.files.clear();
    let mut path = device.join(run_folder(&manifest));
    let mut n = 1;
    loop {
        match fs::create_dir(&path) {
            Ok(()) => break,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                n += 1;
                path = device.join(format!("{}-{n}", run_folder(&manifest)));
            }
            Err(error) => return Err(Error::io(&path, error)),
        }
    }
    replace_manifest(&path, &manifest)?;
    Ok(path)
}

fn replace_manifest(directory: &Path, manifest: &Manifest) -> Result<()> {
    let path = directory.join(manifest::FILE);
    let text = manifest.to_text().map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
    replace(&path, text.as_bytes())
}

/// Appends rows, then does what comes `next`; where either fails, the rows are taken back.
fn append_rows<R: Row>(directory: &Path, rows: &[R], next: impl FnOnce() -> Result<()>) -> Result<()> {
    let path = directory.join(R::FILE);
    let at = |error| Error::io(&path, error);
    let mut file = OpenOptions::new().append(true).open(&path).map_err(at)?;
    let before = file.metadata().map_err(at)?.len();
    let write = file.write_all(&Table::of(rows).to_csv(false)).and_then(|()| file.sync_all());
    let done = write.map_err(at).and_then(|()| next());
    if done.is_err() {
        // If this fails as well, the next run finds the rows half-written and drops them.
        let _ = file.set_len(before);
    }
    done
}

/// Leaves the first `bytes` bytes of a file, or a header where there are none.
fn cut(path: &Path, bytes: usize, header: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    if bytes > 0 && file.metadata()?.len() == bytes as u64 {
        return Ok(());
    }
    file.set_len(bytes as u64)?;
    if bytes == 0 {
        file.write_all(header)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_devices() {
        let folders = [
            "NVIDIA H200",
            "llvmpipe (LLVM 19.1.7, 256 bits)",
            "SwiftShader Device (LLVM 16.0.0)",
            "Mesa Intel(R) Xe Graphics (TGL GT2)",
            "AMD Radeon RX 7900 XTX (RADV NAVI31)",
            "Apple M2 Pro",
            "../../etc",
            "(unclosed",
            "",
        ]
        .map(device_folder);
        let expected = [
            "nvidia-h200",
            "llvmpipe",
            "swiftshader-device",
            "mesa-intel-xe-graphics",
            "amd-radeon-rx-7900-xtx",
            "apple-m2-pro",
            "etc",
            "device",
            "device",
        ];
        assert_eq!(folders, expected);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["", "../x", "a/b", "a b", "."] {
            assert!(check_name("the experiment's name", name).is_err(), "{name}");
        }
        assert!(check_name("the experiment's name", "decode-quick_2").is_ok());
    }
}
