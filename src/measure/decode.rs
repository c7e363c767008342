//! Measures a decode case: arms are built for the device, tuned by a short calibration, and timed.

use std::collections::BTreeMap;

use super::calibration::{Calibrated, calibrate, timed, tunings};
use super::case::{Candidate, Measured, Verdict, blank_row, measure};
use crate::cases::decode::{config_of, entries, request_of, weight_blocks};
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Result, Within};
use crate::program::{Blocks, Policy, Program};
use crate::protocol::{Plan, tokens_within_cap};
use crate::record::rows::{Case, ResultRow};
use crate::shaders;
use crate::spec::{DecodeCase, Spec};
use crate::workload::decode::format::Format;
use crate::workload::decode::gate::Reference;
use crate::workload::decode::model::{Config, Request, Weights};
use crate::workload::decode::{Arm, Tuning, cost, new_tokens, random, request, tensors};

/// A model of a case, rounded to each format that its arms read, and as their kernels read it.
struct Model {
    config: Config,
    weights: BTreeMap<Format, Weights>,
    blocks: Blocks,
}

impl Model {
    fn of(config: Config, seed: u64, arms: &[Arm]) -> Model {
        let exact = random::weights(&config, seed);
        let blocks = weight_blocks(&config, &exact, &arms.iter().map(|arm| arm.layout()).collect::<Vec<_>>());
        let mut weights: BTreeMap<Format, Weights> = arms
            .iter()
            .map(|arm| (arm.format, arm.format))
            .filter(|(format, _)| *format != Format::F32)
            .map(|(format, _)| (format, format.rounded(&exact)))
            .collect();
        weights.insert(Format::F32, exact);
        Model { config, weights, blocks }
    }
}

/// An arm as it will be timed.
struct Tuned {
    arm: Arm,
    program: Program,
    requests: Vec<Request>,
    cap: String,
}

/// Measures one case of a spec.
pub fn measure_case(gpu: &Gpu, spec: &Spec, plan: &Plan, case: &DecodeCase, step: &dyn Fn(u64)) -> Result<Measured> {
    let config = config_of(case).within(&case.name)?;
    let requests: Vec<Request> = (0..case.sequences).map(|sequence| request_of(case, &config, sequence)).collect();
    request::validate(&config, &requests[0]).within(&case.name)?;

    let entries = entries(spec)?;
    let mut arms: Vec<Arm> = Vec::new();
    for (arm, ..) in &entries {
        if !arms.contains(arm) {
            arms.push(*arm);
        }
    }
    let mut fitting = Vec::new();
    let mut refused = Vec::new();
    for arm in arms {
        match tunings(gpu, &config, &requests, arm, false) {
            Ok(tunings) => fitting.push((arm, tunings)),
            Err(objection) => refused.push((arm, objection)),
        }
    }
    let refused_row = |(arm, policy, replica): (Arm, Policy, u32)| {
        let (_, objection) = refused.iter().find(|(refused, _)| *refused == arm)?;
        let reason = format!("does not run on this device: {objection}");
        Some(ResultRow { reason, ..decode_row(spec, case, arm, policy, replica) })
    };
    let rows_of_refused: Vec<ResultRow> = entries.iter().filter_map(|&entry| refused_row(entry)).collect();
    step(u64::from(plan.samples) * rows_of_refused.len() as u64);
    if fitting.is_empty() {
        // Weights that no arm can bind are not made: they may be more than the host can hold.
        return Ok(Measured { case: case_row(case, String::new()), results: rows_of_refused, samples: Vec::new() });
    }
    let arms: Vec<Arm> = fitting.iter().map(|(arm, _)| *arm).collect();
    let model = Model::of(config, case.seed, &arms);
    let mut ladders = Vec::new();
    let tuned: Vec<Tuned> = fitting
        .into_iter()
        .map(|(arm, tunings)| tune(gpu, plan, &model, &requests, (arm, &tunings), &mut ladders))
        .collect::<Result<_>>()?;
    let prepared: Vec<Prepared> = tuned
        .iter()
        .map(|tuned| Prepared::new(gpu, &tuned.program, &model.blocks))
        .collect::<Result<_>>()
        .within(&case.name)?;

    let mut candidates = Vec::new();
    for (arm, policy, replica) in entries {
        if let Some(index) = tuned.iter().position(|tuned| tuned.arm == arm) {
            let mut row = decode_row(spec, case, arm, policy, replica);
            describe(&mut row, &tuned[index], &model.config, policy);
            candidates.push(Candidate { prepared: &prepared[index], policy, row });
        }
    }

    // An arm in two-byte weights is held to the oracle of the model that these weights are.
    let mut references: BTreeMap<Format, Reference> =
        model.weights.iter().map(|(&format, weights)| (format, Reference::new(&model.config, weights))).collect();
    let mut check = |candidate: &Candidate| {
        let tuned = tuned.iter().find(|tuned| tuned.arm.name() == candidate.row.key.arm);
        let Some((tuned, reference)) = tuned.and_then(|tuned| Some((tuned, references.get_mut(&tuned.arm.format)?)))
        else {
            return Ok(Verdict { error: None, reason: "no such arm".into(), ranking: None });
        };
        if gave_up(candidate.prepared)? {
            return Ok(Verdict { error: None, reason: GAVE_UP.into(), ranking: None });
        }
        let mut largest = 0f64;
        for (index, (tokens, logits)) in
            outputs(candidate.prepared, &model.config, &tuned.requests)?.into_iter().enumerate()
        {
            let gate = reference.check(&tuned.requests[index], &tokens, &logits, spec.tolerance);
            if !gate.pass {
                let of = if tuned.requests.len() > 1 { format!("sequence {index}: ") } else { String::new() };
                return Ok(Verdict { error: gate.error, reason: of + &gate.reason, ranking: None });
            }
            largest = largest.max(gate.error.unwrap_or_default());
        }
        Ok(Verdict { error: Some(largest), reason: String::new(), ranking: None })
    };
    let (mut results, samples) = measure(plan, candidates, &mut check, step).within(&case.name)?;
    results.extend(rows_of_refused);
    let weights_sha256 = tensors::weights_sha256(&model.config, &model.weights[&Format::F32]);
    Ok(Measured { case: case_row(case, weights_sha256), results, samples })
}

pub(crate) fn decode_row(spec: &Spec, case: &DecodeCase, arm: Arm, policy: Policy, replica: u32) -> ResultRow {
    let mut row = blank_row(&case.name, &arm.name(), policy, replica);
    row.unit = "token".into();
    row.gate_tolerance = spec.tolerance;
    row
}

pub(crate) fn case_row(case: &DecodeCase, weights_sha256: String) -> Case {
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

/// The fastest tuning of an arm, and as many tokens as fit the cap. All rungs of a ladder, the spans of one kernel, have the tuning
/// that is the fastest in one dispatch, so that nothing but the span differs between them; `ladders` keeps those that are known.
fn tune(
    gpu: &Gpu,
    plan: &Plan,
    model: &Model,
    requests: &[Request],
    (arm, fitting): (Arm, &[Tuning]),
    ladders: &mut Vec<(Arm, Tuning)>,
) -> Result<Tuned> {
    let config = &model.config;
    let calibrated = |arm, tunings: &[Tuning]| calibrate(gpu, config, &model.blocks, requests, arm, tunings);
    let whole = Arm { span: arm.algorithm.span(), ..arm };
    let mut of_ladder = ladders.iter().find(|(known, _)| *known == whole).map(|(_, tuning)| *tuning);
    if let (None, Ok(of_whole)) = (of_ladder, tunings(gpu, config, requests, whole, false)) {
        let tuning = calibrated(whole, &of_whole)?.tuning;
        ladders.push((whole, tuning));
        of_ladder = Some(tuning);
    }
    let Calibrated { tuning, requests: short, ns } = match of_ladder {
        Some(tuning) => timed(gpu, config, &model.blocks, requests, arm, tuning)?,
        None => calibrated(arm, fitting)?,
    };
    // A token costs more the more there are before it.
    let work_per_token = |requests: &[Request]| {
        let work = cost::work(&arm.program_of_all(config, requests, &tuning));
        work.multiply_adds as f64 / f64::from(requests[0].positions())
    };
    let token_ns = ns / f64::from(short[0].positions()) * (work_per_token(requests) / work_per_token(&short));
    let (new_tokens, cap) = tokens_within_cap(plan, token_ns, requests[0].new_tokens);
    let requests: Vec<Request> = requests.iter().map(|request| Request { new_tokens, ..request.clone() }).collect();
    let program = arm.program_of_all(config, &requests, &tuning);
    Ok(Tuned { arm, program, requests, cap })
}

/// Fills in what is known of an arm before it has run.
fn describe(row: &mut ResultRow, tuned: &Tuned, config: &Config, policy: Policy) {
    let Tuned { program, requests, cap, .. } = tuned;
    let traffic = program.traffic(policy);
    let work = cost::work(program);
    // The sizes that were calibrated are those of the kernel that has the most threads.
    let kernels = || program.kernels.iter();
    row.units = requests.iter().map(|request| u64::from(request.new_tokens)).sum();
    row.workgroup_size = kernels().map(|kernel| kernel.workgroup_size).max().unwrap_or(0);
    row.subgroup_size = kernels().map(|kernel| kernel.subgroup_size).max().unwrap_or(0);
    (row.dispatches, row.submits, row.waits) = (traffic.dispatches, traffic.submits, traffic.waits);
    row.barriers = work.barriers;
    row.workgroups = program.phases.iter().flat_map(|phase| &phase.dispatches).map(|d| d.workgroups).max().unwrap_or(0);
    row.rounds = work.rounds;
    row.row_lanes = cost::row_lanes(program);
    row.multiply_adds = work.multiply_adds;
    row.min_bytes = cost::min_bytes(config, requests, tuned.arm.format);
    row.span = tuned.arm.span.name();
    row.cap = cap.clone();
    row.program_sha256 = program.sha256();
    row.shaders_sha256 = shaders::sha256(program);
}
