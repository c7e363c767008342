//! GPT-2 decoding.

pub mod model;

/// Names of the arms: how one generation is cut into dispatches. Specs and the command line accept these.
pub const ARMS: &[&str] = &["stepwise", "fused-scalar", "fused-workgroup", "fused-subgroup"];
