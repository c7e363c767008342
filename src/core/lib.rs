//! What needs no GPU and no file of results: from an experiment to programs, their oracle and their gate.
//!
//! The program and the page both stand on this crate, so that each fact is written once. It knows no GPU API and compiles to
//! `wasm32-unknown-unknown`. Modules import downwards only; from the bottom:
//!
//! - `error`, `digest`, `philox`, `statistics`, `pause`;
//! - `program`: the plain data that says what a GPU is to do; `device_info`: whether it fits one; `protocol`: how it is timed;
//! - `shaders`: the WGSL;
//! - `workload`: from sizes to a program, its oracle and its gate;
//! - `spec`: an experiment as a file;
//! - `cases`: from an experiment to the arms, programs and rows of its cases.

pub mod cases;
pub mod device_info;
pub mod digest;
pub mod error;
pub mod pause;
pub mod philox;
pub mod program;
pub mod protocol;
pub mod shaders;
pub mod spec;
pub mod statistics;
pub mod workload;
