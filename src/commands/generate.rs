//! `onedispatch generate`: decodes with a GPT-2 checkpoint on the GPU, and checks what came out.

use std::path::PathBuf;

use serde_json::json;

use crate::cases::decode::weight_blocks;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Error, Result};
use crate::measure::calibration::Calibrator;
use crate::measure::decode::{GAVE_UP, gave_up, outputs};
use crate::measure::decode_tuning::{Decoding, tunings, worth_trying};
use crate::program::{Blocks, Policy, Program};
use crate::workload::decode::arm::ALGORITHMS;
use crate::workload::decode::checkpoint::{self, Checkpoint};
use crate::workload::decode::gate::Gate;
use crate::workload::decode::model::{Request, Sampling};
use crate::workload::decode::packing::Layout;
use crate::workload::decode::span::Span;
use crate::workload::decode::text::Tokenizer;
use crate::workload::decode::{Algorithm, Arm, gate, request};

/// Largest error of a logit, relative to the range of the logits: sums of a few thousand f32 terms in another order than
/// the f64 oracle's.
const TOLERANCE: f64 = 1e-3;

/// Tried where no arm is named; the fastest is taken. On a software device workgroups that wait for each other only get in each
/// other's way, so there it is the first alone.
const TRIED: [Algorithm; 2] = [Algorithm::FusedSubgroup, Algorithm::FusedGrid];

/// Tried in this order where none of those runs.
const FALLBACKS: [Algorithm; 2] = [Algorithm::FusedWorkgroup, Algorithm::Stepwise];

fn help_of_arm() -> String {
    let [but_last @ .., last] = &ALGORITHMS.map(|about| about.name);
    let either = |arms: [Algorithm; 2]| arms.map(Algorithm::name).join(" and ");
    format!(
        "{} or {} [default: the fastest of {}; of {} where neither runs]",
        but_last.join(", "),
        last,
        either(TRIED),
        either(FALLBACKS),
    )
}

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["prompt", "prompt_ids"])))]
pub struct Args {
    /// Directory of a Hugging Face GPT-2 checkpoint: config.json, model.safetensors, tokenizer.json where text is used
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The prompt as text
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// The prompt as token ids
    #[arg(long, value_name = "1,2,3", value_delimiter = ',')]
    prompt_ids: Option<Vec<u32>>,
    /// How many tokens to make at most
    #[arg(long, value_name = "N")]
    tokens: u32,
    #[arg(long, value_name = "NAME", help = help_of_arm())]
    arm: Option<String>,
    /// How much one dispatch covers: operation, stage, layer, token, chunk:N or generation [default: generation; of stepwise
    /// operation]
    #[arg(long, value_name = "SPAN")]
    span: Option<String>,
    /// How dispatches are sent: wait-each, submit-each, submit-per-token, submit-ahead or one-submit [default: one-submit]; without --arm
    /// and --span, those of stepwise
    #[arg(long, value_name = "NAME")]
    policy: Option<Policy>,
    /// Part of the adapter's name, as `onedispatch devices` shows it
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// Draw tokens at this temperature; greedy without it
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    temperature: Option<f32>,
    /// Draw among the K likeliest tokens [default: all]
    #[arg(long, value_name = "K")]
    top_k: Option<u32>,
    /// Seed of the draws
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Feed N tokens in each dispatch: --span chunk:N
    #[arg(long, value_name = "N", conflicts_with = "span")]
    chunk: Option<std::num::NonZeroU32>,
    /// Write the logits that chose each new token: a safetensors file with `logits`, f32 [N, vocab]
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub fn run(args: Args) -> Result<()> {
    let checkpoint = checkpoint::load(&args.model)?;
    let tokenizer = match args.prompt {
        Some(_) => Some(Tokenizer::load(&args.model)?),
        None => None,
    };
    let prompt = match (&args.prompt, &args.prompt_ids, &tokenizer) {
        (Some(text), _, Some(tokenizer)) => tokenizer.encode(text)?,
        (_, Some(ids), _) => ids.clone(),
        _ => return Err(Error::input("give the prompt with --prompt or --prompt-ids")),
    };
    let request = Request {
        prompt,
        new_tokens: args.tokens,
        sampling: sampling(&args, checkpoint.config.vocab_size)?,
        end_tokens: checkpoint.end_tokens.clone(),
    };
    request::validate(&checkpoint.config, &request)?;
    if let Some(name) = &args.arm {
        Arm::named(name)?.format.check(&checkpoint.config, &checkpoint.weights)?;
    }

    let gpu = Gpu::open(args.adapter.as_deref())?;
    let (arm, program, blocks) = choose_arm(&gpu, &args, &checkpoint, &request)?;
    let policy = args.policy.unwrap_or(Policy::OneSubmit);
    let prepared = Prepared::new(&gpu, &program, &blocks)?;
    // The first run may still compile; the second one is what a program that generates again would see.
    prepared.run(policy)?;
    let timing = prepared.run(policy)?;
    let (tokens, logits, gate) = checked_output(&prepared, &args, &checkpoint, &request, arm)?;
    if let Some(path) = &args.logits {
        write_logits(path, &logits, checkpoint.config.vocab_size, tokens.len())?;
    }
    checkpoint.notes.iter().for_each(|note| eprintln!("{}: {note}", args.model.display()));
    let tokens_per_s = tokens.len() as f64 / (timing.wall_ns as f64 * 1e-9);
    let traffic = program.traffic(policy);
    match args.format {
        Format::Json => {
            let report = json!({
                "arm": arm.name(),
                "policy": policy.name(),
                "adapter": gpu.info.name,
                "prompt_ids": request.prompt,
                "token_ids": tokens,
                "tokens_per_s": tokens_per_s,
                "dispatches": traffic.dispatches,
                "submits": traffic.submits,
                "waits": traffic.waits,
                "gate": if gate.pass { "pass" } else { "fail" },
            });
            println!("{report}");
        }
        Format::Text => {
            match (&tokenizer, &args.prompt) {
                (Some(tokenizer), Some(prompt)) => println!("{prompt}{}", tokenizer.decode(&tokens)?),
                _ => println!("{}", tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
            }
            let (dispatches, submits, waits) = (traffic.dispatches, traffic.submits, traffic.waits);
            eprintln!(
                "{} ({policy}) on {}: {tokens_per_s:.0} tokens/s, dispatches {dispatches}, submits {submits}, waits {waits}",
                arm.name(),
                gpu.info.name,
            );
        }
    }
    if gate.pass {
        return Ok(());
    }
    Err(Error::check(format!("the output does not match the f64 oracle: {}", gate.reason)))
}

fn sampling(args: &Args, vocab_size: u32) -> Result<Sampling> {
    match (args.temperature, args.top_k) {
        (None, None) => Ok(Sampling::Greedy),
        (None, Some(_)) => {
            Err(Error::input("--top-k draws tokens, so it needs --temperature (1 leaves logits as they are)"))
        }
        (Some(temperature), top_k) => {
            Ok(Sampling::TopK { temperature, top_k: top_k.unwrap_or(vocab_size), seed: args.seed })
        }
    }
}

/// The arm asked for, or the fastest that runs, in the sizes that suit the device and model best.
fn choose_arm(gpu: &Gpu, args: &Args, checkpoint: &Checkpoint, request: &Request) -> Result<(Arm, Program, Blocks)> {
    let config = &checkpoint.config;
    let span = match (&args.span, args.chunk) {
        (Some(name), _) => Some(Span::named(name)?),
        (None, chunk) => chunk.map(Span::Chunk),
    };
    let cut = |arm: Arm| span.map_or(Ok(arm), |span| arm.cut(span));
    let arms = match &args.arm {
        Some(name) => vec![cut(Arm::named(name)?)?],
        None if args.policy.is_some() && span.is_none() => vec![Arm::of(Algorithm::Stepwise)],
        None => {
            let tried = if gpu.info.is_software { &TRIED[..1] } else { &TRIED[..] };
            tried.iter().map(|&algorithm| cut(Arm::of(algorithm))).collect::<Result<_>>()?
        }
    };
    arms.iter().try_for_each(|arm| arm.span.check(request.positions()))?;
    // Stepwise has not every span.
    let fallbacks: Vec<Arm> = FALLBACKS.map(Arm::of).into_iter().flat_map(cut).collect();
    let mut fitting = Vec::new();
    let mut objections = Vec::new();
    for (index, &arm) in arms.iter().chain(fallbacks.iter().filter(|_| args.arm.is_none())).enumerate() {
        if index >= arms.len() && !fitting.is_empty() {
            break;
        }
        match tunings(gpu, config, std::slice::from_ref(request), arm, args.logits.is_some()) {
            Ok(tunings) => fitting.push((arm, tunings)),
            Err(reason) => objections.push(format!("{}: {reason}", arm.name())),
        }
    }
    if fitting.is_empty() {
        let (device, reasons) = (&gpu.info.name, objections.join("; "));
        let advice = "choose another --arm, device or model";
        return Err(Error::input(format!("the model does not fit {device} ({reasons}); {advice}")));
    }
    let layouts: Vec<Layout> = fitting.iter().map(|(arm, _)| arm.layout()).collect();
    let blocks = weight_blocks(config, &checkpoint.weights, &layouts);
    let decoding = Decoding { gpu, config, requests: std::slice::from_ref(request), blocks: &blocks };
    let mut calibrator = Calibrator::new(gpu);
    let mut fastest: Option<(f64, Arm, Program)> = None;
    for (arm, tunings) in &fitting {
        let (ns, tuning) = match (fitting.len(), worth_trying(gpu, tunings)) {
            (1, [tuning]) => (0.0, *tuning),
            _ => {
                let calibrated = decoding.calibrate(&mut calibrator, *arm, tunings)?;
                (calibrated.ns, calibrated.tuning)
            }
        };
        if fastest.as_ref().is_none_or(|(least, ..)| ns < *least) {
            fastest = Some((ns, *arm, arm.program(config, request, &tuning)));
        }
    }
    let (_, arm, program) = fastest.ok_or_else(|| Error::input("no arm runs"))?;
    Ok((arm, program, blocks))
}

/// New tokens, their logits (all where they are kept, else the last ones), and the oracle's word on both.
fn checked_output(
    prepared: &Prepared,
    args: &Args,
    checkpoint: &Checkpoint,
    request: &Request,
    arm: Arm,
) -> Result<(Vec<u32>, Vec<f32>, Gate)> {
    let Checkpoint { config, weights, .. } = checkpoint;
    if gave_up(prepared)? {
        return Err(Error::check(GAVE_UP));
    }
    let rounded = arm.format.rounded(weights);
    let mut reference = gate::Reference::new(config, &rounded);
    let (tokens, last_logits) = outputs(prepared, config, std::slice::from_ref(request))?.remove(0);
    if args.logits.is_none() {
        let gate = reference.check(request, &tokens, &last_logits, TOLERANCE);
        return Ok((tokens, last_logits, gate));
    }
    let padded: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("logits")?);
    let vocab = config.vocab_size as usize;
    let rows = padded.chunks_exact(vocab.next_multiple_of(4)).take(tokens.len());
    let logits: Vec<f32> = rows.flat_map(|row| &row[..vocab]).copied().collect();
    let gate = reference.check_all_logits(request, &tokens, &logits, TOLERANCE);
    Ok((tokens, logits, gate))
}

fn write_logits(path: &std::path::Path, logits: &[f32], vocab_size: u32, rows: usize) -> Result<()> {
    let bytes: &[u8] = bytemuck::cast_slice(logits);
    let shape = vec![rows, vocab_size as usize];
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, bytes)
        .map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
    let file = safetensors::serialize([("logits", view)], None)
        .map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
    std::fs::write(path, file).map_err(|error| Error::io(path, error))
}
