//! A population: genomes and initial states, drawn from a seed or given, laid out as kernels read them.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::environment::{Environment, Values};
use super::oracle;
use crate::philox;
use crate::program::{Block, Blocks};

/// Genomes and initial states of `individuals` individuals, the individual running fastest, so that neighbouring threads
/// read neighbouring words.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    pub individuals: u32,
    /// `[parameters][individuals]`
    pub genomes: Vec<f32>,
    /// `[components][individuals]`
    pub initial: Vec<f32>,
}

impl Population {
    /// Genomes uniform of unit variance, and initial states as the environment draws them. Numbers 4 k to 4 k + 3 of individual i are
    /// the words of Philox at counter [i, k, 0, 0] under the seed, those of its state at [i, k, 1, 0].
    pub fn random(environment: &Environment, individuals: u32, seed: u64) -> Population {
        let spread = 3f32.sqrt();
        let genome = |_, uniform: f32| spread * (2.0 * uniform - 1.0);
        let genomes = drawn(environment.parameters(), individuals, seed, 0, genome);
        Population { individuals, genomes, initial: initial_states(environment, individuals, seed) }
    }

    /// From genomes `[individuals][parameters]` and states `[individuals][components]`.
    pub fn of_rows(environment: &Environment, genomes: &[f32], initial: &[f32]) -> Population {
        let parameters = environment.parameters() as usize;
        let individuals = genomes.len() / parameters;
        Population {
            individuals: individuals as u32,
            genomes: transposed(genomes, parameters),
            initial: transposed(initial, environment.components.len()),
        }
    }

    /// The parameters of an individual.
    pub fn genome(&self, individual: u32) -> Vec<f32> {
        column(&self.genomes, self.individuals, individual).collect()
    }

    /// The initial state of an individual.
    pub fn state(&self, individual: u32) -> Values {
        let state: Vec<f32> = column(&self.initial, self.individuals, individual).collect();
        oracle::values(&state)
    }

    /// The blocks `genomes`, `initial` and `market` of programs.
    pub fn blocks(&self, environment: &Environment) -> Blocks {
        let values = [("genomes", &self.genomes), ("initial", &self.initial), ("market", &environment.market)];
        let block = |values: &[f32]| -> Arc<dyn Block> { Arc::new(bytemuck::cast_slice(values).to_vec()) };
        values.into_iter().map(|(name, values)| (name.to_string(), block(values))).collect()
    }

    /// Environment steps of all episodes of at most `steps` steps, by the oracle.
    pub fn expected_steps(&self, environment: &Environment, steps: u32) -> u64 {
        let length = |individual| {
            let (genome, initial) = (self.genome(individual), self.state(individual));
            u64::from(oracle::episode(environment, &genome, &initial, steps, &mut |_, _| ()).length)
        };
        (0..self.individuals).map(length).sum()
    }

    /// SHA-256, in lower-case hexadecimal, of the genomes and the initial states as kernels read them, little-endian.
    pub fn sha256(&self) -> String {
        let mut digest = Sha256::new();
        for chunk in [&self.genomes, &self.initial].into_iter().flat_map(|values| values.chunks(4096)) {
            digest.update(chunk.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Initial states `[components][individuals]` as the environment draws them.
pub fn initial_states(environment: &Environment, individuals: u32, seed: u64) -> Vec<f32> {
    let components = environment.components;
    let state = |index: usize, uniform: f32| {
        let (low, high) = components[index].initial;
        (low + (high - low) * f64::from(uniform)) as f32
    };
    drawn(components.len() as u32, individuals, seed, 1, state)
}

/// `[numbers][individuals]`: `value` of each number's index and of its uniform draw from [0, 1).
fn drawn(numbers: u32, individuals: u32, seed: u64, stream: u32, value: impl Fn(usize, f32) -> f32) -> Vec<f32> {
    let key = philox::key(seed);
    let width = individuals as usize;
    let mut values = vec![0.0; numbers as usize * width];
    for (block, rows) in (0u32..).zip(values.chunks_mut(4 * width)) {
        for individual in 0..individuals {
            let words = philox::philox4x32([individual, block, stream, 0], key);
            for (j, (row, word)) in rows.chunks_mut(width).zip(words).enumerate() {
                // The upper 24 bits are exact in f32.
                let uniform = (word >> 8) as f32 / (1u32 << 24) as f32;
                row[individual as usize] = value(4 * block as usize + j, uniform);
            }
        }
    }
    values
}

fn transposed(rows: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|j| rows.iter().skip(j).step_by(width).copied()).collect()
}

fn column(values: &[f32], individuals: u32, individual: u32) -> impl Iterator<Item = f32> {
    values.iter().skip(individual as usize).step_by(individuals as usize).copied()
}
