//! `onedispatch generate`: decodes with a person's own model on the GPU, and checks what came out.

mod answer;
mod args;
mod effect;
mod request;
mod stream;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use serde_json::json;

pub(super) use self::answer::TOLERANCE;
pub use self::args::Args;
use self::args::Format;
pub(super) use self::effect::of_policy;
use self::request::Asked;
use crate::commands::arm::{self, Chosen, Task};
use crate::commands::destination;
use crate::device::Gpu;
use crate::device::executor::Prepared;
use crate::error::{Error, Result};
use crate::output;
use crate::program::Policy;
use crate::shipped_model;
use crate::workload::decode::checkpoint;
use crate::workload::decode::model_files::ModelFiles;
use crate::workload::decode::span::Span;

/// How long a program runs until its speed is what it stays.
const SETTLED: Duration = Duration::from_millis(500);

pub fn run(args: Args) -> Result<()> {
    effect::check(&args)?;
    if let Some(path) = &args.logits {
        destination::file(path)?;
    }
    let files = args.model.as_deref().map_or_else(|| Ok(shipped_model::files()), ModelFiles::open)?;
    let checkpoint = checkpoint::load(&files)?;
    let config = &checkpoint.config;
    let asked = request::asked(&args, &files, &checkpoint)?;
    let request = &asked.request;
    let format = arm::format(&args.arm, &checkpoint)?;
    format.check(config, &checkpoint.weights)?;
    checkpoint.notes.iter().try_for_each(|note| output::note(format_args!("{}: {note}", files.name())))?;
    let gpu = Gpu::open(args.adapter.as_deref())?;
    let span = match (&args.span, args.chunk) {
        (Some(name), _) => Some(Span::named(name)?),
        (None, chunk) => chunk.map(Span::Chunk),
    };
    let task = Task {
        span,
        has_policy: args.policy.is_some(),
        prompt_tile: args.prompt_tile,
        keep_logits: args.logits.is_some(),
        longest: request,
        typical: request,
    };
    let chosen = arm::choose(&gpu, &args.arm, &checkpoint, &task, format)?;
    let is_followed = args.format == Format::Text && (args.stream || std::io::stdout().is_terminal());
    let shown = if is_followed { stream::stream(&gpu, config, &asked, &chosen)? } else { None };

    let Chosen { arm, tuning, blocks } = &chosen;
    if args.stream && shown.is_none() {
        let (arm, device) = (arm.name(), &gpu.info.name);
        output::note(format_args!("--stream changes nothing: {device} cannot run {arm} in chunks"))?;
    }
    let program = &arm.program(config, request, tuning);
    effect::notes(&args, config, request, &chosen, program)?;
    let policy = args.policy.unwrap_or(Policy::OneSubmit);
    let prepared = Prepared::new(&gpu, program, blocks)?;
    // The first run may still compile, and for a moment a driver may run code that it compiled in haste: what counts is what a
    // program that generates again would see.
    let begun = Instant::now();
    prepared.run(policy)?;
    let mut timing = prepared.run(policy)?;
    while begun.elapsed() < SETTLED {
        timing = prepared.run(policy)?;
    }
    let (tokens, logits, gate) = answer::checked(&prepared, args.logits.is_some(), &checkpoint, request, *arm)?;
    if let Some(path) = &args.logits {
        answer::write_logits(path, &logits, config.vocab_size, tokens.len())?;
    }
    let tokens_per_s = tokens.len() as f64 / (timing.wall_ns as f64 * 1e-9);
    let traffic = program.traffic(policy);
    match args.format {
        Format::Json => {
            let mut report = json!({
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
            if let Some(tokenizer) = &asked.tokenizer {
                let prompt = asked.text.clone().map_or_else(|| tokenizer.decode(&request.prompt), Ok)?;
                report["prompt"] = prompt.into();
                report["text"] = tokenizer.continuation(&request.prompt, &tokens)?.into();
            }
            output::raw(format_args!("{report}\n"))?;
        }
        Format::Text => {
            if shown.is_none() {
                output::raw(format_args!("{}\n", text(&asked, &tokens)?))?;
            }
            let (dispatches, submits, waits) = (traffic.dispatches, traffic.submits, traffic.waits);
            output::note(format_args!(
                "{} ({policy}) on {}: {tokens_per_s:.0} tokens/s, dispatches {dispatches}, submits {submits}, waits {waits}",
                arm.name(),
                gpu.info.name,
            ))?;
        }
    }
    if !gate.pass {
        return Err(Error::check(format!("the output does not match the f64 oracle: {}", gate.reason)));
    }
    match shown {
        Some(shown) if shown != tokens => {
            Err(Error::check("the text shown is not what the timed run made; please report it with this command"))
        }
        _ => Ok(()),
    }
}

/// The prompt and what follows; or the new ids, where the prompt was given as ids.
fn text(asked: &Asked, tokens: &[u32]) -> Result<String> {
    match (&asked.tokenizer, &asked.text) {
        (Some(tokenizer), Some(prompt)) => {
            Ok(format!("{prompt}{}", tokenizer.continuation(&asked.request.prompt, tokens)?))
        }
        _ => Ok(tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
    }
}
