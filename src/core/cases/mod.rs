//! From an experiment to what is measured: the arms of each case under their policies, and their programs.

pub mod decode;
pub mod entries;
pub mod page;
pub mod rollout;
pub mod verdict;
