//! What a peer made of a rollout is judged anew, as the arms are: synthetic results of a tiny case, right and wrong. And what
//! the peers themselves make of tiny cases on the CPU is taken in, where there is a Python that can run them.

mod fixture;
mod running_peers;

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fixture::{Measured, Temporary, fault_lines};
use onedispatch::digest::sha256_hex;
use onedispatch::peer::export::export;
use onedispatch::peer::import::import;
use onedispatch::peer::rollout::{FORMAT, RolloutFile};
use onedispatch::record::rows::Case;
use onedispatch::record::run::{load, load_all};
use onedispatch::spec::{RolloutCase, Spec};
use onedispatch::workload::rollout::environment::Environment;
use onedispatch::workload::rollout::gate::Reference;
use onedispatch::workload::rollout::oracle;
use onedispatch::workload::rollout::population::Population;
use onedispatch::workload::rollout::{Arm, Tuning, cost, file};
use running_peers::{manifest, peers_with, python, run_peer, taken_in, today};
use serde_json::{Value, json};

const SPEC: &str = r#"name = "rollout"
question = "Is what another program made of episodes checked again?"
workload = "rollout"
seed = 5
quick = true
samples = 5
warmup_s = 0.01
arm_cap_s = 1.0
tolerance = 1e-3
tolerance_reason = "f32"

[rollout]
environment = ["acrobot", "cartpole", "portfolio"]
population = [40]
steps = [30]
"#;

fn spec() -> Spec {
    Spec::parse(SPEC, "spec").unwrap()
}

/// Multiply-adds of a step, and the fewest bytes of a case.
fn work(case: &RolloutCase) -> (u64, u64) {
    let environment = Environment::named(&case.environment).unwrap();
    let tuning = Tuning::of(64);
    let program = Arm::WHOLE.program(environment, case.population, case.steps, &tuning);
    (cost::multiply_adds_per_step(&program, environment), cost::min_bytes(environment, case.population))
}

/// A case with the row of an arm that made the oracle's steps.
fn measured(case: &RolloutCase) -> Measured {
    let environment = Environment::named(&case.environment).unwrap();
    let population = Population::random(environment, case.population, case.seed);
    let about = Case {
        case: case.name.clone(),
        workload: "rollout".into(),
        seed: case.seed,
        weights_sha256: population.sha256(),
        environment: case.environment.clone(),
        population: case.population,
        steps: case.steps,
        ..Case::default()
    };
    let (each, min_bytes) = work(case);
    let units = population.expected_steps(environment, case.steps);
    let mut measured = Measured { case: about, results: Vec::new(), samples: Vec::new() };
    for replica in 0..2 {
        measured.add("fused", "one-submit", replica, 900_000, |row| {
            (row.unit, row.units) = ("environment step".into(), units);
            (row.multiply_adds, row.min_bytes) = (units * each, min_bytes);
        });
    }
    measured
}

struct World {
    temporary: Temporary,
    data: PathBuf,
    run: PathBuf,
    right: Value,
}

fn world() -> World {
    world_of(SPEC)
}

/// A run of all cases of a spec, and what is right of its first.
fn world_of(text: &str) -> World {
    let temporary = Temporary::new();
    let data = temporary.0.join("data");
    let cases = Spec::parse(text, "spec").unwrap().rollout_cases();
    let all: Vec<Measured> = [fixture::controls()].into_iter().chain(cases.iter().map(measured)).collect();
    let run = fixture::write(&data, manifest(text, "NVIDIA H200", "2026-01-31"), &all);
    let mut right = right(&cases[0]);
    right["spec_sha256"] = json!(sha256_hex(text.as_bytes()));
    World { temporary, data, run, right }
}

fn episodes(environment: &Environment, population: &Population, steps: u32) -> Vec<oracle::Episode> {
    let episode = |individual| {
        let (genome, initial) = (population.genome(individual), population.state(individual));
        oracle::episode(environment, &genome, &initial, steps, &mut |_, _| ())
    };
    (0..population.individuals).map(episode).collect()
}

/// Outcomes of the oracle itself, as a peer hands them in.
fn outcome(environment: &Environment, population: &Population, steps: u32) -> Value {
    let episodes = episodes(environment, population, steps);
    let floats = |values: Vec<f32>| STANDARD.encode(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
    let words = |values: Vec<u32>| STANDARD.encode(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
    let components = environment.components.len();
    json!({
        "episode_return": floats(episodes.iter().map(|episode| episode.episode_return as f32).collect()),
        "length": words(episodes.iter().map(|episode| episode.length).collect()),
        "terminated": words(episodes.iter().map(|episode| episode.terminated.into()).collect()),
        "state": floats(episodes.iter().flat_map(|episode| episode.state[..components].iter().map(|&x| x as f32)).collect()),
    })
}

fn right(case: &RolloutCase) -> Value {
    let environment = Environment::named(&case.environment).unwrap();
    let population = Population::random(environment, case.population, case.seed);
    let shared = Reference::new(environment, &population, case.steps, 1e-3).shared;
    let variant = |name: &str, wall_ns: u64| {
        json!({
            "variant": name, "settings": {"tf32": false},
            "samples_ns": (0..5).map(|at| wall_ns + 1000 * at).collect::<Vec<u64>>(), "reason": "",
            "episodes": outcome(environment, &population, case.steps), "single_steps": outcome(environment, &shared, 1),
        })
    };
    json!({
        "format": "onedispatch-result-1", "peer": "jax", "source_sha256": sha256_hex(b"source"),
        "case": case.name, "experiment": "rollout", "spec_sha256": sha256_hex(SPEC.as_bytes()),
        "weights_sha256": population.sha256(), "date": "2026-01-31",
        "device": {"name": "NVIDIA H200", "driver": "580.95.05"}, "versions": {"jax": "0.11.2"},
        "results": [
            variant("scan", 2_000_000),
            {"variant": "while", "settings": {}, "samples_ns": [], "reason": "TookTooLong: not ready"},
        ],
    })
}

impl World {
    fn import(&self, result: &Value) -> Result<(), String> {
        let path = self.temporary.0.join("result.json");
        std::fs::write(&path, result.to_string()).unwrap();
        let imported = import(&path, &load_all(&self.data).unwrap()).map(|_| ());
        imported.map_err(|error| error.to_string().replace(self.temporary.0.to_str().unwrap(), "DIR"))
    }

    fn verified(&self) -> String {
        fault_lines(&self.data)
    }

    /// Why the right result is refused after each change; nothing may have been written.
    fn refusals(&self, changes: &[&dyn Fn(&mut Value)]) -> String {
        let refusal = |change: &&dyn Fn(&mut Value)| {
            let mut result = self.right.clone();
            change(&mut result);
            let error = self.import(&result).unwrap_err();
            assert_eq!(error.lines().count(), 1, "{error}");
            assert!(!self.run.join("peers.toml").exists(), "{error}: something was written");
            error.replace("DIR/result.json: ", "") + "\n"
        };
        changes.iter().map(refusal).collect()
    }

    /// What the row without times says that the right result becomes after each change. Each is of a peer of its own, since
    /// rows are only added.
    fn wrong(&self, changes: &[&dyn Fn(&mut Value)]) -> String {
        let reason = |change: &&dyn Fn(&mut Value)| {
            let mut result = self.right.clone();
            change(&mut result);
            let there = load(&self.run).unwrap().peers.rows.len();
            result["peer"] = json!(format!("jax{there}"));
            self.import(&result).unwrap();
            let row = &load(&self.run).unwrap().peers.rows[there];
            assert_eq!((row.gate.as_str(), row.samples, row.wall_median_ns), ("fail", 0, None), "{}", row.reason);
            format!("{}\n", row.reason)
        };
        let reasons = changes.iter().map(reason).collect();
        assert_eq!(self.verified(), "");
        reasons
    }
}

/// Word `at` of an outcome's part, changed.
fn change(part: &mut Value, at: usize, to: impl Fn([u8; 4]) -> [u8; 4]) {
    let mut bytes = STANDARD.decode(part.as_str().unwrap()).unwrap();
    let word = to(bytes[4 * at..4 * at + 4].try_into().unwrap());
    bytes[4 * at..4 * at + 4].copy_from_slice(&word);
    *part = json!(STANDARD.encode(bytes));
}

fn float(to: impl Fn(f32) -> f32) -> impl Fn([u8; 4]) -> [u8; 4] {
    move |word| to(f32::from_le_bytes(word)).to_le_bytes()
}

#[test]
fn an_exported_rollout_is_whole_and_the_arms_population() {
    let out = Temporary::new();
    let directories = export(&spec(), &[], &out.0, &mut |_| Ok(())).unwrap();
    for (directory, case) in directories.iter().zip(spec().rollout_cases()) {
        let about: RolloutFile = serde_json::from_slice(&std::fs::read(directory.join("case.json")).unwrap()).unwrap();
        assert_eq!((about.format.as_str(), &about.case, about.population, about.steps), (FORMAT, &case.name, 40, 30));
        let environment = Environment::named(&case.environment).unwrap();
        let there = file::read(&directory.join("population.safetensors"), environment, 0).unwrap();
        assert_eq!(there, Population::random(environment, 40, 5));
        assert_eq!(there.sha256(), about.weights_sha256);
        let shared = file::read(&directory.join("shared.safetensors"), environment, 0).unwrap();
        let reference = Reference::new(environment, &there, 30, 1e-3);
        assert_eq!(shared, reference.shared);
        assert_eq!(directory.join("market.safetensors").exists(), case.environment == "portfolio");

        let bytes = std::fs::read(directory.join("expected.safetensors")).unwrap();
        let expected = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let numbers = |name: &str| -> Vec<f64> { bytemuck::pod_collect_to_vec(expected.tensor(name).unwrap().data()) };
        for (at, (individual, episode, decided)) in reference.followed().enumerate() {
            assert_eq!(numbers("individual")[at], f64::from(individual));
            assert_eq!(numbers("episode_return")[at], episode.episode_return);
            assert_eq!(numbers("decided")[at] == 1.0, decided);
        }
        assert_eq!(numbers("single_decided").len(), shared.individuals as usize);
    }
}

#[test]
fn what_has_no_policy_is_not_exported() {
    let out = Temporary::new();
    let text = SPEC.replace(r#"["acrobot", "cartpole", "portfolio"]"#, r#"["nbody"]"#);
    let error = export(&Spec::parse(&text, "spec").unwrap(), &[], &out.0, &mut |_| Ok(())).unwrap_err();
    insta::assert_snapshot!(error, @"nbody-n40-t30: `nbody` has no policy, so there is nothing to export");
    assert_eq!(std::fs::read_dir(&out.0).unwrap().count(), 0);
}

#[test]
fn a_right_rollout_becomes_rows_that_pass() {
    let world = world();
    world.import(&world.right).unwrap();
    assert_eq!(world.verified(), "");
    let rows = load(&world.run).unwrap().peers.rows;
    let case = &spec().rollout_cases()[0];
    let (each, min_bytes) = work(case);
    // None of these ends within 30 steps.
    assert_eq!((rows[0].units, rows[0].multiply_adds, rows[0].min_bytes), (1200, 1200 * each, min_bytes));
    assert_eq!((rows[0].gate.as_str(), rows[0].samples, rows[0].wall_median_ns), ("pass", 5, Some(2_002_000.0)));
    assert!(rows[0].gate_error.unwrap() < 1e-6);
    assert_eq!((rows[1].gate.as_str(), rows[1].units, rows[1].samples), ("fail", 0, 0));
}

#[test]
fn a_wrong_rollout_has_a_row_that_fails_without_times() {
    let world = world();
    let lines = world.wrong(&[
        // The first and the last individual are always followed; the former's last state is [theta1, theta2, ...].
        &|result| change(&mut result["results"][0]["episodes"]["episode_return"], 0, float(|x| x + 1.0)),
        &|result| change(&mut result["results"][0]["episodes"]["episode_return"], 7, float(|_| f32::NAN)),
        &|result| change(&mut result["results"][0]["episodes"]["length"], 39, |_| 29u32.to_le_bytes()),
        &|result| change(&mut result["results"][0]["episodes"]["terminated"], 0, |_| 1u32.to_le_bytes()),
        &|result| change(&mut result["results"][0]["episodes"]["state"], 5, float(|_| f32::INFINITY)),
        &|result| change(&mut result["results"][0]["single_steps"]["episode_return"], 0, float(|_| 0.0)),
        &|result| change(&mut result["results"][0]["single_steps"]["state"], 3, float(|_| f32::NAN)),
    ]);
    insta::assert_snapshot!(lines);
    // Every component of every single step from a shared state, half a scale off.
    for at in 0..4 {
        let reason = world.wrong(&[&|result| {
            change(&mut result["results"][0]["single_steps"]["state"], at, float(|x| x + 1.5));
        }]);
        assert!(reason.contains("a single step from a shared state"), "{reason}");
    }
}

#[test]
fn what_is_no_outcome_is_refused() {
    let lines = world().refusals(&[
        &|result| result["results"][0]["episodes"]["length"] = json!("AAAA"),
        &|result| result["results"][0]["episodes"]["length"] = json!("not base64"),
        &|result| {
            result["results"][0].as_object_mut().unwrap().remove("episodes");
        },
        &|result| {
            result["results"][0].as_object_mut().unwrap().remove("single_steps");
        },
    ]);
    insta::assert_snapshot!(lines);
}

/// The oracle follows 64 individuals; a peer's rate is counted by the lengths of all.
#[test]
fn lengths_that_the_oracle_does_not_follow_are_those_of_the_arms() {
    let text = SPEC.replace(r#"["acrobot", "cartpole", "portfolio"]"#, r#"["cartpole"]"#);
    let text = text.replace("population = [40]", "population = [200]").replace("steps = [30]", "steps = [300]");
    let world = world_of(&text);
    let case = &Spec::parse(&text, "spec").unwrap().rollout_cases()[0];
    let environment = Environment::named(&case.environment).unwrap();
    let population = Population::random(environment, case.population, case.seed);
    let reference = Reference::new(environment, &population, case.steps, 1e-3);
    let followed: Vec<u32> = reference.followed().map(|(individual, ..)| individual).collect();
    let others: Vec<usize> = (0..200).filter(|other| !followed.contains(other)).map(|other| other as usize).collect();
    assert_eq!(others.len(), 200 - 64);

    let reason = world.wrong(&[&|result| {
        others
            .iter()
            .for_each(|&at| change(&mut result["results"][0]["episodes"]["length"], at, |_| 300u32.to_le_bytes()));
    }]);
    assert!(reason.contains("environment steps in all, where the arms made"), "{reason}");

    world.import(&world.right).unwrap();
    assert_eq!(world.verified(), "");
    let each = work(case).0;
    fixture::forge_peers(&world.run, &|rows| {
        let right = rows.iter_mut().find(|row| row.samples > 0).unwrap();
        right.units = right.units * 11 / 10;
        right.multiply_adds = right.units * each;
    });
    assert!(world.verified().contains("the steps that the arms of cartpole-n200-t300 made"), "{}", world.verified());
}

#[test]
fn what_belongs_to_another_case_or_cannot_be_timed_so_is_refused() {
    let world = world();
    let lines = world.refusals(&[
        &|result| result["case"] = json!("cartpole-n40-t30"),
        &|result| result["case"] = json!("acrobot-n41-t30"),
        &|result| result["weights_sha256"] = json!(sha256_hex(b"another")),
        &|result| result["spec_sha256"] = json!(sha256_hex(b"another")),
        &|result| result["device"]["name"] = json!("NVIDIA H100"),
        &|result| result["date"] = json!("2026-03-01"),
        &|result| result["results"][0]["samples_ns"] = json!([]),
        &|result| result["results"][0]["samples_ns"] = json!([2_000_000, 2_000_000]),
        &|result| result["results"][0]["samples_ns"][3] = json!(f64::NAN),
        &|result| result["results"][0]["samples_ns"][3] = json!(-1),
        &|result| result["results"][0]["samples_ns"][3] = json!(1),
    ]);
    insta::assert_snapshot!(lines);
}

/// A forger who rewrites the digests as well is still held to what rows say of each other.
#[test]
fn rows_of_rollouts_that_contradict_each_other_are_named() {
    let world = world();
    world.import(&world.right).unwrap();
    let forged = |edit: &dyn Fn(&mut Vec<onedispatch::record::peers::PeerRow>)| {
        let read = |name: &str| std::fs::read(world.run.join(name)).unwrap();
        let before = ["peer-results.csv", "peers.toml"].map(|name| (name, read(name)));
        fixture::forge_peers(&world.run, edit);
        let lines = world.verified();
        before.iter().for_each(|(name, bytes)| std::fs::write(world.run.join(name), bytes).unwrap());
        lines
    };
    let lines = [
        forged(&|rows| rows[0].multiply_adds += 1),
        forged(&|rows| rows[0].min_bytes += 4),
        forged(&|rows| (rows[1].units, rows[1].multiply_adds) = (30, 30 * work(&spec().rollout_cases()[0]).0)),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn python_peers_roll_out_on_a_cpu() {
    let Some(python) = python() else { return };
    let temporary = Temporary::new();
    let (data, cases) = (temporary.0.join("data"), temporary.0.join("cases"));
    let all: Vec<Measured> =
        [fixture::controls()].into_iter().chain(spec().rollout_cases().iter().map(measured)).collect();
    fixture::write(&data, manifest(SPEC, "cpu", &today()), &all);
    for case in export(&spec(), &[], &cases, &mut |_| Ok(())).unwrap() {
        for peer in peers_with("rollout.py") {
            if peer == "gymnasium" && case.ends_with("portfolio-n40-t30") {
                // It is not among Gymnasium's environments.
                continue;
            }
            let out = temporary.0.join(format!("{peer}-{}.json", case.file_name().unwrap().to_str().unwrap()));
            run_peer(&python, &format!("{peer}/rollout.py"), &case, &out, &[]);
            taken_in(&data, &out);
        }
    }
}
