//! `onedispatch rollout` as a user meets it.

mod fixture;

use std::path::{Path, PathBuf};
use std::process::Command;

use fixture::{Temporary, onedispatch, printed, refusal, text, without_lists};
use onedispatch::workload::rollout::file;
use onedispatch::workload::rollout::mountaincar::MOUNTAINCAR;
use safetensors::{Dtype, SafeTensors};

fn golden(environment: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/rollout/{environment}.safetensors"))
}

fn rollout(environment: &str, genomes: &Path, out: &Path) -> Command {
    let mut command = onedispatch(&["rollout", "--env", environment, "--genomes"]);
    command.arg(genomes).arg("--out").arg(out);
    command
}

/// The golden population: the file that it writes, and every state.
#[test]
fn writes_what_gymnasium_found() {
    let directory = Temporary::new();
    let (out, states) = (directory.0.join("out.csv"), directory.0.join("states.safetensors"));
    let ways = [
        &["--arm", "fused"][..],
        &["--policy", "submit-per-token"],
        &["--arm", "stepwise"],
        &["--arm", "fused@steps:10"],
        &["--span", "steps:7", "--policy", "wait-each"],
        &["--arm", "per-operation"],
    ];
    for arguments in ways {
        let mut command = rollout("cartpole", &golden("cartpole"), &out);
        printed(command.args(arguments).arg("--trajectory").arg(&states));
        let csv = std::fs::read_to_string(&out).unwrap();
        let expected = [9, 10, 18, 9, 29, 9, 11, 14, 9, 9, 22, 18, 9, 12, 10, 9];
        let rows = expected.iter().enumerate().map(|(i, length)| format!("{i},{length}.0,{length},1\n"));
        assert_eq!(csv, format!("individual,episode_return,length,terminated\n{}", rows.collect::<String>()));

        let (bytes, golden) = (std::fs::read(&states).unwrap(), std::fs::read(golden("cartpole")).unwrap());
        let found = SafeTensors::deserialize(&bytes).unwrap();
        let found = found.tensor("trajectory").unwrap();
        assert_eq!((found.dtype(), found.shape()), (Dtype::F32, &[16, 501, 4][..]));
        let found: Vec<f32> = bytemuck::pod_collect_to_vec(found.data());
        let golden = SafeTensors::deserialize(&golden).unwrap();
        let golden: Vec<f64> = bytemuck::pod_collect_to_vec(golden.tensor("trajectory").unwrap().data());
        for (at, (found, expected)) in found.iter().zip(&golden).enumerate() {
            let same = found.is_nan() && expected.is_nan() || (f64::from(*found) - expected).abs() < 1e-4;
            assert!(same, "{at}: {found}, expected {expected}");
        }
    }
}

#[test]
fn initial_states_are_drawn_where_there_are_none() {
    let directory = Temporary::new();
    let (genomes, out) = (directory.0.join("genomes.safetensors"), directory.0.join("out.csv"));
    let parameters = MOUNTAINCAR.parameters() as usize;
    file::write(&genomes, &[("genomes", vec![3, parameters], &vec![0.5; 3 * parameters])], &[]).unwrap();
    let states = |seed: &str| {
        let file = directory.0.join("states.safetensors");
        let mut command = rollout("mountaincar", &genomes, &out);
        printed(command.args(["--steps", "4", "--seed", seed, "--trajectory"]).arg(&file));
        std::fs::read(file).unwrap()
    };
    let one = states("1");
    assert_eq!(one, states("1"));
    assert_ne!(one, states("2"));
    let tensors = SafeTensors::deserialize(&one).unwrap();
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensors.tensor("trajectory").unwrap().data());
    for row in values.chunks(5 * 2) {
        assert!((-0.6..=-0.4).contains(&row[0]) && row[1] == 0.0, "{row:?}");
    }
    assert_ne!(values[0], values[10]);
}

#[test]
fn faults_of_a_population_are_named() {
    let directory = Temporary::new();
    let out = directory.0.join("out.csv");
    let parameters = MOUNTAINCAR.parameters() as usize;
    let genomes = vec![0.25; 4 * parameters];
    let mut with_nan = genomes.clone();
    with_nan[2 * parameters + 7] = f32::NAN;
    let given = |name: &str, tensors: &[(&str, Vec<usize>, &[f32])]| {
        let path = directory.0.join(name);
        file::write(&path, tensors, &[]).unwrap();
        path
    };
    let all = ("genomes", vec![4, parameters], &genomes[..]);
    std::fs::write(directory.0.join("truncated.safetensors"), &std::fs::read(golden("acrobot")).unwrap()[..999])
        .unwrap();
    let files = [
        ("mountaincar", given("width", &[("genomes", vec![4, parameters - 1], &genomes[4..])])),
        ("mountaincar", given("nan", &[("genomes", vec![4, parameters], &with_nan)])),
        ("mountaincar", given("empty", &[("genomes", vec![0, parameters], &[])])),
        ("mountaincar", given("rows", &[all.clone(), ("initial_state", vec![3, 2], &genomes[..6])])),
        ("mountaincar", given("state", &[all.clone(), ("initial_state", vec![4, 4], &genomes[..16])])),
        ("mountaincar", given("other", &[("weights", vec![4, parameters], &genomes)])),
        ("acrobot", directory.0.join("truncated.safetensors")),
        ("acrobot", directory.0.join("none.safetensors")),
        ("hopper", golden("acrobot")),
    ];
    let lines = files.iter().map(|(environment, file)| refusal(&mut rollout(environment, file, &out), &directory));
    insta::assert_snapshot!(without_lists(&lines.collect::<Vec<_>>().join("\n")));
    assert!(!out.exists());
    let refused =
        |arguments: &[&str]| refusal(rollout("acrobot", &golden("acrobot"), &out).args(arguments), &directory);
    let line = refused(&["--arm", "fussed"]);
    assert!(line.ends_with("called `fussed`; there are per-operation, fused@step, fused, and fused@steps:N"), "{line}");
    let spans = [
        &["--span", "layer"][..],
        &["--span", "steps:0"],
        &["--span", "steps:501"],
        &["--arm", "fused@steps:9", "--steps", "8"],
        &["--span", "operation"],
        &["--arm", "per-operation", "--span", "step"],
        &["--arm", "per-operation@episode"],
        &["--arm", "stepwise@step"],
        &["--arm", "fused@step", "--span", "episode"],
    ];
    insta::assert_snapshot!(spans.map(refused).join("\n"), @"
    onedispatch: no span is called `layer`; there are operation, step, episode, and steps:N of N steps
    onedispatch: `steps:0` is no span: there is 1 step or more, as in steps:10
    onedispatch: steps:501 is more than an episode of 500 steps has; name `episode` for all of it
    onedispatch: steps:9 is more than an episode of 8 steps has; name `episode` for all of it
    onedispatch: a dispatch of fused covers a step or more; the arm per-operation has one for each operation
    onedispatch: per-operation has a dispatch for each operation; only fused takes another span
    onedispatch: per-operation has a dispatch for each operation; only fused takes another span
    onedispatch: no arm of rollouts is called `stepwise@step`; there are per-operation, fused@step, fused, and fused@steps:N
    onedispatch: the arm fused@step has its span; leave out --span
    ");
    let line = refused(&["--prices", "prices.csv"]);
    assert!(line.ends_with("--prices is for portfolio; acrobot has none"), "{line}");
    let line = refused(&["--steps", "0"]);
    assert!(line.ends_with("an episode of acrobot has 1 to 1000000 steps, not 0"), "{line}");
    // 16 individuals of a million steps each.
    let line = refused(&["--steps", "1000000", "--trajectory", "states.safetensors"]);
    assert!(line.contains("the buffer `trajectory`") && line.ends_with("every state is kept"), "{line}");
}

/// Prices of one's own, with a gap and without.
#[test]
fn a_portfolio_trades_on_given_prices() {
    let directory = Temporary::new();
    let (genomes, out, prices) =
        (directory.0.join("genomes.safetensors"), directory.0.join("out.csv"), directory.0.join("prices.csv"));
    let numbers: Vec<f32> = (0..5 * 246).map(|index| ((index * 37 % 100) as f32 - 50.0) / 50.0).collect();
    file::write(&genomes, &[("genomes", vec![5, 246], &numbers)], &[]).unwrap();
    let traded = |csv: &str, rest: &[&str]| {
        std::fs::write(&prices, csv).unwrap();
        let mut command = rollout("portfolio", &genomes, &out);
        command.arg("--prices").arg(&prices).args(rest);
        command
    };
    let days: String = (0..40).map(|day| format!("{},100,{}\n", 100 + day, 50 + day % 3)).collect();
    printed(&mut traded(&format!("A,B,C\n{days}"), &[]));
    // 40 days, 20 before there is a trend, and the last has no next.
    let csv = std::fs::read_to_string(&out).unwrap();
    assert!(csv.lines().skip(1).count() == 5 && csv.lines().skip(1).all(|line| line.ends_with(",19,0")), "{csv}");
    let refused = |csv: &str, rest: &[&str]| refusal(&mut traded(csv, rest), &directory);
    let faults = [
        refused(&format!("A,B,C\n{days}140,,52\n"), &[]),
        refused(&format!("A,B,C\n{days}140,0,52\n"), &[]),
        refused(&format!("A,B,C\n{days}"), &["--steps", "20"]),
    ];
    insta::assert_snapshot!(faults.join("\n"), @"
    onedispatch: DIR/prices.csv: line 42, column 2 (`B`): a price is missing; fill it in, or leave out the day
    onedispatch: DIR/prices.csv: line 42, column 2 (`B`): `0` is no price; expected a number above 0
    onedispatch: an episode of portfolio has 1 to 19 steps, not 20
    ");
}

fn evolve(arguments: &[&str], out: &Path) -> Command {
    let mut command = onedispatch(&["evolve"]);
    command.args(arguments).arg("--out").arg(out);
    command
}

/// What evolution leaves, and that `rollout` reads it.
#[test]
fn evolution_leaves_a_policy_and_a_learning_curve() {
    let directory = Temporary::new();
    let out = directory.0.join("evolved");
    let arguments = ["--env", "cartpole", "--population", "64", "--generations", "6", "--until", "600"];
    let said = printed(&mut evolve(&arguments, &out));
    assert!(said.starts_with("mean return 600 not reached in 6 generations\nbest mean return "), "{said}");
    let csv = std::fs::read_to_string(out.join("learning.csv")).unwrap();
    assert!(csv.starts_with("generation,best,mean,environment_steps\n0,") && csv.lines().count() == 7, "{csv}");
    let svg = std::fs::read_to_string(out.join("learning.svg")).unwrap();
    assert!(svg.contains("How cartpole is learnt") && svg.contains("<polyline"), "{svg}");
    let genomes = out.join("best.safetensors");
    printed(&mut rollout("cartpole", &genomes, &directory.0.join("out.csv")));
    refusal(&mut rollout("acrobot", &genomes, &directory.0.join("out.csv")), &directory);
}

#[test]
fn faults_of_an_evolution_are_named() {
    let directory = Temporary::new();
    let file = directory.0.join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let refused =
        |arguments: &[&str]| refusal(&mut evolve(&[&["--env", "cartpole"], arguments].concat(), &file), &directory);
    let lines = [
        refused(&["--population", "100"]),
        refused(&["--population", "0"]),
        refused(&["--generations", "0"]),
        refused(&["--episodes", "0"]),
        refused(&["--until", "nan"]),
        refused(&[]),
    ];
    insta::assert_snapshot!(lines.join("\n"), @"
    onedispatch: --population is 100; accepted: a multiple of 64
    onedispatch: --population is 0; accepted: a multiple of 64
    onedispatch: --generations is 0; accepted: 1 to 1000000
    onedispatch: --episodes is 0; accepted: 1 to 256
    onedispatch: --until is NaN; accepted: a finite number
    onedispatch: DIR/file: is no folder; choose another place
    ");
    // A hundred gigabytes of genomes.
    let many = (u32::MAX / 4 + 1).to_string();
    let out = directory.0.join("many");
    let line = refusal(&mut evolve(&["--env", "cartpole", "--population", &many, "--episodes", "1"], &out), &directory);
    assert!(line.starts_with("onedispatch: evolution of cartpole does not fit "), "{line}");
    assert!(line.ends_with("; choose a smaller population, or fewer steps where every state is kept"), "{line}");
}

/// A spec of rollouts on prices, quick enough for any device.
fn spec(directory: &Temporary, prices: &Path, more: &str) -> PathBuf {
    let path = directory.0.join("own.toml");
    let text = format!(
        "name = \"own-quick\"\nquestion = \"Does it run?\"\nworkload = \"rollout\"\nseed = 1\nquick = true\nsamples = 1\n\
         warmup_s = 0\narm_cap_s = 1\ntolerance = 1e-3\ntolerance_reason = \"f32\"\npolicies = [\"one-submit\"]\n{more}\
         environment = [\"portfolio\"]\npopulation = [64]\nsteps = [8]\nprices = {:?}\n",
        prices.display().to_string()
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn run(spec: &Path, directory: &Temporary) -> Command {
    let mut command = onedispatch(&["run"]);
    command.arg(spec).arg("--out").arg(directory.0.join("data"));
    command
}

/// The prices that a spec names are checked before anything is measured, and told in the case; evolution is run as rows.
#[test]
fn a_spec_names_its_prices() {
    let directory = Temporary::new();
    let prices = directory.0.join("prices.csv");
    let days = (0..40).map(|day| format!("{},{},{}\n", 100 + day % 7, 50 + day % 3, 80 + day)).collect::<String>();
    std::fs::write(&prices, format!("A,B,C\n{days}100,,90\n")).unwrap();
    let arms = "arms = [\"fused\"]\n[rollout]\n";
    // It names the device first.
    let refused = run(&spec(&directory, &prices, arms), &directory).output().unwrap();
    let line = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{line}");
    let place = format!("{}: line 42, column 2 (`B`)", prices.display());
    assert!(line.contains(&format!("{place}: a price is missing")), "{line}");
    assert!(!directory.0.join("data").exists(), "nothing was measured");

    std::fs::write(&prices, format!("A,B,C\n{days}")).unwrap();
    let evolution = "arms = [\"evaluation\", \"evolution\"]\n[rollout]\ngenerations = 2\nepisodes = 2\n";
    printed(&mut run(&spec(&directory, &prices, evolution), &directory));
    let runs = onedispatch::record::run::load_all(&directory.0.join("data")).unwrap();
    let case = runs[0].cases.iter().find(|case| case.workload == "rollout").unwrap();
    let sha256 = onedispatch::digest::sha256_hex(&std::fs::read(&prices).unwrap());
    assert_eq!((case.prices_sha256.as_str(), case.generations, case.episodes), (sha256.as_str(), 2, 2));
    let row = |arm: &str| runs[0].results.iter().find(|row| row.key.arm == arm).unwrap();
    // Two generations of two episodes of eight days.
    assert_eq!([row("evaluation").units, row("evolution").units], [64 * 8 * 4; 2]);
    assert_eq!(row("evaluation").followed, 64);
    assert!(row("evolution").fresh_return.is_some() && row("evolution").gate == "pass");
}
