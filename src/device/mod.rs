//! The GPU: which there are, and how a program runs on one.

pub mod adapter;
pub mod executor;
mod fit;
mod memory;
pub mod pipeline;
pub mod progress;
mod reading;
mod stamps;

pub use adapter::Gpu;
