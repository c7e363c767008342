//! Rollouts against Gymnasium in float64: the oracle alone, then every arm on whatever device there is.

mod optional;

use std::path::Path;

use onedispatch::cases::rollout::task_of;
use onedispatch::device::Gpu;
use onedispatch::device::executor::Prepared;
use onedispatch::program::Policy;
use onedispatch::spec::RolloutCase;
use onedispatch::workload::rollout::environment::{Environment, Values};
use onedispatch::workload::rollout::environments;
use onedispatch::workload::rollout::gate::{Found, FoundEpisode, Reference};
use onedispatch::workload::rollout::population::Population;
use onedispatch::workload::rollout::{Arm, Tuning, oracle};
use safetensors::SafeTensors;

/// `tests/golden/rollout/README.md` says where these are from.
struct Golden {
    environment: &'static Environment,
    /// `[individuals][parameters]`
    genomes: Vec<f32>,
    /// `[individuals][components]`
    initial: Vec<f32>,
    /// `[individuals][steps + 1][components]`; NaN after the end.
    trajectory: Vec<f64>,
    returns: Vec<f64>,
    lengths: Vec<i64>,
    terminated: Vec<u8>,
    /// Smallest distance of the largest output to the next, over an episode.
    margins: Vec<f64>,
}

impl Golden {
    fn read(environment: &'static Environment) -> Golden {
        let name = format!("tests/golden/rollout/{}.safetensors", environment.name);
        let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(&name));
        let bytes = bytes.unwrap_or_else(|error| panic!("{name}, of an independent implementation: {error}"));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        fn all<T: bytemuck::Pod>(file: &SafeTensors, name: &str) -> Vec<T> {
            bytemuck::pod_collect_to_vec(file.tensor(name).unwrap().data())
        }
        Golden {
            environment,
            genomes: all(&file, "genomes"),
            initial: all(&file, "initial_state"),
            trajectory: all(&file, "trajectory"),
            returns: all(&file, "episode_return"),
            lengths: all(&file, "length"),
            terminated: all(&file, "terminated"),
            margins: all(&file, "min_action_margin"),
        }
    }

    fn individuals(&self) -> usize {
        self.returns.len()
    }

    fn genome(&self, individual: usize) -> &[f32] {
        let parameters = self.environment.parameters() as usize;
        &self.genomes[individual * parameters..][..parameters]
    }

    fn state(&self, individual: usize, step: usize) -> Values {
        let components = self.environment.components.len();
        let steps = self.environment.steps as usize;
        let row = &self.trajectory[(individual * (steps + 1) + step) * components..][..components];
        std::array::from_fn(|component| row.get(component).copied().unwrap_or(0.0))
    }

    fn initial(&self, individual: usize) -> Values {
        let components = self.environment.components.len();
        oracle::values(&self.initial[individual * components..][..components])
    }
}

/// No other implementation of it is known: its rules are held to examples worked by hand beside the oracle.
const WITHOUT_GOLDEN: &str = "portfolio";

/// Those that an independent implementation has followed too.
fn with_golden() -> impl Iterator<Item = &'static Environment> {
    Environment::all().into_iter().filter(|environment| environment.name != WITHOUT_GOLDEN)
}

/// Every step of every episode, from the state in which Gymnasium was.
#[test]
fn the_oracle_steps_as_gymnasium() {
    for environment in with_golden() {
        let golden = Golden::read(environment);
        for individual in 0..golden.individuals() {
            let genome = golden.genome(individual);
            let mut smallest = f64::INFINITY;
            let length = golden.lengths[individual] as usize;
            for step in 0..length {
                let (next, margin) = oracle::step(environment, genome, &golden.state(individual, step));
                let error = environment.distance(&next.state, &golden.state(individual, step + 1));
                assert!(error < 1e-12, "{}, individual {individual}, step {step}: {error:e}", environment.name);
                let ends = step + 1 == length && golden.terminated[individual] == 1;
                assert_eq!(next.terminated, ends, "{}, individual {individual}, step {step}", environment.name);
                smallest = smallest.min(margin);
            }
            if environment.outputs > 1 {
                assert!((smallest - golden.margins[individual]).abs() < 1e-9, "{smallest}");
            }
        }
    }
}

/// Whole episodes: what f64 rounds differently grows too, but not far.
#[test]
fn the_oracle_makes_gymnasiums_episodes() {
    for environment in with_golden() {
        let golden = Golden::read(environment);
        for individual in 0..golden.individuals() {
            let genome = golden.genome(individual);
            let mut states = Vec::new();
            let mut keep = |state: &Values, _| states.push(*state);
            let initial = golden.initial(individual);
            let episode = oracle::episode(environment, genome, &initial, environment.steps, &mut keep);
            let what = format!("{}, individual {individual}", environment.name);
            assert_eq!(i64::from(episode.length), golden.lengths[individual], "{what}");
            assert_eq!(episode.terminated, golden.terminated[individual] == 1, "{what}");
            assert!((episode.episode_return - golden.returns[individual]).abs() < 1e-6, "{what}");
            assert_eq!(states.len(), episode.length as usize + 1, "{what}");
            let last = environment.distance(&episode.state, &golden.state(individual, episode.length as usize));
            assert!(last < 1e-6, "{what}: {last:e}");
        }
    }
}

/// Every arm, with every number of threads that may follow an individual.
fn arms(gpu: &Gpu, environment: &Environment) -> Vec<(Arm, u32)> {
    let all = Arm::PLAIN.into_iter().flat_map(|arm| arm.lanes(environment).into_iter().map(move |lanes| (arm, lanes)));
    all.filter(|&(_, lanes)| lanes == 1 || optional::has_subgroups(gpu, lanes, environment.name)).collect()
}

/// Runs a program of an arm once and reads what it made.
fn run(
    gpu: &Gpu,
    environment: &Environment,
    (arm, lanes): (Arm, u32),
    policy: Policy,
    population: &Population,
    steps: u32,
) -> Found {
    let tuning = Tuning { lanes, ..Tuning::of(64) };
    let program = arm.program(environment, population.individuals, steps, &tuning);
    let prepared = Prepared::new(gpu, &program, &population.blocks(environment)).unwrap();
    prepared.run(policy).unwrap();
    Found::of_bytes(&prepared.read("episodes").unwrap(), &prepared.read("states").unwrap())
}

/// One step from each state in which Gymnasium was, ties left out; then whole episodes.
fn follows_golden(gpu: &Gpu, environment: &'static Environment) {
    let golden = Golden::read(environment);
    let components = environment.components.len();
    let (mut genomes, mut states, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    for individual in 0..golden.individuals() {
        let genome = golden.genome(individual);
        for step in 0..golden.lengths[individual] as usize {
            let state = golden.state(individual, step).map(|value| value as f32);
            let (next, margin) = oracle::step(environment, genome, &state.map(f64::from));
            if margin > 1e-4 {
                genomes.extend_from_slice(genome);
                states.extend_from_slice(&state[..components]);
                expected.push(next);
            }
        }
    }
    assert!(10 * expected.len() > 9 * golden.lengths.iter().sum::<i64>() as usize, "few are ties");
    let singles = Population::of_rows(environment, &genomes, &states);
    let population = Population::of_rows(environment, &golden.genomes, &golden.initial);
    let reference = Reference::new(environment, &population, environment.steps, 1e-3);
    for (arm, lanes) in arms(gpu, environment) {
        let what = format!("{} {} by {lanes}", environment.name, arm.name());
        let found = run(gpu, environment, (arm, lanes), Policy::OneSubmit, &singles, 1);
        let mut undecided = 0;
        for (index, expected) in expected.iter().enumerate() {
            let column: Vec<f32> = found.states.iter().skip(index).step_by(found.episodes.len()).copied().collect();
            let error = environment.distance(&oracle::values(&column), &expected.state);
            assert!(error < 1e-5, "{what}, step {index}: {column:?}, expected {:?}", expected.state);
            let there = found.episodes[index];
            let reward = (f64::from(there.episode_return) - expected.reward).abs() / environment.reward;
            // The threshold itself may be met within rounding.
            undecided += u32::from(there.terminated != expected.terminated);
            assert!(reward < 1e-5 || there.terminated != expected.terminated, "{what}, step {index}: {reward:e}");
        }
        assert!(undecided <= 1, "{what}: {undecided} ends are not where they are expected");

        let policies = if arm == Arm::STEP { Policy::ALL.to_vec() } else { vec![Policy::OneSubmit] };
        for policy in policies {
            let found = run(gpu, environment, (arm, lanes), policy, &population, environment.steps);
            let gate = reference.check(&found);
            assert!(gate.reason.is_empty(), "{what} {policy}: {}", gate.reason);
            assert!(gate.compared >= 4, "{what} compares {}", gate.compared);
        }
    }
}

#[test]
fn arms_follow_golden_episodes() {
    let gpu = Gpu::open(None).unwrap();
    with_golden().for_each(|environment| follows_golden(&gpu, environment));
}

#[test]
fn portfolio_arms_follow_the_oracle() {
    let gpu = Gpu::open(None).unwrap();
    let environment = Environment::named(WITHOUT_GOLDEN).unwrap();
    let population = Population::random(environment, 64, 11);
    let steps = 120;
    let reference = Reference::new(environment, &population, steps, 1e-4);
    for arm in arms(&gpu, environment) {
        let single = run(&gpu, environment, arm, Policy::OneSubmit, &reference.shared, 1);
        let gate = reference.check_single(&single);
        assert!(gate.reason.is_empty() && gate.compared > 900, "{arm:?}: {gate:?}");
        let found = run(&gpu, environment, arm, Policy::OneSubmit, &population, steps);
        let gate = reference.check(&found);
        // Where a position nearly needs no trade, rounding decides on one: most are compared as a distribution.
        assert!(gate.reason.is_empty() && gate.compared > 8, "{arm:?}: {gate:?}");
        let invested: f32 = found.states[4 * 64..7 * 64].iter().sum();
        assert!(invested > 64.0, "what is held is more than what was paid in: {invested}");
        let returns = found.episodes.iter().map(|episode| episode.episode_return).collect::<Vec<_>>();
        assert!(returns.iter().any(|value| (value - returns[0]).abs() > 0.05), "policies differ");
    }
}

/// What a perfect arm would leave behind.
fn perfect(environment: &Environment, population: &Population, steps: u32) -> Found {
    let mut found = Found { episodes: Vec::new(), states: Vec::new() };
    let mut states = Vec::new();
    for individual in 0..population.individuals {
        let genome = population.genome(individual);
        let episode = oracle::episode(environment, &genome, &population.state(individual), steps, &mut |_, _| ());
        states.push(episode.state);
        found.episodes.push(FoundEpisode {
            episode_return: episode.episode_return as f32,
            length: episode.length,
            terminated: episode.terminated,
        });
    }
    let components = 0..environment.components.len();
    found.states = components.flat_map(|c| states.iter().map(move |state| state[c] as f32)).collect();
    found
}

#[test]
fn the_gate_passes_what_is_right_and_names_what_is_not() {
    for environment in Environment::all() {
        let population = Population::random(environment, 100, 3);
        let steps = 60;
        let reference = Reference::new(environment, &population, steps, 1e-3);
        let right = perfect(environment, &population, steps);
        let gate = reference.check(&right);
        assert!(gate.reason.is_empty() && gate.compared > 32, "{}: {gate:?}", environment.name);
        assert!(gate.error.is_some_and(|error| error < 1e-6), "{gate:?}");
        let single = perfect(environment, &reference.shared, 1);
        assert!(reference.check_single(&single).reason.is_empty());

        let wrong = |change: &dyn Fn(&mut Found)| {
            let mut found = right.clone();
            change(&mut found);
            let gate = reference.check(&found);
            assert!(!gate.reason.is_empty(), "{} passes", environment.name);
            gate.reason
        };
        // The first individual is compared; the second is of no sample, but has to be possible.
        wrong(&|found| found.episodes[0].episode_return += 0.01 * (environment.reward * 60.0) as f32);
        wrong(&|found| found.states[0] += 0.01 * environment.components[0].scale as f32);
        wrong(&|found| found.episodes[0].length += 1);
        wrong(&|found| found.episodes[0].terminated ^= true);
        assert!(
            wrong(&|found| found.episodes[1].episode_return = f32::NAN).contains("individual 1: the return is NaN")
        );
        assert!(wrong(&|found| found.states[1] = f32::INFINITY).contains("individual 1: the last"));
        assert!(wrong(&|found| found.episodes[1].length = 0).contains("individual 1: 0 of 60 steps"));
        let mut single = single;
        single.states.iter_mut().for_each(|value| *value += 0.01);
        assert!(reference.check_single(&single).reason.starts_with("a single step from a shared state"));
    }
}

/// A single one that rounding decides on is no distribution.
#[test]
fn one_chaotic_individual_may_end_at_any_time() {
    let acrobot = Environment::named("acrobot").unwrap();
    let mut population = Population::random(acrobot, 64, 5);
    (2..4).for_each(|component| population.initial[component * 64 + 1] *= 60.0);
    let reference = Reference::new(acrobot, &population, 500, 1e-3);
    let mut found = perfect(acrobot, &population, 500);
    found.episodes[1] = FoundEpisode { episode_return: -4.0, length: 5, terminated: true };
    assert_eq!(reference.check(&found).reason, "");
}

/// Individuals that swing so fast that rounding decides when they end: they may end at any time, but not all at once.
#[test]
fn the_gate_compares_distributions_of_what_is_chaotic() {
    let acrobot = Environment::named("acrobot").unwrap();
    let mut population = Population::random(acrobot, 64, 5);
    population.initial[2 * 64..].iter_mut().for_each(|velocity| *velocity *= 30.0);
    let reference = Reference::new(acrobot, &population, 500, 1e-3);
    let right = perfect(acrobot, &population, 500);
    assert!(reference.check(&right).reason.is_empty());
    let early = FoundEpisode { episode_return: -4.0, length: 5, terminated: true };
    let passes_alone = |individual: &usize| {
        let mut changed = right.clone();
        changed.episodes[*individual] = early;
        reference.check(&changed).reason.is_empty()
    };
    let chaotic: Vec<usize> = (0..64).filter(passes_alone).collect();
    assert!((16..60).contains(&chaotic.len()), "{chaotic:?}");
    let mut lucky = right.clone();
    chaotic.iter().for_each(|&individual| lucky.episodes[individual] = early);
    let reason = reference.check(&lucky).reason;
    assert!(reason.contains("chaotic individuals is -4.000"), "{reason}");
}

#[test]
fn populations_are_drawn_alike_and_as_the_environment_draws() {
    for environment in Environment::all() {
        let population = Population::random(environment, 1000, 7);
        assert_eq!(population, Population::random(environment, 1000, 7));
        assert_ne!(population.sha256(), Population::random(environment, 1000, 8).sha256());
        // An individual does not hang on how many there are.
        let few = Population::random(environment, 10, 7);
        assert_eq!((few.genome(9), few.state(9)), (population.genome(9), population.state(9)));
        let mean =
            population.genomes.iter().map(|gene| f64::from(*gene)).sum::<f64>() / population.genomes.len() as f64;
        let square = population.genomes.iter().map(|gene| f64::from(*gene).powi(2)).sum::<f64>();
        assert!(mean.abs() < 0.02 && (square / population.genomes.len() as f64 - 1.0).abs() < 0.02);
        for (component, values) in environment.components.iter().zip(population.initial.chunks(1000)) {
            let (low, high) = component.initial;
            let range = (low - 1e-6) as f32..=(high + 1e-6) as f32;
            assert!(values.iter().all(|value| range.contains(value)), "{}", component.name);
            let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / 1000.0;
            assert!((mean - (low + high) / 2.0).abs() <= 0.05 * (high - low), "{}", component.name);
        }
    }
}

/// Bodies and test functions: every arm, at sizes that no workgroup divides, and at an odd number of steps.
#[test]
fn tasks_without_a_policy_are_the_oracles() {
    let gpu = Gpu::open(None).unwrap();
    for environment in environments::task_names() {
        let name = environment.to_string();
        let case = RolloutCase {
            name,
            environment: environment.into(),
            population: 70,
            steps: 31,
            seed: 5,
            ..RolloutCase::default()
        };
        let task = task_of(&case).unwrap();
        assert!(task.expected.iter().any(|value| (value - task.expected[0]).abs() > 1e-3 * task.scale));
        for &arm in task.arms {
            let program = (task.program)(arm, 32);
            let prepared = Prepared::new(&gpu, &program, &task.blocks).unwrap();
            for policy in Policy::ALL {
                prepared.run(policy).unwrap();
                let output = prepared.read(&program.outputs[0]).unwrap();
                let error = task.error(&output).unwrap();
                assert!(error < 1e-5, "{environment} {} {policy}: {error:e}", arm.name());
                assert_eq!(task.error(&output[4..]), None);
                let mut wrong = output.clone();
                wrong[..4].copy_from_slice(&f32::NAN.to_le_bytes());
                // Not a number, or a whole number that is far off.
                assert!(task.error(&wrong).is_none_or(|error| error > 1.0));
            }
        }
    }
}
