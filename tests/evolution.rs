//! Evolution on whatever device there is: what is drawn, what goes on, and what is learnt.

use onedispatch::device::Gpu;
use onedispatch::device::executor::Prepared;
use onedispatch::measure::evolution::{evolve, reached, returns_of};
use onedispatch::program::Policy;
use onedispatch::workload::rollout::environment::Environment;
use onedispatch::workload::rollout::evolution::{ELITES, Evolution};
use onedispatch::workload::rollout::oracle;
use onedispatch::workload::rollout::population::{Population, initial_states};

fn small(name: &str, population: u32, generations: u32, seed: u64) -> Evolution<'static> {
    let environment = Environment::named(name).unwrap();
    Evolution {
        environment,
        population,
        steps: environment.steps,
        episodes: 8,
        generations,
        at_once: generations,
        seed,
    }
}

/// The first generation is the population that other commands draw, and its returns are the oracle's.
#[test]
fn the_first_generation_is_drawn_and_scored_as_the_oracle_scores() {
    let gpu = Gpu::open(None).unwrap();
    for name in ["cartpole", "pendulum"] {
        let evolution = Evolution { steps: 40, episodes: 3, ..small(name, 64, 1, 9) };
        let environment = evolution.environment;
        let program = evolution.program(64);
        let prepared = Prepared::new(&gpu, &program, &evolution.blocks()).unwrap();
        prepared.run(Policy::OneSubmit).unwrap();
        let drawn = Population::random(environment, 64, 9);
        let genomes: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("genomes").unwrap());
        for (gene, expected) in genomes.iter().zip(&drawn.genomes) {
            assert!((gene - expected).abs() < 1e-6, "{gene}, expected {expected}");
        }
        let starts = initial_states(environment, 3, 9);
        let mut steps = 0;
        let returns: Vec<f64> = (0..64)
            .map(|individual| {
                let episodes = (0..3).map(|start| {
                    let state: Vec<f32> = starts.iter().skip(start).step_by(3).copied().collect();
                    let genome = drawn.genome(individual);
                    let state = oracle::values(&state);
                    let episode = oracle::episode(environment, &genome, &state, 40, &mut |_, _| ());
                    steps += u64::from(episode.length);
                    episode.episode_return
                });
                episodes.sum::<f64>() / 3.0
            })
            .collect();
        let fitness: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("fitness").unwrap());
        for (found, expected) in fitness.iter().zip(&returns) {
            assert!((f64::from(*found) - expected).abs() < 1e-3 * expected.abs().max(1.0), "{found}, {expected}");
        }
        let history = evolution.history(&prepared.read("history").unwrap(), 1);
        let best = returns.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!((f64::from(history[0].best) - best).abs() < 1e-3 * best.abs().max(1.0), "{history:?}, {best}");
        assert_eq!(history[0].steps, steps);
    }
}

/// The best individuals are in the next generation as they are, and the others are not.
#[test]
fn elites_go_on_as_they_are() {
    let gpu = Gpu::open(None).unwrap();
    let evolution = Evolution { steps: 60, at_once: 1, ..small("cartpole", 128, 3, 4) };
    let program = evolution.program(64);
    let prepared = Prepared::new(&gpu, &program, &evolution.blocks()).unwrap();
    let floats = |name: &str| -> Vec<f32> { bytemuck::pod_collect_to_vec(&prepared.read(name).unwrap()) };
    let genome = |genomes: &[f32], individual: usize| -> Vec<f32> {
        genomes.iter().skip(individual).step_by(128).copied().collect()
    };
    prepared.run(Policy::OneSubmit).unwrap();
    for generation in 1..3 {
        let (genomes, fitness) = (floats("genomes"), floats("fitness"));
        let progress: Vec<u32> = bytemuck::pod_collect_to_vec(&prepared.read("progress").unwrap());
        assert_eq!(progress[0], generation);
        let elites: Vec<usize> = progress[1..].iter().map(|&elite| elite as usize).collect();
        let mut order: Vec<usize> = (0..128).collect();
        order.sort_by(|&a, &b| fitness[b].total_cmp(&fitness[a]).then(a.cmp(&b)));
        assert_eq!(elites, order[..ELITES as usize]);
        assert_eq!(floats("best"), genome(&genomes, elites[0]));
        prepared.go_on(Policy::OneSubmit).unwrap();
        let next = floats("genomes");
        for (place, &elite) in elites.iter().enumerate() {
            assert_eq!(genome(&next, place), genome(&genomes, elite));
            assert_eq!(floats("fitness")[place], fitness[elite], "and start from the same states");
        }
        let kept =
            (ELITES as usize..128).filter(|&place| (0..128).any(|old| genome(&next, place) == genome(&genomes, old)));
        assert!(kept.count() < 64, "children differ from their parents");
    }
}

#[test]
fn a_seed_repeats_itself_however_it_is_cut_and_the_best_never_falls() {
    let gpu = Gpu::open(None).unwrap();
    for environment in Environment::all() {
        let whole = Evolution { steps: 50, episodes: 2, ..small(environment.name, 64, 6, 3) };
        let evolved = |evolution: &Evolution| {
            let mut heard = Vec::new();
            let evolved = evolve(&gpu, evolution, None, &mut |generations| heard.push(generations.len())).unwrap();
            (evolved.genome, evolved.generations, heard)
        };
        let (genome, generations, heard) = evolved(&whole);
        assert_eq!(heard, [6]);
        assert!(generations.windows(2).all(|pair| pair[1].best >= pair[0].best), "{generations:?}");
        let (again, same, heard) = evolved(&Evolution { at_once: 2, ..whole });
        assert_eq!((again, same, heard), (genome.clone(), generations, vec![2, 4, 6]));
        assert_ne!(evolved(&Evolution { seed: 4, ..whole }).0, genome);
    }
}

/// Ten seeds each, tried from states that no individual has seen.
fn solved(name: &str, episodes: u32, until: f64, mean: f64) {
    let gpu = Gpu::open(None).unwrap();
    for seed in 0..10 {
        let evolution = Evolution { episodes, at_once: 5, ..small(name, 256, 30, seed) };
        let evolved = evolve(&gpu, &evolution, Some(until), &mut |_| ()).unwrap();
        let generation = reached(&evolved.generations, Some(until));
        assert!(generation.is_some(), "{name}, seed {seed}: {:?}", evolved.generations.last());
        let returns = returns_of(&gpu, evolution.environment, &evolved.genome, 100, !seed, 1e-3).unwrap();
        let fresh = returns.iter().sum::<f64>() / 100.0;
        println!("{name}, seed {seed}: {until} reached in generation {generation:?}, {fresh} from other states");
        assert!(fresh >= mean, "{name}, seed {seed}: {fresh}");
    }
}

/// Every start reaches the longest episode. From other states Gymnasium asks for 475.
#[test]
fn cartpole_is_solved() {
    solved("cartpole", 32, 500.0, 475.0);
}

#[test]
fn acrobot_is_solved() {
    solved("acrobot", 8, -75.0, -100.0);
}
