//! How the next token is chosen from the logits: the definition, in f64, that the shader follows in f32.
//!
//! Greedy takes the largest logit, the lowest token id among equals.
//!
//! What is asked for beyond that is applied in the order of Hugging Face's `transformers` (`_get_logits_processor` in
//! `generation/utils.py`, each by its class in `generation/logits_process.py`):
//!
//! 1. repetition penalty (`RepetitionPenaltyLogitsProcessor`; Keskar et al., "CTRL", 2019): a logit of a token of the prompt or of
//!    those made since is divided by the penalty where it is above 0, else multiplied with it. What follows means these logits,
//!    a greedy choice too.
//! 2. temperature: logits are divided by it.
//! 3. top-k (`TopKLogitsWarper`): the k largest logits, every token that ties with the k-th among them.
//! 4. top-p (`TopPLogitsWarper`; Holtzman et al., "The Curious Case of Neural Text Degeneration", 2019): of what top-k leaves, the
//!    likeliest tokens that have at least the share p of the probability, again with all that tie with the last.
//! 5. min-p (`MinPLogitsWarper`; Nguyen et al., "Turning Up the Heat", 2024): tokens with at least min_p times the probability of
//!    the likeliest one.
//!
//! Each of 3 to 5 leaves the logits from a threshold on.
//!
//! Sampling draws from softmax(logits / temperature) over what is left by the Gumbel-max trick (Gumbel 1954; Maddison, Tarlow and
//! Minka, "A* Sampling", 2014): the argmax of logit / temperature + g, with g independent standard Gumbel numbers, has exactly
//! that distribution, and takes neither a sum nor a sort over the vocabulary. For new token `step` (from 0) and token id `i`:
//!
//! ```text
//! w       = philox4x32-10(counter = [step, i, 0, 0], key = [seed mod 2^32, seed / 2^32])[0]
//! v       = (floor(w / 2^8) + 0.5) / 2^24                   in (0, 1)
//! E       = -ln(1 - v)                                      exponential, without cancellation where v is small
//! score_i = logit_i / temperature - ln(E)
//! token   = argmax of score_i over { i : logit_i >= threshold }, the lowest i among equals
//! ```
//!
//! In f32, v = 1 - 2^-25
//! would round to 1 and E to infinity, so for v > 1/2 a shader forms 1 - v = (2^24 - 1 - floor(w / 2^8) + 0.5) / 2^24
//! directly, which is exact.

use std::borrow::Cow;

use super::model::{Draw, Sampling};
use crate::philox::{key, philox4x32};

/// The logits that a choice is made by: those of tokens in `there`, the prompt and what was made since, are penalised.
pub fn penalised<'a>(logits: &'a [f64], sampling: &Sampling, there: impl IntoIterator<Item = u32>) -> Cow<'a, [f64]> {
    if sampling.repetition_penalty == 1.0 {
        return Cow::Borrowed(logits);
    }
    let penalty = f64::from(sampling.repetition_penalty);
    let mut penalised = logits.to_vec();
    for token in there {
        let logit = logits[token as usize];
        penalised[token as usize] = if logit > 0.0 { logit / penalty } else { logit * penalty };
    }
    Cow::Owned(penalised)
}

/// The token that `sampling` chooses from `logits`, `[vocab_size]`, penalised already, as new token `step` (from 0).
pub fn choose(logits: &[f64], sampling: Sampling, step: u32) -> u32 {
    let least = sampling.draw.map_or(f64::NEG_INFINITY, |draw| threshold(logits, &draw));
    let scores = scores(logits, sampling, step).into_iter().zip(logits);
    argmax(scores.map(|(score, &logit)| if logit >= least { score } else { f64::NEG_INFINITY }))
}

/// What the argmax is taken of, `[vocab_size]`: the logits (greedy), or logit / temperature + Gumbel noise of every
/// token, whether it may be drawn or not.
pub fn scores(logits: &[f64], sampling: Sampling, step: u32) -> Vec<f64> {
    match sampling.draw {
        None => logits.to_vec(),
        Some(Draw { temperature, seed, .. }) => {
            (0..).zip(logits).map(|(i, logit)| logit / f64::from(temperature) + gumbel(seed, step, i)).collect()
        }
    }
}

/// The smallest logit that may be drawn.
pub fn threshold(logits: &[f64], draw: &Draw) -> f64 {
    let kth = kth_largest(logits, draw.top_k);
    let mut threshold = kth;
    if draw.top_p < 1.0 {
        let masses = Masses::of(logits, draw);
        let all = masses.from(kth);
        threshold = masses.smallest(|logit| masses.above(logit) < f64::from(draw.top_p) * all);
    }
    if draw.min_p > 0.0 {
        threshold = threshold.max(min_p_line(logits, draw));
    }
    threshold
}

/// The logit that has min_p of the largest one's probability.
pub fn min_p_line(logits: &[f64], draw: &Draw) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + f64::from(draw.temperature) * f64::from(draw.min_p).ln()
}

/// Probabilities of tokens from the likeliest down, as shares of the likeliest one's.
pub struct Masses {
    /// From the largest down.
    sorted: Vec<f64>,
    /// `sums[i]` of the first i.
    sums: Vec<f64>,
}

impl Masses {
    pub fn of(logits: &[f64], draw: &Draw) -> Masses {
        let mut sorted = logits.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let mut sums = vec![0.0];
        for logit in &sorted {
            let mass = ((logit - sorted[0]) / f64::from(draw.temperature)).exp();
            sums.push(sums[sums.len() - 1] + mass);
        }
        Masses { sorted, sums }
    }

    pub fn largest(&self) -> f64 {
        self.sorted[0]
    }

    /// Of all logits above this one.
    pub fn above(&self, logit: f64) -> f64 {
        self.sums[self.sorted.partition_point(|&other| other > logit)]
    }

    /// Of all from this one on.
    pub fn from(&self, logit: f64) -> f64 {
        self.sums[self.sorted.partition_point(|&other| other >= logit)]
    }

    /// The smallest logit that is kept, where all larger ones are; infinity where none is.
    pub fn smallest(&self, is_kept: impl Fn(f64) -> bool) -> f64 {
        match self.sorted.partition_point(|&logit| is_kept(logit)) {
            0 => f64::INFINITY,
            kept => self.sorted[kept - 1],
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
        assert_eq!(choose(&[1.0, 3.0, 3.0, 2.0], Sampling::GREEDY, 0), 1);
    }

    #[test]
    fn top_1_is_greedy_except_for_ties() {
        let sampling = Sampling::top_k(100.0, 1, 3);
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
            let sampling = Sampling::top_k(temperature, 5, seed);
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

    /// By the examples in the documentation of `TopPLogitsWarper` and `MinPLogitsWarper`, and what they leave of ties.
    #[test]
    fn thresholds_are_those_of_the_warpers() {
        let logits = [0.4f64, 0.3, 0.2, 0.1].map(f64::ln);
        let draw = Draw { temperature: 1.0, top_k: 4, top_p: 1.0, min_p: 0.0, seed: 0 };
        let left = |draw: Draw| logits.iter().filter(|&&logit| logit >= threshold(&logits, &draw)).count();
        for (top_p, expected) in [(0.01, 1), (0.39, 1), (0.41, 2), (0.69, 2), (0.71, 3), (0.95, 4), (1.0, 4)] {
            assert_eq!(left(Draw { top_p, ..draw }), expected, "top-p {top_p}");
        }
        for (min_p, expected) in [(1.0, 1), (0.76, 1), (0.74, 2), (0.51, 2), (0.49, 3), (0.24, 4), (0.0, 4)] {
            assert_eq!(left(Draw { min_p, ..draw }), expected, "min-p {min_p}");
        }
        // Of three, the first two have 7 of 9 parts.
        assert_eq!(left(Draw { top_k: 3, top_p: 0.75, ..draw }), 2);
        assert_eq!(left(Draw { top_k: 4, top_p: 0.75, ..draw }), 3);
        assert_eq!(left(Draw { temperature: 0.5, top_p: 0.75, ..draw }), 2);
        assert_eq!(threshold(&[1.0, 1.0, 0.0], &Draw { top_k: 3, top_p: 0.2, ..draw }), 1.0);
    }

    #[test]
    fn a_penalty_is_for_tokens_that_are_there() {
        let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::GREEDY };
        assert_eq!(*penalised(&[3.0, -1.0, 2.0, 0.0], &sampling, [0, 1, 0, 3]), [1.5, -2.0, 2.0, 0.0]);
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
