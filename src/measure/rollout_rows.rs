//! Rows of a rollout case before it has run.

use super::case::blank_row;
use crate::program::Policy;
use crate::record::rows::{Case, ResultRow};
use crate::spec::{RolloutCase, Spec};
use crate::workload::rollout::Span;

/// A row of an arm, by its name and what a dispatch of it covers.
pub fn rollout_row(
    spec: &Spec,
    case: &RolloutCase,
    (arm, span): (&str, Span),
    policy: Policy,
    replica: u32,
) -> ResultRow {
    let mut row = blank_row(&case.name, arm, policy, replica);
    row.span = span.name();
    row.unit = "environment step".into();
    row.gate_tolerance = spec.tolerance;
    row
}

pub fn case_row(case: &RolloutCase, weights_sha256: String, prices_sha256: String) -> Case {
    Case {
        case: case.name.clone(),
        workload: "rollout".into(),
        seed: case.seed,
        weights_sha256,
        environment: case.environment.clone(),
        population: case.population,
        steps: case.steps,
        episodes: case.episodes,
        generations: case.generations,
        prices_sha256,
        ..Case::default()
    }
}
