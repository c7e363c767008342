//! The measurement: order, warm-up, samples, statistics, gate.
