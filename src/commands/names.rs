//! What may be named, as help lists it: `a, b or c`. The names are those of the tables that have them.

use crate::program::Policy;
use crate::workload::decode::arm::ALGORITHMS;
use crate::workload::decode::format::Format;
use crate::workload::rollout::environment::Environment;

pub fn arms() -> String {
    either(&ALGORITHMS.map(|about| about.name))
}

pub fn formats() -> String {
    either(&Format::ALL.map(Format::name))
}

pub fn policies() -> String {
    either(&Policy::ALL.map(Policy::name))
}

/// Those with a policy.
pub fn environments() -> String {
    either(&Environment::all().map(|environment| environment.name))
}

fn either(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => (*name).to_string(),
        [but_last @ .., last] => format!("{} or {last}", but_last.join(", ")),
    }
}
