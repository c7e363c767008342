//! What the rows of rollouts say of the claims of the other preprint: rules, comparisons and verdicts, the same for figures and
//! paper.
//!
//! The claims are those of "Single-Kernel Fusion for Sequential Fitness Evaluation" (doi 10.5281/zenodo.19331833), as the page
//! that explains it words them. Decoding tests some of them too, in [`super::published`].

use super::claims::{Verdict, WEAK_VARIANT};
use super::measured::{Measured, fastest};
use super::number::Number;
use super::published::Unit;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;

/// A claim, and how it is tested.
pub struct Claim {
    pub id: &'static str,
    pub wording: &'static str,
    pub measured_on: &'static str,
    /// How its numbers are printed.
    pub unit: Unit,
    /// What is compared with the published value, in the words of the paper's table.
    pub rule: &'static str,
    /// What the second of its lists is of, where that is no weaker baseline but another number beside the first: both have to be right.
    pub beside: Option<Unit>,
    points: fn(&[&'static str], &Runs<'_>) -> [Vec<Wanted>; 2],
    peers: &'static [&'static str],
}

/// The newest whole runs of a device, one of each experiment.
pub struct Runs<'a>(pub Vec<&'a Run>);

/// A comparison in a case, and what the claim says of it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What is compared: `fused over pytorch`.
    pub what: String,
    pub case: Case,
    pub number: Number,
    pub bound: Bound,
}

/// What a number has to be, given the benefit of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Wanted {
    pub fn is_reached(&self) -> bool {
        let interval = self.number.as_interval();
        match self.bound {
            Bound::AtLeast(low) => interval.high >= low,
            Bound::AtMost(high) => interval.low <= high,
        }
    }
}

/// What was measured for a claim, against the strong and the weak baseline, and what follows.
pub struct Judgement {
    pub verdict: Verdict,
    pub strong: Vec<Wanted>,
    pub weak: Vec<Wanted>,
}

/// Where the other preprint counts its gains: episodes of this length, and this many individuals.
const STEPS: u32 = 500;
const POPULATION: u32 = 4096;
/// Published: over PyTorch, of the portfolio and of Acrobot; over PyTorch per step, of CUDA and of JAX; of fusing alone; of
/// coupled work; and the error and the rank correlation of fitness.
const PORTFOLIO_GAIN: f64 = 159.0;
const ACROBOT_GAIN: f64 = 54.0;
const CUDA_GAIN: f64 = 720.0;
const JAX_GAIN: f64 = 172.0;
const TRITON_GAIN: f64 = 27.0;
const FUSION_GAIN: f64 = 2.18;
const COUPLED_GAIN: f64 = 2.8;
const ERROR: f64 = 3.0e-6;
/// What rounds to the published 1.000.
const CORRELATION: f64 = 0.9995;

pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C7",
        wording: "159× (financial simulation, 1,500 steps) and 54× (Acrobot) over PyTorch on the same GPU",
        measured_on: "M2 Pro",
        unit: Unit::Factor,
        rule: "environment steps per second of `fused` over those of PyTorch's fastest variant (strong) or of \
               `pytorch.eager-wait-each` (weak), at least the published factor of the environment",
        beside: None,
        points: over_pytorch,
        peers: &[],
    },
    Claim {
        id: "C8",
        wording: "720× hand-fused CUDA, 172× JAX lax.scan, 27× Triton over PyTorch per step (Acrobot)",
        measured_on: "Tesla T4",
        unit: Unit::Factor,
        rule: "environment steps per second of `cuda`, `jax` and `triton`, each at its fastest, over those of PyTorch's \
               fastest variant (strong) or of `pytorch.eager-wait-each` (weak), at least the published factor",
        beside: None,
        points: peers_over_pytorch,
        peers: &["cuda", "jax", "triton"],
    },
    Claim {
        id: "C9",
        wording: "fusion alone: 2.18× (500 dispatches against one, same kernel)",
        measured_on: "M2 Pro",
        unit: Unit::Factor,
        rule: "environment steps per second of `fused` over those of a dispatch for each step, under its fastest policy (strong) \
               or with a wait for each (weak), Acrobot, at least the published factor",
        beside: None,
        points: fusion_alone,
        peers: &[],
    },
    Claim {
        id: "C11",
        wording: "parallel workloads do not gain; coupled work gains little (N-body 2.8×)",
        measured_on: "M2 Pro, T4",
        unit: Unit::Factor,
        rule: "`fused` over the fastest way of several dispatches (strong) or over `wait-each` (weak): of work that is all side \
               by side at most the ratio that the A/A control of its case allows, of N-body at most the published factor; JAX \
               takes no part",
        beside: None,
        points: controls,
        peers: &[],
    },
    Claim {
        id: "C12",
        wording: "numerics: max error 3.0\u{a0}×\u{a0}10⁻⁶ against f64; f32 keeps fitness rankings (Spearman 1.000)",
        measured_on: "M2 Pro",
        unit: Unit::Error,
        rule: "of `fused`: the largest error of the fitness of an individual that rounding does not change, relative to the range \
               that it may have, at most the published one (strong); Spearman's correlation of their ranks, 1.000 as rounded \
               (beside it)",
        beside: Some(Unit::Correlation),
        points: numerics,
        peers: &[],
    },
];

/// The claim with this identifier.
pub fn claim(id: &str) -> Option<&'static Claim> {
    CLAIMS.iter().find(|claim| claim.id == id)
}

impl Claim {
    /// *Holds* where every comparison reaches the claim against the strong baseline, *holds only against a weak baseline* where
    /// every one does so against the weak one, else *does not hold here*; *not measured here* where nothing could be compared.
    pub fn judge(&self, runs: &Runs<'_>) -> Judgement {
        let [strong, weak] = (self.points)(self.peers, runs);
        let every = |wanted: &[Wanted]| !wanted.is_empty() && wanted.iter().all(Wanted::is_reached);
        let has_weak = self.beside.is_none();
        let verdict = match () {
            () if strong.is_empty() && weak.is_empty() => Verdict::NotMeasured,
            () if every(&strong) && (has_weak || every(&weak)) => Verdict::Holds,
            () if every(&weak) && has_weak => Verdict::WeakBaselineOnly,
            () => Verdict::DoesNotHold,
        };
        Judgement { verdict, strong, weak }
    }
}

impl<'a> Runs<'a> {
    pub fn experiment(&self, name: &str) -> Option<&'a Run> {
        self.0.iter().copied().find(|run| run.manifest.experiment == name)
    }

    /// Acrobot at the published size, in the first of the experiments that has it.
    fn acrobot(&self) -> Option<(&'a Run, &'a Case)> {
        let is = |case: &&Case| {
            (case.environment.as_str(), case.population, case.steps, case.generations)
                == ("acrobot", POPULATION, STEPS, 0)
        };
        let runs = ["rollout", "rollout-population", "rollout-length"].map(|name| self.experiment(name));
        runs.into_iter().flatten().find_map(|run| Some((run, run.cases.iter().find(is)?)))
    }

    fn portfolio(&self) -> Option<(&'a Run, &'a Case)> {
        let run = self.experiment("rollout-portfolio")?;
        Some((run, run.cases.iter().find(|case| case.environment == "portfolio")?))
    }
}

/// Work that is all side by side, and the bodies.
pub fn is_control(case: &Case) -> bool {
    case.workload == "rollout" && crate::workload::rollout::environments::is_task(&case.environment)
}

/// The fused arm of a case.
pub fn fused<'a>(run: &'a Run, case: &Case) -> Option<Measured<'a>> {
    run.arm(case, "fused").filter(|arm| arm.rate().is_some())
}

/// The fastest of the arms of several dispatches, and the slowest policy's: what waits for each.
pub fn in_several<'a>(run: &'a Run, case: &Case) -> [Option<Measured<'a>>; 2] {
    let several = || run.arms(case).into_iter().filter(|arm| arm.is_stepwise() || arm.row.key.arm == "per-operation");
    let waits = several().filter(|arm| arm.row.key.policy == Policy::WaitEach.name());
    [fastest(several()), fastest(waits)]
}

/// How far the two entries of the A/A control of a case may be apart: the end of their ratio's interval that is farther from 1,
/// as a factor above 1.
pub fn noise(run: &Run, case: &Case) -> Option<f64> {
    let twins: Vec<Measured> = run
        .rows()
        .filter(|row| row.case.case == case.case && row.row.key.arm == "fused" && row.rate().is_some())
        .collect();
    let [first, second] = &twins[..] else { return None };
    let interval = second.speedup_over(first)?.as_interval();
    Some(interval.high.max(1.0 / interval.low))
}

fn wanted(what: &str, case: &Case, number: Option<Number>, bound: Bound) -> Option<Wanted> {
    Some(Wanted { what: what.into(), case: case.clone(), number: number?, bound })
}

/// `fast` over the fastest variant of PyTorch, and over the one that waits for each step.
fn both_over_pytorch<'a>(
    (run, case): (&'a Run, &'a Case),
    (name, fast): (&str, Option<Measured<'a>>),
    bound: Bound,
) -> [Option<Wanted>; 2] {
    let strong = run.strongest_of_peer(case, "pytorch");
    let weak = run.peer(case, &format!("pytorch.{WEAK_VARIANT}"));
    [strong, weak].map(|slow| {
        let (fast, slow) = fast.zip(slow)?;
        wanted(&format!("{name} over {}", slow.label()), case, fast.speedup_over(&slow), bound)
    })
}

fn gathered(pairs: impl IntoIterator<Item = [Option<Wanted>; 2]>) -> [Vec<Wanted>; 2] {
    let mut both = [Vec::new(), Vec::new()];
    for pair in pairs {
        for (list, wanted) in both.iter_mut().zip(pair) {
            list.extend(wanted);
        }
    }
    both
}

fn over_pytorch(_: &[&str], runs: &Runs<'_>) -> [Vec<Wanted>; 2] {
    let places = [(runs.portfolio(), PORTFOLIO_GAIN), (runs.acrobot(), ACROBOT_GAIN)];
    gathered(places.into_iter().filter_map(|(place, gain)| {
        let (run, case) = place?;
        Some(both_over_pytorch((run, case), ("fused", fused(run, case)), Bound::AtLeast(gain)))
    }))
}

fn peers_over_pytorch(peers: &[&'static str], runs: &Runs<'_>) -> [Vec<Wanted>; 2] {
    let Some((run, case)) = runs.acrobot() else { return [Vec::new(), Vec::new()] };
    gathered(peers.iter().map(|peer| {
        let gain = match *peer {
            "cuda" => CUDA_GAIN,
            "jax" => JAX_GAIN,
            _ => TRITON_GAIN,
        };
        both_over_pytorch((run, case), (peer, run.fastest_of_peer(case, peer)), Bound::AtLeast(gain))
    }))
}

/// Steps in dispatches of their own against all in one. Since it is one kernel (`fused@step` against `fused`), nothing but the
/// number of dispatches differs; in older rows `stepwise` was a kernel of its own.
fn fusion_alone(_: &[&str], runs: &Runs<'_>) -> [Vec<Wanted>; 2] {
    let Some((run, case)) = runs.acrobot() else { return [Vec::new(), Vec::new()] };
    let slower = [run.fastest_stepwise(case), run.stepwise(case, Policy::WaitEach)];
    gathered([slower.map(|slow| {
        let slow = slow?;
        let number = fused(run, case)?.speedup_over(&slow);
        wanted(&format!("fused over {}", slow.label()), case, number, Bound::AtLeast(FUSION_GAIN))
    })])
}

fn controls(_: &[&str], runs: &Runs<'_>) -> [Vec<Wanted>; 2] {
    let cases =
        runs.0.iter().flat_map(|run| run.cases.iter().filter(|case| is_control(case)).map(move |case| (*run, case)));
    gathered(cases.map(|(run, case)| {
        let bound = if case.environment == "nbody" { Some(COUPLED_GAIN) } else { noise(run, case) };
        in_several(run, case).map(|slow| {
            let slow = slow?;
            let number = fused(run, case)?.speedup_over(&slow);
            wanted(&format!("fused over {}", slow.label()), case, number, Bound::AtMost(bound?))
        })
    }))
}

fn numerics(_: &[&str], runs: &Runs<'_>) -> [Vec<Wanted>; 2] {
    let rows = runs.0.iter().flat_map(|run| run.case_rows()).filter(|row| row.row.key.arm == "fused");
    gathered(rows.map(|row| {
        let number = |column: &str, value: Option<f64>| value.map(|value| Number::cell(value, row.cell(column)));
        let passing = row.row.gate == "pass";
        let error = number("fitness_error", row.row.fitness_error.filter(|_| passing));
        let correlation = number("rank_correlation", row.row.rank_correlation.filter(|_| passing));
        [
            wanted("largest error of fitness", row.case, error, Bound::AtMost(ERROR)),
            wanted("Spearman", row.case, correlation, Bound::AtLeast(CORRELATION)),
        ]
    }))
}

/// How many times as long `slow` keeps the GPU as `fast` does, by its own clock, each by its units. Gaps between the dispatches
/// of a pass are in it; what a gain has beyond it is the host's part.
pub fn busy_ratio(fast: &Measured, slow: &Measured) -> Option<Number> {
    let per_unit = |row: &Measured| Some(row.row.gpu_busy_ns.filter(|ns| *ns > 0.0)? / row.row.units as f64);
    let cells = vec![slow.cell("gpu_busy_ns").called("a"), fast.cell("gpu_busy_ns").called("b")];
    Some(Number::derived(per_unit(slow)? / per_unit(fast)?, "a / b, each by its units", cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(low: f64, high: f64, bound: Bound) -> Wanted {
        let number = Number::derived(f64::midpoint(low, high), "", Vec::new()).within(low, high, "");
        Wanted { what: String::new(), case: Case::default(), number, bound }
    }

    #[test]
    fn numbers_are_given_the_benefit_of_their_interval() {
        assert!(point(1.0, 2.2, Bound::AtLeast(2.18)).is_reached());
        assert!(!point(1.0, 2.1, Bound::AtLeast(2.18)).is_reached());
        assert!(point(0.9, 1.5, Bound::AtMost(1.02)).is_reached());
        assert!(!point(1.1, 1.5, Bound::AtMost(1.02)).is_reached());
    }

    #[test]
    fn nothing_measured_is_no_verdict() {
        for claim in CLAIMS {
            assert_eq!(claim.judge(&Runs(Vec::new())).verdict, Verdict::NotMeasured, "{}", claim.id);
        }
    }
}
