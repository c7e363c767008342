//! Measures a decode case: its arms in the sizes that suit the device, and as many tokens as fit the cap.

use std::collections::{BTreeMap, BTreeSet};

use super::calibration::Calibrator;
use super::case::{Judge, Made, Measured, Subject, blank_row, does_not_run, measure_case as measure};
use super::decode_tuning::{Calibrated, Decoding, tunings};
use crate::cases::decode::{config_of, entries, request_of, weight_blocks};
use crate::cases::entries::Entry;
use crate::cases::verdict::Verdict;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Error, Result, Within};
use crate::parallel;
use crate::program::{Policy, Program};
use crate::protocol::{Plan, tokens_within_cap};
use crate::record::rows::{Case, ResultRow};
use crate::spec::{DecodeCase, Spec};
use crate::workload::decode::format::Format;
use crate::workload::decode::gate::Reference;
use crate::workload::decode::model::{Config, Request, Weights};
use crate::workload::decode::{Arm, Tuning, cost, new_tokens, random, request, tensors};

/// Measures one case of a spec.
pub fn measure_case(gpu: &Gpu, spec: &Spec, plan: &Plan, case: &DecodeCase, step: &dyn Fn(u64)) -> Result<Measured> {
    let config = config_of(case).within(&case.name)?;
    let requests: Vec<Request> = (0..case.sequences).map(|sequence| request_of(case, &config, sequence)).collect();
    request::validate(&config, &requests[0]).within(&case.name)?;
    measure(gpu, plan, &Model { gpu, spec, plan, case, config, requests }, step)
}

/// A model, and what it is asked.
struct Model<'a> {
    gpu: &'a Gpu,
    spec: &'a Spec,
    plan: &'a Plan,
    case: &'a DecodeCase,
    config: Config,
    requests: Vec<Request>,
}

impl Subject for Model<'_> {
    type Arm = Arm;

    fn case(&self) -> Case {
        case_row(self.case, String::new())
    }

    fn entries(&self) -> Result<Vec<Entry<Arm>>> {
        entries(self.spec)
    }

    fn row(&self, &(arm, policy, replica): &Entry<Arm>) -> ResultRow {
        let mut row = blank_row(&self.case.name, &arm.name(), policy, replica);
        row.unit = "token".into();
        row.gate_tolerance = self.spec.tolerance;
        row
    }

    fn objection(&self, arm: &Arm) -> Option<String> {
        tunings(self.gpu, &self.config, &self.requests, *arm, tile(self.gpu), false).err().map(does_not_run)
    }

    fn make(&self, arms: &[Arm]) -> Result<Made<'_>> {
        let exact = random::weights(&self.config, self.case.seed);
        let layouts: Vec<_> = arms.iter().map(|arm| arm.layout()).collect();
        let blocks = weight_blocks(&self.config, &exact, &layouts);
        let decoding = Decoding { gpu: self.gpu, config: &self.config, requests: &self.requests, blocks: &blocks };
        let mut calibrator = Calibrator::new(self.gpu);
        let mut ladders = Vec::new();
        let mut tuned = Vec::new();
        let mut programs = Vec::new();
        for &arm in arms {
            let found = tune(&decoding, &mut calibrator, arm, &mut ladders)?;
            let (fitting, program) = within_cap(&decoding, self.plan, arm, found);
            tuned.push(fitting);
            programs.push((program, blocks.clone()));
        }
        let weights_sha256 = tensors::weights_sha256(&self.config, &exact);
        let references = references(&self.config, &exact, arms, &self.requests[0]);
        let judge = Box::new(Oracle { config: &self.config, tolerance: self.spec.tolerance, tuned, references });
        Ok(Made { programs, weights_sha256, judge })
    }
}

/// An arm is held to the oracle of the model that its weights are. What the oracle answers a request is computed for all of them
/// at a time.
fn references(
    config: &Config,
    exact: &Weights,
    arms: &[Arm],
    request: &Request,
) -> BTreeMap<Format, Reference<'static>> {
    let formats: BTreeSet<Format> = arms.iter().map(|arm| arm.format).collect();
    let formats: Vec<Format> = formats.into_iter().collect();
    let references = parallel::map(&formats, |format| {
        let mut reference = Reference::owning(config.clone(), format.rounded(config, exact));
        reference.foresee(request);
        reference
    });
    formats.into_iter().zip(references).collect()
}

/// Tokens of a prompt that an arm feeds together where it can, as `generate` does.
fn tile(gpu: &Gpu) -> u32 {
    Tuning::tile_for(gpu.info.is_software)
}

/// The fastest tuning of an arm, and how long its calibration run takes. All rungs of a ladder, the spans of one kernel, have the
/// tuning that is the fastest in one dispatch, so that nothing but the span differs between them; `ladders` keeps those that are
/// known.
fn tune(
    decoding: &Decoding,
    calibrator: &mut Calibrator,
    arm: Arm,
    ladders: &mut Vec<(Arm, Tuning)>,
) -> Result<Calibrated> {
    let fitting = |arm| tunings(decoding.gpu, decoding.config, decoding.requests, arm, tile(decoding.gpu), false);
    let whole = Arm { span: arm.algorithm.span(), ..arm };
    let mut of_ladder = ladders.iter().find(|(known, _)| *known == whole).map(|(_, tuning)| *tuning);
    if let (None, Ok(of_whole)) = (of_ladder, fitting(whole)) {
        let tuning = decoding.calibrate(calibrator, whole, &of_whole)?.tuning;
        ladders.push((whole, tuning));
        of_ladder = Some(tuning);
    }
    match of_ladder {
        Some(tuning) => decoding.timed(calibrator, arm, tuning),
        None => decoding.calibrate(calibrator, arm, &fitting(arm).map_err(Error::input)?),
    }
}

/// What an arm is asked within the cap, and its program.
fn within_cap(decoding: &Decoding, plan: &Plan, arm: Arm, found: Calibrated) -> (Tuned, Program) {
    let Calibrated { tuning, requests: short, ns } = found;
    let (config, requests) = (decoding.config, decoding.requests);
    // A token costs more the more there are before it.
    let work_per_token = |requests: &[Request]| {
        let work = cost::work(&arm.program_of_all(config, requests, &tuning));
        work.multiply_adds as f64 / f64::from(requests[0].positions())
    };
    let token_ns = ns / f64::from(short[0].positions()) * (work_per_token(requests) / work_per_token(&short));
    let (new_tokens, cap) = tokens_within_cap(plan, token_ns, requests[0].new_tokens);
    let requests: Vec<Request> = requests.iter().map(|request| Request { new_tokens, ..request.clone() }).collect();
    let program = arm.program_of_all(config, &requests, &tuning);
    (Tuned { arm, requests, cap }, program)
}

/// An arm as it is timed.
struct Tuned {
    arm: Arm,
    requests: Vec<Request>,
    cap: String,
}

impl Tuned {
    fn units(&self) -> u64 {
        self.requests.iter().map(|request| u64::from(request.new_tokens)).sum()
    }
}

struct Oracle<'a> {
    config: &'a Config,
    tolerance: f64,
    /// By arm.
    tuned: Vec<Tuned>,
    references: BTreeMap<Format, Reference<'static>>,
}

impl Judge for Oracle<'_> {
    fn describe(&self, arm: usize, _: Policy, prepared: &Prepared, row: &mut ResultRow) -> Result<()> {
        let (tuned, program) = (&self.tuned[arm], prepared.program());
        let work = cost::work(program);
        let dispatches = program.phases.iter().flat_map(|phase| &phase.dispatches);
        row.units = tuned.units();
        row.subgroup_size = program.kernels.iter().map(|kernel| kernel.subgroup_size).max().unwrap_or(0);
        row.barriers = work.barriers;
        row.workgroups = dispatches.map(|dispatch| dispatch.workgroups).max().unwrap_or(0);
        row.rounds = work.rounds;
        row.row_lanes = cost::row_lanes(program);
        row.multiply_adds = work.multiply_adds;
        row.min_bytes = cost::min_bytes(self.config, &tuned.requests, tuned.arm.format, cost::tile(program));
        row.span = tuned.arm.span.name();
        row.cap = tuned.cap.clone();
        Ok(())
    }

    fn verdict(&mut self, arm: usize, prepared: &Prepared) -> Result<Verdict> {
        let tuned = &self.tuned[arm];
        let reference = self.references.get_mut(&tuned.arm.format).expect("one for each format of the arms");
        if gave_up(prepared)? {
            return Ok(Verdict::failed(GAVE_UP));
        }
        let mut largest = 0f64;
        for (index, (tokens, logits)) in outputs(prepared, self.config, &tuned.requests)?.into_iter().enumerate() {
            let gate = reference.check(&tuned.requests[index], &tokens, &logits, self.tolerance);
            if !gate.pass {
                let of = if tuned.requests.len() > 1 { format!("sequence {index}: ") } else { String::new() };
                return Ok(Verdict::of(gate.error, of + &gate.reason, 0));
            }
            largest = largest.max(gate.error.unwrap_or_default());
        }
        Ok(Verdict::of(Some(largest), String::new(), tuned.units()))
    }
}

/// A case as `cases.csv` has it.
pub fn case_row(case: &DecodeCase, weights_sha256: String) -> Case {
    Case {
        case: case.name.clone(),
        workload: "decode".into(),
        n_embd: case.n_embd,
        n_layer: case.n_layer,
        n_head: case.n_head,
        n_inner: case.n_inner,
        vocab_size: case.vocab_size,
        prompt_tokens: case.prompt_tokens,
        new_tokens: case.new_tokens,
        seed: case.seed,
        weights_sha256,
        sequences: case.sequences,
        shape: case.shape.clone(),
        ..Case::default()
    }
}

/// What is wrong with the output of a program of which [`gave_up`] is true.
pub const GAVE_UP: &str = "a workgroup gave up waiting for another: not all of them make progress together";

/// Whether a workgroup gave up waiting for another in a program's last run.
pub fn gave_up(prepared: &Prepared) -> Result<bool> {
    Ok(prepared.has("gave_up") && prepared.read("gave_up")?.iter().any(|byte| *byte != 0))
}

/// New tokens and last logits, `[vocab_size]`, of a program's last run, for each request that it answers.
pub fn outputs(prepared: &Prepared, config: &Config, requests: &[Request]) -> Result<Vec<(Vec<u32>, Vec<f32>)>> {
    let tokens: Vec<u32> = bytemuck::pod_collect_to_vec(&prepared.read("tokens")?);
    let logits: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("logits")?);
    let [vocab_size, stride] = [config.vocab_size as usize, config.vocab_size.next_multiple_of(4) as usize];
    let mut first = 0;
    let output = |(index, request): (usize, &Request)| {
        let end = first + request.prompt.len() + request.new_tokens as usize;
        let new = new_tokens(request, &tokens[first..end]);
        first = end;
        (new, logits[index * stride..index * stride + vocab_size].to_vec())
    };
    Ok(requests.iter().enumerate().map(output).collect())
}
