//! `onedispatch figures`: draws the figures from `data/`, or checks that the committed ones are what it would draw.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::destination;
use crate::error::{Error, Result};
use crate::figures::{FIGURES, Picture, png};
use crate::output;
use crate::record::run::Run;

#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; compare with the files that are there, byte for byte
    #[arg(long)]
    check: bool,
    /// Where the results lie
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Where the figures go
    #[arg(long, value_name = "DIR", default_value = "figures")]
    out: PathBuf,
}

/// Exit code 1 where `--check` finds a file that differs, is missing or is left over.
pub fn run(args: Args) -> Result<()> {
    if !args.check {
        destination::folder(&args.out)?;
    }
    let (files, missing) = render(&super::results(&args.data)?)?;
    for line in missing {
        output::line(line)?;
    }
    match args.check {
        true => check(&files, &args.out),
        false => write(&files, &args.out),
    }
}

/// Contents by file name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The files, and a line for each figure that the data do not suffice for.
pub fn render(runs: &[Run]) -> Result<(Files, Vec<String>)> {
    let mut files = BTreeMap::new();
    let mut missing = Vec::new();
    for figure in &FIGURES {
        match figure.picture(runs)? {
            Picture::Drawn(svg) => {
                files.insert(format!("{}.png", figure.name), png::rasterise(&svg)?);
                files.insert(format!("{}.svg", figure.name), svg.into_bytes());
            }
            Picture::Missing(what) => {
                missing.push(format!("figure `{}` is left out: {what}", figure.name));
            }
        }
    }
    Ok((files, missing))
}

/// Writes `files` into `out`, and removes the pictures of figures that are left out now.
pub fn write(files: &Files, out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|error| Error::io(out, error))?;
    for (name, bytes) in files {
        let path = out.join(name);
        std::fs::write(&path, bytes).map_err(|error| Error::io(&path, error))?;
        output::line(path.display())?;
    }
    let own = FIGURES.iter().flat_map(|figure| ["svg", "png"].map(|kind| format!("{}.{kind}", figure.name)));
    for stale in own.filter(|name| !files.contains_key(name)).map(|name| out.join(name)).filter(|path| path.exists()) {
        std::fs::remove_file(&stale).map_err(|error| Error::io(&stale, error))?;
    }
    Ok(())
}

/// A fault for each file in `out` that differs from `files`, is missing or is left over.
pub fn check(files: &Files, out: &Path) -> Result<()> {
    let mut faults = Vec::new();
    for (name, bytes) in files {
        let path = out.join(name);
        match std::fs::read(&path) {
            Ok(found) if found == *bytes => {}
            Ok(_) => faults.push(format!("{}: differs from what the data give", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                faults.push(format!("{}: is missing", path.display()));
            }
            Err(error) => return Err(Error::io(&path, error)),
        }
    }
    faults.extend(left_over(files, out)?);
    if faults.is_empty() {
        return output::line(format_args!("{} files in {} are what the data give", files.len(), out.display()));
    }
    faults.push("redraw them with `onedispatch figures`".into());
    Err(Error::checks(faults))
}

fn left_over(files: &Files, out: &Path) -> Result<Vec<String>> {
    if !out.exists() {
        return Ok(Vec::new());
    }
    let mut left_over = Vec::new();
    for entry in std::fs::read_dir(out).map_err(|error| Error::io(out, error))? {
        let path = entry.map_err(|error| Error::io(out, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if (name.ends_with(".svg") || name.ends_with(".png")) && !files.contains_key(name.as_ref()) {
            left_over.push(format!("{}: is left over, no figure has this name; remove it", path.display()));
        }
    }
    left_over.sort();
    Ok(left_over)
}
