//! Walks all runs and enters into the ledger what a paper could say about them.
//!
//! Keys read `<device>.<experiment>.<case>.<arm>.<quantity>`; a stepwise arm goes by its policy. Ranges over the cases of an
//! experiment are `<device>.<experiment>.min.<arm>.<quantity>` and `.max.`, each with `.case`.

use std::collections::{BTreeMap, BTreeSet};

use super::browsers::add_browsers;
use super::claims;
use super::controls::{add_controls, add_repeatability};
use super::kernels;
use super::ladder;
use super::ledger::Ledger;
use super::peers;
use super::print::Print;
use super::range::{add_extreme, extremes};
use super::repeats::add_repeats;
use super::rollouts;
use super::sizes::{add_crossover, add_dispatches, add_wins};
use super::subject;
use crate::analysis::claims::fastest_of_one_workgroup;
use crate::analysis::measured::{Measured, fastest, file};
use crate::analysis::number::{Cell, Number};
use crate::analysis::select::newest;
use crate::parallel;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;

/// The whole ledger: `root_digest` is that of all of `data/`.
pub fn ledger(runs: &[Run], root_digest: &str) -> Ledger {
    ledger_of(runs, root_digest, None)
}

/// The ledger in which the intervals of `wanted` keys are worked out, where not all are asked for. It is quick: bootstraps take
/// most of the time.
pub fn ledger_of(runs: &[Run], root_digest: &str, wanted: Option<&BTreeSet<String>>) -> Ledger {
    let empty = Ledger { wanted: wanted.cloned(), ..Ledger::default() };
    let mut ledger = empty.clone();
    claims::add_published(&mut ledger);
    rollouts::add_published(&mut ledger);
    add_totals(&mut ledger, runs, root_digest);
    ledger.lists.insert("subject".to_owned(), vec![subject::subject(runs)]);
    ledger.lists.insert("ladder".to_owned(), subject::with_ladder(runs));
    let newest = newest(runs);
    let devices: Vec<&[&Run]> = newest.chunk_by(|a, b| a.device_folder() == b.device_folder()).collect();
    let of_devices = parallel::map(&devices, |newest| {
        let mut ledger = empty.clone();
        add_device(&mut ledger, &newest[0].device_folder(), newest, runs);
        ledger
    });
    of_devices.into_iter().for_each(|of_device| ledger.join(of_device));
    ledger.wanted = None;
    ledger
}

fn add_totals(ledger: &mut Ledger, runs: &[Run], root_digest: &str) {
    let rows = || runs.iter().flat_map(|run| &run.results);
    let mut count = |key: &str, file: &str, column: &str, formula: &str, value: usize| {
        let number = Number::derived(value as f64, formula, vec![Cell::new(file, "all", column)]);
        ledger.add(&format!("data.{key}"), &number, Print::Count);
    };
    count("runs", "*/*/manifest.toml", "file", "count", runs.len());
    count("rows", "*/*/results.csv", "case", "count", rows().count());
    count("samples", "*/*/samples.csv", "wall_ns", "count", runs.iter().map(|run| run.samples.len()).sum());
    count(
        "failed",
        "*/*/results.csv",
        "gate",
        "count where gate = fail",
        rows().filter(|row| row.gate != "pass").count(),
    );
    count(
        "capped",
        "*/*/results.csv",
        "cap",
        "count where not empty",
        rows().filter(|row| !row.cap.is_empty()).count(),
    );
    count(
        "untimed",
        "*/*/results.csv",
        "reason",
        "count where not empty",
        rows().filter(|row| !row.reason.is_empty()).count(),
    );
    ledger.add_words("data.root", root_digest, "sha256", vec![Cell::new(".", "all", "all")]);
}

/// `runs` are the newest of each experiment, among `all`.
fn add_device(ledger: &mut Ledger, slug: &str, runs: &[&Run], all: &[Run]) {
    let manifest = &runs[0].manifest;
    let list = if manifest.device.is_software { "software" } else { "hardware" };
    ledger.lists.entry(list.to_owned()).or_default().push(slug.to_owned());
    let device = &manifest.device;
    let source = file(runs[0], "manifest.toml");
    for (name, text) in [
        ("name", &device.name),
        ("backend", &device.backend),
        ("driver", &device.driver),
        ("driver_info", &device.driver_info),
    ] {
        ledger.add_cell(&format!("{slug}.device.{name}"), text, Cell::new(&source, "device", name));
    }
    for (name, value) in
        [("subgroup_min_size", device.subgroup_min_size), ("subgroup_max_size", device.subgroup_max_size)]
    {
        let number = Number::cell(f64::from(value), Cell::new(&source, "device", name));
        ledger.add(&format!("{slug}.device.{name}"), &number, Print::Count);
    }
    let wgpu = Cell::new(&source, "software", "wgpu");
    ledger.add_cell(&format!("{slug}.device.wgpu"), &manifest.software.wgpu, wgpu);

    let rows: Vec<Measured> = runs.iter().flat_map(|run| run.rows()).collect();
    let serious: Vec<&Run> = runs.iter().copied().filter(|run| !run.is_quick()).collect();
    let timed: Vec<Measured> = serious.iter().flat_map(|run| run.rows()).collect();
    // The bounds come from the main experiment's own controls, so those are the ones to print.
    let (main, others): (Vec<&Measured>, Vec<&Measured>) =
        timed.iter().partition(|measured| measured.run.manifest.experiment == "decode");
    add_controls(ledger, slug, main.into_iter().chain(others));
    let noise = add_repeatability(ledger, slug, &timed);
    let names = serious.iter().map(|run| run.manifest.experiment.clone()).collect();
    ledger.lists.insert(format!("{slug}.experiments"), names);
    for run in &serious {
        add_experiment(ledger, slug, run, noise);
        add_repeats(ledger, &format!("{slug}.{}", run.manifest.experiment), run, all, noise);
    }
    add_browsers(ledger, slug, &serious, all);
    let claimed = if device.is_software { &[][..] } else { &serious[..] };
    claims::add_verdicts(ledger, slug, claimed, &rows);
    ladder::add_first_form(ledger, slug, claimed);
    rollouts::add_verdicts(ledger, slug, claimed);
}

/// Numbers that vary over the cases of an experiment, by `<arm>.<quantity>`.
type Series<'a> = BTreeMap<String, (Print, Vec<(&'a Case, Number)>)>;

fn add_experiment(ledger: &mut Ledger, slug: &str, run: &Run, noise: f64) {
    let base = format!("{slug}.{}", run.manifest.experiment);
    let source = file(run, "manifest.toml");
    ledger.add_cell(&format!("{base}.date"), &run.manifest.date, Cell::new(&source, "run", "date"));
    let commit: String = run.manifest.software.commit.chars().take(7).collect();
    ledger.add_cell(&format!("{base}.commit"), commit, Cell::new(&source, "software", "commit"));
    add_spec(ledger, &base, run);
    let mut labels: Vec<String> = Vec::new();
    let mut series = Series::new();
    let mut equal = 0;
    for case in run.decode_cases() {
        let cell = |column: &str| Cell::new(file(run, "cases.csv"), case.case.clone(), column);
        for (name, column, value) in [
            ("D", "n_embd", case.n_embd),
            ("L", "n_layer", case.n_layer),
            ("T", "new_tokens", case.new_tokens),
            ("V", "vocab_size", case.vocab_size),
        ] {
            let number = Number::cell(f64::from(value), cell(column));
            ledger.add(&format!("{base}.{}.{name}", case.case), &number, Print::Count);
        }
        let arms = run.arms(case);
        labels.extend(arms.iter().map(Measured::label).filter(|label| !labels.contains(label)).collect::<Vec<_>>());
        let kernels = kernels::numbers_of_case(run, case).into_iter().chain(ladder::numbers_of_case(run, case));
        let all = numbers_of_case(run, case).into_iter().chain(peers::numbers_of_case(run, case)).chain(kernels);
        for (name, number, print) in all {
            ledger.add(&format!("{base}.{}.{name}", case.case), &number, print);
            series.entry(name).or_insert((print, Vec::new())).1.push((case, number));
        }
        for (name, arm) in
            [("fastest-stepwise", run.fastest_stepwise(case)), ("fastest", fastest(arms.iter().copied()))]
        {
            if let Some(arm) = arm {
                let key = format!("{base}.{}.{name}", case.case);
                let which = "arm of the largest units_per_s";
                ledger.add_words(&key, arm.label(), which, vec![arm.cell("units_per_s")]);
                let rate = arm.units_per_s().into_iter();
                rate.for_each(|rate| ledger.add(&format!("{key}.tokens_per_s"), &rate, Print::Significant));
            }
        }
        // Arms that were cut to fewer tokens do less of the same work.
        let whole = || arms.iter().filter(|arm| arm.is_whole());
        let first = whole().next().map(|arm| arm.row.multiply_adds);
        equal += usize::from(whole().all(|arm| Some(arm.row.multiply_adds) == first));
    }
    for (name, (print, numbers)) in &series {
        let numbers: Vec<(&Case, &Number)> = numbers.iter().map(|(case, number)| (*case, number)).collect();
        let ends = extremes(&numbers);
        for (end, formula, extreme) in
            [("min", "smallest", ends.map(|ends| ends.0)), ("max", "largest", ends.map(|ends| ends.1))]
        {
            if let Some((case, number)) = extreme {
                add_extreme(ledger, &format!("{base}.{end}.{name}"), formula, case, number, *print);
            }
        }
        if name.contains(".over.") {
            add_wins(ledger, &format!("{base}.{name}"), &numbers, noise);
        }
        if name == "fused-workgroup.over.fastest-stepwise" {
            add_crossover(ledger, &base, &numbers, noise);
        }
    }
    add_dispatches(ledger, &base, run);
    peers::add_peers(ledger, &base, run);
    kernels::add_kernels(ledger, &base, run, noise);
    ladder::add_ladder(ledger, &base, run);
    rollouts::add_rollouts(ledger, &base, run);
    let names: Vec<String> = run.decode_cases().map(|case| case.case.clone()).collect();
    let cells = || vec![Cell::new(file(run, "results.csv"), "all", "multiply_adds")];
    let cases = Number::derived(names.len() as f64, "count of cases", cells());
    ledger.add(&format!("{base}.cases"), &cases, Print::Count);
    let equal = Number::derived(equal as f64, "count of cases in which all arms agree on multiply_adds", cells());
    ledger.add(&format!("{base}.equal-work"), &equal, Print::Count);
    ledger.lists.insert(format!("{base}.cases"), names);
    ledger.lists.insert(format!("{base}.arms"), labels);
}

/// All numbers of one case, by `<arm>.<quantity>`, and the speed-ups `<arm>.over.<slower arm>`; `fusion` is the fastest
/// fused arm of one workgroup.
fn numbers_of_case(run: &Run, case: &Case) -> Vec<(String, Number, Print)> {
    let mut numbers = Vec::new();
    let arms = run.arms(case);
    for arm in &arms {
        let row = arm.row;
        let counted = |column: &str, value: u64| Some(arm.count(column, value));
        for (quantity, number, print) in [
            ("tokens_per_s", arm.units_per_s(), Print::Significant),
            ("us_per_token", arm.us_per_unit(), Print::Significant),
            ("gpu_us_per_token", arm.gpu_us_per_unit(), Print::Significant),
            ("spread", arm.spread(), Print::Percent),
            ("idle", arm.idle(), Print::Percent),
            ("dispatches", counted("dispatches", row.dispatches), Print::Count),
            ("submits", counted("submits", row.submits), Print::Count),
            ("waits", counted("waits", row.waits), Print::Count),
            ("barriers", counted("barriers", row.barriers), Print::Count),
            ("multiply_adds", counted("multiply_adds", row.multiply_adds), Print::Count),
            ("units", counted("units", row.units), Print::Count),
            ("workgroup_size", counted("workgroup_size", row.workgroup_size.into()), Print::Count),
            ("dispatches_per_token", arm.dispatches_per_unit(), Print::Significant),
            ("gate_error", arm.gate_error(), Print::Power),
            ("bound", arm.bound_fraction(), Print::Percent),
        ] {
            numbers.extend(number.map(|number| (format!("{}.{quantity}", arm.label()), number, print)));
        }
    }
    let rank = |arm: &Measured| Policy::ALL.iter().position(|policy| policy.name() == arm.label());
    // Of a ladder of one kernel the steps are compared, by `ladder`, and not each of some thousand pairs.
    let compared: &[Measured] = if run.has_ladder() { &[] } else { &arms };
    for fast in compared {
        // The ladder's order: a later policy over an earlier one, a fused arm over everything else.
        let below = arms.iter().filter(|slow| match (rank(fast), rank(slow)) {
            (Some(fast), Some(slow)) => slow < fast,
            (None, slow) => slow.is_some() || slow.is_none() && fast.label() != "fused-scalar",
            (Some(_), None) => false,
        });
        for slow in below.filter(|slow| slow.label() != fast.label()) {
            let number = fast.speedup_over(slow);
            numbers.extend(number.map(|n| (format!("{}.over.{}", fast.label(), slow.label()), n, Print::Significant)));
        }
        if let (false, Some(best)) = (fast.is_stepwise(), run.fastest_stepwise(case)) {
            let number = fast.speedup_over(&best);
            numbers.extend(number.map(|n| (format!("{}.over.fastest-stepwise", fast.label()), n, Print::Significant)));
        }
    }
    let fused = fastest_of_one_workgroup(run, case);
    let over = fused.zip(run.fastest_stepwise(case)).and_then(|(fused, stepwise)| fused.speedup_over(&stepwise));
    numbers.extend(over.map(|over| ("fusion.over.fastest-stepwise".to_owned(), over, Print::Significant)));
    numbers
}

/// The spec's own numbers, from its text in the manifest.
fn add_spec(ledger: &mut Ledger, base: &str, run: &Run) {
    let Ok(spec) = run.manifest.spec.parse::<toml::Table>() else { return };
    for (name, print) in [
        ("samples", Print::Count),
        ("seed", Print::Count),
        ("warmup_s", Print::Significant),
        ("arm_cap_s", Print::Count),
        ("tolerance", Print::Power),
    ] {
        let value = spec.get(name).and_then(|value| value.as_float().or(value.as_integer().map(|whole| whole as f64)));
        if let Some(value) = value {
            let number = Number::cell(value, Cell::new(file(run, "manifest.toml"), "spec", name));
            ledger.add(&format!("{base}.spec.{name}"), &number, print);
        }
    }
}
