//! Axes: from a value to a place, and where the ticks are.

/// What a logarithmic axis makes room for; a value beyond is a damaged row, which must not stop the drawing.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = 1e-30..=1e30;

/// A tick; a minor one has no label.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

/// Maps `low..high` to `0..1`, linearly or by logarithm.
#[derive(Clone, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    log: bool,
    pub ticks: Vec<Tick>,
}

impl Scale {
    pub fn linear(low: f64, high: f64, step: f64, print: fn(f64) -> String) -> Scale {
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        let ticks = (first..=last).map(|i| i as f64 * step).map(|value| Tick { value, label: print(value) }).collect();
        Scale { low, high, log: false, ticks }
    }

    /// Holds every positive one of `values` with some room, and at least one decade. Decades are labelled; where there
    /// are few of them, their steps of 2 and 5 too.
    pub fn log(values: impl IntoIterator<Item = f64>, print: fn(f64) -> String) -> Scale {
        let (mut low, mut high) =
            range(values.into_iter().filter(|value| PLAUSIBLE.contains(value))).unwrap_or((1.0, 10.0));
        low /= 1.25;
        high *= 1.25;
        if high / low < 10.0 {
            let widen = (10.0 * low / high).sqrt();
            low /= widen;
            high *= widen;
        }
        let labelled: &[u32] = if high / low < 150.0 { &[1, 2, 5] } else { &[1] };
        let mut ticks = Vec::new();
        for decade in low.log10().floor() as i32..=high.log10().floor() as i32 {
            for step in 1..10 {
                let value = f64::from(step) * 10f64.powi(decade);
                if (low..=high).contains(&value) {
                    let label = if labelled.contains(&step) { print(value) } else { String::new() };
                    ticks.push(Tick { value, label });
                }
            }
        }
        Scale { low, high, log: true, ticks }
    }

    /// A logarithmic axis with a tick at each of `values` and nowhere else: the values of a sweep.
    pub fn sweep(values: &[f64]) -> Scale {
        let (low, high) = range(values.iter().copied().filter(|value| *value > 0.0)).unwrap_or((1.0, 1.0));
        let ticks = values.iter().map(|&value| Tick { value, label: value.to_string() }).collect();
        let room = if high > low { (high / low).powf(0.06) } else { 2.0 };
        Scale { low: low / room, high: high * room, log: true, ticks }
    }

    /// Where a value stands, from 0 to 1; at an end where it lies beyond.
    pub fn at(&self, value: f64) -> f64 {
        let place = match self.log {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        place.clamp(0.0, 1.0)
    }
}

/// Smallest and largest; nothing for no values.
pub fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

/// Positions as near as can be to `wanted` that are at least `gap` apart and keep their order, within `low..high` where
/// they fit: labels pushed apart. Groups that would overlap are centred on the mean of what their members want.
pub fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    // (sum of wanted starts, members): member k of a group stands at its start + k * gap.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    let start = |&(sum, count): &(f64, usize)| {
        let length = (count - 1) as f64 * gap;
        (sum / count as f64).min(high - length).max(low)
    };
    for &index in &order {
        groups.push((wanted[index], 1));
        while let [.., before, last] = &groups[..]
            && start(before) + before.1 as f64 * gap > start(last)
        {
            let merged = (before.0 + last.0 - (before.1 * last.1) as f64 * gap, before.1 + last.1);
            groups.truncate(groups.len() - 2);
            groups.push(merged);
        }
    }
    let places = groups.iter().flat_map(|group| (0..group.1).map(|k| start(group) + k as f64 * gap));
    let mut spread = vec![0.0; wanted.len()];
    for (index, place) in order.into_iter().zip(places) {
        spread[index] = place;
    }
    spread
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_that_do_not_touch_stay_where_they_are() {
        assert_eq!(spread(&[50.0, 10.0], 20.0, 0.0, 100.0), [50.0, 10.0]);
    }

    proptest! {
        #[test]
        fn labels_keep_apart_in_order_and_inside(wanted in prop::collection::vec(0.0..300.0f64, 1..9)) {
            let places = spread(&wanted, 30.0, 0.0, 300.0);
            let mut pairs: Vec<_> = wanted.iter().copied().zip(places).collect();
            pairs.sort_by(|a, b| a.1.total_cmp(&b.1));
            prop_assert!(pairs.windows(2).all(|w| w[1].1 - w[0].1 >= 30.0 - 1e-6));
            prop_assert!(pairs.windows(2).all(|w| w[0].0 <= w[1].0));
            prop_assert!(pairs.iter().all(|(_, place)| (-1e-6..=300.0 + 1e-6).contains(place)));
        }
    }
}
