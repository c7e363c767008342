//! What is compared with each published claim, case by case, and the verdict that follows by the rule the paper prints.

use super::ladder::{Ladder, entry};
use super::measured::{Measured, STEPWISE, fastest};
use super::number::Number;
use super::published::{Claim, Test};
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::workload::decode::span::Span;

/// Fused arms that keep to one workgroup in which many threads work. A single thread loses more than fusing gains, and
/// several workgroups gain what fusing into one does not.
pub const ONE_WORKGROUP: [&str; 2] = ["fused-workgroup", "fused-subgroup"];

/// The unfused way that stands on the other side of a comparison: a rung of the same kernel where a claim is about fusing or
/// dispatching, and `stepwise`, a kernel of its own, where it is about one thread or about counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// An operation a dispatch.
    Policy(Policy),
    /// Whichever is the fastest in the case: of a kernel's rungs, also one that cuts it only where it would have to wait.
    Fastest,
}

impl Baseline {
    pub const WEAK: Baseline = Baseline::Policy(Policy::WaitEach);
    pub const STRONG: Baseline = Baseline::Fastest;

    fn rung<'a>(self, ladder: &Ladder<'a>) -> Option<Measured<'a>> {
        match self {
            Baseline::Policy(policy) => entry(ladder.at(Span::Operation, policy)),
            Baseline::Fastest => entry(ladder.fastest_unfused()),
        }
    }

    fn stepwise<'a>(self, run: &'a Run, case: &Case) -> Option<Measured<'a>> {
        match self {
            Baseline::Policy(policy) => run.stepwise(case, policy),
            Baseline::Fastest => run.fastest_stepwise(case),
        }
    }
}

/// The cases that the decoding preprint measured: D 32 to 256, L 1 or 4, T 64.
pub fn is_published_case(case: &Case) -> bool {
    case.workload == "decode"
        && matches!(case.n_embd, 32 | 64 | 128 | 256)
        && matches!(case.n_layer, 1 | 4)
        && case.new_tokens == 64
}

/// The published case whose tokens per second were published by themselves: D 32, L 1.
pub fn is_smallest_case(case: &Case) -> bool {
    is_published_case(case) && (case.n_embd, case.n_layer) == (32, 1)
}

/// The fastest fused arm of a case that keeps to one workgroup.
pub fn fastest_of_one_workgroup<'a>(run: &'a Run, case: &Case) -> Option<Measured<'a>> {
    fastest(run.arms(case).into_iter().filter(|arm| ONE_WORKGROUP.contains(&arm.row.key.arm.as_str())))
}

/// The variant of a peer that waits for each token, as `wait-each` does for each dispatch.
pub const WEAK_VARIANT: &str = "eager-wait-each";

/// Ways of fusing are alike where none is more than this many times as fast as another.
pub const ALIKE: f64 = 2.0;

/// The fastest fused arm of a case, of however many workgroups.
fn fastest_fused<'a>(run: &'a Run, case: &Case) -> Option<Measured<'a>> {
    fastest(run.arms(case).into_iter().filter(|arm| arm.row.key.arm != STEPWISE))
}

/// Those of a claim's peers that a run has rows of.
pub fn peers_there<'a>(run: &Run, peers: &[&'a str]) -> Vec<&'a str> {
    let names = run.peer_names();
    peers.iter().filter(|peer| names.contains(peer)).copied().collect()
}

/// The fastest and the slowest of the fused arms and of each of these peers, each at its fastest; nothing where one that
/// the run has rows of has no time, or where it has fewer than two of them.
fn ends_of<'a>(run: &'a Run, case: &'a Case, peers: &[&str]) -> [Option<Measured<'a>>; 2] {
    let peers = peers_there(run, peers);
    if peers.len() < 2 {
        return [None, None];
    }
    let of_peers = peers.iter().map(|peer| run.fastest_of_peer(case, peer));
    let all: Option<Vec<Measured>> = of_peers.chain([fastest_fused(run, case)]).collect();
    let all = all.unwrap_or_default();
    let rate = |measured: &&Measured| measured.rate().map_or(0.0, |rate| rate.mid);
    let by_rate = |a: &&Measured<'a>, b: &&Measured<'a>| rate(a).total_cmp(&rate(b));
    [all.iter().max_by(by_rate).copied(), all.iter().min_by(by_rate).copied()]
}

/// What was measured for a claim in one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared<'a> {
    pub case: &'a Case,
    /// None where a gate failed or an arm could not run.
    pub number: Option<Number>,
    /// Whether a row behind it was cut.
    pub is_capped: bool,
}

/// What `test` is about, in each case of a run that it was published for, against `baseline`; nothing where no
/// such baseline takes part in the test.
pub fn by_case(test: Test, run: &Run, baseline: Baseline) -> Vec<Compared<'_>> {
    let compared = |case, arms: [Option<Measured>; 2], number| {
        let is_capped = arms.iter().flatten().any(Measured::is_capped);
        Some(Compared { case, number, is_capped })
    };
    let over = |case, fast: Option<Measured>, slow: Option<Measured>| {
        let number = fast.zip(slow).and_then(|(fast, slow)| fast.speedup_over(&slow));
        compared(case, [fast, slow], number)
    };
    let cases = run.decode_cases().filter(|case| is_published_case(case));
    let by_case = cases.filter_map(|case| match (test, baseline) {
        (Test::Idle, _) => {
            let rung = baseline.rung(&Ladder::of(run, case));
            compared(case, [rung, None], rung.and_then(|rung| rung.idle()))
        }
        (Test::RoundTrips, _) if case.n_layer == 4 => {
            let arm = baseline.stepwise(run, case);
            compared(case, [arm, None], arm.map(|arm| arm.waits()))
        }
        (Test::Fused, _) => {
            let ladder = Ladder::of(run, case);
            over(case, entry(ladder.whole()), baseline.rung(&ladder))
        }
        (Test::Fusion, Baseline::STRONG) => {
            let ladder = Ladder::of(run, case);
            over(case, entry(ladder.whole()), entry(ladder.fastest(Span::Stage)))
        }
        (Test::Speedup(arm), _) => over(case, run.arm(case, arm), baseline.stepwise(run, case)),
        (Test::OverPeer(arm, peer), Baseline::STRONG) => {
            over(case, run.arm(case, arm), run.strongest_of_peer(case, peer))
        }
        (Test::OverPeer(arm, peer), Baseline::WEAK) => {
            over(case, run.arm(case, arm), run.peer(case, &format!("{peer}.{WEAK_VARIANT}")))
        }
        (Test::Alike(peers), Baseline::STRONG) => {
            let [fast, slow] = ends_of(run, case, peers);
            over(case, fast, slow)
        }
        (Test::Throughput(arm), Baseline::STRONG) if is_smallest_case(case) => {
            let arm = run.arm(case, arm);
            compared(case, [arm, None], arm.and_then(|arm| arm.units_per_s()))
        }
        _ => None,
    });
    by_case.collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    WeakBaselineOnly,
    DoesNotHold,
    NotMeasured,
}

impl Verdict {
    pub const ALL: [Verdict; 4] =
        [Verdict::Holds, Verdict::WeakBaselineOnly, Verdict::DoesNotHold, Verdict::NotMeasured];

    pub fn wording(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::WeakBaselineOnly => "holds only against a weak baseline",
            Verdict::DoesNotHold => "does not hold here",
            Verdict::NotMeasured => "not measured here",
        }
    }
}

/// What was measured for a claim, and what follows. A case without a number counts as one that does not reach the claim.
pub struct Judgement<'a> {
    pub verdict: Verdict,
    /// Against [`Baseline::STRONG`], or against what the claim itself names.
    pub strong: Vec<Compared<'a>>,
    /// Against [`Baseline::WEAK`].
    pub weak: Vec<Compared<'a>>,
}

impl Claim {
    /// Does a measured number reach what was published? A number with an interval is given the benefit of it.
    pub fn reached_by(&self, number: &Number) -> bool {
        match self.test {
            Test::Error => number.as_interval().low <= self.high,
            Test::Alike(_) => number.as_interval().low <= ALIKE * self.high,
            _ => number.as_interval().high >= self.low,
        }
    }

    /// What is compared with the published value, in the words of the paper's table.
    pub fn rule(&self) -> &'static str {
        match self.test {
            Test::Idle => {
                "share of wall time in which the GPU was in no pass, at least the published share: of the fastest unfused rung \
                 of `fused-grid` (strong), and of an operation a dispatch with a wait for each, as a framework cuts it (weak)"
            }
            Test::RoundTrips => {
                "waits of the host in a generation of the four-layer cases, at least the published count"
            }
            Test::Fused => {
                "tokens per second of `fused-grid` in one dispatch over those of the same kernel unfused, at least the published \
                 low end: over its fastest unfused rung (strong), and over an operation a dispatch with a wait for each (weak)"
            }
            Test::Speedup(_) => {
                "tokens per second of the arm of one thread over those of `stepwise`, at least the published low end"
            }
            Test::Fusion => {
                "tokens per second of `fused-grid` in one dispatch over those of the same kernel with a stage a dispatch, which \
                 never waits inside, at its fastest policy; at least the published value; no other baseline takes part"
            }
            Test::Throughput(_) => "tokens per second, at least the published value; no baseline takes part",
            Test::Error => {
                "largest error of any decoding row of the device, at most the published value; no baseline takes part"
            }
            Test::OverPeer(..) => {
                "tokens per second of `fused-workgroup` over those of PyTorch's fastest f32 variant in the case (strong) or \
                 of `pytorch.eager-wait-each` (weak), at least the published low end"
            }
            Test::Alike(_) => {
                "tokens per second of the fastest over those of the slowest: the fastest fused arm, and of `cuda`, `jax` and \
                 `triton` those that were measured, each at its fastest; at most twice the published value, since \
                 advantages over anything in common are in the same ratio"
            }
        }
    }
}

/// By the rule: *holds* where every published case reaches the claim against the strong baseline, *holds only against a
/// weak baseline* where every one does so against a wait for each dispatch, else *does not hold here*.
///
/// `run` is the one of the claim's experiment that claims of speed may rest on, `rows` are all of the device: their
/// outputs count.
pub fn judge<'a>(claim: &Claim, run: Option<&'a Run>, rows: &[Measured<'a>]) -> Judgement<'a> {
    let against = |baseline| run.map_or_else(Vec::new, |run| by_case(claim.test, run, baseline));
    let (strong, weak) = match claim.test {
        Test::Error => (largest_error(rows), Vec::new()),
        _ => (against(Baseline::STRONG), against(Baseline::WEAK)),
    };
    let every = |cases: &[Compared]| {
        cases.iter().all(|case| case.number.as_ref().is_some_and(|number| claim.reached_by(number)))
    };
    let measured = |cases: &[Compared]| cases.iter().any(|case| case.number.is_some());
    let verdict = match (measured(&strong), measured(&weak)) {
        (false, false) => Verdict::NotMeasured,
        (true, _) if every(&strong) => Verdict::Holds,
        (_, true) if every(&weak) => Verdict::WeakBaselineOnly,
        _ => Verdict::DoesNotHold,
    };
    Judgement { verdict, strong, weak }
}

fn largest_error<'a>(rows: &[Measured<'a>]) -> Vec<Compared<'a>> {
    let decode = rows.iter().filter(|row| row.case.workload == "decode");
    let errors = decode.filter_map(|row| Some((row, row.gate_error()?)));
    let largest = errors.max_by(|(_, a), (_, b)| a.value.total_cmp(&b.value));
    let compared =
        largest.map(|(row, error)| Compared { case: row.case, number: Some(error), is_capped: row.is_capped() });
    compared.into_iter().collect()
}
