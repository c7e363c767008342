//! The measurement: order, warm-up, samples, statistics, and the check of every output.

pub mod calibration;
pub mod case;
pub mod control;
pub mod decode;
pub mod decode_tuning;
pub mod episodes;
pub mod evolution;
pub mod evolution_case;
pub mod provenance;
pub mod rollout;
pub mod rollout_rows;
pub mod samples;
pub mod task;
pub mod trials;
