//! Work that is measured beside rollouts and has no policy: bodies that all pull at each other, which is one chain of steps
//! for all, and test functions, which are no chain at all.

use super::Span;
use super::gate::{Ranking, spearman};
use crate::error::{Error, Result};
use crate::program::{Blocks, Program};

/// How a task is cut into dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// One dispatch per operation, with its output in memory.
    PerOperation,
    /// Several dispatches, one after the other.
    Stepwise,
    /// One dispatch in all.
    Fused,
}

impl Arm {
    pub const ALL: [Arm; 3] = [Arm::PerOperation, Arm::Stepwise, Arm::Fused];

    pub fn name(self) -> &'static str {
        match self {
            Arm::PerOperation => "per-operation",
            Arm::Stepwise => "stepwise",
            Arm::Fused => "fused",
        }
    }

    /// # Errors
    /// An input error that says which arms there are.
    pub fn named(name: &str) -> Result<Arm> {
        Arm::ALL.into_iter().find(|arm| arm.name() == name).ok_or_else(|| {
            let names = Arm::ALL.map(Arm::name).join(", ");
            Error::input(format!("no arm of work without a policy is called `{name}`; there are {names}"))
        })
    }
}

/// What a case asks for, ready to be made into programs.
pub struct Task {
    /// Arms that there are, and why there are no others.
    pub arms: &'static [Arm],
    pub other_arms: &'static str,
    /// What a dispatch of the stepwise arm covers.
    pub stepwise: Span,
    /// The program of an arm in workgroups of some size; its first output holds `expected`.
    pub program: Box<dyn Fn(Arm, u32) -> Program>,
    pub blocks: Blocks,
    /// Of the input, in lower-case hexadecimal.
    pub sha256: String,
    pub expected: Vec<f64>,
    /// Errors are relative to this.
    pub scale: f64,
    /// Whether the output is whole numbers (u32), and not f32.
    pub is_whole: bool,
    /// What is counted: population times steps of it.
    pub unit: &'static str,
    /// Whether the output is a fitness, by which points are ranked.
    pub is_fitness: bool,
    pub multiply_adds_per_unit: u64,
    pub min_bytes: u64,
}

impl Task {
    /// What a dispatch of an arm covers.
    pub fn span(&self, arm: Arm) -> Span {
        match arm {
            Arm::PerOperation => Span::Operation,
            Arm::Stepwise => self.stepwise,
            Arm::Fused => Span::Episode,
        }
    }

    /// Largest error of an output relative to the scale; none where it is not finite or not whole.
    pub fn error(&self, output: &[u8]) -> Option<f64> {
        let found = self.values(output)?;
        let errors = found.iter().zip(&self.expected).map(|(found, expected)| (found - expected).abs());
        Some(errors.fold(0.0, f64::max) / self.scale)
    }

    /// How an output ranks the points, where it is a fitness: all of them are decided.
    pub fn ranking(&self, output: &[u8]) -> Option<Ranking> {
        let found = self.values(output).filter(|_| self.is_fitness)?;
        let correlation = spearman(&found, &self.expected);
        let count = found.len() as u32;
        let error = self.error(output);
        Some(Ranking { followed: count, decided: count, error, correlation, correlation_of_all: correlation })
    }

    fn values(&self, output: &[u8]) -> Option<Vec<f64>> {
        let found: Vec<f64> = match self.is_whole {
            true => bytemuck::pod_collect_to_vec::<u8, u32>(output).into_iter().map(f64::from).collect(),
            false => bytemuck::pod_collect_to_vec::<u8, f32>(output).into_iter().map(f64::from).collect(),
        };
        (found.len() == self.expected.len() && found.iter().all(|value| value.is_finite())).then_some(found)
    }
}
