//! Which arm answers, in which sizes.

use super::args::{Args, FALLBACKS, TRIED};
use crate::cases::decode::weight_blocks;
use crate::device::Gpu;
use crate::error::{Error, Result};
use crate::measure::calibration::Calibrator;
use crate::measure::decode_tuning::{Decoding, tunings, worth_trying};
use crate::program::{Blocks, Program};
use crate::workload::decode::checkpoint::Checkpoint;
use crate::workload::decode::format::{Format, Formats};
use crate::workload::decode::model::Request;
use crate::workload::decode::packing::Layout;
use crate::workload::decode::span::Span;
use crate::workload::decode::{Algorithm, Arm, Tuning};

/// An arm in the sizes that it runs in.
pub struct Chosen {
    pub arm: Arm,
    pub tuning: Tuning,
    pub program: Program,
    pub blocks: Blocks,
}

/// The format of the weights of matrices: of the arm that is asked for, or the one that is, or that most of the model is stored in.
pub fn format(args: &Args, checkpoint: &Checkpoint) -> Result<Format> {
    match (&args.arm, &args.weights) {
        (Some(arm), _) => Ok(Arm::named(arm)?.format),
        (None, Some(name)) => Format::named(name).ok_or_else(|| {
            let known = Format::ALL.map(Format::name).join(", ");
            Error::input(format!("no format of weights is called `{name}`; there are {known}"))
        }),
        (None, None) => Ok(Formats::stored(&checkpoint.weights).fc),
    }
}

/// The arm asked for, or the fastest that runs, in the sizes that suit the device and model best.
pub fn choose(gpu: &Gpu, args: &Args, checkpoint: &Checkpoint, request: &Request, format: Format) -> Result<Chosen> {
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
            tried.iter().map(|&algorithm| cut(Arm { format, ..Arm::of(algorithm) })).collect::<Result<_>>()?
        }
    };
    arms.iter().try_for_each(|arm| arm.span.check(request.positions()))?;
    // Stepwise has not every span.
    let fallbacks: Vec<Arm> = FALLBACKS.map(Arm::of).into_iter().flat_map(cut).collect();
    let mut fitting = Vec::new();
    let mut objections = Vec::new();
    for (index, &arm) in
        arms.iter().chain(fallbacks.iter().filter(|_| args.arm.is_none() && args.weights.is_none())).enumerate()
    {
        if index >= arms.len() && !fitting.is_empty() {
            break;
        }
        match tunings(gpu, config, std::slice::from_ref(request), arm, args.prompt_tile, args.logits.is_some()) {
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
    let mut fastest: Option<(f64, Arm, Tuning)> = None;
    for (arm, tunings) in &fitting {
        let (ns, tuning) = match (fitting.len(), worth_trying(gpu, tunings)) {
            (1, [tuning]) => (0.0, *tuning),
            _ => {
                let calibrated = decoding.calibrate(&mut calibrator, *arm, tunings)?;
                (calibrated.ns, calibrated.tuning)
            }
        };
        if fastest.as_ref().is_none_or(|(least, ..)| ns < *least) {
            fastest = Some((ns, *arm, tuning));
        }
    }
    let (_, arm, tuning) = fastest.ok_or_else(|| Error::input("no arm runs"))?;
    let program = arm.program(config, request, &tuning);
    Ok(Chosen { arm, tuning, program, blocks })
}
