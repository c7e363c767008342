//! The ways to follow a population, and what a name of one says.

use super::environment::Environment;
use super::span::Span;
use crate::error::{Error, Result};

/// What an arm's program may be tuned by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Threads in a workgroup.
    pub workgroup_size: u32,
    /// Threads that follow an individual together: 1, or [`Environment::lanes`] of a subgroup.
    pub lanes: u32,
    /// Whether every state is kept, or only the last ones.
    pub traced: bool,
}

impl Tuning {
    /// A thread to an individual, of whose states the last are kept.
    pub const fn of(workgroup_size: u32) -> Tuning {
        Tuning { workgroup_size, lanes: 1, traced: false }
    }
}

/// A way to compute the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// One dispatch per operation of a step, as a framework runs it.
    PerOperation,
    /// One kernel, of which a dispatch covers a step or more; genome and state in registers, and the state in memory between
    /// dispatches.
    Fused(Span),
}

impl Arm {
    /// Everything in one dispatch.
    pub const WHOLE: Arm = Arm::Fused(Span::Episode);
    /// The same kernel, dispatched for each step.
    pub const STEP: Arm = Arm::Fused(Span::Step);
    /// Those that have no number.
    pub const PLAIN: [Arm; 3] = [Arm::PerOperation, Arm::STEP, Arm::WHOLE];

    /// The kernel's, and behind an `@` what a dispatch covers, where that is less than all: `fused@steps:10`.
    pub fn name(self) -> String {
        match self {
            Arm::PerOperation => "per-operation".into(),
            Arm::WHOLE => "fused".into(),
            Arm::Fused(span) => format!("fused@{}", span.name()),
        }
    }

    /// By its name; `stepwise` is what `fused@step` was called when it had a kernel of its own.
    ///
    /// # Errors
    /// An input error that says which arms there are.
    pub fn named(name: &str) -> Result<Arm> {
        let (kernel, span) = name.split_once('@').map_or((name, None), |(kernel, span)| (kernel, Some(span)));
        let arm = match kernel {
            "per-operation" => Arm::PerOperation,
            "fused" => Arm::WHOLE,
            "stepwise" if span.is_none() => Arm::STEP,
            _ => {
                let names = Arm::PLAIN.map(Arm::name).join(", ");
                let message = format!("no arm of rollouts is called `{name}`; there are {names}, and fused@steps:N");
                return Err(Error::input(message));
            }
        };
        span.map_or(Ok(arm), |span| arm.cut(Span::named(span)?))
    }

    /// The arm whose dispatches cover `span`.
    ///
    /// # Errors
    /// An input error where its kernels cannot be cut so.
    pub fn cut(self, span: Span) -> Result<Arm> {
        match (self, span) {
            (Arm::PerOperation, Span::Operation) => Ok(self),
            (Arm::PerOperation, _) => {
                let why = "has a dispatch for each operation; only fused takes another span";
                Err(Error::input(format!("per-operation {why}")))
            }
            (Arm::Fused(_), Span::Operation) => Err(Error::input(
                "a dispatch of fused covers a step or more; the arm per-operation has one for each operation",
            )),
            (Arm::Fused(_), span) => Ok(Arm::Fused(span)),
        }
    }

    /// How many threads may follow an individual together, the most first.
    pub fn lanes(self, environment: &Environment) -> Vec<u32> {
        match self {
            Arm::Fused(_) => vec![environment.lanes(), 1],
            // Operations have no policy to share out.
            Arm::PerOperation => vec![1],
        }
    }

    /// What one dispatch covers.
    pub fn span(self) -> Span {
        match self {
            Arm::PerOperation => Span::Operation,
            Arm::Fused(span) => span,
        }
    }

    /// Whether all of an episode of `steps` steps is one dispatch, so that policies do not tell apart.
    pub fn is_one_dispatch(self, steps: u32) -> bool {
        self != Arm::PerOperation && self.span().steps(steps) >= steps
    }
}
