//! The command line: one file per verb, or one folder.

mod agreement;
mod arm;
pub mod chat;
pub mod compare;
mod delayed_bar;
pub mod describe;
mod destination;
pub mod devices;
pub mod evolve;
pub mod export;
pub mod figures;
mod follow;
pub mod generate;
pub mod import;
mod interrupt;
pub mod paper;
pub mod review;
pub mod rollout;
pub mod run;
mod sampling;
pub mod serve;
pub mod text_table;
pub mod verify;
pub mod web;

use std::path::Path;

use crate::error::{Error, Result};
use crate::record::run::{Run, load_all};

/// Every run below `data`.
///
/// # Errors
/// An input error where there are none.
fn results(data: &Path) -> Result<Vec<Run>> {
    let runs = load_all(data)?;
    if runs.is_empty() { Err(no_results(data)) } else { Ok(runs) }
}

fn no_results(data: &Path) -> Error {
    Error::input(format!("{}: no results there yet; `onedispatch run` writes some", data.display()))
}
