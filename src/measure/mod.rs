//! The measurement: order, warm-up, samples, statistics, gate.

pub mod statistics;
