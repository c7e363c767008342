//! What a case is measured as: its arms, each cut as the spec says, under the spec's policies, and one of them twice.

use crate::error::Result;
use crate::program::Policy;
use crate::spec::Spec;

/// An arm, how its dispatches are handed over, and which of the entries of both it is: the second is the A/A control.
pub type Entry<A> = (A, Policy, u32);

/// The arms that `named` become, each once: those that `is_cut`, in every span that there is; none where there are no spans.
pub fn rungs<A: Copy + PartialEq, S: Copy>(
    named: Vec<A>,
    spans: &[S],
    is_cut: impl Fn(A) -> bool,
    cut: impl Fn(A, S) -> Result<A>,
) -> Result<Vec<A>> {
    let mut arms = Vec::new();
    for arm in named {
        let cuts = match !spans.is_empty() && is_cut(arm) {
            true => spans.iter().map(|&span| cut(arm, span)).collect::<Result<_>>()?,
            false => vec![arm],
        };
        for cut in cuts {
            if !arms.contains(&cut) {
                arms.push(cut);
            }
        }
    }
    Ok(arms)
}

/// Each arm under those policies of the spec that it can be told apart by.
pub fn under_policies<A: Clone>(spec: &Spec, arms: &[A], is_one_dispatch: impl Fn(&A) -> bool) -> Vec<Entry<A>> {
    let all = if spec.policies.is_empty() { &Policy::ALL[..] } else { &spec.policies };
    let mut entries = Vec::new();
    for arm in arms {
        let policies = if is_one_dispatch(arm) { &[Policy::OneSubmit][..] } else { all };
        entries.extend(policies.iter().map(|&policy| (arm.clone(), policy, 0)));
    }
    entries
}

/// Adds the A/A control of every case: one entry twice, the last where none is `chosen`.
pub fn with_control<A: Clone>(mut entries: Vec<Entry<A>>, chosen: Option<Entry<A>>) -> Vec<Entry<A>> {
    let twice = chosen.or(entries.last().cloned());
    entries.extend(twice.map(|(arm, policy, _)| (arm, policy, 1)));
    entries
}
