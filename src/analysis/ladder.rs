//! The ladder of a case: one kernel on every rung, of which a dispatch covers more and more.
//!
//! Two rungs differ in nothing but dispatching, so that is what a step from one to the other gains. A rung is a span under a
//! policy; the whole generation is one dispatch, where policies do not tell apart.

use super::measured::{Measured, fastest};
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::workload::decode::span::Span;
use crate::workload::decode::{Algorithm, Arm};

/// The experiment that has every rung.
pub const EXPERIMENT: &str = "span";

/// The kernel that they are of, in f32 and checked.
pub const KERNEL: Algorithm = Algorithm::FusedGrid;

#[derive(Clone, Copy)]
pub struct Rung<'a> {
    pub span: Span,
    pub policy: Policy,
    pub entry: Measured<'a>,
}

/// The row of a rung, where there is one.
pub fn entry(rung: Option<Rung<'_>>) -> Option<Measured<'_>> {
    rung.map(|rung| rung.entry)
}

/// The rungs of a case that have a time, by span and then by policy.
pub struct Ladder<'a> {
    pub rungs: Vec<Rung<'a>>,
}

impl<'a> Ladder<'a> {
    pub fn of(run: &'a Run, case: &Case) -> Ladder<'a> {
        let rung = |entry: Measured<'a>| {
            let arm = entry.decode_arm()?;
            let policy = entry.row.key.policy.parse().ok()?;
            let is_rung = arm == Arm { span: arm.span, ..Arm::of(KERNEL) } && entry.rate().is_some();
            is_rung.then_some(Rung { span: arm.span, policy, entry })
        };
        let mut rungs: Vec<Rung> = run.arms(case).into_iter().filter_map(rung).collect();
        rungs.sort_by_key(|rung| (rung.span, rung.policy));
        Ladder { rungs }
    }

    pub fn at(&self, span: Span, policy: Policy) -> Option<Rung<'a>> {
        self.rungs.iter().copied().find(|rung| (rung.span, rung.policy) == (span, policy))
    }

    /// The fastest policy of a span.
    pub fn fastest(&self, span: Span) -> Option<Rung<'a>> {
        self.fastest_where(|rung| rung.span == span)
    }

    /// The fastest rung of which no dispatch waits inside, so that nothing is fused that a wait would have to hold together.
    pub fn fastest_unfused(&self) -> Option<Rung<'a>> {
        self.fastest_where(|rung| !rung.span.waits())
    }

    /// Everything in one dispatch.
    pub fn whole(&self) -> Option<Rung<'a>> {
        self.fastest(Span::Generation)
    }

    /// The spans that have a rung, from the one that covers least.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = self.rungs.iter().map(|rung| rung.span).collect();
        spans.dedup();
        spans
    }

    fn fastest_where(&self, is: impl Fn(&Rung) -> bool) -> Option<Rung<'a>> {
        let best = fastest(self.rungs.iter().filter(|rung| is(rung)).map(|rung| rung.entry))?;
        self.rungs.iter().copied().find(|rung| rung.entry.row.key == best.row.key)
    }
}

impl Run {
    /// Whether it has a ladder: one dispatch in all, and something unfused to compare it with.
    pub fn has_ladder(&self) -> bool {
        let is_whole = |ladder: Ladder| ladder.whole().is_some() && ladder.fastest_unfused().is_some();
        self.decode_cases().any(|case| is_whole(Ladder::of(self, case)))
    }
}
