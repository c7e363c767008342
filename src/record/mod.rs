//! The contract of `data/`: tables, digests, manifest, signatures, description, verification.

pub mod ceilings;
pub mod cell;
pub mod csv;
pub mod description;
pub mod digest;
pub mod directory;
pub mod fault;
pub mod line_ends;
pub mod manifest;
pub mod merge;
pub mod peers;
mod replace;
pub mod row;
pub mod rows;
pub mod run;
pub mod shard;
pub mod signature;
pub mod signers;
pub mod summary;
pub mod table;
pub mod verify;
