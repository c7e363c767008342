//! `onedispatch verify`: whether the data are as they were written, and can be true.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::record::verify::{Verification, verify};

/// Check every digest, gate, statistic and physical bound under a data directory
#[derive(clap::Args)]
pub struct Args {
    /// A data directory, or the directory of one run
    #[arg(default_value = "data")]
    pub dir: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    let verification = verify(&args.dir)?;
    for fault in &verification.faults {
        eprintln!("{fault}");
    }
    print!("{}", summary(&verification));
    match verification.faults.len() {
        0 => Ok(()),
        1 => Err(Error::check(format!("{}: 1 fault", args.dir.display()))),
        n => Err(Error::check(format!("{}: {n} faults", args.dir.display()))),
    }
}

/// What was checked, and the root digest on the last line.
pub fn summary(verification: &Verification) -> String {
    let Verification { runs, partial, files, rows, cells, root_digest, .. } = verification;
    let mut text = format!("{} runs, {files} files, {rows} rows, {cells} cells checked\n", runs.len());
    for folder in partial {
        text += &format!("partial: {folder} was stopped before its end; the same run started again goes on with it\n");
    }
    text + &format!("root digest {root_digest}\n")
}
