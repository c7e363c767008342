//! How the next token is chosen from the logits: the definition, in f64, that the shader follows in f32.
//!
//! Greedy takes the largest logit, the lowest token id among equals.
//!
//! Sampling draws from softmax(logits / temperature) over the top k logits by the Gumbel-max trick (Gumbel 1954;
//! Maddison, Tarlow and Minka, "A* Sampling", 2014): the argmax of logit / temperature + g, with g independent standard
//! Gumbel numbers, has exactly that distribution, and takes neither a sum nor a sort over the vocabulary. For new token
//! `step` (from 0) and token id `i`:
//!
//! ```text
//! w       = philox4x32-10(counter = [step, i, 0, 0], key = [seed mod 2^32, seed / 2^32])[0]
//! v       = (floor(w / 2^8) + 0.5) / 2^24                   in (0, 1)
//! E       = -ln(1 - v)                                      exponential, without cancellation where v is small
//! score_i = logit_i / temperature - ln(E)
//! token   = argmax of score_i over { i : logit_i >= the k-th largest logit }, the lowest i among equals
//! ```
//!
//! Every token that ties with the k-th stays in, as Hugging Face's `TopKLogitsWarper` has it. In f32, v = 1 - 2^-25
//! would round to 1 and E to infinity, so for v > 1/2 a shader forms 1 - v = (2^24 - 1 - floor(w / 2^8) + 0.5) / 2^24
//! directly, which is exact.

use super::model::Sampling;
use crate::philox::{key, philox4x32};

/// The token that `sampling` chooses from `logits`, `[vocab_size]`, as new token `step` (from 0).
pub fn choose(logits: &[f64], sampling: Sampling, step: u32) -> u32 {
    match sampling {
        Sampling::Greedy => argmax(logits.iter().copied()),
        Sampling::TopK { top_k, .. } => {
            let least = kth_largest(logits, top_k);
            argmax(
                scores(logits, sampling, step)
                    .into_iter()
                    .zip(logits)
                    .map(|(score, &logit)| if logit >= least { score } else { f64::NEG_INFINITY }),
            )
        }
    }
}

/// What the argmax is taken of, `[vocab_size]`: the logits (greedy), or logit / temperature + Gumbel noise of every
/// token, inside the top k or not.
pub fn scores(logits: &[f64], sampling: Sampling, step: u32) -> Vec<f64> {
    match sampling {
        Sampling::Greedy => logits.to_vec(),
        Sampling::TopK { temperature, seed, .. } => {
            (0..).zip(logits).map(|(i, logit)| logit / f64::from(temperature) + gumbel(seed, step, i)).collect()
        }
    }
}

/// The k-th largest logit, counting equals; 1 <= k <= vocab_size.
pub fn kth_largest(logits: &[f64], k: u32) -> f64 {
    let mut sorted = logits.to_vec();
    let (_, kth, _) = sorted.select_nth_unstable_by(k as usize - 1, |a, b| b.total_cmp(a));
    *kth
}

/// -ln(E): a standard Gumbel number for new token `step` and token id `index`.
fn gumbel(seed: u64, step: u32, index: u32) -> f64 {
    let word = philox4x32([step, index, 0, 0], key(seed))[0];
    let v = (f64::from(word >> 8) + 0.5) / 16_777_216.0;
    -(-(-v).ln_1p()).ln()
}

/// Index of the largest value, the lowest among equals; NaN is never the largest.
pub fn argmax(values: impl Iterator<Item = f64>) -> u32 {
    let mut best = (0, f64::NEG_INFINITY);
    for (i, value) in (0..).zip(values) {
        if value > best.1 {
            best = (i, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::super::oracle::softmax;
    use super::*;

    #[test]
    fn greedy_takes_the_lowest_of_equals() {
        assert_eq!(choose(&[1.0, 3.0, 3.0, 2.0], Sampling::Greedy, 0), 1);
    }

    #[test]
    fn top_1_is_greedy_except_for_ties() {
        let sampling = Sampling::TopK { temperature: 100.0, top_k: 1, seed: 3 };
        let logits = [0.5, 2.0, -1.0, 2.0];
        let chosen: Vec<u32> = (0..200).map(|step| choose(&logits, sampling, step)).collect();
        assert!(chosen.iter().all(|token| [1, 3].contains(token)));
        assert!(chosen.contains(&1) && chosen.contains(&3), "both of the tied tokens are drawn");
    }

    /// Pearson's chi-square against softmax(logits / temperature) over the top 5 of 8; 4 degrees of freedom, so 18.5 is
    /// the 99.9% quantile.
    #[test]
    fn draws_follow_the_softmax() {
        let logits = [0.3, -1.0, 2.0, 1.5, -3.0, 0.0, 1.0, -0.5];
        let top = [0, 2, 3, 5, 6];
        let draws = 40_000;
        for (temperature, seed) in [(1.0, 1), (0.7, 2), (2.5, u64::MAX)] {
            let sampling = Sampling::TopK { temperature, top_k: 5, seed };
            let mut counts = [0u32; 8];
            for step in 0..draws {
                counts[choose(&logits, sampling, step) as usize] += 1;
            }
            let scaled: Vec<f64> = top.iter().map(|&i| logits[i] / f64::from(temperature)).collect();
            let chi_square: f64 = softmax(&scaled)
                .into_iter()
                .zip(top)
                .map(|(p, i)| {
                    let expected = p * f64::from(draws);
                    (f64::from(counts[i]) - expected).powi(2) / expected
                })
                .sum();
            assert_eq!(top.iter().map(|&i| counts[i]).sum::<u32>(), draws, "nothing outside the top 5 is drawn");
            assert!(chi_square < 18.5, "chi-square {chi_square} at temperature {temperature}: {counts:?}");
        }
    }

    #[test]
    fn kth_largest_counts_equals() {
        let logits = [3.0, 1.0, 3.0, 2.0];
        assert_eq!([1, 2, 3, 4].map(|k| kth_largest(&logits, k)), [3.0, 3.0, 2.0, 1.0]);
    }

    #[test]
    fn gumbel_numbers_are_finite_and_have_the_known_mean() {
        let draws: Vec<f64> = (0..100_000).map(|i| gumbel(9, 0, i)).collect();
        assert!(draws.iter().all(|g| g.is_finite()));
        let mean = draws.iter().sum::<f64>() / 1e5;
        // The Euler-Mascheroni constant; the standard error is pi / sqrt(6e5) = 0.004.
        assert!((mean - 0.5772).abs() < 0.016, "{mean}");
    }
}
