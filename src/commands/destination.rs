//! Where results are to go, looked at before anything is computed: a folder that is missing is not to be found after an hour.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
#[cfg(feature = "gpu")]
use std::path::PathBuf;

use crate::error::{Error, Result};

/// # Errors
/// Where no file can be written at `path`. What is there stays as it is.
#[cfg(feature = "gpu")]
pub fn file(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Err(refused(path, "is a folder; name a file")),
        Ok(there) if there.is_file() => {
            OpenOptions::new().append(true).open(path).map(drop).map_err(|error| Error::io(path, error))
        }
        // A pipe or a device is opened once.
        Ok(_) => Ok(()),
        Err(_) => new_file(path),
    }
}

/// # Errors
/// Where files cannot be written into a folder at `path`, which may have to be made.
pub fn folder(path: &Path) -> Result<()> {
    let there = path.ancestors().map(or_here).find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
    if !there.is_dir() {
        return Err(refused(there, "is no folder; choose another place"));
    }
    new_file(&there.join(format!(".onedispatch-{}", std::process::id())))
}

/// # Errors
/// Where two of these options name one file: what is written last would be all that is left.
#[cfg(feature = "gpu")]
pub fn apart(files: &[(&str, &Path)]) -> Result<()> {
    for (at, (option, path)) in files.iter().enumerate() {
        let same =
            |other: &&(&str, &Path)| fs::metadata(path).is_ok_and(|it| it.is_file()) && place(path) == place(other.1);
        let is_new = |other: &&(&str, &Path)| !path.exists() && place(path) == place(other.1);
        if let Some((other, _)) = files[..at].iter().find(|other| same(other) || is_new(other)) {
            return Err(refused(path, &format!("is named by {other} and by {option}; give each a file of its own")));
        }
    }
    Ok(())
}

fn refused(path: &Path, why: &str) -> Error {
    Error::input(format!("{}: {why}", path.display()))
}

fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// A path that two names of one file share.
#[cfg(feature = "gpu")]
fn place(path: &Path) -> PathBuf {
    let folder = || Some(fs::canonicalize(or_here(path.parent()?)).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(folder).unwrap_or_else(|| path.to_owned())
}

/// Makes it and takes it away again, which is the one way to know that it can be made.
fn new_file(path: &Path) -> Result<()> {
    let folder = or_here(path.parent().unwrap_or(path));
    match fs::metadata(folder) {
        Ok(there) if there.is_dir() => {}
        Ok(_) => return Err(refused(folder, "is no folder; choose another place")),
        Err(_) if folder.ancestors().any(Path::is_file) => {
            return Err(refused(folder, "lies below a file; choose another place"));
        }
        Err(_) => return Err(refused(folder, "there is no such folder; make it, or choose another place")),
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => fs::remove_file(path).map_err(|error| Error::io(path, error)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::io(path, error)),
    }
}
