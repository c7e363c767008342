//! Replacing a file whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes a file whole or not at all, and has the disk hold it.
pub(super) fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // A name is on the disk once its directory is; where directories cannot be opened, the system sees to it.
        path.parent().and_then(|directory| File::open(directory).ok()).map_or(Ok(()), |directory| directory.sync_all())
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&new);
        Error::io(path, error)
    })
}
