//! Walks all runs and enters into the ledger what a paper could say about them.
//!
//! Keys read `<device>.<experiment>.<case>.<arm>.<quantity>`; a stepwise arm goes by its policy. Ranges over the cases of an
//! experiment are `<device>.<experiment>.min.<arm>.<quantity>` and `.max.`, each with `.case`.

use std::collections::BTreeMap;

use super::claims;
use super::controls::{add_controls, add_repeatability};
use super::ledger::{Cell, Ledger, Number};
use super::print::Print;
use super::quantities::{Ceilings, Measured, fastest, file};
use crate::measure::statistics::indistinguishable;
use crate::program::Policy;
use crate::record::directory::Run;
use crate::record::rows::Case;

/// One run, seen as an experiment of a device.
#[derive(Clone, Copy)]
pub struct Experiment<'a> {
    pub run: &'a Run,
}

impl<'a> Experiment<'a> {
    pub fn name(&self) -> &'a str {
        &self.run.manifest.experiment
    }

    /// Too few samples for a claim: only its outputs count.
    pub fn is_quick(&self) -> bool {
        let spec = self.run.manifest.spec.parse::<toml::Table>().unwrap_or_default();
        spec.get("quick").and_then(toml::Value::as_bool).unwrap_or(false)
    }

    pub fn cases(&self) -> impl Iterator<Item = &'a Case> {
        self.run.cases.iter()
    }

    /// Every row, controls and replicas too.
    pub fn rows(&self) -> impl Iterator<Item = Measured<'a>> {
        let run = self.run;
        run.results.iter().filter_map(move |row| {
            let case = run.cases.iter().find(|case| case.case == row.key.case)?;
            Some(Measured { run, case, row })
        })
    }

    pub fn arms(&self, case: &Case) -> Vec<Measured<'a>> {
        self.rows().filter(|measured| measured.case.case == case.case && measured.row.key.replica == 0).collect()
    }

    pub fn arm(&self, case: &Case, label: &str) -> Option<Measured<'a>> {
        self.arms(case).into_iter().find(|measured| measured.label() == label)
    }

    pub fn fastest_stepwise(&self, case: &Case) -> Option<Measured<'a>> {
        fastest(self.arms(case).into_iter().filter(Measured::is_stepwise))
    }
}

/// The whole ledger: `root_digest` is that of all of `data/`.
pub fn ledger(runs: &[Run], root_digest: &str) -> Ledger {
    let mut ledger = Ledger::default();
    claims::add_published(&mut ledger);
    add_totals(&mut ledger, runs, root_digest);
    let mut devices: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        let slug = run.path.parent().and_then(|path| path.file_name()).unwrap_or_default();
        devices.entry(slug.to_string_lossy().into_owned()).or_default().push(run);
    }
    for (slug, runs) in &devices {
        add_device(&mut ledger, slug, runs);
    }
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

fn add_device(ledger: &mut Ledger, slug: &str, runs: &[&Run]) {
    let experiments = newest(runs);
    let Some(manifest) = experiments.first().map(|experiment| &experiment.run.manifest) else { return };
    let list = if manifest.device.is_software { "software" } else { "hardware" };
    ledger.lists.entry(list.to_owned()).or_default().push(slug.to_owned());
    let device = &manifest.device;
    let source = file(experiments[0].run, "manifest.toml");
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

    let rows: Vec<Measured> = experiments.iter().flat_map(Experiment::rows).collect();
    let serious: Vec<Experiment> = experiments.iter().copied().filter(|experiment| !experiment.is_quick()).collect();
    let timed: Vec<Measured> = serious.iter().flat_map(Experiment::rows).collect();
    let ceilings = add_controls(ledger, slug, &timed);
    let noise = add_repeatability(ledger, slug, &timed);
    let names = serious.iter().map(|experiment| experiment.name().to_owned()).collect();
    ledger.lists.insert(format!("{slug}.experiments"), names);
    for experiment in &serious {
        add_experiment(ledger, slug, experiment, &ceilings, noise);
    }
    let decode = serious.iter().find(|experiment| experiment.name() == "decode" && !device.is_software);
    claims::add_verdicts(ledger, slug, decode, &rows);
}

/// The newest run of each experiment, whole ones first.
fn newest<'a>(runs: &[&'a Run]) -> Vec<Experiment<'a>> {
    let mut chosen: BTreeMap<&str, &'a Run> = BTreeMap::new();
    let rank = |run: &Run| (run.manifest.complete, run.path.clone());
    for run in runs {
        let slot = chosen.entry(&run.manifest.experiment).or_insert(run);
        if rank(run) > rank(slot) {
            *slot = run;
        }
    }
    chosen.into_values().map(|run| Experiment { run }).collect()
}

/// Numbers that vary over the cases of an experiment, by `<arm>.<quantity>`.
type Series<'a> = BTreeMap<String, (Print, Vec<(&'a Case, Number)>)>;

fn add_experiment(ledger: &mut Ledger, slug: &str, experiment: &Experiment, ceilings: &Ceilings, noise: f64) {
    let base = format!("{slug}.{}", experiment.name());
    let source = file(experiment.run, "manifest.toml");
    ledger.add_cell(&format!("{base}.date"), &experiment.run.manifest.date, Cell::new(&source, "run", "date"));
    add_spec(ledger, &base, experiment.run);
    let mut labels: Vec<String> = Vec::new();
    let mut series = Series::new();
    let mut equal = 0;
    for case in experiment.cases().filter(|case| case.workload == "decode") {
        let cell = |column: &str| Cell::new(file(experiment.run, "cases.csv"), case.case.clone(), column);
        for (name, column, value) in [
            ("D", "n_embd", case.n_embd),
            ("L", "n_layer", case.n_layer),
            ("T", "new_tokens", case.new_tokens),
            ("V", "vocab_size", case.vocab_size),
        ] {
            let number = Number::cell(f64::from(value), cell(column));
            ledger.add(&format!("{base}.{}.{name}", case.case), &number, Print::Count);
        }
        let arms = experiment.arms(case);
        labels.extend(arms.iter().map(Measured::label).filter(|label| !labels.contains(label)).collect::<Vec<_>>());
        for (name, number, print) in numbers_of_case(experiment, case, ceilings) {
            ledger.add(&format!("{base}.{}.{name}", case.case), &number, print);
            series.entry(name).or_insert((print, Vec::new())).1.push((case, number));
        }
        for (name, arm) in
            [("fastest-stepwise", experiment.fastest_stepwise(case)), ("fastest", fastest(arms.iter().copied()))]
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
        let whole = || arms.iter().filter(|arm| arm.row.units == u64::from(case.new_tokens));
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
    }
    let names: Vec<String> =
        experiment.cases().filter(|case| case.workload == "decode").map(|case| case.case.clone()).collect();
    let cells = || vec![Cell::new(file(experiment.run, "results.csv"), "all", "multiply_adds")];
    let cases = Number::derived(names.len() as f64, "count of cases", cells());
    ledger.add(&format!("{base}.cases"), &cases, Print::Count);
    let equal = Number::derived(equal as f64, "count of cases in which all arms agree on multiply_adds", cells());
    ledger.add(&format!("{base}.equal-work"), &equal, Print::Count);
    ledger.lists.insert(format!("{base}.cases"), names);
    ledger.lists.insert(format!("{base}.arms"), labels);
}

/// All numbers of one case, by `<arm>.<quantity>`, and the speed-ups `<arm>.over.<slower arm>`.
fn numbers_of_case(experiment: &Experiment, case: &Case, ceilings: &Ceilings) -> Vec<(String, Number, Print)> {
    let mut numbers = Vec::new();
    let arms = experiment.arms(case);
    for arm in &arms {
        let row = arm.row;
        let counted = |column: &str, value: u64| Some(arm.count(column, value));
        for (quantity, number, print) in [
            ("tokens_per_s", arm.units_per_s(), Print::Significant),
            ("us_per_token", arm.us_per_unit(), Print::Significant),
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
            ("bound", arm.bound_fraction(ceilings), Print::Percent),
        ] {
            numbers.extend(number.map(|number| (format!("{}.{quantity}", arm.label()), number, print)));
        }
    }
    let rank = |arm: &Measured| Policy::ALL.iter().position(|policy| policy.name() == arm.label());
    for fast in &arms {
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
        if let (false, Some(best)) = (fast.is_stepwise(), experiment.fastest_stepwise(case)) {
            let number = fast.speedup_over(&best);
            numbers.extend(number.map(|n| (format!("{}.over.fastest-stepwise", fast.label()), n, Print::Significant)));
        }
    }
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

type Extreme<'a> = (&'a Case, &'a Number);

fn extremes<'a>(numbers: &[Extreme<'a>]) -> Option<(Extreme<'a>, Extreme<'a>)> {
    let by_value = |(_, a): &&Extreme, (_, b): &&Extreme| a.value.total_cmp(&b.value);
    Some((*numbers.iter().min_by(by_value)?, *numbers.iter().max_by(by_value)?))
}

/// `<key>.min` and `<key>.max`, each with `.case`.
pub fn add_range(ledger: &mut Ledger, key: &str, numbers: &[(&Case, &Number)], print: Print) {
    if let Some((least, most)) = extremes(numbers) {
        add_extreme(ledger, &format!("{key}.min"), "smallest", least.0, least.1, print);
        add_extreme(ledger, &format!("{key}.max"), "largest", most.0, most.1, print);
    }
}

fn add_extreme(ledger: &mut Ledger, key: &str, which: &str, case: &Case, number: &Number, print: Print) {
    let formula = format!("{which} over cases of {}", number.formula);
    ledger.add(key, &Number { formula: formula.clone(), ..number.clone() }, print);
    let words = match case.workload.as_str() {
        "decode" => {
            format!("D\u{a0}=\u{a0}{}, L\u{a0}=\u{a0}{}, T\u{a0}=\u{a0}{}", case.n_embd, case.n_layer, case.new_tokens)
        }
        _ => case.case.clone(),
    };
    ledger.add_words(&format!("{key}.case"), words, format!("case of the {formula}"), number.cells.clone());
}

/// `<key>.faster`, `.slower`, `.level`: in how many cases a speed-up lies above, below or within the A/A control's noise.
fn add_wins(ledger: &mut Ledger, key: &str, numbers: &[(&Case, &Number)], noise: f64) {
    let cells: Vec<Cell> = numbers.iter().flat_map(|(_, number)| number.cells.clone()).collect();
    let counts = numbers.iter().fold([0; 3], |mut counts, (_, number)| {
        let interval = number.as_interval();
        let place = if indistinguishable(&interval, noise) { 2 } else { usize::from(interval.high < 1.0) };
        counts[place] += 1;
        counts
    });
    for ((name, side), count) in [("faster", "above"), ("slower", "below"), ("level", "within")].into_iter().zip(counts)
    {
        let formula = format!("cases whose 95% interval of a / b lies {side} the A/A noise");
        ledger.add(&format!("{key}.{name}"), &Number::derived(f64::from(count), formula, cells.clone()), Print::Count);
    }
}
