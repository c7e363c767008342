//! How much of a GPU's time is lost by sending work one piece at a time, and what one dispatch gains.
//!
//! `spec -> cases -> program + oracle -> executor under a policy -> gate -> rows -> figures, paper`
//!
//! Modules import downwards only, in the order listed from the bottom.

pub mod commands;
pub mod device;
pub mod error;
pub mod measure;
pub mod philox;
pub mod program;
pub mod record;
pub mod shaders;
pub mod spec;
pub mod workload;
