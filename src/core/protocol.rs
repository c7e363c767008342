//! How arms are timed: warm-up until it settles, samples interleaved in a seeded order, caps for what would take minutes.
//!
//! Nothing here reads a clock: a run is whatever says how long it took.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::philox::{key, philox4x32};
use crate::spec::Spec;

/// What a spec asks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub samples: u32,
    pub warmup_s: f64,
    /// Seconds that an arm's samples may take together.
    pub arm_cap_s: f64,
    pub seed: u64,
}

impl Plan {
    pub fn of(spec: &Spec) -> Plan {
        Plan { samples: spec.samples, warmup_s: spec.warmup_s, arm_cap_s: spec.arm_cap_s, seed: spec.seed }
    }
}

/// An arm is cut in samples down to this many, then in tokens.
pub const FEWEST_SAMPLES: u32 = 5;

/// Runs counted as settled differ by less than this, as medians of three.
const SETTLED: f64 = 0.05;

/// Warm-up gives up waiting for an arm to settle after this many times its shortest length.
const PATIENCE: f64 = 4.0;

/// A warm-up under way: it is told how long each run took, and says when it is over.
pub struct WarmUp {
    plan: Plan,
    times: Vec<f64>,
    elapsed_s: f64,
}

impl WarmUp {
    pub fn new(plan: &Plan) -> WarmUp {
        WarmUp { plan: *plan, times: Vec::new(), elapsed_s: 0.0 }
    }

    /// After a run of `wall_ns`: nothing while another is needed, else the median of the last three runs, in nanoseconds. It is over
    /// once `warmup_s` have gone by and the last three runs are as fast as the three before. One run that is longer is enough.
    pub fn add(&mut self, wall_ns: f64) -> Option<f64> {
        self.elapsed_s += wall_ns * 1e-9;
        self.times.push(wall_ns);
        let (before, last) = self.times.split_at(self.times.len().saturating_sub(3));
        let median_of = |times: &[f64]| crate::statistics::median(times).unwrap_or(wall_ns);
        let typical = median_of(last);
        let settled = before.len() >= 3 && (median_of(&before[before.len() - 3..]) / typical - 1.0).abs() < SETTLED;
        let shortest_s = self.plan.warmup_s;
        let over = settled || self.times.len() == 1 || self.elapsed_s >= PATIENCE * shortest_s;
        (self.elapsed_s >= shortest_s && over).then_some(typical)
    }
}

/// Runs until the warm-up is over, and gives what it ends with; see [`WarmUp::add`].
pub fn warm_up(plan: &Plan, run: &mut dyn FnMut() -> Result<u64>) -> Result<f64> {
    let mut warm_up = WarmUp::new(plan);
    loop {
        if let Some(typical) = warm_up.add(run()? as f64) {
            return Ok(typical);
        }
    }
}

/// How many samples of `typical_ns` fit the cap, and why there are fewer than planned (empty where there are not).
pub fn samples_within_cap(plan: &Plan, typical_ns: f64) -> (u32, String) {
    let fitting = (plan.arm_cap_s / (typical_ns * 1e-9)) as u32;
    let samples = fitting.clamp(FEWEST_SAMPLES.min(plan.samples), plan.samples);
    if samples == plan.samples {
        return (samples, String::new());
    }
    let planned = plan.samples;
    (samples, format!("{samples} of {planned} samples, since more would take over {} s", plan.arm_cap_s))
}

/// How many of `tokens` tokens can be made by the fewest samples within the cap, at `token_ns` each; at least 2.
pub fn tokens_within_cap(plan: &Plan, token_ns: f64, tokens: u32) -> (u32, String) {
    let samples = f64::from(FEWEST_SAMPLES.min(plan.samples));
    let fitting = (plan.arm_cap_s / (samples * token_ns * 1e-9)).max(2.0) as u32;
    if fitting >= tokens {
        return (tokens, String::new());
    }
    (
        fitting,
        format!("{fitting} of {tokens} tokens, since {samples} samples of all would take over {} s", plan.arm_cap_s),
    )
}

/// The order in which arms are sampled, arm `i` `counts[i]` times: round by round, each round in a new order drawn from the
/// seed (Fisher-Yates on Philox counters). An arm with fewer samples leaves out the last rounds.
pub fn interleaved(counts: &[u32], seed: u64) -> Vec<usize> {
    let rounds = counts.iter().copied().max().unwrap_or(0);
    let mut order = Vec::new();
    for round in 0..rounds {
        let mut arms: Vec<usize> = (0..counts.len()).filter(|&arm| round < counts[arm]).collect();
        for last in (1..arms.len()).rev() {
            let word = philox4x32([round, last as u32, 0, 0], key(seed))[0];
            // Multiply-shift: the bias of at most 2^-32 per arm is nothing here.
            arms.swap(last, ((u64::from(word) * (last as u64 + 1)) >> 32) as usize);
        }
        order.extend(arms);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { samples: 15, warmup_s: 1.0, arm_cap_s: 10.0, seed: 1 };

    /// A clock that gives these times, in milliseconds, and then the last one for ever.
    fn clock(times: &[u64]) -> impl FnMut() -> Result<u64> {
        let mut runs = 0;
        let times = times.to_vec();
        move || {
            runs += 1;
            Ok(times[(runs - 1).min(times.len() - 1)] * 1_000_000)
        }
    }

    #[test]
    fn warm_up_goes_on_until_it_settles() {
        let mut runs = 0;
        let mut slow_start = clock(&[300, 280, 250, 230, 200, 180, 100]);
        let typical = warm_up(&PLAN, &mut || {
            runs += 1;
            slow_start()
        });
        assert_eq!(typical, Ok(100e6));
        assert_eq!(runs, 11, "six runs while times fall, then five: of two medians of three, one may hold a slow run");
    }

    #[test]
    fn warm_up_of_what_never_settles_ends() {
        let mut times = (1..).map(|run| if run % 2 == 0 { 100_000_000 } else { 300_000_000 });
        let mut elapsed = 0;
        warm_up(&PLAN, &mut || {
            let time = times.next().unwrap();
            elapsed += time;
            Ok(time)
        })
        .unwrap();
        assert!((1_000_000_000..=4_300_000_000).contains(&elapsed), "{elapsed}");
    }

    #[test]
    fn one_long_run_is_warm_up_enough() {
        let mut runs = 0;
        let typical = warm_up(&PLAN, &mut || {
            runs += 1;
            Ok(5_000_000_000)
        });
        assert_eq!((typical, runs), (Ok(5e9), 1));
    }

    #[test]
    fn caps_say_what_they_cut() {
        assert_eq!(samples_within_cap(&PLAN, 1e6), (15, String::new()));
        let (samples, cap) = samples_within_cap(&PLAN, 1e9);
        assert_eq!((samples, cap.as_str()), (10, "10 of 15 samples, since more would take over 10 s"));
        assert_eq!(samples_within_cap(&PLAN, 1e12).0, FEWEST_SAMPLES);
        assert_eq!(tokens_within_cap(&PLAN, 1e6, 64), (64, String::new()));
        let (tokens, cap) = tokens_within_cap(&PLAN, 1e8, 64);
        assert_eq!((tokens, cap.as_str()), (20, "20 of 64 tokens, since 5 samples of all would take over 10 s"));
        assert_eq!(tokens_within_cap(&PLAN, 1e12, 64).0, 2);
    }

    #[test]
    fn order_is_seeded_complete_and_interleaved() {
        let counts = [3, 1, 3];
        let order = interleaved(&counts, 7);
        assert_eq!(order, interleaved(&counts, 7));
        for (arm, &count) in counts.iter().enumerate() {
            assert_eq!(order.iter().filter(|&&at| at == arm).count(), count as usize);
        }
        let mut first_round = order[..3].to_vec();
        first_round.sort();
        assert_eq!(first_round, [0, 1, 2]);
        assert!((0..20).any(|seed| interleaved(&counts, seed) != order), "the seed changes nothing");
    }
}
