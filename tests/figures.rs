//! The figures as a reader meets them, drawn from a synthetic data set.

mod synthetic;
mod synthetic_peers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use onedispatch::analysis::claims::Baseline;
use onedispatch::analysis::published;
use onedispatch::commands::figures::{check, render, write};
use onedispatch::figures::canvas::{WIDTH, text_width};
use onedispatch::figures::ladder::Way;
use onedispatch::figures::{FIGURES, Figure, Picture, claims, ladder, palette, png};
use onedispatch::program::Policy;
use onedispatch::record::rows::{Key, ResultRow};
use onedispatch::record::run::Run;
use onedispatch::workload::decode::Arm;
use onedispatch::workload::decode::span::Span;
use resvg::tiny_skia::Pixmap;
use synthetic::{H200, LLVMPIPE, Model};

fn svg(name: &str, runs: &[Run]) -> String {
    match Figure::named(name).unwrap().picture(runs).unwrap() {
        Picture::Drawn(svg) => svg,
        Picture::Missing(what) => panic!("{name}: {what}"),
    }
}

/// A device without GPU timestamps, whose submits cost more.
fn laptop() -> Model {
    let overhead_ns = [80_000.0, 70_000.0, 20_000.0, 19_000.0, 21_000.0];
    Model { name: "Apple M2 Pro", directory: "apple-m2-pro", overhead_ns, has_timestamps: false, ..H200 }
}

fn many_devices() -> Vec<Run> {
    let mut runs = synthetic::runs();
    runs.extend(synthetic::of_device(&laptop()));
    runs
}

/// The same with peers beside the runs of `rollout`.
fn with_rollout_peers(runs: Vec<Run>) -> Vec<Run> {
    let with_peers = |run: Run| match run.manifest.experiment.as_str() {
        "rollout" => synthetic_peers::with_peers(run),
        _ => run,
    };
    runs.into_iter().map(with_peers).collect()
}

/// The experiment `engines` with peers, some of which are in f16.
fn with_engines(model: &Model) -> Run {
    synthetic_peers::with_peers(synthetic::engines(model))
}

/// Every experiment that a figure is drawn from.
fn all_runs() -> Vec<Run> {
    let mut runs = with_rollout_peers(synthetic::runs());
    runs.push(synthetic_peers::with_peers(synthetic::kernels(&H200)));
    runs.push(with_engines(&H200));
    runs.push(synthetic::batch(&H200));
    runs.push(synthetic::spans(&H200));
    runs.extend(synthetic::browsers(&H200));
    runs
}

fn row<'a>(run: &'a mut Run, case: &str, arm: &str, policy: &str) -> &'a mut ResultRow {
    let is = |row: &&mut ResultRow| row.key.case == case && row.key.arm == arm && row.key.policy == policy;
    run.results.iter_mut().find(is).unwrap()
}

/// A line of text: what it says, and the box it takes up in pixels (left, top, right, bottom).
struct Text {
    says: String,
    area: [f64; 4],
}

fn texts(svg: &str) -> Vec<Text> {
    let document = resvg::usvg::roxmltree::Document::parse(svg).unwrap();
    let elements = document.descendants().filter(|node| node.has_tag_name("text"));
    let text = |node: resvg::usvg::roxmltree::Node| {
        // Drawn in tenths of a pixel.
        let number = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap() / 10.0;
        let (x, y, size) = (number("x"), number("y"), number("font-size"));
        let says = node.text().unwrap().trim().to_string();
        let width = text_width(&says, size);
        let left = match node.attribute("text-anchor").unwrap() {
            "start" => 0.0,
            "middle" => -width / 2.0,
            _ => -width,
        };
        let area = match node.attribute("transform") {
            None => [x + left, y - size * 0.45, x + left + width, y + size * 0.45],
            Some(_) => [x - size * 0.45, y + left, x + size * 0.45, y + left + width],
        };
        Text { says, area }
    };
    elements.map(text).filter(|text| !text.says.is_empty()).collect()
}

fn says(svg: &str) -> String {
    texts(svg).into_iter().map(|text| text.says).collect::<Vec<_>>().join("\n")
}

fn height(svg: &str) -> f64 {
    resvg::usvg::roxmltree::Document::parse(svg).unwrap().root_element().attribute("height").unwrap().parse().unwrap()
}

#[test]
fn every_figure_is_drawn_and_twice_the_same() {
    let (first, missing) = render(&all_runs()).unwrap();
    let (second, _) = render(&all_runs()).unwrap();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(first.len(), 2 * FIGURES.len());
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{name} differs between two renderings");
    }
}

/// What draws a picture of runs is a figure: a file of `src/figures/` that nobody names would be drawn by nobody.
#[test]
fn whatever_draws_is_in_the_list() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/figures");
    let list = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    let mut draws = 0;
    for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let Some(name) = line.strip_prefix("pub fn ").and_then(|rest| rest.split_once('(')) else { continue };
            if name.1.ends_with(": &[Run]) -> Result<Picture> {") {
                let (name, entry) = (name.0, format!("draw: {module}::{}", name.0));
                assert!(
                    list.contains(&entry),
                    "FIGURES in src/figures/mod.rs has no `{entry}`, and {module}.rs has {name}"
                );
                draws += 1;
            }
        }
    }
    assert_eq!(draws, FIGURES.len());
}

#[test]
fn no_text_overlaps_another_or_leaves_the_page() {
    let mut two = with_rollout_peers(many_devices());
    two.extend([H200, laptop()].map(|model| synthetic_peers::with_peers(synthetic::kernels(&model))));
    two.extend([H200, laptop()].map(|model| with_engines(&model)));
    two.extend([H200, laptop()].map(|model| synthetic::batch(&model)));
    two.extend([H200, laptop()].map(|model| synthetic::spans(&model)));
    two.extend([H200, laptop()].iter().flat_map(synthetic::browsers));
    // Of every experiment all figures are drawn, as the test above says; of few some.
    for runs in [two, synthetic::runs(), synthetic::of_device(&H200)] {
        for figure in &FIGURES {
            let Picture::Drawn(svg) = figure.picture(&runs).unwrap() else { continue };
            let (texts, height) = (texts(&svg), height(&svg));
            for (index, text) in texts.iter().enumerate() {
                let [left, top, right, bottom] = text.area;
                let inside = left >= 0.0 && top >= 0.0 && right <= WIDTH && bottom <= height;
                assert!(inside, "{}: `{}` leaves the page: {:?}", figure.name, text.says, text.area);
                for other in &texts[index + 1..] {
                    let [l, t, r, b] = other.area;
                    let apart = right <= l || r <= left || bottom <= t || b <= top;
                    assert!(apart, "{}: `{}` overlaps `{}`", figure.name, text.says, other.says);
                }
            }
        }
    }
}

#[test]
fn every_way_of_computing_is_named_beside_its_curve() {
    for name in ["throughput-width", "throughput-length", "bound"] {
        let says = says(&svg(name, &synthetic::runs()));
        for label in Policy::ALL.map(Policy::name).iter().chain(&["fused-scalar", "fused-workgroup", "fused-subgroup"])
        {
            assert!(says.lines().any(|line| line == *label), "{name} does not name {label}");
        }
    }
}

#[test]
fn the_idle_share_is_that_of_one_kernel() {
    let drawn = says(&svg("idle-share", &all_runs()));
    for label in Policy::ALL.map(Policy::name).iter().chain(&["fused-grid", "92% claimed (C1)"]) {
        assert!(drawn.lines().any(|line| line == *label), "idle-share does not name {label}: {drawn}");
    }
    assert!(!drawn.contains("fused-workgroup"), "{drawn}");
    let picture = Figure::named("idle-share").unwrap().picture(&synthetic::runs()).unwrap();
    assert!(matches!(picture, Picture::Missing(_)), "rows of two kernels are no ladder");
}

/// All in one dispatch is the end of every policy's curve, and a dispatch that covers more is further to the left.
#[test]
fn spans_are_drawn_from_one_dispatch_to_one_per_operation() {
    let drawn = says(&svg("span", &[synthetic::spans(&H200)]));
    for label in Policy::ALL.map(Policy::name).iter().chain(&["n_embd 1024 · n_layer 4", "0.016", "32"]) {
        assert!(drawn.lines().any(|line| line == *label), "span does not name {label}: {drawn}");
    }
}

#[test]
fn an_arm_that_is_not_known_yet_is_drawn_under_its_own_name() {
    let mut runs = synthetic::runs();
    let name = "fused-unheard-of";
    assert!(Arm::named(name).is_err());
    let mut unknown: Vec<ResultRow> =
        runs[0].results.iter().filter(|row| row.key.arm == "fused-workgroup").cloned().collect();
    unknown.iter_mut().for_each(|row| row.key.arm = name.into());
    runs[0].results.extend(unknown);
    assert!(says(&svg("throughput-width", &runs)).contains(name));
}

#[test]
fn software_devices_are_marked_or_left_out() {
    let runs = synthetic::of_device(&LLVMPIPE);
    for figure in &FIGURES {
        let picture = figure.picture(&runs).unwrap();
        if figure.name == "throughput-width" {
            let Picture::Drawn(svg) = picture else { panic!("{} is not drawn", figure.name) };
            assert!(says(&svg).contains("software device: for correctness only"));
        } else {
            assert!(matches!(picture, Picture::Missing(_)), "{} draws a software device", figure.name);
            assert!(!says(&svg(figure.name, &all_runs())).contains("llvmpipe"));
        }
    }
}

#[test]
fn a_browser_stands_beside_the_native_run_and_never_for_it() {
    let [native, browser] = synthetic::browsers(&H200);
    let alone = [browser.clone()];
    assert!(matches!(Figure::named("browser").unwrap().picture(&alone).unwrap(), Picture::Missing(_)));
    let says = says(&svg("browser", &[native, browser]));
    assert!(says.contains("Chrome (156)") && says.contains("n_embd 256, n_layer 4"), "{says}");

    // Newer than the native run of the same experiment, it is not drawn in its place.
    let mut runs = synthetic::runs();
    let drawn = svg("throughput-width", &runs);
    let mut later = synthetic::decode(&H200);
    later.path = PathBuf::from("data/nvidia-h200/2031-01-01-decode");
    later.manifest.date = "2031-01-01".into();
    later.manifest.browser = synthetic::browsers(&H200)[1].manifest.browser.clone();
    row(&mut later, "d32-l1-t64", "stepwise", "wait-each").wall_median_ns = Some(1e9);
    runs.push(later);
    assert!(svg("throughput-width", &runs) == drawn, "a browser is drawn for the native run");
}

#[test]
fn gains_of_rollouts_are_those_over_waiting_for_each_step() {
    let runs = synthetic::of_device(&H200);
    let says = says(&svg("rollout-length", &runs));
    for label in Policy::ALL.map(Policy::name).iter().chain(&["fused", "times wait-each"]) {
        assert!(says.lines().any(|line| line == *label), "{label} is not named");
    }
    assert!(says.replace('\n', " ").contains("acrobot") && says.contains("population\u{a0}4096"), "{says}");
    assert!(!says.contains("n_embd"), "{says}");
    // Twice as long a wait moves the curves.
    let mut slower = synthetic::of_device(&H200);
    for row in slower.iter_mut().flat_map(|run| &mut run.results).filter(|row| row.key.policy == "wait-each") {
        row.wall_median_ns = row.wall_median_ns.map(|wall| wall * 2.0);
    }
    assert!(svg("rollout-length", &slower) != svg("rollout-length", &runs));
}

/// Rows from before a dispatch could cover any number of steps say the same as those of now.
#[test]
fn a_step_by_either_name_is_the_same_rung() {
    let old = synthetic::of_device(&H200);
    let mut new = old.clone();
    for run in new.iter_mut().filter(|run| run.manifest.experiment.starts_with("rollout")) {
        let keys = run.results.iter_mut().map(|row| &mut row.key);
        for key in keys.chain(run.samples.iter_mut().map(|sample| &mut sample.key)) {
            if key.arm == "stepwise" {
                key.arm = "fused@step".into();
            }
        }
    }
    for name in ["rollout-ladder", "rollout-length", "rollout-population"] {
        assert!(says(&svg(name, &new)) == says(&svg(name, &old)), "{name}");
    }
}

/// What lies between a step and all of them has a row of its own.
#[test]
fn a_longer_span_stands_in_the_ladder_of_rollouts() {
    let mut runs = synthetic::of_device(&H200);
    assert!(!says(&svg("rollout-ladder", &runs)).contains("several steps"));
    let run = runs.iter_mut().find(|run| run.manifest.experiment == "rollout").unwrap();
    let rungs: Vec<_> = run.results.iter().filter(|row| row.key.arm == "stepwise").cloned().collect();
    run.results.extend(rungs.into_iter().map(|mut row| {
        row.key.arm = "fused@steps:10".into();
        row
    }));
    let drawn = says(&svg("rollout-ladder", &runs));
    for label in ["10 steps each", "several steps"] {
        assert!(drawn.lines().any(|line| line == label), "{label} is not named: {drawn}");
    }
}

/// One dispatch in all over one per operation and one per step, policy by policy.
#[test]
fn the_ladder_of_rollouts_has_every_environment_and_factor() {
    let runs = synthetic::of_device(&H200);
    let drawn = says(&svg("rollout-ladder", &runs));
    for label in Policy::ALL.map(Policy::name).iter().chain(&["one dispatch", "per operation"]) {
        assert!(drawn.lines().any(|line| line == *label), "{label} is not named");
    }
    assert!(drawn.contains("acrobot · population 4096, steps 500") && drawn.contains("pendulum"), "{drawn}");
    let run = runs.iter().find(|run| run.manifest.experiment == "rollout").unwrap();
    let case = &run.cases[0];
    let fused = run.arm(case, "fused").unwrap();
    for arm in run.arms(case).iter().filter(|arm| arm.label() != "fused") {
        let factor = onedispatch::figures::number::step(fused.speedup_over(arm).unwrap().value);
        assert!(drawn.lines().any(|line| line == factor), "{}: {factor} in\n{drawn}", arm.label());
    }
}

/// A gain within the A/A control of its case is none.
#[test]
fn controls_gain_nothing_within_their_noise() {
    let mut runs = synthetic::of_device(&H200);
    let rows = |drawn: &str| drawn.lines().filter(|line| *line == "≈").count();
    let before = says(&svg("rollout-controls", &runs));
    assert!(before.contains("sphere · 4.1k × 2") && before.contains("nbody · 512 × 200"), "{before}");
    assert_eq!(rows(&before), 0, "{before}");
    // As fast in several dispatches.
    let run = runs.iter_mut().find(|run| run.manifest.experiment == "rollout-controls").unwrap();
    let fused = row(run, "sphere-n4096-t2", "fused", "one-submit").clone();
    for slow in run.results.iter_mut().filter(|row| row.key.case == "sphere-n4096-t2" && row.key.arm != "fused") {
        *slow = ResultRow { key: slow.key.clone(), ..fused.clone() };
    }
    run.samples.retain(|sample| sample.key.case != "sphere-n4096-t2");
    let drawn = says(&svg("rollout-controls", &runs));
    // Over waiting, and over the fastest; the last column is the ratio of busy times.
    assert_eq!(rows(&drawn), 2, "{drawn}");
}

#[test]
fn peers_of_rollouts_stand_beside_the_arms_with_their_factor() {
    let runs = with_rollout_peers(synthetic::of_device(&H200));
    let drawn = says(&svg("rollout-peers", &runs));
    let lines: Vec<&str> = drawn.lines().collect();
    for label in [
        "one dispatch",
        "per step, wait-each",
        "cuda.one-workgroup",
        "pytorch.eager-wait-each",
        "pytorch.graph",
        "jax.scan",
    ] {
        assert!(lines.iter().any(|line| line.contains(label)), "{label} is not named: {drawn}");
    }
    // Made up as 4 and 20 times as long as one dispatch, and half as long.
    for factor in ["×4.0", "×20", "×0.50"] {
        assert!(lines.contains(&factor), "{factor} is not there: {drawn}");
    }
    // What has no time has no row.
    assert!(!drawn.contains("pytorch.compile"), "{drawn}");
}

/// The rows of this test have no multiply-adds but these: half of what the control reached.
#[test]
fn the_bound_of_a_rollout_is_stated() {
    let mut runs = synthetic::of_device(&H200);
    let drawn = says(&svg("rollout-population", &runs));
    assert!(!drawn.contains("of the bound"), "without work there is no bound");
    let run = runs.iter_mut().find(|run| run.manifest.experiment == "rollout-population").unwrap();
    let ceiling = row(run, "control", "fma", "one-submit");
    let per_ns = ceiling.units as f64 / ceiling.wall_median_ns.unwrap();
    let fused = row(run, "acrobot-n262144-t500", "fused", "one-submit");
    fused.multiply_adds = (0.5 * per_ns * fused.wall_median_ns.unwrap()) as u64;
    let drawn = says(&svg("rollout-population", &runs)).replace('\n', " ");
    assert!(drawn.contains("fused reaches 50% of the bound") && drawn.contains("at 262144 individuals"), "{drawn}");
}

/// Markers of `fused-subgroup`: squares in its colour, or white with its colour around them.
fn markers(svg: &str, fill: &str) -> usize {
    svg.lines().filter(|line| line.starts_with("<polygon") && line.contains(&format!("fill=\"{fill}\""))).count()
}

#[test]
fn a_failed_row_is_counted_and_not_drawn() {
    const GREEN: &str = "#009E73";
    let mut runs = vec![synthetic::decode(&H200)];
    let with_failure = svg("throughput-width", &runs);
    assert!(says(&with_failure).contains("1 row with wrong output or none (fused-subgroup d64-l1-t64)"));

    let whole = row(&mut runs[0], "d64-l4-t64", "fused-subgroup", "one-submit").clone();
    let failed = row(&mut runs[0], "d64-l1-t64", "fused-subgroup", "one-submit");
    *failed = ResultRow { key: failed.key.clone(), ..whole };
    let without = svg("throughput-width", &runs);
    assert!(!says(&without).contains("wrong output"));
    assert_eq!(markers(&without, GREEN), markers(&with_failure, GREEN) + 1);

    // Not even if a failed row came with a time.
    row(&mut runs[0], "d64-l1-t64", "fused-subgroup", "one-submit").gate = "fail".into();
    assert_eq!(markers(&svg("throughput-width", &runs), GREEN), markers(&with_failure, GREEN));
}

#[test]
fn a_capped_row_has_an_open_marker_and_a_note() {
    let mut runs = vec![synthetic::decode(&H200)];
    let capped = svg("throughput-width", &runs);
    assert!(says(&capped).contains("Open markers: capped"));
    runs[0].results.iter_mut().for_each(|row| row.cap.clear());
    let uncapped = svg("throughput-width", &runs);
    assert!(!says(&uncapped).contains("Open markers"));
    assert_eq!(markers(&capped, "#FFFFFF"), markers(&uncapped, "#FFFFFF") + 2);
}

#[test]
fn replicas_and_controls_change_nothing_but_the_ceilings() {
    let all = || [synthetic::runs(), vec![synthetic::spans(&H200)]].concat();
    let (drawn, mut changed) = (all(), all());
    for row in changed.iter_mut().flat_map(|run| &mut run.results).filter(|row| row.key.replica == 1) {
        row.wall_median_ns = row.wall_median_ns.map(|wall| wall * 50.0);
    }
    changed.iter_mut().for_each(|run| run.results.retain(|row| row.key.case != "control"));
    let mut compared = 0;
    for figure in FIGURES.iter().filter(|figure| figure.name != "bound") {
        let Picture::Drawn(svg) = figure.picture(&drawn).unwrap() else { continue };
        assert!(
            matches!(figure.picture(&changed).unwrap(), Picture::Drawn(other) if other == svg),
            "{} changed",
            figure.name
        );
        compared += 1;
    }
    assert!(compared > 8, "{compared}");
    let Picture::Missing(what) = Figure::named("bound").unwrap().picture(&changed).unwrap() else {
        panic!("a bound without ceilings")
    };
    assert!(what.contains("`copy` and `fma`"), "{what}");
}

#[test]
fn the_latest_complete_run_of_a_device_is_drawn() {
    let mut runs = vec![synthetic::spans(&H200)];
    let drawn = svg("ladder", &runs);
    let mut later = synthetic::spans(&H200);
    later.path = PathBuf::from("data/nvidia-h200/2026-09-01-span");
    later.manifest.date = "2026-09-01".into();
    later.manifest.complete = false;
    row(&mut later, "d32-l1-t64", "fused-grid@operation", "wait-each").wall_median_ns = Some(1e9);
    runs.insert(0, later);
    assert!(svg("ladder", &runs) == drawn, "a partial run is drawn before a complete one");
    runs[0].manifest.complete = true;
    assert!(svg("ladder", &runs) != drawn, "an older run is drawn before the latest");
    runs.truncate(1);
    runs[0].manifest.complete = false;
    assert!(says(&svg("ladder", &runs)).contains("the run is partial"));
}

#[test]
fn peers_stand_beside_the_arms_of_their_own_run_alone() {
    let with_peers = || synthetic_peers::with_peers(synthetic::peers(&H200));
    let drawn = svg("peers", &[with_peers()]);
    let says = says(&drawn);
    for name in ["fused-workgroup", "cuda, fastest", "jax, fastest", "pytorch, fastest", "pytorch, waiting"] {
        assert!(says.lines().any(|line| line == name), "{name} is not named");
    }
    assert!(says.lines().any(|line| line == "physical bound"));
    let policies = Policy::ALL.map(Policy::name);
    let stepwise: BTreeSet<&str> = says.lines().filter(|line| policies.contains(line)).collect();
    assert_eq!(stepwise.len(), 1, "only the fastest stepwise policy stands beside peers");
    let faster = |arm: &str, policy: &str| {
        let mut run = with_peers();
        for row in run.peers.results.iter_mut().filter(|row| (&*row.key.arm, &*row.key.policy) == (arm, policy)) {
            row.wall_median_ns = row.wall_median_ns.map(|ns| ns / 1.1);
        }
        svg("peers", &[run]) != drawn
    };
    assert!(faster("pytorch", "graph") && faster("cuda", "one-workgroup") && faster("pytorch", "eager-wait-each"));
    assert!(!faster("pytorch", "graph-tf32") && !faster("jax", "scan-f16"), "not in f32");
    assert!(!faster("jax", "scan"), "not the fastest");

    // Figures of the arms do not know of peers, and a run without peers is none to draw.
    let decode = synthetic::decode(&H200);
    let beside = synthetic_peers::with_peers(decode.clone());
    for name in ["throughput-width", "bound", "claims"] {
        assert!(svg(name, std::slice::from_ref(&decode)) == svg(name, std::slice::from_ref(&beside)), "{name}");
    }
    let picture = Figure::named("peers").unwrap().picture(&[synthetic::peers(&H200), beside]).unwrap();
    assert!(matches!(picture, Picture::Missing(_)));
}

#[test]
fn engines_stand_beside_the_arms_in_their_own_format() {
    let run = with_engines(&H200);
    let drawn = says(&svg("engines", std::slice::from_ref(&run)));
    // Of each group the heading, the column's, and then its rows from the top.
    let group = |format: &str| {
        let heading =
            drawn.find(&format!("n_layer 1 · {format}")).unwrap_or_else(|| panic!("no group of {format}: {drawn}"));
        let rest = &drawn[heading..];
        rest[..rest[1..].find("n_layer").map_or(rest.len(), |end| end + 1)].to_owned()
    };
    let (whole, half) = (group("f32"), group("f16"));
    let names = |group: &str, name: &str| group.lines().any(|line| line == name);
    assert!(names(&whole, "fused-grid") && names(&whole, "fused-grid-unchecked") && names(&whole, "pytorch.graph"));
    assert!(names(&half, "fused-grid-f16") && names(&half, "jax.scan-f16") && names(&half, "bound"));
    assert!(!names(&half, "pytorch.graph") && !names(&whole, "jax.scan-f16") && !names(&half, "fused-grid"));
    assert!(!drawn.contains("pytorch.compile"), "it has no time");
    // The factor is that of the two rows.
    let case = run.decode_cases().next().unwrap();
    let over =
        run.arm(case, "fused-grid").unwrap().speedup_over(&run.peer(case, "cuda.one-workgroup").unwrap()).unwrap();
    assert!(names(&whole, &onedispatch::figures::number::step(over.value)), "{} in {whole}", over.value);
    let picture = Figure::named("engines").unwrap().picture(&[synthetic::engines(&H200)]).unwrap();
    assert!(matches!(picture, Picture::Missing(_)), "without engines");
}

#[test]
fn every_fused_kernel_is_named_beside_the_peers() {
    let run = synthetic_peers::with_peers(synthetic::kernels(&H200));
    let says = says(&svg("peers", std::slice::from_ref(&run)));
    for name in ["fused-workgroup", "fused-subgroup", "fused-grid"] {
        let named = |name: &str| says.lines().filter(|line| *line == name).count();
        assert_eq!(named(&format!("{name}-unchecked")), 2, "{name}-unchecked is not named in both panels");
        assert_eq!(named(name), 0, "{name} is there without its checks too");
    }
}

#[test]
fn variants_of_a_kernel_share_its_colour_and_nothing_else() {
    let look = |arm: &str| {
        let (case, policy) = (String::new(), "one-submit".into());
        palette::look(&Key { case, arm: arm.into(), policy, replica: 0 })
    };
    let mut colours = BTreeSet::new();
    for algorithm in ["fused-workgroup", "fused-subgroup", "fused-grid", "fused-batch"] {
        let own = look(algorithm);
        assert!(colours.insert((own.color.0, own.color.1, own.color.2)), "{algorithm} has another's colour");
        for variant in ["-unchecked", "-f16", "-f16-unchecked", "-bf16", "-bf16-unchecked"] {
            let other = look(&format!("{algorithm}{variant}"));
            assert_eq!(other.color, own.color, "{algorithm}{variant}");
            assert_ne!((other.marker, other.width), (own.marker, own.width), "{algorithm}{variant}");
            assert_eq!(other.label, format!("{algorithm}{variant}"));
        }
    }
}

#[test]
fn the_rate_of_a_batch_is_that_of_all_its_sequences() {
    let drawn = svg("batch", &[synthetic::batch(&H200)]);
    let says = says(&drawn);
    for line in ["fused-batch", "fused-batch-unchecked", "physical bound", "1024", "sequences"] {
        assert!(says.lines().any(|said| said == line), "{line} is not there");
    }
    let mut faster = synthetic::batch(&H200);
    row(&mut faster, "d64-l4-t64-s256", "fused-batch", "one-submit").units *= 2;
    assert!(svg("batch", &[faster]) != drawn, "the units are all sequences' tokens");
    for runs in [vec![synthetic::batch(&LLVMPIPE)], synthetic::runs()] {
        assert!(matches!(Figure::named("batch").unwrap().picture(&runs).unwrap(), Picture::Missing(_)));
    }
}

#[test]
fn a_quick_run_is_not_drawn() {
    let drawn = svg("throughput-width", &[synthetic::decode(&H200)]);
    let mut quick = synthetic::decode(&H200);
    quick.path = PathBuf::from("data/nvidia-h200/2026-09-01-decode");
    quick.manifest.date = "2026-09-01".into();
    quick.manifest.spec += "quick = true\n";
    row(&mut quick, "d32-l1-t64", "stepwise", "wait-each").wall_median_ns = Some(1e9);
    assert!(
        svg("throughput-width", &[synthetic::decode(&H200), quick.clone()]) == drawn,
        "a later quick run takes its place"
    );
    for figure in &FIGURES {
        let picture = figure.picture(std::slice::from_ref(&quick)).unwrap();
        assert!(matches!(picture, Picture::Missing(_)), "{} draws a quick run", figure.name);
    }
}

#[test]
fn the_bound_is_that_of_the_same_run() {
    let drawn = svg("bound", &synthetic::runs());
    let mut runs = synthetic::runs();
    for run in runs.iter_mut().filter(|run| run.manifest.experiment != "decode") {
        row(run, "control", "copy", "one-submit").wall_median_ns = Some(1.0);
    }
    assert!(svg("bound", &runs) == drawn, "a control of another run bounds this one");
    row(&mut runs[0], "control", "copy", "one-submit").wall_median_ns = Some(1e12);
    assert!(svg("bound", &runs) != drawn);
    assert!(says(&drawn).replace('\n', " ").contains("a small model may lie above it"));
}

/// The ladder is of one kernel in f32 with its checks: neither a faster one nor another variant of it has a step.
#[test]
fn a_ladder_is_of_one_kernel() {
    let run = synthetic::spans(&H200);
    let drawn = svg("ladder", std::slice::from_ref(&run));
    let mut with_others = run.clone();
    for arm in ["stepwise", "fused-subgroup", "fused-grid-unchecked@stage", "fused-grid-f16@stage"] {
        let mut fast = row(&mut with_others, "d32-l1-t64", "fused-grid@stage", "one-submit").clone();
        fast.key.arm = arm.into();
        fast.wall_median_ns = Some(1.0);
        with_others.results.push(fast);
    }
    assert!(svg("ladder", &[with_others]) == drawn);
}

/// Two devices are told apart by name above their panels.
#[test]
fn every_device_of_the_ladder_is_named() {
    let runs = [H200, laptop()].map(|model| synthetic::spans(&model));
    for name in ["ladder", "span"] {
        let drawn = says(&svg(name, &runs));
        for run in &runs {
            assert!(drawn.lines().any(|line| line == run.device()), "{name} does not name {}", run.device());
        }
    }
}

#[test]
fn no_value_of_a_row_makes_a_coordinate_that_is_none() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, f64::MIN_POSITIVE, f64::MAX] {
        for spoil in [
            |row: &mut ResultRow, value| row.wall_median_ns = Some(value),
            |row: &mut ResultRow, value| row.wall_low_ns = Some(value),
            |row: &mut ResultRow, value| row.wall_high_ns = Some(value),
            |row: &mut ResultRow, value| row.gpu_busy_ns = Some(value),
            |row: &mut ResultRow, value| row.units_per_s = Some(value),
            |row: &mut ResultRow, _| row.units = 0,
        ] {
            let mut runs = vec![synthetic::decode(&H200)];
            let mut with_peers = synthetic_peers::with_peers(synthetic::peers(&H200));
            with_peers.peers.results.iter_mut().take(9).for_each(|row| spoil(row, value));
            runs.push(with_peers);
            let mut spans = synthetic::spans(&H200);
            spoil(row(&mut spans, "d32-l1-t64", "fused-grid@stage", "wait-each"), value);
            runs.push(spans);
            spoil(row(&mut runs[0], "d32-l1-t64", "stepwise", "wait-each"), value);
            spoil(row(&mut runs[0], "control", "copy", "one-submit"), value);
            for figure in &FIGURES {
                if let Picture::Drawn(svg) = figure.picture(&runs).unwrap() {
                    let is_number = |text: &str| !text.contains("NaN") && !text.contains("inf");
                    assert!(is_number(&svg), "{} with {value}", figure.name);
                    assert!(!svg.contains(&i32::MAX.to_string()) && !svg.contains(&i32::MIN.to_string()));
                }
            }
        }
    }
}

#[test]
fn a_png_is_as_large_as_its_svg_and_shows_its_colours() {
    let svg = svg("throughput-width", &synthetic::runs());
    let png = Pixmap::decode_png(&png::rasterise(&svg).unwrap()).unwrap();
    assert_eq!((f64::from(png.width()), f64::from(png.height())), (WIDTH, height(&svg)));
    let colours: BTreeSet<_> = png.pixels().iter().map(|p| (p.red(), p.green(), p.blue())).collect();
    for colour in [(0xd5, 0x5e, 0x00), (0x00, 0x9e, 0x73), (0x00, 0x72, 0xb2)] {
        assert!(colours.contains(&colour), "{colour:?} is not in the picture");
    }
}

#[test]
fn text_is_there_in_the_png() {
    let svg = svg("throughput-length", &synthetic::runs());
    let without_text: String = svg.replace("fill=\"#222222\">", "fill=\"none\">");
    assert!(png::rasterise(&svg).unwrap() != png::rasterise(&without_text).unwrap());
}

#[test]
fn figures_without_rows_are_left_out_and_named() {
    let (files, missing) = render(&[]).unwrap();
    assert!(files.is_empty());
    assert_eq!(missing.len(), FIGURES.len());
    for (missing, figure) in missing.iter().zip(&FIGURES) {
        let said = format!("figure `{}` is left out: it needs", figure.name);
        assert!(missing.starts_with(&said), "{missing}");
    }
}

#[test]
fn the_steps_of_a_ladder_multiply_to_the_whole() {
    let run = synthetic::spans(&H200);
    let steps = ladder::steps(&run, &run.cases[0]);
    let ways: Vec<Way> = steps.iter().map(|step| step.way).collect();
    let spans = ["stage", "layer", "token", "chunk:16", "generation"].map(|span| Way::Span(Span::named(span).unwrap()));
    assert_eq!(ways, [Policy::ALL.map(Way::Policy).as_slice(), &spans].concat());
    // A policy is over the one before, and a span over the span before at its fastest.
    let of = |is_span: bool| steps.iter().filter(move |step| matches!(step.way, Way::Span(_)) == is_span);
    let product = |is_span| of(is_span).filter_map(|step| step.factor).map(|factor| factor.mid).product::<f64>();
    let (first, last, whole) = (&steps[0], of(false).next_back().unwrap(), steps.last().unwrap());
    let fastest = of(false).max_by(|a, b| a.rate.mid.total_cmp(&b.rate.mid)).unwrap();
    for (product, factor) in
        [(product(false), last.rate.mid / first.rate.mid), (product(true), whole.rate.mid / fastest.rate.mid)]
    {
        assert!((product / factor - 1.0).abs() < 1e-12, "{product} {factor}");
    }
}

/// Where another policy than the last one is the fastest, what a stage gains is over that.
#[test]
fn a_stage_is_over_the_fastest_policy_of_an_operation() {
    let mut run = synthetic::spans(&H200);
    let per_token = row(&mut run, "d32-l1-t64", "fused-grid@operation", "submit-per-token");
    per_token.wall_median_ns = per_token.wall_median_ns.map(|ns| ns / 3.0);
    run.samples.clear();
    let steps = ladder::steps(&run, &run.cases[0]);
    let stage = steps.iter().find(|step| step.rung.span == Span::Stage).unwrap();
    assert_eq!(steps[stage.over.unwrap()].way, Way::Policy(Policy::SubmitPerToken));
    let over = stage.rate.mid / steps[stage.over.unwrap()].rate.mid;
    assert!((stage.factor.unwrap().mid / over - 1.0).abs() < 1e-12);
}

#[test]
fn a_claim_is_compared_over_the_cases_it_was_made_for() {
    let mut run = synthetic::spans(&H200);
    let claim = published::claim("C3").unwrap();
    let range = |run: &Run| claims::range(claim, run, Baseline::WEAK).map(|range| range.high.mid);
    let before = range(&run).unwrap();
    row(&mut run, "d1024-l1-t64", "fused-grid", "one-submit").wall_median_ns = Some(1.0);
    assert_eq!(range(&run), Some(before), "n_embd 1024 was not claimed");
    let wait_each = row(&mut run, "d32-l1-t64", "fused-grid@operation", "wait-each").wall_median_ns.unwrap();
    row(&mut run, "d32-l1-t64", "fused-grid", "one-submit").wall_median_ns = Some(wait_each / 458.0);
    assert!((range(&run).unwrap() - 458.0).abs() < 1e-9);
    assert!(claims::range(claim, &synthetic::decode(&H200), Baseline::WEAK).is_none(), "rows of two kernels");
}

#[test]
fn claims_are_shown_with_what_was_published() {
    let says = says(&svg("claims", &[synthetic::runs(), vec![synthetic::spans(&H200)]].concat()));
    insta::assert_snapshot!(says);
}

#[test]
fn check_names_each_file_that_differs_is_missing_or_is_left_over() {
    let out = std::env::temp_dir().join(format!("onedispatch-figures-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&out);
    let files: BTreeMap<String, Vec<u8>> =
        ["ladder.svg", "ladder.png", "bound.svg"].map(|name| (name.to_string(), name.into())).into();
    write(&files, &out).unwrap();
    check(&files, &out).unwrap();

    std::fs::write(out.join("ladder.svg"), "other").unwrap();
    std::fs::remove_file(out.join("bound.svg")).unwrap();
    std::fs::write(out.join("old.png"), "").unwrap();
    let error = check(&files, &out).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let message = error.to_string().replace(&out.display().to_string(), "figures");
    insta::assert_snapshot!(message, @r"
    figures/bound.svg: is missing
    figures/ladder.svg: differs from what the data give
    figures/old.png: is left over, no figure has this name; remove it
    redraw them with `onedispatch figures`
    ");

    // What is no longer drawn is removed, what is not ours is kept.
    std::fs::write(out.join("claims.svg"), "").unwrap();
    write(&files, &out).unwrap();
    assert!(!out.join("claims.svg").exists() && out.join("old.png").exists());
    std::fs::remove_dir_all(&out).unwrap();
}
