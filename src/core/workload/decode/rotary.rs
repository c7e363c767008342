//! Rotary positions: each pair of a query's or key's elements is turned by an angle that grows with the position (Su et al.,
//! "RoFormer", 2021).

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotary {
    /// Pair i of n is turned by theta^(-i / n) a position, before `scaling`.
    pub theta: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
}

/// How angles are made smaller for contexts longer than a model was first trained for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scaling {
    /// All by the same factor.
    Linear { factor: f64 },
    /// Llama 3's: slow pairs by the factor, fast ones not at all, and what lies between by a mixture.
    Llama3 { factor: f64, low_freq_factor: f64, high_freq_factor: f64, original_max_position_embeddings: u32 },
    /// By a number for each pair.
    Divisors(Vec<f64>),
}

impl Rotary {
    /// Angle of pair `pair` of `pairs` at position 1.
    fn frequency(&self, pair: u32, pairs: u32) -> f64 {
        let frequency = self.theta.powf(-f64::from(pair) / f64::from(pairs));
        match &self.scaling {
            None => frequency,
            Some(Scaling::Linear { factor }) => frequency / factor,
            Some(Scaling::Divisors(divisors)) => frequency / divisors.get(pair as usize).copied().unwrap_or(1.0),
            Some(Scaling::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: original,
            }) => {
                // Turns within the original context: fewer than `low` are scaled, more than `high` are not.
                let turns = f64::from(*original) * frequency / TAU;
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                kept * frequency + (1.0 - kept) * frequency / factor
            }
        }
    }

    /// Cosine and sine of each pair at each position, `[positions, head_dim]`.
    pub fn table(&self, positions: u32, head_dim: u32) -> Vec<f32> {
        let pairs = head_dim / 2;
        let frequencies: Vec<f64> = (0..pairs).map(|pair| self.frequency(pair, pairs)).collect();
        let turned = |position: u32| {
            frequencies.iter().flat_map(move |frequency| {
                let (sine, cosine) = (f64::from(position) * frequency).sin_cos();
                [cosine as f32, sine as f32]
            })
        };
        (0..positions).flat_map(turned).collect()
    }
}

/// Where element `i` of a head stands among those of a kernel, in which the elements of a pair are neighbours. Checkpoints have
/// the first of all pairs in the first half.
pub fn beside(i: usize, head_dim: usize) -> usize {
    if i < head_dim / 2 { 2 * i } else { 2 * (i - head_dim / 2) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_keeps_fast_pairs_and_divides_slow_ones() {
        let scaling = Scaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192,
        };
        let plain = Rotary { theta: 5e5, scaling: None };
        let scaled = Rotary { scaling: Some(scaling), ..plain.clone() };
        let ratio = |pair| scaled.frequency(pair, 32) / plain.frequency(pair, 32);
        assert_eq!(ratio(0), 1.0);
        assert_eq!(ratio(31), 1.0 / 8.0);
        let between: Vec<f64> = (0..32).map(ratio).collect();
        assert!(
            between.is_sorted_by(|a, b| a >= b) && between.iter().any(|&ratio| ratio > 0.2 && ratio < 0.9),
            "{between:?}"
        );
    }

    #[test]
    fn a_table_has_cosines_and_sines_of_pairs() {
        let rotary = Rotary { theta: 100.0, scaling: Some(Scaling::Linear { factor: 2.0 }) };
        let table = rotary.table(2, 4);
        let angles = [0.5f64, 0.05];
        assert_eq!(table[..4], [1.0, 0.0, 1.0, 0.0]);
        assert_eq!(table[4..], angles.map(|angle| [angle.cos() as f32, angle.sin() as f32]).concat());
        assert_eq!([0, 1, 2, 3].map(|i| beside(i, 4)), [0, 2, 1, 3]);
    }
}
