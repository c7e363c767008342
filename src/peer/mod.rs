//! The same work in other frameworks: cases go out as files, results come back as rows.

pub mod case;
mod checkpoint;
pub mod export;
pub mod import;
pub mod result;
pub mod rollout;
pub mod times;
