//! The one way that a case is measured, whatever its workload: arms that cannot run here are refused, the others are made,
//! described, timed in turn, and judged.

use super::samples::{Candidate, take_samples};
use crate::cases::entries::Entry;
use crate::cases::verdict::Verdict;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Result, Within};
use crate::program::{Blocks, Policy, Program};
use crate::protocol::Plan;
use crate::record::rows::{Case, Key, ResultRow, Sample};
use crate::shaders;

/// All rows of one case.
pub struct Measured {
    pub case: Case,
    pub results: Vec<ResultRow>,
    pub samples: Vec<Sample>,
}

/// What a workload has of its own in a case, as far as it is known before anything large is made.
pub trait Subject {
    type Arm: Clone + PartialEq;

    /// The case's row, without the digest of what is still to be made.
    fn case(&self) -> Case;
    /// Arms under policies, in the order of the rows.
    fn entries(&self) -> Result<Vec<Entry<Self::Arm>>>;
    /// What a row is about.
    fn row(&self, entry: &Entry<Self::Arm>) -> ResultRow;
    /// Why an arm gets no time here.
    fn objection(&self, arm: &Self::Arm) -> Option<String>;
    /// Makes what runs for these arms, to which there is no objection.
    fn make(&self, arms: &[Self::Arm]) -> Result<Made<'_>>;
}

/// What a case is measured with.
pub struct Made<'a> {
    /// Of each arm, in the sizes that suit this device, with its constants.
    pub programs: Vec<(Program, Blocks)>,
    /// Of the weights, the population, or what else is computed with.
    pub weights_sha256: String,
    pub judge: Box<dyn Judge + 'a>,
}

/// Says what a program does, and whether it does it right. Arms go by their place among those that were made.
pub trait Judge {
    /// Fills in what is known of a row before it is timed. What depends on the run may be run for.
    fn describe(&self, arm: usize, policy: Policy, prepared: &Prepared, row: &mut ResultRow) -> Result<()>;

    /// Judges what the last run left.
    fn verdict(&mut self, arm: usize, prepared: &Prepared) -> Result<Verdict>;

    /// Adds to the finished rows what is only known at the end.
    fn conclude(&mut self, _rows: &mut [ResultRow]) -> Result<()> {
        Ok(())
    }
}

/// Measures a case. `step` is called with the number of samples that were taken or left out.
pub fn measure_case<S: Subject>(gpu: &Gpu, plan: &Plan, subject: &S, step: &dyn Fn(u64)) -> Result<Measured> {
    let entries = subject.entries()?;
    let mut arms: Vec<S::Arm> = Vec::new();
    let mut refused: Vec<(S::Arm, String)> = Vec::new();
    for (arm, ..) in &entries {
        if arms.contains(arm) || refused.iter().any(|(refused, _)| refused == arm) {
            continue;
        }
        match subject.objection(arm) {
            None => arms.push(arm.clone()),
            Some(objection) => refused.push((arm.clone(), objection)),
        }
    }
    let refused_row = |entry: &Entry<S::Arm>| {
        let (_, objection) = refused.iter().find(|(refused, _)| *refused == entry.0)?;
        Some(ResultRow { reason: objection.clone(), ..subject.row(entry) })
    };
    let refused_rows: Vec<ResultRow> = entries.iter().filter_map(refused_row).collect();
    step(u64::from(plan.samples) * refused_rows.len() as u64);
    let mut case = subject.case();
    if arms.is_empty() {
        // What no arm can hold is not made: it may be more than the host can hold.
        return Ok(Measured { case, results: refused_rows, samples: Vec::new() });
    }

    let name = case.case.clone();
    let Made { programs, weights_sha256, mut judge } = subject.make(&arms).within(&name)?;
    case.weights_sha256 = weights_sha256;
    let prepared: Vec<Prepared> = programs
        .iter()
        .map(|(program, blocks)| Prepared::new(gpu, program, blocks))
        .collect::<Result<_>>()
        .within(&name)?;
    let mut candidates = Vec::new();
    for entry in &entries {
        if let Some(arm) = arms.iter().position(|arm| *arm == entry.0) {
            let (policy, prepared) = (entry.1, &prepared[arm]);
            let mut row = subject.row(entry);
            of_program(&mut row, prepared.program(), policy);
            judge.describe(arm, policy, prepared, &mut row).within(&name)?;
            candidates.push(Candidate { arm, prepared, policy, row });
        }
    }
    let mut check = |candidate: &Candidate| {
        let mut verdict = judge.verdict(candidate.arm, candidate.prepared)?;
        let (made, described) = (verdict.units, candidate.row.units);
        if verdict.reason.is_empty() && made != described {
            verdict.reason = format!("{made} steps, {described} in another run");
        }
        Ok(verdict)
    };
    let (mut results, samples) = take_samples(plan, candidates, &mut check, step).within(&name)?;
    judge.conclude(&mut results).within(&name)?;
    results.extend(refused_rows);
    Ok(Measured { case, results, samples })
}

/// A row with nothing in it but what it is about.
pub fn blank_row(case: &str, arm: &str, policy: Policy, replica: u32) -> ResultRow {
    let key = Key { case: case.into(), arm: arm.into(), policy: policy.name().into(), replica };
    ResultRow { key, gate: "fail".into(), ..ResultRow::default() }
}

/// Why an arm gets no time that a device cannot run.
pub fn does_not_run(objection: String) -> String {
    format!("does not run on this device: {objection}")
}

/// What every row says of its program.
fn of_program(row: &mut ResultRow, program: &Program, policy: Policy) {
    let traffic = program.traffic(policy);
    (row.dispatches, row.submits, row.waits) = (traffic.dispatches, traffic.submits, traffic.waits);
    row.workgroup_size = program.kernels.iter().map(|kernel| kernel.workgroup_size).max().unwrap_or(0);
    row.program_sha256 = program.sha256();
    row.shaders_sha256 = shaders::sha256(program);
}
