//! `onedispatch merge SHARD…`: makes one run of the shards of several machines.

use std::path::PathBuf;

use super::destination;
use crate::error::Result;
use crate::output;
use crate::record::merge::merge;

#[derive(clap::Args)]
pub struct Args {
    /// Directories that `run --shard I/N` wrote: all of 1/N to N/N
    #[arg(required = true, value_name = "SHARD")]
    shards: Vec<PathBuf>,
    /// Where the run goes: DIR/<device>/<date>-<experiment>/
    #[arg(long, default_value = "data", value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    destination::folder(&args.out)?;
    let merged = merge(&args.out, &args.shards)?;
    let path = merged.path.display();
    let said = if merged.was_there { "these shards were merged before" } else { "one run of these shards" };
    output::line(format_args!("{path}: {said}"))
}
