//! The rows of a rollout spec: its arms under policies; and the prices that it names.

use super::entries::{Entry, rungs, under_policies, with_control};
use crate::digest::sha256_hex;
use crate::error::{Error, Result, Within};
use crate::spec::{RolloutCase, Spec};
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::environments::{self, PRICED};
use crate::workload::rollout::evolution::{self, POPULATION_STEP};
use crate::workload::rollout::task::{self, Task};
use crate::workload::rollout::{Arm, Span, portfolio};

/// The arms of a case with a policy, each under those policies of the spec that it can be told apart by; every arm where the
/// spec names none. What the spec's spans say is for the arm that can be cut and says nothing itself.
pub fn entries(spec: &Spec, case: &RolloutCase) -> Result<Vec<Entry<Arm>>> {
    let spans = spec.spans.iter().map(|name| Span::named(name)).collect::<Result<Vec<_>>>()?;
    let named = match spec.arms.as_slice() {
        [] => vec![Arm::PerOperation, Arm::WHOLE],
        names => names.iter().map(|name| Arm::named(name)).collect::<Result<_>>()?,
    };
    let arms = rungs(named, &spans, |arm| arm == Arm::WHOLE, Arm::cut)?;
    Ok(of_arms(spec, &arms, |arm| arm.is_one_dispatch(case.steps)))
}

/// The same of work without a policy.
pub fn task_entries(spec: &Spec) -> Result<Vec<Entry<task::Arm>>> {
    let arms = match spec.arms.as_slice() {
        [] => task::Arm::ALL.to_vec(),
        names => names.iter().map(|name| task::Arm::named(name)).collect::<Result<_>>()?,
    };
    Ok(of_arms(spec, &arms, |arm| *arm == task::Arm::Fused))
}

/// The control is the last arm that is one dispatch.
fn of_arms<A: Clone>(spec: &Spec, arms: &[A], is_one_dispatch: impl Fn(&A) -> bool) -> Vec<Entry<A>> {
    let entries = under_policies(spec, arms, &is_one_dispatch);
    let chosen = entries.iter().rfind(|(arm, ..)| is_one_dispatch(arm)).cloned();
    with_control(entries, chosen)
}

/// The rows of an evolution: its arms by name, each under the policies of the spec, and the A/A control.
pub fn evolution_entries(spec: &Spec) -> Vec<Entry<String>> {
    let all = || evolution::ARMS.iter().map(|name| name.to_string()).collect();
    let arms: Vec<String> = if spec.arms.is_empty() { all() } else { spec.arms.clone() };
    with_control(under_policies(spec, &arms, |_| false), None)
}

/// How many rows a case of the spec has.
pub fn rows_of(spec: &Spec, case: &RolloutCase) -> Result<u64> {
    let rows = match (case.generations, is_task(case)) {
        (1.., _) => evolution_entries(spec).len(),
        (0, true) => task_entries(spec)?.len(),
        (0, false) => entries(spec, case)?.len(),
    };
    Ok(rows as u64)
}

fn is_task(case: &RolloutCase) -> bool {
    environments::is_task(&case.environment)
}

/// The task of a case; nothing for an environment with a policy.
pub fn task_of(case: &RolloutCase) -> Option<Task> {
    environments::task(&case.environment, case.population, case.steps, case.seed)
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
    if is_task(case) {
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
