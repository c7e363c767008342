//! Rollouts: environment steps per second against the population, and what is gained over waiting for each step against the
//! length of an episode.

use super::chart::{Chart, Vertical};
use super::picture::Picture;
use super::{number, sweep};
use crate::analysis::measured::Measured;
use crate::analysis::select;
use crate::error::Result;
use crate::program::Policy;
use crate::record::run::Run;
use crate::statistics::Interval;

pub fn draw_population(runs: &[Run]) -> Result<Picture> {
    let runs = select::latest_hardware(runs, "rollout-population");
    let groups = sweep::groups(&runs, sweep::POPULATION, Measured::rate);
    if groups.is_empty() {
        return Picture::missing("it needs timed rows of the experiment `rollout-population` on a hardware device");
    }
    let mut notes = sweep::notes(&runs);
    notes.extend(runs.iter().filter_map(|run| bound_note(run)));
    Picture::drawn(Chart {
        title: "From which population on does work hide the overhead?".into(),
        subtitle: format!(
            "Environment steps per second of {} by population; dashed: one dispatch per step, by policy; solid: one dispatch \
             in all. Only steps of episodes that go on are counted. {}.",
            environments(&runs),
            sweep::constants(&runs, sweep::POPULATION)
        ),
        x_title: "population".into(),
        y_title: "environment steps/s".into(),
        vertical: Vertical::Log(number::short),
        reference: None,
        groups,
        notes,
    })
}

/// What one dispatch reaches of the arithmetic that a device can do, at the largest population.
fn bound_note(run: &Run) -> Option<String> {
    let fused = sweep::timed(run).into_iter().filter(|entry| entry.row.key.arm == "fused");
    let largest = fused.max_by_key(|entry| entry.case.population)?;
    let fraction = largest.bound_fraction()?;
    Some(format!(
        "{}: fused reaches {} of the bound that the run's controls set for its bytes and multiply-adds at {} individuals; \
         sines, exponentials and divisions are not counted.",
        run.device(),
        number::percent(fraction.value),
        largest.case.population
    ))
}

pub fn draw_length(runs: &[Run]) -> Result<Picture> {
    let runs = select::latest_hardware(runs, "rollout-length");
    let groups = sweep::groups(&runs, sweep::STEPS, gain);
    if groups.is_empty() {
        return Picture::missing("it needs timed rows of the experiment `rollout-length` on a hardware device");
    }
    Picture::drawn(Chart {
        title: "Does the gain last as episodes grow?".into(),
        subtitle: format!(
            "How many times as fast as waiting for each step, {}, by the longest length of an episode; dashed: one dispatch \
             per step; solid: one dispatch in all. {}.",
            environments(&runs),
            sweep::constants(&runs, sweep::STEPS)
        ),
        x_title: "steps".into(),
        y_title: "times wait-each".into(),
        vertical: Vertical::Log(number::short),
        reference: Some((1.0, "wait-each".into())),
        groups,
        notes: sweep::notes(&runs),
    })
}

/// Over `wait-each` of the same run and case; nothing for that itself.
fn gain(entry: &Measured) -> Option<Interval> {
    let slow = entry.run.stepwise(entry.case, Policy::WaitEach)?;
    (entry.row.key != slow.row.key).then(|| entry.speedup_over(&slow))?.map(|number| number.as_interval())
}

/// Names of what is stepped, each once.
fn environments(runs: &[&Run]) -> String {
    let entries: Vec<Measured> = runs.iter().flat_map(|run| sweep::timed(run)).collect();
    let names: std::collections::BTreeSet<&str> = entries.iter().map(|entry| entry.case.environment.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
