//! `onedispatch export SPEC`: cases as files that any language reads, for the peers.

use std::path::PathBuf;

use super::destination;
use crate::error::Result;
use crate::output;
use crate::peer::export::export;
use crate::spec::Spec;

#[derive(clap::Args)]
pub struct Args {
    /// An experiment, as in `experiments/`
    #[arg(value_name = "SPEC")]
    spec: PathBuf,
    /// Where cases go: DIR/<case>/, written anew where they are there already
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only the case of this name; may be given again [default: all]
    #[arg(long, value_name = "CASE")]
    case: Vec<String>,
    /// The experiment as `run --quick` measures it
    #[arg(long)]
    quick: bool,
}

pub fn run(args: Args) -> Result<()> {
    let spec = Spec::read(&args.spec)?;
    let spec = if args.quick { spec.quick() } else { spec };
    destination::folder(&args.out)?;
    let written = export(&spec, &args.case, &args.out, &mut |case| output::line(case))?;
    output::line(format_args!("{} cases of {} in {}", written.len(), spec.name, args.out.display()))
}
