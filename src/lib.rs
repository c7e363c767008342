//! How much of a GPU's time is lost by sending work one piece at a time, and what one dispatch gains.
//!
//! `spec -> cases -> program + oracle -> executor under a policy -> gate -> rows -> figures, paper`
//!
//! Modules import downwards only. At the bottom is `onedispatch-core` (`src/core/`), whose modules are found under their
//! own names here as well. Above it, from the bottom:
//!
//! - `parallel`; `output`: what is printed; then `record`: rows on the disk;
//! - `device`: executes a program under a policy;
//! - `measure`: the runner, from a spec to rows;
//! - `peer`: the same work in other frameworks and on the page, as files out and rows in;
//! - `analysis`: what rows say of the published claims;
//! - `figures` and `paper`, which know nothing of each other;
//! - `web`: the page's static files;
//! - `commands`.

pub use onedispatch_core::{
    cases, device_info, digest, error, pause, philox, program, protocol, shaders, spec, statistics, workload,
};

pub mod analysis;
pub mod commands;
#[cfg(feature = "gpu")]
pub mod device;
pub mod figures;
#[cfg(feature = "gpu")]
pub mod measure;
pub mod output;
pub mod paper;
pub mod parallel;
#[cfg(feature = "gpu")]
pub mod peer;
pub mod record;
#[cfg(feature = "gpu")]
pub mod shipped_model;
#[cfg(feature = "gpu")]
pub mod web;
