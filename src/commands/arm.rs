//! Which arm answers, in which sizes: the arguments that ask for one, and the choice where they do not.

use super::names;
use crate::cases::decode::weight_blocks;
use crate::device::Gpu;
use crate::error::{Error, Result};
use crate::measure::calibration::Calibrator;
use crate::measure::decode_tuning::{Decoding, tunings, worth_trying};
use crate::program::Blocks;
use crate::workload::decode::checkpoint::Checkpoint;
use crate::workload::decode::format::{Format, Formats};
use crate::workload::decode::model::Request;
use crate::workload::decode::packing::Layout;
use crate::workload::decode::span::Span;
use crate::workload::decode::{Algorithm, Arm, Tuning};

/// Tried where no arm is named; the fastest is taken. On a software device workgroups that wait for each other only get in each
/// other's way, so there it is the first alone.
const TRIED: [Algorithm; 2] = [Algorithm::FusedSubgroup, Algorithm::FusedGrid];

/// Tried in this order where none of those runs.
const FALLBACKS: [Algorithm; 2] = [Algorithm::FusedWorkgroup, Algorithm::Stepwise];

fn help_of_arm() -> String {
    let either = |arms: [Algorithm; 2]| arms.map(Algorithm::name).join(" and ");
    format!(
        "{} [default: the fastest of {}; of {} where neither runs]",
        names::arms(),
        either(TRIED),
        either(FALLBACKS),
    )
}

fn help_of_weights() -> String {
    format!(
        "How weights of matrices are held on the GPU: {}, packed on loading where the model has them otherwise [default: as most of \
         the model is stored]; also an ending of --arm",
        names::formats()
    )
}

#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    #[arg(long, value_name = "NAME", help = help_of_arm())]
    pub arm: Option<String>,
    #[arg(long, value_name = "FORMAT", conflicts_with = "arm", help = help_of_weights())]
    pub weights: Option<String>,
}

/// An arm in the sizes that it runs in.
pub struct Chosen {
    pub arm: Arm,
    pub tuning: Tuning,
    pub blocks: Blocks,
}

/// What an arm has to do.
pub struct Task<'a> {
    /// How much one dispatch is to cover, where that is not the arm's own affair.
    pub span: Option<Span>,
    /// Whether there has to be something for a policy to tell apart: more than one dispatch.
    pub has_policy: bool,
    /// Tokens of a prompt that share a reading of the weights, as of [`Tuning::tile`]; none leaves it to the device.
    pub prompt_tile: Option<u32>,
    pub keep_logits: bool,
    /// The longest request, which has to fit.
    pub longest: &'a Request,
    /// The request that sizes are tried on.
    pub typical: &'a Request,
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
pub fn choose(gpu: &Gpu, args: &Args, checkpoint: &Checkpoint, task: &Task, format: Format) -> Result<Chosen> {
    let config = &checkpoint.config;
    let cut = |arm: Arm| task.span.map_or(Ok(arm), |span| arm.cut(span));
    let arms = match &args.arm {
        Some(name) => vec![cut(Arm::named(name)?)?],
        None if task.has_policy && task.span.is_none() => vec![Arm::of(Algorithm::Stepwise)],
        None => {
            let tried = if gpu.info.is_software { &TRIED[..1] } else { &TRIED[..] };
            tried.iter().map(|&algorithm| cut(Arm { format, ..Arm::of(algorithm) })).collect::<Result<_>>()?
        }
    };
    arms.iter().try_for_each(|arm| arm.span.check(task.longest.positions()))?;
    // Stepwise has not every span.
    let fallbacks: Vec<Arm> = FALLBACKS.map(Arm::of).into_iter().flat_map(cut).collect();
    let prompt_tile = task.prompt_tile.unwrap_or(Tuning::tile_for(gpu.info.is_software));
    let mut fitting = Vec::new();
    let mut objections = Vec::new();
    for (index, &arm) in
        arms.iter().chain(fallbacks.iter().filter(|_| args.arm.is_none() && args.weights.is_none())).enumerate()
    {
        if index >= arms.len() && !fitting.is_empty() {
            break;
        }
        match tunings(gpu, config, std::slice::from_ref(task.longest), arm, prompt_tile, task.keep_logits) {
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
    let decoding = Decoding { gpu, config, requests: std::slice::from_ref(task.typical), blocks: &blocks };
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
    Ok(Chosen { arm, tuning, blocks })
}
