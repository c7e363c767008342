//! What a rollout spec may name, as one table: environments with a policy, and work without one.

use super::environment::Environment;
use super::task::Task;
use super::{acrobot, cartpole, functions, mountaincar, nbody, pendulum, pi, portfolio};
use crate::error::{Error, Result};

/// The environment that trades on prices.
pub const PRICED: &str = portfolio::NAME;

/// Work without a policy: its name, and what a population, a number of steps and a seed make of it.
type NamedTask = (&'static str, fn(u32, u32, u64) -> Task);

const TASKS: [NamedTask; 7] = [
    ("nbody", nbody::task),
    (functions::NAMES[0], |points, dimension, seed| functions::task(0, points, dimension, seed)),
    (functions::NAMES[1], |points, dimension, seed| functions::task(1, points, dimension, seed)),
    (functions::NAMES[2], |points, dimension, seed| functions::task(2, points, dimension, seed)),
    (functions::NAMES[3], |points, dimension, seed| functions::task(3, points, dimension, seed)),
    (functions::NAMES[4], |points, dimension, seed| functions::task(4, points, dimension, seed)),
    (pi::NAME, pi::task),
];

/// Every name, those with a policy first.
pub fn names() -> Vec<&'static str> {
    Environment::all().into_iter().map(|environment| environment.name).chain(task_names()).collect()
}

/// Names of what has no policy.
pub fn task_names() -> [&'static str; TASKS.len()] {
    TASKS.map(|(name, _)| name)
}

/// Whether this names what has no policy.
pub fn is_task(name: &str) -> bool {
    task_names().contains(&name)
}

/// The task of this name; nothing for an environment with a policy.
pub fn task(name: &str, population: u32, steps: u32, seed: u64) -> Option<Task> {
    let (_, task) = TASKS.iter().find(|(named, _)| *named == name)?;
    Some(task(population, steps, seed))
}

impl Environment {
    pub fn all() -> [&'static Environment; 5] {
        [&acrobot::ACROBOT, &cartpole::CARTPOLE, &mountaincar::MOUNTAINCAR, &pendulum::PENDULUM, &portfolio::PORTFOLIO]
    }

    /// # Errors
    /// An input error that says which environments there are.
    pub fn named(name: &str) -> Result<&'static Environment> {
        Environment::all().into_iter().find(|environment| environment.name == name).ok_or_else(|| {
            let names = Environment::all().map(|environment| environment.name).join(", ");
            Error::input(format!("no environment is called `{name}`; there are {names}"))
        })
    }
}
