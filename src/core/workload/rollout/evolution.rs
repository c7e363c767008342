//! A genetic algorithm whose generations are dispatches: breeding, evaluation by the fused arm, scoring, ranking. Nothing of
//! it runs on the host but the loop.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::environment::Environment;
use super::population::initial_states;
use super::programs::EPISODE_WORDS;
use super::{Arm, Tuning};
use crate::philox;
use crate::program::{Binding, Blocks, Buffer, Checks, Contents, Dispatch, Kernel, Phase, Program};

/// The ways to measure one: evaluation alone, of the first generation's individuals as often as there are generations, and the
/// whole loop.
pub const ARMS: [&str; 2] = ["evaluation", "evolution"];

/// Best individuals that go on as they are. They start from the same states in each generation, so that the best return
/// never falls.
pub const ELITES: u32 = 4;

/// Populations are multiples of this: a binding of each episode has to begin at a multiple of 256 bytes.
pub const POPULATION_STEP: u32 = 64;

/// An evolution: what is evolved, and by how much.
#[derive(Clone, Copy)]
pub struct Evolution<'a> {
    pub environment: &'a Environment,
    /// A multiple of [`POPULATION_STEP`].
    pub population: u32,
    /// Longest length of an episode.
    pub steps: u32,
    /// Initial states that every individual starts from; its fitness is the mean return.
    pub episodes: u32,
    /// Most generations that there will be, and those of one run of the program.
    pub generations: u32,
    pub at_once: u32,
    pub seed: u64,
}

/// One generation, as `rank` of the shader sums it up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Generation {
    pub best: f32,
    pub mean: f32,
    /// Steps of all episodes of all individuals.
    pub steps: u64,
}

impl Evolution<'_> {
    /// `at_once` generations; run again and again from where the last run ended. The output `history` holds four words for each
    /// generation, `best` the best genome so far.
    pub fn program(&self, workgroup_size: u32) -> Program {
        let mut plan = Plan::new(self, workgroup_size);
        plan.own_buffers();
        let mut generation = vec![
            plan.dispatch("breed", &["plan", "progress", "fitness", "genomes", "children"], &["PARAMETERS", "ELITES"]),
            plan.dispatch("settle", &["genomes", "children"], &[]),
        ];
        generation.extend(plan.evaluation());
        generation.push(plan.dispatch("score", &["plan", "fitness", "lengths", "episodes"], &["EPISODES"]));
        let ranked = ["plan", "progress", "fitness", "genomes", "history", "best", "lengths"];
        generation.push(Dispatch { workgroups: 1, ..plan.dispatch("rank", &ranked, &["PARAMETERS", "ELITES"]) });
        Program {
            name: format!("evolution of {}", self.environment.name),
            buffers: plan.buffers,
            kernels: plan.kernels,
            phases: vec![Phase { name: "generations".into(), repeat: self.at_once, dispatches: generation }],
            outputs: vec!["history".into(), "best".into()],
        }
    }

    /// Evaluation alone: the same dispatches, of the population that [`Population::random`] draws, as often as `at_once` says.
    /// Episodes and last states of one start follow those of the one before.
    ///
    /// [`Population::random`]: super::population::Population::random
    pub fn evaluation(&self, workgroup_size: u32) -> Program {
        let plan = Plan::new(self, workgroup_size);
        let dispatches = plan.evaluation();
        Program {
            name: format!("evaluation of {}", self.environment.name),
            buffers: plan.buffers,
            kernels: plan.kernels,
            phases: vec![Phase { name: "generations".into(), repeat: self.at_once, dispatches }],
            outputs: vec!["episodes".into(), "states".into()],
        }
    }

    /// The initial states, each for every individual, and what the environment is given.
    pub fn blocks(&self) -> Blocks {
        let starts = initial_states(self.environment, self.episodes, self.seed);
        let mut blocks = Blocks::new();
        for episode in 0..self.episodes {
            let of_start = starts.iter().skip(episode as usize).step_by(self.episodes as usize);
            let states: Vec<f32> =
                of_start.flat_map(|&value| std::iter::repeat_n(value, self.population as usize)).collect();
            blocks.insert(start(episode), Arc::new(bytemuck::cast_slice::<f32, u8>(&states).to_vec()));
        }
        blocks.insert("market".into(), Arc::new(bytemuck::cast_slice::<f32, u8>(&self.environment.market).to_vec()));
        blocks
    }

    /// The generations that are done, from the bytes of `history`.
    pub fn history(&self, bytes: &[u8], generations: u32) -> Vec<Generation> {
        let words: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
        let generation = |row: &[f32]| Generation {
            best: row[0],
            mean: row[1],
            steps: (f64::from(row[2]) * f64::from(self.population)).round() as u64,
        };
        words.chunks_exact(4).take(generations as usize).map(generation).collect()
    }
}

/// Buffers with a range for each start.
const PER_START: [&str; 2] = ["episodes", "states"];

fn start(episode: u32) -> String {
    format!("start-{episode}")
}

struct Plan<'a> {
    evolution: &'a Evolution<'a>,
    workgroup_size: u32,
    buffers: Vec<Buffer>,
    kernels: Vec<Kernel>,
    /// The fused arm's dispatch, for one start, with the names of what it is bound to.
    fused: (Dispatch, Vec<String>),
}

impl Plan<'_> {
    /// The fused arm, with an initial state and a range of episodes and last states for each start.
    fn new<'a>(evolution: &'a Evolution<'a>, workgroup_size: u32) -> Plan<'a> {
        let Evolution { environment, population, steps, episodes, .. } = *evolution;
        let Program { mut buffers, kernels, phases, .. } =
            Arm::WHOLE.program(environment, population, steps, &Tuning::of(workgroup_size));
        let dispatch = phases[0].dispatches[0].clone();
        let names = dispatch.bindings.iter().map(|binding| buffers[binding.buffer].name.clone()).collect();
        for buffer in &mut buffers {
            if PER_START.contains(&buffer.name.as_str()) {
                buffer.bytes *= u64::from(episodes);
            }
        }
        buffers.retain(|buffer| buffer.name != "initial");
        let bytes = 4 * environment.components.len() as u64 * u64::from(population);
        buffers.extend((0..episodes).map(|episode| Buffer {
            name: start(episode),
            bytes,
            contents: Contents::Constant(start(episode)),
        }));
        Plan { evolution, workgroup_size, buffers, kernels, fused: (dispatch, names) }
    }

    /// One dispatch for each start.
    fn evaluation(&self) -> Vec<Dispatch> {
        let (fused, names) = &self.fused;
        let of_start = |episode: u32| {
            let mut bindings = fused.bindings.clone();
            for (binding, name) in bindings.iter_mut().zip(names) {
                if PER_START.contains(&name.as_str()) {
                    binding.offset = u64::from(episode) * binding.bytes;
                }
                let name = if name == "initial" { start(episode) } else { name.clone() };
                binding.buffer = self.index(&name);
            }
            Dispatch { bindings, ..fused.clone() }
        };
        (0..self.evolution.episodes).map(of_start).collect()
    }

    fn own_buffers(&mut self) {
        let Evolution { environment, population, generations, seed, .. } = *self.evolution;
        let floats = |name: &str, rows: u32, contents: Contents| Buffer {
            name: name.into(),
            bytes: 4 * u64::from(rows) * u64::from(population),
            contents,
        };
        let small =
            |name: &str, words: u64, contents: Contents| Buffer { name: name.into(), bytes: 4 * words, contents };
        // The genomes come from the GPU itself.
        for buffer in self.buffers.iter_mut().filter(|buffer| buffer.name == "genomes") {
            buffer.contents = Contents::Scratch;
        }
        let [seed_low, seed_high] = philox::key(seed);
        self.buffers.extend([
            small("plan", 3, Contents::Words(vec![population, seed_low, seed_high])),
            small("progress", 1 + u64::from(ELITES), Contents::Zero),
            small("history", 4 * u64::from(generations), Contents::Poison),
            small("best", u64::from(environment.parameters()), Contents::Poison),
            floats("fitness", 1, Contents::Scratch),
            floats("lengths", 1, Contents::Scratch),
            floats("children", environment.parameters(), Contents::Scratch),
        ]);
    }

    fn index(&self, name: &str) -> usize {
        self.buffers.iter().position(|buffer| buffer.name == name).unwrap_or_default()
    }

    fn dispatch(&mut self, entry: &str, bound: &[&str], constants: &[&str]) -> Dispatch {
        let value = |name: &str| match name {
            "PARAMETERS" => self.evolution.environment.parameters(),
            "EPISODES" => self.evolution.episodes,
            _ => ELITES,
        };
        let mut values: BTreeMap<String, f64> =
            constants.iter().map(|&name| (name.to_string(), f64::from(value(name)))).collect();
        values.insert("WORKGROUP_SIZE".into(), f64::from(self.workgroup_size));
        // `rank` has a candidate and two sums for each thread, and a champion.
        let workgroup_bytes = if entry == "rank" { 12 * u64::from(self.workgroup_size) + 4 } else { 0 };
        self.kernels.push(Kernel {
            shader: "rollout/evolve.wgsl".into(),
            entry: entry.into(),
            constants: values,
            workgroup_size: self.workgroup_size,
            workgroup_bytes: workgroup_bytes.next_multiple_of(16),
            subgroup_size: 0,
            workgroups_together: 1,
            checks: Checks::Bounds,
        });
        let bindings = bound
            .iter()
            .map(|name| self.index(name))
            .map(|buffer| Binding::whole(buffer, &self.buffers[buffer]))
            .collect();
        let workgroups = self.evolution.population.div_ceil(self.workgroup_size);
        Dispatch { kernel: self.kernels.len() - 1, bindings, workgroups }
    }
}

/// The bytes of an `Episode`, of which a population's have to end at a binding's alignment.
const _: () = assert!((4 * EPISODE_WORDS as u64 * POPULATION_STEP as u64).is_multiple_of(Binding::ALIGNMENT));
