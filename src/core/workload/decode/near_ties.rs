//! Which tokens a draw leaves when logits are not known exactly: those in f32 differ from the oracle's in their last digits, and a
//! token next to a threshold may stand on either side of it.

use super::model::Draw;
use super::sampling::{Masses, kth_largest, min_p_line, threshold};

/// Smallest logits that may be drawn.
pub struct Left {
    /// By the logits as they are.
    pub exactly: f64,
    /// By logits that are off by so much that most tokens are left, and that fewest are: infinity where no token is sure.
    pub perhaps: f64,
    pub surely: f64,
}

/// What a draw leaves, where differences of two logits are off by `margin` at most.
///
/// Top-k leaves a logit for sure where the (k + 1)-th is smaller by more than the margin. Of top-p, the ratio of two masses is off
/// by a factor of exp(margin / temperature) at most, and shares by the rounding of each mass to 2^-24 of the largest.
pub fn left(logits: &[f64], draw: &Draw, margin: f64) -> Left {
    let kth = kth_largest(logits, draw.top_k);
    let next =
        if (draw.top_k as usize) < logits.len() { kth_largest(logits, draw.top_k + 1) } else { f64::NEG_INFINITY };
    let mut left = Left { exactly: threshold(logits, draw), perhaps: kth - margin, surely: kth.max(next + margin) };
    if draw.top_p < 1.0 {
        let (of_most, of_fewest) = (left.perhaps, left.surely);
        let masses = Masses::of(logits, draw);
        let factor = (margin / f64::from(draw.temperature)).exp();
        let rounding = logits.len() as f64 / f64::from(1 << 25) / masses.from(kth) + f64::from(f32::EPSILON);
        let top_p = f64::from(draw.top_p);
        // The share of tokens that are larger for sure, as small as it may be; and of those that perhaps are, as large as it may be.
        let perhaps = masses.smallest(|logit| {
            let larger = masses.above((logit + margin).max(of_fewest));
            let others = masses.from(of_most) - larger;
            larger / (larger + others * factor) - rounding < top_p
        });
        let surely = masses.smallest(|logit| {
            let own = ((logit - masses.largest()) / f64::from(draw.temperature)).exp();
            let larger = (masses.above(logit - margin).min(masses.from(of_most)) - own).max(0.0);
            let others = (masses.from(of_fewest) - larger).max(own);
            larger / (larger + others / factor) + rounding < top_p
        });
        left.perhaps = left.perhaps.max(perhaps);
        left.surely = left.surely.max(surely);
    }
    if draw.min_p > 0.0 {
        let line = min_p_line(logits, draw);
        left.perhaps = left.perhaps.max(line - margin);
        left.surely = left.surely.max(line + margin);
    }
    left
}
