//! Stands in until the statistics are merged: same names and shapes.

use crate::philox;

/// An estimate between the ends of its 95% interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub mid: f64,
    pub high: f64,
}

fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[sorted.len() / 2 - 1] + upper) / 2.0 })
}

/// median(numerator) / median(denominator) with its interval.
pub fn ratio_interval(numerator: &[f64], denominator: &[f64], seed: u64) -> Option<Interval> {
    let mid = median(numerator)? / median(denominator)?;
    let key = philox::key(seed);
    let draw = |samples: &[f64], round: u32, which: u32| {
        let pick = |place: u32| philox::philox4x32([round, place, which, 0], key)[0] as usize % samples.len();
        median(&(0..samples.len() as u32).map(|place| samples[pick(place)]).collect::<Vec<_>>())
    };
    let mut ratios: Vec<f64> =
        (0..1000).filter_map(|round| Some(draw(numerator, round, 0)? / draw(denominator, round, 1)?)).collect();
    ratios.sort_by(f64::total_cmp);
    Some(Interval { low: ratios[25], mid, high: ratios[974] })
}

/// The factor by which two measurements of the same thing may differ.
pub fn noise_factor(a_over_a: &Interval) -> f64 {
    a_over_a.high.max(1.0 / a_over_a.low)
}

/// Whether a ratio's interval meets [1 / noise, noise].
pub fn indistinguishable(ratio: &Interval, noise_factor: f64) -> bool {
    ratio.low <= noise_factor && ratio.high >= 1.0 / noise_factor
}
