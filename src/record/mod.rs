//! The contract of `data/`: tables, digests, manifest, verification.

pub mod cell;
pub mod digest;
pub mod directory;
pub mod fault;
pub mod manifest;
pub mod rows;
pub mod run;
pub mod summary;
pub mod table;
pub mod verify;
