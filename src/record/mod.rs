//! The contract of `data/`: tables, digests, manifest, verification.

pub mod digest;
pub mod directory;
pub mod manifest;
pub mod rows;
