//! The computations that are measured: each makes programs and has an f64 oracle beside it.

pub mod control;
pub mod decode;
pub mod rollout;
