//! How much of a GPU's time is lost by sending work one piece at a time, and what one dispatch gains.
//!
//! `spec -> cases -> program + oracle -> executor under a policy -> gate -> rows -> figures, paper`
//!
//! Modules import downwards only. From the bottom:
//!
//! - `error`, `parallel`, `philox`, `program`, `spec`, `shaders`;
//! - `workload`: from a case to a program and its oracle;
//! - `device`: executes a program under a policy;
//! - `measure::statistics`, then `record`: rows on the disk;
//! - `measure`: the runner, from a spec to rows;
//! - `peer`: the same work in other frameworks, as files out and rows in;
//! - `analysis`: what rows say of the published claims;
//! - `figures` and `paper`, which know nothing of each other;
//! - `web`: the page;
//! - `commands`.

pub mod analysis;
pub mod commands;
pub mod device;
pub mod error;
pub mod figures;
pub mod measure;
pub mod paper;
pub mod parallel;
pub mod peer;
pub mod philox;
pub mod program;
pub mod record;
pub mod shaders;
pub mod spec;
pub mod web;
pub mod workload;
