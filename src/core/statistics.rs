//! Medians and their bootstrap intervals, the same to the last bit on every machine.
//!
//! Intervals are 95% percentile intervals (Efron, "Bootstrap methods: another look at the jackknife", 1979): the 50th
//! smallest and the 50th largest of the medians of 2,000 resamples, so that 2.5% of them lie at or beyond either end.
//! Only comparisons, additions, multiplications and divisions of f64 are used, and indices come from [`crate::philox`].

use crate::philox;

/// Resamples of a bootstrap.
pub const RESAMPLES: u32 = 2000;
/// Blocks of four draws that are made together: of the 15 samples that most rows have, all.
const BLOCKS: usize = 4;
/// Resamples at or beyond each end of a 95% interval.
const TAIL: usize = 50;

/// An estimate between the ends of its 95% interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub mid: f64,
    pub high: f64,
}

impl Interval {
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// The middle value, or the mean of the two middle values; `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    median_in_place(&mut sorted)
}

/// The median of `values` with its interval; `None` of nothing.
pub fn median_interval(values: &[f64], seed: u64) -> Option<Interval> {
    let mid = median(values)?;
    Some(percentiles(mid, resampled_medians(values, seed, 0)))
}

/// median(numerator) / median(denominator) with its interval, both sides resampled independently; `None` where either
/// is empty.
pub fn ratio_interval(numerator: &[f64], denominator: &[f64], seed: u64) -> Option<Interval> {
    let mid = median(numerator)? / median(denominator)?;
    let above = resampled_medians(numerator, seed, 0);
    let below = resampled_medians(denominator, seed, 1);
    Some(percentiles(mid, above.zip(below).map(|(above, below)| above / below)))
}

/// The factor by which two measurements of the same thing may differ, from the ratio of an A/A pair: the end of its
/// interval that is farther from 1, counted upwards, since which of the pair came first means nothing.
pub fn noise_factor(a_over_a: &Interval) -> f64 {
    a_over_a.high.max(1.0 / a_over_a.low)
}

/// Whether a ratio's interval meets [1 / noise, noise]: no difference that the A/A control does not show as well.
pub fn indistinguishable(ratio: &Interval, noise_factor: f64) -> bool {
    ratio.low <= noise_factor && ratio.high >= 1.0 / noise_factor
}

fn median_in_place(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    Some(if values.len() % 2 == 1 { upper } else { (values[values.len() / 2 - 1] + upper) / 2.0 })
}

/// The median of each resample. Draw `d` of resample `r` is word `d % 4` of Philox at counter `[d / 4, r, stream, 0]`
/// under the seed, scaled to an index by the high word of its product with the length.
///
/// A resample holds nothing but the values themselves, so these are sorted once, and of each resample is only counted how
/// often it has which: the median then comes without sorting, and is the same to the last bit.
fn resampled_medians(values: &[f64], seed: u64, stream: u32) -> impl Iterator<Item = f64> {
    let key = philox::key(seed);
    let length = values.len();
    let (sorted, ranks) = ranked(values);
    let mut counts = vec![0u32; length];
    let resamples = if length == 0 { 0 } else { RESAMPLES };
    (0..resamples).map(move |r| {
        counts.fill(0);
        let mut count = |word: u32| counts[ranks[((u64::from(word) * length as u64) >> 32) as usize]] += 1;
        for first in (0..length.div_ceil(4) as u32).step_by(BLOCKS) {
            let blocks: [[u32; 4]; BLOCKS] = std::array::from_fn(|block| [first + block as u32, r, stream, 0]);
            let words = philox::philox4x32_of(blocks, key);
            let left = length - 4 * first as usize;
            words.as_flattened().iter().take(left).for_each(|&word| count(word));
        }
        let upper = sorted[rank_of_draw(&counts, length / 2)];
        if length % 2 == 1 { upper } else { (sorted[rank_of_draw(&counts, length / 2 - 1)] + upper) / 2.0 }
    })
}

/// The values in their order, and the place of each in it.
fn ranked(values: &[f64]) -> (Vec<f64>, Vec<usize>) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    order.iter().enumerate().for_each(|(rank, index)| ranks[*index] = rank);
    (order.iter().map(|index| values[*index]).collect(), ranks)
}

/// The rank of the draw that is at `place` among all draws, sorted. Without a branch, which no processor could foretell.
fn rank_of_draw(counts: &[u32], place: usize) -> usize {
    let mut seen = 0;
    counts
        .iter()
        .map(|count| {
            seen += *count as usize;
            usize::from(seen <= place)
        })
        .sum()
}

fn percentiles(mid: f64, estimates: impl Iterator<Item = f64>) -> Interval {
    let mut sorted: Vec<f64> = estimates.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    Interval { low: sorted[TAIL - 1], mid, high: sorted[sorted.len() - TAIL] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn medians_of_odd_even_and_empty() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(median_interval(&[], 1), None);
        assert_eq!(ratio_interval(&[], &[1.0], 1), None);
        assert_eq!(ratio_interval(&[1.0], &[], 1), None);
    }

    #[test]
    fn a_constant_has_no_width() {
        assert_eq!(median_interval(&[5.0; 15], 7), Some(Interval { low: 5.0, mid: 5.0, high: 5.0 }));
        assert_eq!(ratio_interval(&[6.0; 15], &[3.0; 9], 7), Some(Interval { low: 2.0, mid: 2.0, high: 2.0 }));
    }

    /// The order statistics of the exact bootstrap: for n = 15 distinct values the 95% percentile interval of the
    /// median runs from the 4th to the 12th (P(median <= 4th) = P(Binomial(15, 4/15) >= 8) = 0.028, of the 3rd 0.004).
    #[test]
    fn agrees_with_the_exact_bootstrap() {
        let values: Vec<f64> = (1..=15).map(f64::from).collect();
        for seed in 0..20 {
            let interval = median_interval(&values, seed).unwrap();
            assert_eq!(interval.mid, 8.0);
            assert!((4.0..=5.0).contains(&interval.low), "{interval:?}");
            assert!((11.0..=12.0).contains(&interval.high), "{interval:?}");
        }
    }

    /// Pins the generator's use: another order of draws would give other intervals and break committed results.
    #[test]
    fn known_intervals() {
        let values: Vec<f64> = (0..10).map(|i| f64::from(i * i)).collect();
        let ratio = ratio_interval(&values[4..], &values[..6], 42).unwrap();
        insta::assert_debug_snapshot!((median_interval(&values, 42).unwrap(), ratio), @"
        (
            Interval {
                low: 4.0,
                mid: 20.5,
                high: 49.0,
            },
            Interval {
                low: 1.7941176470588236,
                mid: 6.538461538461538,
                high: 85.0,
            },
        )
        ");
    }

    #[test]
    fn noise_has_no_direction() {
        let pair = Interval { low: 0.90, mid: 0.95, high: 1.02 };
        let noise = noise_factor(&pair);
        assert_eq!(noise, 1.0 / 0.90);
        assert!(indistinguishable(&Interval { low: 1.05, mid: 1.10, high: 1.15 }, noise));
        assert!(indistinguishable(&Interval { low: 0.80, mid: 0.85, high: 0.91 }, noise));
        assert!(!indistinguishable(&Interval { low: 1.12, mid: 1.20, high: 1.30 }, noise));
        assert!(!indistinguishable(&Interval { low: 0.70, mid: 0.80, high: 0.89 }, noise));
    }

    /// As the definition says it: draw, sort, take the middle.
    fn medians_by_sorting(values: &[f64], seed: u64, stream: u32) -> Vec<f64> {
        let resample = |r| {
            let draw = |d: usize| {
                let words = philox::philox4x32([(d / 4) as u32, r, stream, 0], philox::key(seed));
                values[((u64::from(words[d % 4]) * values.len() as u64) >> 32) as usize]
            };
            median(&(0..values.len()).map(draw).collect::<Vec<_>>())
        };
        (0..RESAMPLES).filter_map(resample).collect()
    }

    proptest! {
        #[test]
        fn counting_gives_the_medians_of_sorting(values in prop::collection::vec(-3.0..3.0f64, 0..40), seed: u64) {
            // Some values are there several times.
            let values: Vec<f64> = values.iter().map(|value| (value * 4.0).round() / 7.0).collect();
            let counted: Vec<u64> = resampled_medians(&values, seed, 1).map(f64::to_bits).collect();
            let sorted: Vec<u64> = medians_by_sorting(&values, seed, 1).into_iter().map(f64::to_bits).collect();
            prop_assert_eq!(counted, sorted);
        }

        #[test]
        fn an_interval_contains_its_median(values in prop::collection::vec(1.0..1e9f64, 1..40), seed: u64) {
            let interval = median_interval(&values, seed).unwrap();
            prop_assert!(interval.contains(interval.mid), "{interval:?}");
        }

        /// Scaling by a power of two is exact, so the interval scales to the last bit.
        #[test]
        fn an_interval_scales(values in prop::collection::vec(1.0..1e9f64, 1..20), seed: u64, power in -20..20i32) {
            let scale = 2f64.powi(power);
            let scaled: Vec<f64> = values.iter().map(|value| value * scale).collect();
            let (one, two) = (median_interval(&values, seed).unwrap(), median_interval(&scaled, seed).unwrap());
            prop_assert_eq!(two, Interval { low: one.low * scale, mid: one.mid * scale, high: one.high * scale });
            let ratio = ratio_interval(&scaled, &values, seed).unwrap();
            prop_assert_eq!(ratio.mid, scale);
            prop_assert!(ratio.contains(scale));
        }

        #[test]
        fn the_order_of_samples_does_not_move_the_median(mut values in prop::collection::vec(1.0..1e9f64, 1..20)) {
            let before = median(&values);
            values.reverse();
            prop_assert_eq!(before, median(&values));
        }
    }
}
