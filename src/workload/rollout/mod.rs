//! Rollouts: a population of policies, each followed through an episode of an environment. All steps of an episode are one
//! dependency chain; individuals do not meet.

pub mod acrobot;
pub mod cartpole;
pub mod cost;
pub mod environment;
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
pub mod programs;
pub mod task;

use crate::error::{Error, Result};
use crate::program::Program;
use environment::Environment;

/// What an arm's program may be tuned by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Threads in a workgroup.
    pub workgroup_size: u32,
    /// Whether every state is kept, or only the last ones.
    pub traced: bool,
}

/// A way to compute the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// One dispatch per step, in which a thread does all of an individual's step; states in memory in between.
    Stepwise,
    /// One dispatch per operation of a step, as a framework runs it.
    PerOperation,
    /// One dispatch in all; genome and state in registers.
    Fused,
}

impl Arm {
    pub const ALL: [Arm; 3] = [Arm::PerOperation, Arm::Stepwise, Arm::Fused];

    pub fn name(self) -> &'static str {
        match self {
            Arm::Stepwise => "stepwise",
            Arm::PerOperation => "per-operation",
            Arm::Fused => "fused",
        }
    }

    pub fn named(name: &str) -> Result<Arm> {
        Arm::ALL.into_iter().find(|arm| arm.name() == name).ok_or_else(|| {
            let names = Arm::ALL.map(Arm::name).join(", ");
            Error::input(format!("no arm of rollouts is called `{name}`; there are {names}"))
        })
    }

    /// A fused arm is one dispatch, so policies do not tell apart.
    pub fn is_fused(self) -> bool {
        self == Arm::Fused
    }

    /// The program that follows `population` individuals for up to `steps` steps each.
    pub fn program(self, environment: &Environment, population: u32, steps: u32, tuning: &Tuning) -> Program {
        programs::program(self, environment, population, steps, tuning)
    }
}
