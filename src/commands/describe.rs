//! `onedispatch describe`: writes what `data/` says of itself to other programs.

use std::path::PathBuf;

use super::destination;
use crate::error::Result;
use crate::output;
use crate::record::verify::describe;

/// Write data/datapackage.json (Frictionless), data/schemas/ and data/croissant.json (Croissant): each file with its digest,
/// each column with its type, unit and meaning.
///
/// They follow from the tables; `onedispatch verify` tells whether they do.
#[derive(clap::Args)]
pub struct Args {
    /// A data directory
    #[arg(default_value = "data")]
    dir: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    if !args.dir.exists() {
        return Err(super::no_results(&args.dir));
    }
    destination::folder(&args.dir)?;
    let written = describe(&args.dir)?;
    if written.is_empty() {
        return Err(super::no_results(&args.dir));
    }
    written.iter().try_for_each(|path| output::line(path.display()))
}
