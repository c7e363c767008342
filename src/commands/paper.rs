//! `onedispatch paper`: renders the paper and its numbers from `data/`.

use std::path::{Path, PathBuf};

use super::destination;
use crate::error::{Error, Result};
use crate::paper::ledger::Ledger;
use crate::paper::{self, Built};
use crate::record::verify::root_digest;

/// Renders the paper and its number ledger from committed data.
///
/// Reads data/, figures/ and the sources in paper/; writes paper/paper.pdf and paper/numbers.toml. The same data give the
/// same bytes on any machine. `onedispatch figures` comes first.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Write nothing; compare with what is there, name what differs, and exit with 1
    #[arg(long)]
    pub check: bool,
    /// The project's root: where paper/, figures/ and fonts/ are
    #[arg(long, default_value = ".")]
    pub root: PathBuf,
    /// The result directories [default: data/ below the root]
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Where paper.pdf and numbers.toml go [default: paper/ below the root]
    #[arg(long)]
    pub out: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    let out = args.out.clone().unwrap_or_else(|| args.root.join("paper"));
    if !args.check {
        destination::folder(&out)?;
    }
    let data = args.data.clone().unwrap_or_else(|| args.root.join("data"));
    let runs = super::results(&data)?;
    let built = paper::build(paper::read_sources(&args.root)?, &runs, &root_digest(&data)?)?;
    if args.check { check(&built, &out) } else { write(&built, &out) }
}

const NUMBERS: &str = "numbers.toml";
const PAPER: &str = "paper.pdf";

pub fn write(built: &Built, out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|error| Error::io(out, error))?;
    for (name, bytes) in [(NUMBERS, built.numbers.to_toml().as_bytes()), (PAPER, &built.pdf)] {
        let path = out.join(name);
        std::fs::write(&path, bytes).map_err(|error| Error::io(&path, error))?;
    }
    Ok(())
}

/// Compares what was built with what lies in `out`, byte for byte.
///
/// # Errors
/// A check error that names each number that differs, or the file.
pub fn check(built: &Built, out: &Path) -> Result<()> {
    let read = |name: &str| {
        let path = out.join(name);
        std::fs::read(&path).map_err(|error| Error::io(&path, error)).map(|bytes| (path.display().to_string(), bytes))
    };
    let mut faults = Vec::new();
    let (name, committed) = read(NUMBERS)?;
    if committed != built.numbers.to_toml().as_bytes() {
        let ledger = Ledger::parse(&String::from_utf8_lossy(&committed), &name)?;
        faults = built.numbers.faults(&ledger, &name);
        let missing = built.numbers.number.keys().filter(|key| !ledger.number.contains_key(*key));
        faults.extend(missing.map(|key| format!("{name}: {key}: the paper prints it, but it is not there")));
        if faults.is_empty() {
            faults.push(format!("{name}: the numbers are right, but the file is not as it is written"));
        }
    }
    let (name, committed) = read(PAPER)?;
    if committed != built.pdf {
        let place = committed.iter().zip(&built.pdf).take_while(|(a, b)| a == b).count();
        faults.push(format!(
            "{name}: differs from what the data give, from byte {place} on ({} bytes, expected {}); run `onedispatch paper`",
            committed.len(),
            built.pdf.len()
        ));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::checks(faults)) }
}
