//! From rows to panels: one curve for each way of computing, one panel for each setting of what is not swept.

use std::collections::BTreeMap;

use super::chart::{Curve, Group, Panel, Point};
use super::palette::{self, Look};
use crate::analysis::measured::Measured;
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::statistics::Interval;
use crate::workload::decode::format::Format;

/// A parameter of a case, by its name.
pub type Parameter = (&'static str, fn(&Case) -> u32);

pub const N_EMBD: Parameter = ("n_embd", |case| case.n_embd);
pub const NEW_TOKENS: Parameter = ("new_tokens", |case| case.new_tokens);
pub const POPULATION: Parameter = ("population", |case| case.population);
pub const STEPS: Parameter = ("steps", |case| case.steps);

/// Runs from before there were several sequences have one.
pub const SEQUENCES: Parameter = ("sequences", |case| case.sequences.max(1));

const PARAMETERS: [Parameter; 8] = [
    N_EMBD,
    ("n_layer", |case| case.n_layer),
    ("prompt_tokens", |case| case.prompt_tokens),
    NEW_TOKENS,
    ("vocab_size", |case| case.vocab_size),
    POPULATION,
    STEPS,
    SEQUENCES,
];

/// What an open marker means.
pub const CAPPED: &str = "Open markers: capped, fewer tokens or samples were timed than asked for.";

/// What the bound counts.
pub const BOUND: &str = "The bound takes each byte from memory, at the rate of the control `copy`; what fits into the caches is read faster.";

/// The rows that may be drawn: checked and timed.
pub fn timed(run: &Run) -> Vec<Measured<'_>> {
    run.case_rows().filter(|row| row.wall_ns().is_some()).collect()
}

/// The rows that are not drawn because their output was wrong or none came.
fn failed(run: &Run) -> Vec<Measured<'_>> {
    run.case_rows().filter(|row| row.row.gate != "pass").collect()
}

/// A value to be drawn for a case, on the curve that goes by the look's label.
pub struct Mark<'a> {
    pub case: &'a Case,
    pub look: Look,
    pub y: Interval,
    pub capped: bool,
}

impl<'a> Mark<'a> {
    pub fn of(entry: &Measured<'a>, look: Look, y: Interval) -> Mark<'a> {
        Mark { case: entry.case, look, y, capped: entry.is_capped() }
    }
}

/// What the device would allow in a case, by whichever arm in f32 made all its tokens.
pub fn bound<'a>(run: &'a Run, case: &'a Case) -> Option<Mark<'a>> {
    let whole = run.arms_in(case, Format::F32).into_iter().filter(Measured::is_whole);
    let mid = whole.filter_map(|arm| arm.bound_rate()).next()?;
    Some(Mark { case, look: palette::bound_look(), y: Interval { low: mid, mid, high: mid }, capped: false })
}

/// Curves of `y` against `x` for each run; rows without `y` are left out, and so are runs that have none.
pub fn groups<'a>(runs: &[&'a Run], x: Parameter, y: impl Fn(&Measured<'a>) -> Option<Interval>) -> Vec<Group> {
    grouped(runs, x, |run| {
        let mark = |entry: &Measured<'a>| Some(Mark::of(entry, palette::look(&entry.row.key), y(entry)?));
        timed(run).iter().filter_map(mark).collect()
    })
}

/// Curves of the marks of each run against `x`; runs that have none are left out.
pub fn grouped<'a>(runs: &[&'a Run], x: Parameter, marks: impl Fn(&'a Run) -> Vec<Mark<'a>>) -> Vec<Group> {
    let group = |run: &&'a Run| {
        let mut panels: BTreeMap<Vec<u32>, Vec<Mark>> = BTreeMap::new();
        let others: Vec<Parameter> = PARAMETERS.into_iter().filter(|parameter| parameter.0 != x.0).collect();
        for mark in marks(run) {
            let setting = others.iter().map(|parameter| parameter.1(mark.case)).collect();
            panels.entry(setting).or_default().push(mark);
        }
        let settings: Vec<&Vec<u32>> = panels.keys().collect();
        let varies = |index: usize| settings.iter().any(|setting| setting[index] != settings[0][index]);
        let told: Vec<usize> = (0..others.len()).filter(|&index| varies(index)).collect();
        let panels = panels.iter().map(|(setting, marks)| {
            let settings = told.iter().map(|&index| format!(" · {} {}", others[index].0, setting[index]));
            Panel { heading: format!("{}{}", run.device(), settings.collect::<String>()), curves: curves(marks, x) }
        });
        Group { heading: String::new(), is_software: run.manifest.device.is_software, panels: panels.collect() }
    };
    runs.iter().map(group).filter(|group| !group.panels.is_empty()).collect()
}

fn curves(marks: &[Mark], x: Parameter) -> Vec<Curve> {
    let mut curves: BTreeMap<(usize, &str), Curve> = BTreeMap::new();
    for mark in marks.iter().filter(|mark| x.1(mark.case) > 0) {
        let look = &mark.look;
        let curve = curves.entry((look.rank, &look.label));
        let curve = curve.or_insert_with(|| Curve { look: look.clone(), points: Vec::new() });
        curve.points.push(Point { x: f64::from(x.1(mark.case)), y: mark.y, capped: mark.capped });
    }
    let mut curves: Vec<Curve> = curves.into_values().collect();
    for curve in &mut curves {
        curve.points.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    curves
}

/// The runs that have a row with `y`.
pub fn with<'a>(mut runs: Vec<&'a Run>, y: impl Fn(&Measured<'a>) -> Option<Interval>) -> Vec<&'a Run> {
    runs.retain(|run| timed(run).iter().any(|entry| y(entry).is_some()));
    runs
}

/// The parameters that have one value in every row of `runs`, for a subtitle: `new_tokens 64, vocab_size 64`. Those that a
/// workload does not have are zero, and left out; so is one sequence, which goes without saying.
pub fn constants(runs: &[&Run], x: Parameter) -> String {
    let entries: Vec<Measured> = runs.iter().flat_map(|run| timed(run)).collect();
    let constant = |parameter: &Parameter| {
        let mut values = entries.iter().map(|entry| parameter.1(entry.case));
        let first = values.next()?;
        let is_told = first > 0 && (parameter.0, first) != (SEQUENCES.0, 1);
        (parameter.0 != x.0 && is_told && values.all(|value| value == first))
            .then(|| format!("{}\u{a0}{first}", parameter.0))
    };
    PARAMETERS.iter().filter_map(constant).collect::<Vec<_>>().join(", ")
}

/// What a reader has to know of the rows drawn and left out: intervals, caps, failures, partial runs.
pub fn notes(runs: &[&Run]) -> Vec<String> {
    let mut notes = vec![
        "Bars: bootstrap 95% intervals of the median; where none is seen it is smaller than its marker.".to_string(),
    ];
    if runs.iter().flat_map(|run| timed(run)).any(|entry| entry.is_capped()) {
        notes.push(CAPPED.into());
    }
    for run in runs {
        let failed = failed(run);
        if !failed.is_empty() {
            let rows: Vec<String> =
                failed.iter().map(|entry| format!("{} {}", entry.label(), entry.case.case)).collect();
            let (count, rows) = (rows.len(), enumerate(&rows, 4));
            let rows_failed = if count == 1 { "row" } else { "rows" };
            notes.push(format!(
                "{}: not drawn, {count} {rows_failed} with wrong output or none ({rows}).",
                run.device()
            ));
        }
        if !run.manifest.complete {
            notes.push(format!("{}: the run is partial, rows are missing.", run.device()));
        }
    }
    notes
}

/// Of more than `most` items the first, the middle one where three may stay, and the last.
pub fn thinned<T>(items: Vec<T>, most: usize) -> Vec<T> {
    let count = items.len();
    let keep = |index: usize| count <= most || index == 0 || index + 1 == count || most > 2 && index == count / 2;
    items.into_iter().enumerate().filter(|(index, _)| keep(*index)).map(|(_, item)| item).collect()
}

/// Whether several devices share a figure, which leaves each of them less room.
pub fn has_several_devices(runs: &[&Run]) -> bool {
    runs.windows(2).any(|pair| pair[0].device_folder() != pair[1].device_folder())
}

/// The first `most` of `items`, and how many more there are.
fn enumerate(items: &[String], most: usize) -> String {
    match items.len().checked_sub(most) {
        None | Some(0) => items.join(", "),
        Some(more) => format!("{} and {more} more", items[..most].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_stay_and_the_middle_where_there_is_room() {
        let thinned = |count: usize, most| thinned((0..count).collect(), most);
        assert_eq!(thinned(6, 3), [0, 3, 5]);
        assert_eq!(thinned(6, 2), [0, 5]);
        assert_eq!(thinned(3, 3), [0, 1, 2]);
        assert_eq!(thinned(1, 2), [0]);
        assert_eq!(thinned(4, usize::MAX), [0, 1, 2, 3]);
    }
}
