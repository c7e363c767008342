//! Which sizes a decode arm runs in on a device, and which of them is the fastest.

use super::calibration::{Calibrator, Turns};
use crate::device::Gpu;
use crate::error::Result;
use crate::program::{Blocks, Program};
use crate::workload::decode::model::{Config, Request};
use crate::workload::decode::{Arm, Tuning, Waiting};

/// Tokens that a calibration run makes at least, as far as there are so many; else a quarter of those asked for.
const TOKENS: u32 = 16;

/// On a software device large workgroups are slow, and each size takes seconds to compile.
const LARGEST_SOFTWARE_WORKGROUP: u32 = 64;

/// Nor do more workgroups than a few help there, and each number of them takes as long to compile.
const MOST_SOFTWARE_WORKGROUPS: u32 = 2;

/// Of workgroups that wait for each other, smaller ones were never the fastest on hardware.
const SMALLEST_TOGETHER_WORKGROUP: u32 = 128;

/// Of how many of the fastest sizes it is tried how rows are dealt out: which size is the fastest depends on that.
const SIZES_DEALT: usize = 3;

/// The tunings of an arm that suit a device, with prompts in tiles of up to `tile` tokens; or why the arm cannot run.
pub fn tunings(
    gpu: &Gpu,
    config: &Config,
    requests: &[Request],
    arm: Arm,
    tile: u32,
    keep_logits: bool,
) -> std::result::Result<Vec<Tuning>, String> {
    if requests.len() > 1 && !arm.algorithm.about().answers_many {
        return Err("it decodes one sequence at a time".into());
    }
    let capacity = requests.iter().map(Request::positions).max().unwrap_or(0);
    let is_software = gpu.info.is_software;
    let mut objection = String::from("no workgroup size fits");
    let mut fitting = Vec::new();
    for workgroups in arm.workgroup_counts(config) {
        for &workgroup_size in arm.workgroup_sizes() {
            let suits = match is_software {
                true => workgroup_size <= LARGEST_SOFTWARE_WORKGROUP && workgroups <= MOST_SOFTWARE_WORKGROUPS,
                false if !arm.algorithm.waits() => true,
                false => workgroups > 2 && workgroup_size >= SMALLEST_TOGETHER_WORKGROUP,
            };
            if !suits || workgroups > config.n_embd {
                continue;
            }
            let tuning = Tuning {
                workgroups,
                waiting: waiting(is_software),
                workgroup_size,
                least_lanes: Tuning::LEAST_LANES[0],
                subgroup_size: gpu.info.subgroup_min_size,
                keep_logits,
                capacity,
                tile,
                memory: gpu.device.limits().max_compute_workgroup_storage_size,
                binding_bytes: gpu.device.limits().max_storage_buffer_binding_size,
            };
            let program = arm.program_of_all(config, requests, &tuning);
            match gpu.objection(&program) {
                None => fitting.push((tuning, has_whole_vectors(&program))),
                Some(reason) => objection = reason,
            }
        }
    }
    if fitting.is_empty() {
        return Err(objection);
    }
    // Tiles have more barriers, and a driver may compile them for minutes: they are for vectors that no size holds.
    let some_are_whole = fitting.iter().any(|(_, is_whole)| *is_whole);
    let kept = fitting.into_iter().filter(|(_, is_whole)| *is_whole || !some_are_whole);
    Ok(kept.map(|(tuning, _)| tuning).collect())
}

/// Whether a model's vectors lie in workgroup memory as they are, and not in tiles.
fn has_whole_vectors(program: &Program) -> bool {
    program.kernels.iter().all(|kernel| kernel.constants.get("WHOLE") == Some(&1.0))
}

/// Those of some tunings, of which there is at least one, between which trying decides. On a software device one size is as good
/// as another, and each takes many seconds to compile.
pub fn worth_trying<'a>(gpu: &Gpu, tunings: &'a [Tuning]) -> &'a [Tuning] {
    if gpu.info.is_software { &tunings[tunings.len() - 1..] } else { tunings }
}

/// About a second on a GPU, where asking takes most of a microsecond. On a CPU it takes some 10 ns, and other processes may
/// hold a workgroup up.
pub fn waiting(is_software: bool) -> Waiting {
    Waiting { patience: if is_software { 1 << 28 } else { 1 << 20 }, by_writing: is_software }
}

/// An arm's fastest tuning.
pub struct Calibrated {
    pub tuning: Tuning,
    /// What it was tried with, and how long that took.
    pub requests: Vec<Request>,
    pub ns: f64,
}

/// What the arms of a model are tried on: `blocks` hold the weights as they read them.
pub struct Decoding<'a> {
    pub gpu: &'a Gpu,
    pub config: &'a Config,
    pub requests: &'a [Request],
    pub blocks: &'a Blocks,
}

impl Decoding<'_> {
    /// The tuning that is fastest in short runs: of [`worth_trying`], and then of how the fastest of those deal out rows to
    /// threads.
    pub fn calibrate(&self, calibrator: &mut Calibrator, arm: Arm, tunings: &[Tuning]) -> Result<Calibrated> {
        let by_size = self.rank(calibrator, arm, worth_trying(self.gpu, tunings))?;
        if !arm.algorithm.has_formats() || self.gpu.info.is_software {
            return Ok(fastest(by_size));
        }
        let dealt = |tuning: Tuning| Tuning::LEAST_LANES.map(|least_lanes| Tuning { least_lanes, ..tuning });
        let dealt: Vec<Tuning> = by_size.iter().take(SIZES_DEALT).flat_map(|size| dealt(size.tuning)).collect();
        Ok(fastest(self.rank(calibrator, arm, &dealt)?))
    }

    /// How long an arm takes in a tuning that was chosen already.
    pub fn timed(&self, calibrator: &mut Calibrator, arm: Arm, tuning: Tuning) -> Result<Calibrated> {
        Ok(fastest(self.rank(calibrator, arm, &[tuning])?))
    }

    /// How long these tunings take, of which there is at least one, the fastest first.
    fn rank(&self, calibrator: &mut Calibrator, arm: Arm, tunings: &[Tuning]) -> Result<Vec<Calibrated>> {
        let short = |request: &Request| {
            let new_tokens = (request.new_tokens / 4).max(TOKENS).min(request.new_tokens);
            Request { new_tokens, ..request.clone() }
        };
        let requests: Vec<Request> = self.requests.iter().map(short).collect();
        let program = |tuning: &Tuning| arm.program_of_all(self.config, &requests, tuning);
        let choices: Vec<(Tuning, Program)> = tunings.iter().map(|tuning| (*tuning, program(tuning))).collect();
        let ranked = calibrator.rank(&arm.name(), choices, self.blocks, Turns::Interleaved)?;
        let of = |(tuning, ns): (Tuning, f64)| Calibrated { tuning, requests: requests.clone(), ns };
        Ok(ranked.into_iter().map(of).collect())
    }
}

fn fastest(ranked: Vec<Calibrated>) -> Calibrated {
    ranked.into_iter().next().expect("a tuning that was tried")
}
