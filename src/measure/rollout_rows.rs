//! What the rows of a rollout spec are about: arms under policies, cases, and the prices that a spec names.

use super::case::blank_row;
use crate::error::{Error, Result, Within};
use crate::program::Policy;
use crate::record::digest::sha256_hex;
use crate::record::rows::{Case, ResultRow};
use crate::spec::{EVOLUTION_ARMS, PRICED, RolloutCase, Spec};
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::evolution::POPULATION_STEP;
use crate::workload::rollout::{Arm, portfolio, task};

/// The arms of a spec with the policies that each runs under; every arm where the spec names none.
pub fn entries(spec: &Spec) -> Result<Vec<(Arm, Policy, u32)>> {
    let arms = match spec.arms.as_slice() {
        [] => Arm::ALL.to_vec(),
        names => names.iter().map(|name| Arm::named(name)).collect::<Result<_>>()?,
    };
    let policies = if spec.policies.is_empty() { &Policy::ALL[..] } else { &spec.policies };
    let mut entries = Vec::new();
    for &arm in &arms {
        let policies = if arm.is_fused() { &[Policy::OneSubmit][..] } else { policies };
        entries.extend(policies.iter().map(|&policy| (arm, policy, 0)));
    }
    // The A/A control of every case: one entry twice.
    let twice = entries.iter().find(|(arm, ..)| arm.is_fused()).or(entries.last()).copied();
    entries.extend(twice.map(|(arm, policy, _)| (arm, policy, 1)));
    Ok(entries)
}

/// The rows of an evolution: its arms by name, each under the policies of the spec, and the A/A control.
pub fn evolution_entries(spec: &Spec) -> Vec<(String, Policy, u32)> {
    let all = || EVOLUTION_ARMS.iter().map(|name| name.to_string()).collect();
    let arms: Vec<String> = if spec.arms.is_empty() { all() } else { spec.arms.clone() };
    let policies = if spec.policies.is_empty() { &Policy::ALL[..] } else { &spec.policies };
    let mut entries: Vec<(String, Policy, u32)> =
        arms.iter().flat_map(|arm| policies.iter().map(|&policy| (arm.clone(), policy, 0))).collect();
    entries.extend(entries.last().cloned().map(|(arm, policy, _)| (arm, policy, 1)));
    entries
}

/// How many rows a case of the spec has.
pub fn rows_per_case(spec: &Spec) -> Result<u64> {
    let is_evolution = spec.rollout.as_ref().is_some_and(|axes| axes.generations.is_some());
    Ok(if is_evolution { evolution_entries(spec).len() } else { entries(spec)?.len() } as u64)
}

/// The portfolio on the prices that a spec names, and the SHA-256 of their file; nothing where it names none.
pub fn priced(spec: &Spec, case: &RolloutCase) -> Result<Option<(Environment, String)>> {
    let path = spec.rollout.as_ref().and_then(|axes| axes.prices.as_ref());
    let Some(path) = path.filter(|_| case.environment == PRICED) else { return Ok(None) };
    let csv = std::fs::read_to_string(path).map_err(|error| Error::io(path.as_ref(), error))?;
    Ok(Some((portfolio::on_prices(&csv).within(path)?, sha256_hex(csv.as_bytes()))))
}

/// Refuses a case that its environment cannot have.
pub fn validate(spec: &Spec, case: &RolloutCase) -> Result<()> {
    if task::NAMES.contains(&case.environment.as_str()) {
        return match case.generations {
            0 => Ok(()),
            _ => Err(Error::input(format!("{}: {} has no policy to evolve", case.name, case.environment))),
        };
    }
    if case.generations > 0 && !case.population.is_multiple_of(POPULATION_STEP) {
        let (name, population) = (&case.name, case.population);
        let mend = format!("evolution takes multiples of {POPULATION_STEP}");
        return Err(Error::input(format!("{name}: a population of {population}; {mend}")));
    }
    match priced(spec, case)? {
        Some((environment, _)) => environment.check_steps(case.steps),
        None => Environment::named(&case.environment)?.check_steps(case.steps),
    }
    .within(&case.name)
}

pub fn rollout_row(spec: &Spec, case: &RolloutCase, arm: &str, policy: Policy, replica: u32) -> ResultRow {
    let mut row = blank_row(&case.name, arm, policy, replica);
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
