//! The command line: one file per verb.

pub mod compare;
pub mod verify;
