//! `onedispatch import FILE…`: what peers measured, checked again and put beside the arms of the same session; and what a page
//! measured, as runs of its own.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::output;
use crate::peer::import::{Imported, import};
use crate::record::run::{load, load_all};
use crate::web::results;

/// Add what peers measured to the run that was measured with it, or what the page saved as runs of its own, after checking
/// each output and each time again
#[derive(clap::Args)]
pub struct Args {
    /// Results of peers, as `peers/run-all.sh` writes them, or of the page; one that is refused does not keep others out
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the runs are
    #[arg(long, default_value = "data", value_name = "DIR")]
    data: PathBuf,
    /// The directory of the run that they belong to, where several of that day fit
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Of the page's results: another experiment than the page's own; may be given again
    #[arg(long, value_name = "SPEC")]
    spec: Vec<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    // An unreadable file is refused below, as one of a peer.
    let (pages, peers): (Vec<_>, Vec<_>) =
        args.files.iter().partition(|file| std::fs::read(file).is_ok_and(|bytes| results::is_result(&bytes)));
    if args.run.is_some() && peers.is_empty() {
        return Err(Error::input("--run is for results of peers, and a page's are a run of their own; leave it out"));
    }
    let mut refused = Vec::new();
    let specs = super::web::specs(&args.spec)?;
    for file in pages {
        // The last file's runs are among them.
        let there = load_all(&args.data)?;
        match results::import(file, &specs, &args.data, &there) {
            Ok(runs) => runs.iter().try_for_each(|run| output::line(line_of_run(run)))?,
            Err(error) => refused.push(error),
        }
    }
    let runs = match &args.run {
        _ if peers.is_empty() => Vec::new(),
        Some(run) => vec![load(run)?],
        None => super::results(&args.data)?,
    };
    for file in peers {
        match import(file, &runs) {
            Ok(imported) => output::line(line(&imported))?,
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
            Err(if is_check { Error::Check(text) } else { Error::Input(text) })
        }
    }
}

fn line_of_run(run: &results::Imported) -> String {
    let results::Imported { run, cases, timed, untimed } = run;
    let without = if *untimed > 0 { format!(", {untimed} without times") } else { String::new() };
    format!("{cases} cases: {timed} rows{without} -> {}", run.display())
}

fn line(imported: &Imported) -> String {
    let Imported { run, case, peer, timed, untimed } = imported;
    let without = if untimed.is_empty() { String::new() } else { format!(", {} without times", untimed.len()) };
    let variants = if *timed == 1 { "variant" } else { "variants" };
    let reasons: String = untimed.iter().map(|(variant, reason)| format!("\n  {variant}: {reason}")).collect();
    format!("{case} {peer}: {timed} {variants}{without} -> {}{reasons}", run.display())
}
