//! `onedispatch verify`: whether the data are as they were written, and can be true, and whether the paper says the same.

use std::fs;
use std::path::{Path, PathBuf};

use super::delayed_bar::DelayedBar;
use crate::error::{Error, Result};
use crate::output;
use crate::paper::ledger::Ledger;
use crate::paper::{NUMBERS, survey};
use crate::record::manifest;
use crate::record::run::load_all;
use crate::record::signers::Signers;
use crate::record::verify::{Signed, Verification, verify_watched};

/// Check every digest, gate, statistic and physical bound under a data directory, and the paper's numbers beside it
#[derive(clap::Args)]
pub struct Args {
    /// A data directory, or the directory of one run
    #[arg(default_value = "data")]
    pub dir: PathBuf,
    /// Who may sign, as for `ssh-keygen -Y verify`: says who signed each run, and names signatures of anybody else
    #[arg(long, value_name = "FILE")]
    pub signers: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    if !args.dir.exists() {
        return Err(super::no_results(&args.dir));
    }
    let signers = args.signers.as_deref().map(Signers::read).transpose()?;
    let bar = DelayedBar::new();
    let verification = verify_watched(&args.dir, signers.as_ref(), &|bytes, total| bar.advance(bytes, total))?;
    bar.clear();
    if verification.runs.is_empty() && verification.faults.len() == 1 {
        return Err(super::no_results(&args.dir));
    }
    let mut faults: Vec<String> = verification.faults.iter().map(ToString::to_string).collect();
    let numbers = args.dir.parent().map(|root| root.join(NUMBERS)).filter(|numbers| numbers.is_file());
    match &numbers {
        // What is wrong in the data would be named again for each number that rests on it.
        Some(numbers) if !faults.is_empty() => {
            output::line(format_args!("{}: not checked, since the data have faults", numbers.display()))?;
        }
        Some(numbers) => faults.extend(wrong_numbers(numbers, &args.dir, &verification.root_digest)?),
        None => {}
    }
    for fault in &faults {
        output::note(fault)?;
    }
    output::text(summary(&verification))?;
    match faults.len() {
        0 => Ok(()),
        1 => Err(Error::check(format!("{}: 1 fault", args.dir.display()))),
        n => Err(Error::check(format!("{}: {n} faults", args.dir.display()))),
    }
}

/// A line for each number of the paper that is not what the data give. The root digest, over the data alone, is one.
fn wrong_numbers(numbers: &Path, data: &Path, root_digest: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(numbers).map_err(|error| Error::io(numbers, error))?;
    Ok(match Ledger::parse(&text, NUMBERS) {
        Ok(committed) => {
            let printed = committed.number.keys().cloned().collect();
            survey::ledger_of(&load_all(data)?, root_digest, Some(&printed)).faults(&committed, NUMBERS)
        }
        Err(unreadable) => vec![unreadable.to_string()],
    })
}

/// What was checked, who signed it, and the root digest on the last line.
pub fn summary(verification: &Verification) -> String {
    let Verification { runs, partial, shards, signed, files, rows, cells, root_digest, .. } = verification;
    let mut text = format!("{} runs, {files} files, {rows} rows, {cells} cells checked\n", runs.len());
    for folder in partial {
        text += &format!("partial: {folder} was stopped before its end; the same run started again goes on with it\n");
    }
    for folder in shards {
        text += &format!("shard: {folder} has a share of the cases; `onedispatch merge` makes one run of all shards\n");
    }
    for Signed { file, by, fingerprint } in signed {
        text += &match by {
            Some(by) => format!("signed by {by}: {file}\n"),
            None => format!("signed by {fingerprint}: {file}; --signers FILE tells whose key that is\n"),
        };
    }
    let is_unsigned =
        |folder: &&String| !signed.iter().any(|signed| signed.file == format!("{folder}{}", manifest::FILE));
    match runs.iter().filter(is_unsigned).count() {
        0 => {}
        unsigned => text += &format!("unsigned: {unsigned} of {} runs\n", runs.len()),
    }
    text + &format!("root digest {root_digest}\n")
}
