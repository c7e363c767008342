//! `onedispatch sign RUN…`: signs runs by an SSH key, as `ssh-keygen -Y sign -n onedispatch` does.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::output;
use crate::record::manifest;
use crate::record::signature::{ENDING, SigningKey, Unwritten, missing};
use crate::record::verify::verify;

#[derive(clap::Args)]
pub struct Args {
    /// Directories of runs: <device>/<date>-<experiment>/
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// A private SSH key that is not encrypted (ed25519, or ecdsa with nistp256); for others there is `ssh-keygen -Y sign -n onedispatch`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    let key = SigningKey::read(&args.key)?;
    // All are looked at before the first is signed.
    let signatures = args.runs.iter().map(|run| signatures(run, &key)).collect::<Result<Vec<_>>>()?;
    for signature in signatures.iter().flatten() {
        signature.write()?;
        output::line(format_args!("{}: signed by {}", signature.path.display(), key.fingerprint()))?;
    }
    for run in args.runs.iter().zip(&signatures).filter(|(_, new)| new.is_empty()).map(|(run, _)| run) {
        output::line(format_args!("{}: signed already", run.display()))?;
    }
    Ok(())
}

/// What is still to be written to have a run signed.
fn signatures(run: &Path, key: &SigningKey) -> Result<Vec<Unwritten>> {
    let refused = |why: &str| Err(Error::input(format!("{}: {why}", run.display())));
    if !run.join(manifest::FILE).is_file() {
        return refused("no manifest.toml there; name the directory of a run");
    }
    let verification = verify(run)?;
    if !verification.partial.is_empty() {
        return refused("the run is not complete, and what is still to come would not be signed; start it again first");
    }
    if !verification.shards.is_empty() {
        return refused("a shard has a share of the cases; sign the run that `onedispatch merge` makes of all");
    }
    // A signature of what was there before is made anew.
    let faults = verification.faults.iter().filter(|fault| !fault.file.ends_with(ENDING)).count();
    if faults > 0 {
        return refused("has faults, and is not signed with them; `onedispatch verify` names each");
    }
    missing(run, key)
}
