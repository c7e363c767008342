//! Measures a decode case: arms are built for the device, tuned by a short calibration, and timed.

use std::sync::Arc;

use super::case::{Candidate, Measured, Verdict, blank_row, measure};
use super::protocol::{Plan, tokens_within_cap};
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Result, Within};
use crate::program::{Blocks, Policy, Program};
use crate::record::rows::{Case, ResultRow};
use crate::shaders;
use crate::spec::{DecodeCase, Spec};
use crate::workload::decode::gate::Reference;
use crate::workload::decode::model::{Config, Request, Sampling, Weights};
use crate::workload::decode::packing::{Layout, pack};
use crate::workload::decode::{Arm, Tuning, config, cost, new_tokens, random, request, tensors};

/// Tokens that a calibration run makes at least, as far as there are so many; else a quarter of the case's.
const CALIBRATION_TOKENS: u32 = 16;

/// How long a workgroup size is tried in each of two rounds; its fastest run counts.
const CALIBRATION_NS: f64 = 50e6;

/// On a software device large workgroups are slow, and each size takes seconds to compile.
const LARGEST_SOFTWARE_WORKGROUP: u32 = 64;

/// The arms of a spec with the policies that each runs under; every arm where the spec names none.
pub fn entries(spec: &Spec) -> Result<Vec<(Arm, Policy, u32)>> {
    let arms = match spec.arms.as_slice() {
        [] => Arm::ALL.to_vec(),
        names => names.iter().map(|name| Arm::named(name)).collect::<Result<_>>()?,
    };
    let policies = if spec.policies.is_empty() { &Policy::ALL[..] } else { &spec.policies };
    let mut entries = Vec::new();
    for &arm in &arms {
        let policies = if arm.is_fused() { &[Policy::OneSubmit][..] } else { policies };
        entries.extend(policies.iter().map(|&policy| (arm, policy, 0)));
    }
    // The A/A control of every case: one entry twice.
    let twice = entries.iter().find(|(arm, ..)| *arm == Arm::FusedWorkgroup).or(entries.last()).copied();
    entries.extend(twice.map(|(arm, policy, _)| (arm, policy, 1)));
    Ok(entries)
}

/// A model of a case with its weights as kernels read them.
struct Model {
    config: Config,
    weights: Weights,
    blocks: Blocks,
}

impl Model {
    fn of(config: Config, seed: u64) -> Model {
        let weights = random::weights(&config, seed);
        let blocks = weight_blocks(&config, &weights, &[Layout::InOut, Layout::OutIn]);
        Model { config, weights, blocks }
    }
}

/// Refuses a case whose sizes no model can have.
pub fn validate(case: &DecodeCase) -> Result<()> {
    config_of(case).map(|_| ()).within(&case.name)
}

/// The sizes of a case's model.
pub fn config_of(case: &DecodeCase) -> Result<Config> {
    let config = Config {
        vocab_size: case.vocab_size,
        n_positions: case.prompt_tokens + case.new_tokens - 1,
        n_embd: case.n_embd,
        n_head: case.n_head,
        n_layer: case.n_layer,
        n_inner: case.n_inner,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
    };
    config::validate(&config)?;
    Ok(config)
}

/// What a case asks of its model: greedy tokens after a seeded prompt.
pub fn request_of(case: &DecodeCase, config: &Config) -> Request {
    Request {
        prompt: random::prompt(config, case.seed, case.prompt_tokens),
        new_tokens: case.new_tokens,
        sampling: Sampling::Greedy,
        end_token: None,
    }
}

/// The weights as one block for each layout.
pub fn weight_blocks(config: &Config, weights: &Weights, layouts: &[Layout]) -> Blocks {
    let packed = |layout: &Layout| (layout.block().to_string(), Arc::new(pack(config, weights, *layout)));
    layouts.iter().map(packed).collect()
}

/// An arm as it will be timed.
struct Tuned {
    arm: Arm,
    program: Program,
    request: Request,
    cap: String,
}

/// Measures one case of a spec.
pub fn measure_case(gpu: &Gpu, spec: &Spec, plan: &Plan, case: &DecodeCase, step: &dyn Fn(u64)) -> Result<Measured> {
    let config = config_of(case).within(&case.name)?;
    let request = request_of(case, &config);
    request::validate(&config, &request).within(&case.name)?;

    let entries = entries(spec)?;
    let mut arms: Vec<Arm> = entries.iter().map(|(arm, ..)| *arm).collect();
    arms.sort_by_key(|arm| Arm::ALL.iter().position(|other| other == arm));
    arms.dedup();
    let mut fitting = Vec::new();
    let mut refused = Vec::new();
    for arm in arms {
        match tunings(gpu, &config, &request, arm) {
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
    let model = Model::of(config, case.seed);
    let tuned: Vec<Tuned> = fitting
        .into_iter()
        .map(|(arm, tunings)| tune(gpu, plan, &model, &request, arm, tunings))
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

    let mut reference = Reference::new(&model.config, &model.weights);
    let mut check = |candidate: &Candidate| {
        let Some(tuned) = tuned.iter().find(|tuned| tuned.arm.name() == candidate.row.key.arm) else {
            return Ok(Verdict { error: None, reason: "no such arm".into() });
        };
        let (tokens, logits) = output(candidate.prepared, &model.config, &tuned.request)?;
        let gate = reference.check(&tuned.request, &tokens, &logits, spec.tolerance);
        Ok(Verdict { error: gate.error, reason: gate.reason })
    };
    let (mut results, samples) = measure(plan, candidates, &mut check, step).within(&case.name)?;
    results.extend(rows_of_refused);
    let weights_sha256 = tensors::weights_sha256(&model.config, &model.weights);
    Ok(Measured { case: case_row(case, weights_sha256), results, samples })
}

fn decode_row(spec: &Spec, case: &DecodeCase, arm: Arm, policy: Policy, replica: u32) -> ResultRow {
    let mut row = blank_row(&case.name, arm.name(), policy, replica);
    row.unit = "token".into();
    row.gate_tolerance = spec.tolerance;
    row
}

fn case_row(case: &DecodeCase, weights_sha256: String) -> Case {
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
    }
}

/// New tokens and last logits, `[vocab_size]`, of a program's last run.
pub fn output(prepared: &Prepared, config: &Config, request: &Request) -> Result<(Vec<u32>, Vec<f32>)> {
    let tokens: Vec<u32> = bytemuck::pod_collect_to_vec(&prepared.read("tokens")?);
    let logits: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("logits")?);
    Ok((new_tokens(request, &tokens), logits[..config.vocab_size as usize].to_vec()))
}

/// The tunings of an arm that calibration is to try; or why the arm cannot run.
fn tunings(gpu: &Gpu, config: &Config, request: &Request, arm: Arm) -> std::result::Result<Vec<Tuning>, String> {
    let mut objection = String::from("no workgroup size fits");
    let mut fitting = Vec::new();
    for &workgroup_size in arm.workgroup_sizes() {
        if gpu.info.is_software && workgroup_size > LARGEST_SOFTWARE_WORKGROUP {
            continue;
        }
        let tuning = Tuning {
            workgroup_size,
            subgroup_size: gpu.info.subgroup_min_size,
            keep_logits: false,
            capacity: request.positions(),
        };
        match gpu.objection(&arm.program(config, request, &tuning)) {
            None => fitting.push(tuning),
            Some(reason) => objection = reason,
        }
    }
    if fitting.is_empty() { Err(objection) } else { Ok(fitting) }
}

/// The tuning that is fastest in short runs, and as many tokens as fit the cap.
fn tune(gpu: &Gpu, plan: &Plan, model: &Model, request: &Request, arm: Arm, tunings: Vec<Tuning>) -> Result<Tuned> {
    let config = &model.config;
    let short_tokens = (request.new_tokens / 4).max(CALIBRATION_TOKENS).min(request.new_tokens);
    let short = Request { new_tokens: short_tokens, ..request.clone() };
    let programs: Vec<Program> = tunings.iter().map(|tuning| arm.program(config, &short, tuning)).collect();
    let prepared: Vec<Prepared> =
        programs.iter().map(|program| Prepared::new(gpu, program, &model.blocks)).collect::<Result<_>>()?;
    let mut fastest = vec![f64::INFINITY; prepared.len()];
    // A first run may still compile. Two rounds, since a GPU that just woke up is slower in the first.
    for prepared in &prepared {
        prepared.run(Policy::OneSubmit)?;
    }
    for _ in 0..2 {
        for (prepared, fastest) in prepared.iter().zip(&mut fastest) {
            let mut elapsed_ns = 0.0;
            while elapsed_ns < CALIBRATION_NS {
                let wall_ns = prepared.run(Policy::OneSubmit)?.wall_ns as f64;
                elapsed_ns += wall_ns;
                *fastest = fastest.min(wall_ns);
            }
        }
    }
    let best = (0..programs.len()).min_by(|&a, &b| fastest[a].total_cmp(&fastest[b])).unwrap_or(0);
    let (tuning, short_program) = (&tunings[best], &programs[best]);

    // A token costs more the more there are before it.
    let work_per_token = |program: &Program, request: &Request| {
        cost::work(program).multiply_adds as f64 / f64::from(request.positions())
    };
    let whole = arm.program(config, request, tuning);
    let growth = work_per_token(&whole, request) / work_per_token(short_program, &short);
    let token_ns = fastest[best] / f64::from(short.positions()) * growth;
    let (new_tokens, cap) = tokens_within_cap(plan, token_ns, request.new_tokens);
    let request = Request { new_tokens, ..request.clone() };
    let program = arm.program(config, &request, tuning);
    Ok(Tuned { arm, program, request, cap })
}

/// Fills in what is known of an arm before it has run.
fn describe(row: &mut ResultRow, tuned: &Tuned, config: &Config, policy: Policy) {
    let Tuned { program, request, cap, .. } = tuned;
    let traffic = program.traffic(policy);
    let work = cost::work(program);
    // The sizes that were calibrated are those of the kernel that has the most threads.
    let kernels = || program.kernels.iter();
    row.units = u64::from(request.new_tokens);
    row.workgroup_size = kernels().map(|kernel| kernel.workgroup_size).max().unwrap_or(0);
    row.subgroup_size = kernels().map(|kernel| kernel.subgroup_size).max().unwrap_or(0);
    (row.dispatches, row.submits, row.waits) = (traffic.dispatches, traffic.submits, traffic.waits);
    row.barriers = work.barriers;
    row.multiply_adds = work.multiply_adds;
    row.min_bytes = cost::min_bytes(config, request);
    row.cap = cap.clone();
    row.program_sha256 = program.sha256();
    row.shaders_sha256 = shaders::sha256(program);
}
