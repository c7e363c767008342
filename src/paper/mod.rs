//! The paper and its numbers.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{Error, Result, Within};
use crate::record::run::Run;
use ledger::Ledger;
use world::Files;

pub mod browsers;
pub mod claims;
pub mod controls;
pub mod kernels;
pub mod ladder;
pub mod ledger;
pub mod peers;
pub mod print;
pub mod prose;
pub mod range;
pub mod repeats;
pub mod rollouts;
pub mod sizes;
pub mod subject;
pub mod survey;
pub mod world;

/// The ledger's and the paper's place, from the project's root.
pub const NUMBERS: &str = "paper/numbers.toml";
pub const PAPER: &str = "paper/paper.pdf";
const MAIN: &str = "paper/main.typ";
/// Whose table of claims an appendix shows.
const ARTIFACT: &str = "ARTIFACT.md";

/// What is committed of the paper.
pub struct Built {
    pub numbers: Ledger,
    pub pdf: Vec<u8>,
}

/// Builds the paper: `sources` as [`read_sources`] gives them; `root_digest` is that of all of `data/`.
///
/// # Errors
/// An input error where runs are missing that the paper speaks of. A check error for each bare number in a results
/// section, and for each fault that Typst finds, such as a number that the ledger does not have.
pub fn build(mut sources: Files, runs: &[Run], root_digest: &str) -> Result<Built> {
    let subject = subject::subject(runs);
    let missing = subject::missing(runs, &subject);
    if !missing.is_empty() {
        return Err(Error::input(format!(
            "the paper speaks of {subject} and needs its runs of {}; measure them there with `onedispatch run`",
            missing.join(", ")
        )));
    }
    let bare = prose::bare_numbers(&sources);
    if !bare.is_empty() {
        return Err(Error::checks(bare));
    }
    // What the paper printed last time is most likely what it prints now.
    let committed = sources.remove(NUMBERS).and_then(|text| String::from_utf8(text).ok());
    let committed = committed.and_then(|text| Ledger::parse(&text, NUMBERS).ok());
    let printed: Option<BTreeSet<String>> = committed.map(|ledger| ledger.number.into_keys().collect());
    let mut built = |wanted: Option<&BTreeSet<String>>| {
        let mut numbers = survey::ledger_of(runs, root_digest, wanted);
        sources.insert(NUMBERS.to_owned(), numbers.to_printed_toml().into_bytes());
        let compiled = world::compile(&sources, MAIN)?;
        numbers.keep(&compiled.numbers);
        Ok(Built { numbers, pdf: compiled.pdf })
    };
    match printed {
        // An interval that it did not print then stops the compilation.
        Some(printed) => built(Some(&printed)).or_else(|_: Error| built(None)),
        None => built(None),
    }
}

/// The paper's sources, `ARTIFACT.md`, the figures and the shipped fonts below the project's root, and the numbers that it printed last.
///
/// # Errors
/// An input error where a directory or a file is there and cannot be read.
pub fn read_sources(root: &Path) -> Result<Files> {
    let mut files = Files::new();
    let artifact = root.join(ARTIFACT);
    match std::fs::read(&artifact) {
        Ok(contents) => _ = files.insert(ARTIFACT.to_owned(), contents),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io(&artifact, error)),
    }
    for (directory, kinds) in [("paper", &["typ", "yml", "bib"][..]), ("figures", &["svg"]), ("fonts", &["ttf", "otf"])]
    {
        let path = root.join(directory);
        let entries = match std::fs::read_dir(&path) {
            // What the paper misses then, Typst names.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(|error| Error::io(&path, error)).within("the paper's sources")?,
        };
        for entry in entries {
            let path = entry.map_err(|error| Error::io(&path, error))?.path();
            let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if kinds.contains(&kind) || format!("{directory}/{name}") == NUMBERS {
                let contents = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
                files.insert(format!("{directory}/{name}"), contents);
            }
        }
    }
    Ok(files)
}
