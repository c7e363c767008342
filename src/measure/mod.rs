//! The measurement: order, warm-up, samples, statistics, and the check of every output.

pub mod calibration;
pub mod case;
pub mod control;
pub mod decode;
pub mod evolution;
pub mod protocol;
pub mod provenance;
pub mod rollout;
pub mod statistics;
pub mod task;
