//! Rollouts: a population of policies, each followed through an episode of an environment. All steps of an episode are one
//! dependency chain; individuals do not meet.

pub mod acrobot;
pub mod arm;
pub mod cartpole;
pub mod cost;
pub mod environment;
pub mod environments;
pub mod evolution;
pub mod file;
pub mod functions;
pub mod gate;
pub mod mountaincar;
pub mod nbody;
pub mod oracle;
pub mod pendulum;
pub mod pi;
pub mod population;
pub mod portfolio;
mod prices;
pub mod programs;
pub mod span;
pub mod task;

pub use arm::{Arm, Tuning};
pub use span::Span;
