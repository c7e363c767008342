//! The GPU: which there are, and how a program runs on one.

pub mod adapter;
pub mod executor;
mod fit;
pub mod progress;

pub use adapter::Gpu;
