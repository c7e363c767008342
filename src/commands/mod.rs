//! The command line: one file per verb.

pub mod compare;
pub mod figures;
pub mod paper;
pub mod verify;
