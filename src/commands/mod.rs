//! The command line: one file per verb, or one folder.

mod agreement;
#[cfg(feature = "gpu")]
mod arm;
#[cfg(feature = "gpu")]
pub mod chat;
pub mod compare;
mod delayed_bar;
pub mod describe;
mod destination;
#[cfg(feature = "gpu")]
pub mod devices;
#[cfg(feature = "gpu")]
pub mod evolve;
#[cfg(feature = "gpu")]
pub mod export;
pub mod figures;
#[cfg(feature = "gpu")]
mod follow;
#[cfg(feature = "gpu")]
pub mod generate;
#[cfg(feature = "gpu")]
pub mod import;
#[cfg(feature = "gpu")]
mod interrupt;
#[cfg(feature = "gpu")]
mod measuring;
pub mod merge;
pub mod names;
pub mod paper;
#[cfg(feature = "gpu")]
pub mod review;
#[cfg(feature = "gpu")]
pub mod rollout;
#[cfg(feature = "gpu")]
pub mod run;
#[cfg(feature = "gpu")]
mod sampling;
#[cfg(feature = "gpu")]
pub mod serve;
pub mod sign;
pub mod text_table;
pub mod verify;
#[cfg(feature = "gpu")]
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
