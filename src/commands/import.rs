//! `onedispatch import FILE…`: what peers measured, checked again and put beside the arms of the same session.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::peer::import::{Imported, import};
use crate::record::run::load;

/// Add what peers measured to the run that was measured with it, after checking each output and each time again
#[derive(clap::Args)]
pub struct Args {
    /// Results of peers, as `peers/run-all.sh` writes them; one that is refused does not keep others out
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the runs are
    #[arg(long, default_value = "data", value_name = "DIR")]
    data: PathBuf,
    /// The directory of the run that they belong to, where several of that day fit
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    let runs = match &args.run {
        Some(run) => vec![load(run)?],
        None => super::results(&args.data)?,
    };
    let mut refused = Vec::new();
    for file in &args.files {
        match import(file, &runs) {
            Ok(imported) => println!("{}", line(&imported)),
            Err(error) => refused.push(error),
        }
    }
    match refused.len() {
        0 => Ok(()),
        1 => Err(refused.remove(0)),
        count => {
            let lines: Vec<String> = refused.iter().map(ToString::to_string).collect();
            let text = format!("{count} of {} files were refused:\n{}", args.files.len(), lines.join("\n"));
            let is_check = refused.iter().any(|error| matches!(error, Error::Check(_)));
            Err(if is_check { Error::check(text) } else { Error::input(text) })
        }
    }
}

fn line(imported: &Imported) -> String {
    let Imported { run, case, peer, timed, untimed } = imported;
    let without = if *untimed > 0 { format!(", {untimed} without times") } else { String::new() };
    let variants = if *timed == 1 { "variant" } else { "variants" };
    format!("{case} {peer}: {timed} {variants}{without} -> {}", run.display())
}
