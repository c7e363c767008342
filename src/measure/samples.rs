//! Takes the samples of a case: its arms are checked, warmed up, timed in turn, and checked again.

use crate::cases::verdict::Verdict;
use crate::device::executor::Prepared;
use crate::error::Result;
use crate::program::Policy;
use crate::protocol::{self, Plan};
use crate::record::rows::{ResultRow, Sample};
use crate::record::summary::summarise;
use crate::statistics;

/// An arm, ready to run. The row holds everything that is known before it has run.
pub struct Candidate<'a> {
    /// Its place among those that were made.
    pub arm: usize,
    pub prepared: &'a Prepared<'a>,
    pub policy: Policy,
    pub row: ResultRow,
}

/// Times the candidates of one case. `check` reads an arm's output back and compares it; `step` is called once for
/// each sample taken or left out.
pub fn take_samples(
    plan: &Plan,
    candidates: Vec<Candidate>,
    check: &mut dyn FnMut(&Candidate) -> Result<Verdict>,
    step: &dyn Fn(u64),
) -> Result<(Vec<ResultRow>, Vec<Sample>)> {
    let mut candidates = candidates;
    let mut counts = Vec::new();
    for candidate in &mut candidates {
        candidate.prepared.run(candidate.policy)?;
        let verdict = check(candidate)?;
        record_verdict(&mut candidate.row, &verdict);
        let mut count = 0;
        if candidate.row.reason.is_empty() {
            let (prepared, policy) = (candidate.prepared, candidate.policy);
            let typical = protocol::warm_up(plan, &mut || Ok(prepared.run(policy)?.wall_ns))?;
            let cap;
            (count, cap) = protocol::samples_within_cap(plan, typical);
            add_cap(&mut candidate.row.cap, &cap);
        }
        step(u64::from(plan.samples - count));
        counts.push(count);
    }

    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); candidates.len()];
    for (order, index) in (0u32..).zip(protocol::interleaved(&counts, plan.seed)) {
        let candidate = &mut candidates[index];
        let timing = candidate.prepared.run(candidate.policy)?;
        let taken = &mut samples[index];
        taken.push(Sample {
            key: candidate.row.key.clone(),
            sample: taken.len() as u32,
            order,
            wall_ns: timing.wall_ns,
            gpu_ns: timing.gpu_ns.and_then(|reading| reading.ok()),
            gpu_flag: timing.gpu_ns.and_then(|reading| reading.err()).unwrap_or_default().into(),
        });
        if taken.len() as u32 == counts[index] {
            let verdict = check(candidate)?;
            record_verdict(&mut candidate.row, &verdict);
        }
        step(1);
    }

    for (candidate, taken) in candidates.iter_mut().zip(&mut samples) {
        if !candidate.row.reason.is_empty() {
            taken.clear();
        } else {
            candidate.row.gpu_busy_ns = busy_ns(candidate)?;
        }
        summarise(&candidate.row.key, taken).write_into(&mut candidate.row);
    }
    let rows = candidates.into_iter().map(|candidate| candidate.row).collect();
    Ok((rows, samples.concat()))
}

/// Runs of which the median busy time is taken; one where a run takes long.
const BUSY_RUNS: usize = 3;
const LONG_RUN_NS: u64 = 1_000_000_000;

/// Median busy time of a few runs, after one that wakes a GPU that idled while its output was checked.
fn busy_ns(candidate: &Candidate) -> Result<Option<f64>> {
    let wall_ns = candidate.prepared.run(candidate.policy)?.wall_ns;
    let runs = if wall_ns > LONG_RUN_NS { 1 } else { BUSY_RUNS };
    let mut times = Vec::new();
    for _ in 0..runs {
        times.extend(candidate.prepared.busy_ns(candidate.policy)?);
    }
    Ok(statistics::median(&times))
}

/// Keeps the larger error of the two checks; a failure is not undone by a later pass.
fn record_verdict(row: &mut ResultRow, verdict: &Verdict) {
    let seen_before = row.gate == "pass";
    row.gate_error = match (seen_before, row.gate_error, verdict.error) {
        (true, Some(before), Some(now)) => Some(before.max(now)),
        (_, _, now) => now,
    };
    if row.reason.is_empty() {
        row.reason = verdict.reason.clone();
    }
    // An arm gives the same output again, or fails.
    if let Some(ranking) = verdict.ranking {
        (row.followed, row.decided, row.fitness_error) = (ranking.followed, ranking.decided, ranking.error);
        (row.rank_correlation, row.rank_correlation_all) = (ranking.correlation, ranking.correlation_of_all);
    }
    row.gate = if row.reason.is_empty() { "pass" } else { "fail" }.into();
}

fn add_cap(cap: &mut String, more: &str) {
    if !cap.is_empty() && !more.is_empty() {
        cap.push_str("; ");
    }
    cap.push_str(more);
}
