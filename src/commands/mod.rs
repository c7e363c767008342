//! The command line: one file per verb.

pub mod compare;
pub mod devices;
pub mod generate;
pub mod run;
pub mod text_table;
pub mod verify;
