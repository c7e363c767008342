//! Rollouts in the ledger: the rows of each case, what is gained over what, and the verdicts on the claims of the other
//! preprint.
//!
//! Keys are `<device>.<experiment>.<case>.<arm>.<quantity>`, `…<arm>.over.<slower arm>`, and
//! `<device>.rollouts.<claim>.*`, in which comparisons count from 0.

use super::ledger::Ledger;
use super::print::Print;
use super::range::add_range;
use crate::analysis::measured::Measured;
use crate::analysis::number::{Cell, Number};
use crate::analysis::rollouts::{Bound, CLAIMS, Runs, Wanted, busy_ratio, fused, in_several, is_control, noise};
use crate::record::rows::Case;
use crate::record::run::Run;

/// The claims' wordings and rules.
pub fn add_published(ledger: &mut Ledger) {
    for claim in CLAIMS {
        let key = format!("published.rollouts.{}", claim.id.to_lowercase());
        let cell = |column: &str| Cell::new("doi:10.5281/zenodo.19331833", claim.id, column);
        ledger.add_cell(&format!("{key}.wording"), claim.wording, cell("wording"));
        ledger.add_cell(&format!("{key}.measured-on"), claim.measured_on, cell("measured on"));
        ledger.add_cell(&format!("{key}.rule"), claim.rule, Cell::new("onedispatch", claim.id, "rule"));
    }
    ledger.lists.insert("rollout-claims".to_owned(), CLAIMS.iter().map(|claim| claim.id.to_owned()).collect());
}

/// `<device>.rollouts.<claim>.{strong,weak}.*` and `.verdict`. `runs` are those that claims of speed may rest on, one of each
/// experiment.
pub fn add_verdicts(ledger: &mut Ledger, slug: &str, runs: &[&Run]) {
    let runs = Runs(runs.to_vec());
    for claim in CLAIMS {
        let judgement = claim.judge(&runs);
        let key = format!("{slug}.rollouts.{}", claim.id.to_lowercase());
        let mut cells = Vec::new();
        let second = claim.beside.unwrap_or(claim.unit);
        for (baseline, wanted, unit) in [("strong", &judgement.strong, claim.unit), ("weak", &judgement.weak, second)] {
            add_comparisons(ledger, &format!("{key}.{baseline}"), wanted, Print::of(unit));
            cells.extend(wanted.iter().flat_map(|wanted| wanted.number.cells.clone()));
        }
        ledger.add_words(&format!("{key}.verdict"), judgement.verdict.wording(), claim.rule, cells);
    }
}

fn add_comparisons(ledger: &mut Ledger, key: &str, wanted: &[Wanted], print: Print) {
    let numbers: Vec<(&Case, &Number)> = wanted.iter().map(|wanted| (&wanted.case, &wanted.number)).collect();
    add_range(ledger, key, &numbers, print);
    let cells = || wanted.iter().flat_map(|wanted| wanted.number.cells.clone()).collect::<Vec<Cell>>();
    let reached = wanted.iter().filter(|wanted| wanted.is_reached()).count() as f64;
    for (name, count, formula) in [
        ("cases", wanted.len() as f64, "count of comparisons"),
        ("reached", reached, "comparisons that reach the claim by its rule"),
    ] {
        ledger.add(&format!("{key}.{name}"), &Number::derived(count, formula, cells()), Print::Count);
    }
    let mut places = Vec::new();
    for (place, wanted) in wanted.iter().enumerate() {
        let key = format!("{key}.{place}");
        ledger.add(&key, &wanted.number, print);
        let cells = || wanted.number.cells.clone();
        ledger.add_words(&format!("{key}.what"), &wanted.what, "what is compared", cells());
        ledger.add_words(&format!("{key}.case"), &wanted.case.case, "the case", cells());
        let (word, value) = match wanted.bound {
            Bound::AtLeast(value) => ("at least", value),
            Bound::AtMost(value) => ("at most", value),
        };
        let bound = format!(
            "{word} {}",
            if print == Print::Significant { Print::Significant.show(value) } else { print.short(value) }
        );
        ledger.add_words(&format!("{key}.bound"), bound, "what the claim's rule asks for", cells());
        let reaches = if wanted.is_reached() { "yes" } else { "no" };
        ledger.add_words(
            &format!("{key}.reaches"),
            reaches,
            "whether the number does, by the end of its interval",
            cells(),
        );
        places.push(place.to_string());
    }
    ledger.lists.insert(key.to_owned(), places);
}

/// The numbers of each case of a rollout run, and the list `<base>.rollouts` of its cases.
pub fn add_rollouts(ledger: &mut Ledger, base: &str, run: &Run) {
    let cases: Vec<&Case> = run.cases.iter().filter(|case| case.workload == "rollout").collect();
    if cases.is_empty() {
        return;
    }
    for case in &cases {
        add_case(ledger, &format!("{base}.{}", case.case), run, case);
    }
    add_evolution(ledger, base, run);
    let names = cases.iter().map(|case| case.case.clone()).collect();
    ledger.lists.insert(format!("{base}.rollouts"), names);
}

fn add_case(ledger: &mut Ledger, key: &str, run: &Run, case: &Case) {
    let source = crate::analysis::measured::file(run, "cases.csv");
    let cell = |column: &str| Cell::new(&source, &case.case, column);
    ledger.add_cell(&format!("{key}.environment"), &case.environment, cell("environment"));
    for (name, size) in [("population", case.population), ("steps", case.steps)] {
        ledger.add(&format!("{key}.{name}"), &Number::cell(size.into(), cell(name)), Print::Count);
    }
    let arms = run.arms(case);
    for arm in &arms {
        let label = arm.label();
        let row = arm.row;
        let optional = |column: &str, value: Option<f64>| value.map(|value| Number::cell(value, arm.cell(column)));
        let whole = |column: &str, value: u32| (row.followed > 0).then(|| arm.count(column, value.into()));
        for (quantity, number, print) in [
            ("g_per_s", arm.g_units_per_s(), Print::Significant),
            ("bound", arm.bound_fraction(), Print::Percent),
            ("generations_per_s", generations_per_s(arm), Print::Significant),
            ("followed", whole("followed", row.followed), Print::Count),
            ("decided", whole("decided", row.decided), Print::Count),
            ("fitness_error", optional("fitness_error", row.fitness_error), Print::Power),
            ("rank_correlation", optional("rank_correlation", row.rank_correlation), Print::Correlation),
            ("rank_correlation_all", optional("rank_correlation_all", row.rank_correlation_all), Print::Correlation),
            ("fresh_return", optional("fresh_return", row.fresh_return), Print::Significant),
        ] {
            if let Some(number) = number.filter(|_| row.gate == "pass") {
                ledger.add(&format!("{key}.{label}.{quantity}"), &number, print);
            }
        }
    }
    let Some(fused) = fused(run, case) else { return };
    for slow in arms.iter().filter(|arm| arm.row.key.arm != "fused") {
        if let Some(number) = fused.speedup_over(slow) {
            ledger.add(&format!("{key}.fused.over.{}", slow.label()), &number, Print::Significant);
        }
        if let Some(number) = busy_ratio(&fused, slow) {
            ledger.add(&format!("{key}.fused.busy-over.{}", slow.label()), &number, Print::Significant);
        }
    }
    if !is_control(case) {
        return;
    }
    let [fastest, waits] = in_several(run, case);
    for (name, slow) in [("fastest", fastest), ("waits", waits)] {
        let Some(slow) = slow else { continue };
        if let Some(number) = fused.speedup_over(&slow) {
            ledger.add(&format!("{key}.over-{name}"), &number, Print::Significant);
        }
        if let Some(number) = busy_ratio(&fused, &slow) {
            ledger.add(&format!("{key}.busy-over-{name}"), &number, Print::Significant);
        }
    }
    if let Some(noise) = noise(run, case) {
        let formula = "end of the bootstrap 95% interval of the A/A control's ratio that is farther from 1";
        let number = Number::derived(noise, formula, vec![fused.cell("wall_median_ns")]);
        ledger.add(&format!("{key}.noise"), &number, Print::Significant);
    }
}

fn generations_per_s(arm: &Measured) -> Option<Number> {
    let generations = f64::from(arm.case.generations);
    let wall = arm.wall_ns().filter(|_| generations > 0.0)?;
    let per_s = |ns: f64| generations / ns * 1e9;
    let cells = vec![arm.cell("wall_median_ns")];
    let number = Number::derived(per_s(wall.mid), "generations of cases.csv / wall_median_ns * 1e9", cells);
    Some(number.within(per_s(wall.high), per_s(wall.low), "generations / {wall_high_ns, wall_low_ns} * 1e9"))
}

/// Of an evolution, over the seeds of each environment: `<base>.<environment>.<arm>.<quantity>.{min,max}`, the number of seeds,
/// and how many of them solve it.
fn add_evolution(ledger: &mut Ledger, base: &str, run: &Run) {
    let mut environments: Vec<&str> = Vec::new();
    for case in run.cases.iter().filter(|case| case.generations > 0) {
        if !environments.contains(&case.environment.as_str()) {
            environments.push(&case.environment);
        }
    }
    for environment in &environments {
        let rows: Vec<Measured> = run.case_rows().filter(|row| row.case.environment == *environment).collect();
        for (arm, quantity, print) in [
            ("evaluation", "g_per_s", Print::Significant),
            ("evaluation", "generations_per_s", Print::Significant),
            ("evolution", "g_per_s", Print::Significant),
            ("evolution", "generations_per_s", Print::Significant),
            ("evolution", "fresh_return", Print::Significant),
        ] {
            let number = |row: &Measured| match quantity {
                "g_per_s" => row.g_units_per_s(),
                "generations_per_s" => generations_per_s(row),
                _ => Some(Number::cell(row.row.fresh_return?, row.cell("fresh_return"))),
            };
            let of_arm = rows.iter().filter(|row| row.row.key.arm == arm);
            let numbers: Vec<(&Case, Number)> = of_arm.filter_map(|row| Some((row.case, number(row)?))).collect();
            let numbers: Vec<(&Case, &Number)> = numbers.iter().map(|(case, number)| (*case, number)).collect();
            add_range(ledger, &format!("{base}.{environment}.{arm}.{quantity}"), &numbers, print);
            if let (Some(solved), "fresh_return") = (solved(environment), quantity) {
                let cells = || numbers.iter().flat_map(|(_, number)| number.cells.clone()).collect::<Vec<_>>();
                let count = numbers.iter().filter(|(_, number)| number.value >= solved).count() as f64;
                let formula = format!("seeds whose fresh_return is at least {solved}");
                let key = format!("{base}.{environment}");
                ledger.add(&format!("{key}.solved"), &Number::derived(count, formula, cells()), Print::Count);
                let seeds = Number::derived(numbers.len() as f64, "seeds with a fresh_return", cells());
                ledger.add(&format!("{key}.seeds"), &seeds, Print::Count);
                let wanted =
                    Number::cell(solved, Cell::new("onedispatch", *environment, "solved from this mean return on"));
                ledger.add(&format!("{key}.wanted"), &wanted, Print::Count);
            }
        }
    }
    ledger.lists.insert(format!("{base}.evolved"), environments.iter().map(|name| (*name).to_owned()).collect());
}

/// The mean return from which on an environment counts as solved.
fn solved(environment: &str) -> Option<f64> {
    match environment {
        // The longest episode that there is.
        "cartpole" => Some(500.0),
        "acrobot" => Some(-100.0),
        _ => None,
    }
}
