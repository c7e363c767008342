//! Which sizes an arm runs fastest in on this device: tried in short runs, and remembered in a file.
//!
//! The file, `onedispatch/calibration.jsonl` in the user's cache folder, holds a line for each tuning that was tried: the
//! device and driver, what ran (by digest), how long it took. It may be deleted at any time.

use std::io::Write;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::device::Gpu;
use crate::device::executor::{self, Prepared};
use crate::error::Result;
use crate::program::{Blocks, Policy, Program};
use crate::shaders;
use crate::workload::decode::model::{Config, Request};
use crate::workload::decode::{Algorithm, Arm, Tuning, Waiting};

/// Tokens that a calibration run makes at least, as far as there are so many; else a quarter of those asked for.
const TOKENS: u32 = 16;

/// How long a tuning is tried in each of two rounds; its fastest run counts.
const ROUND_NS: f64 = 30e6;

/// On a software device large workgroups are slow, and each size takes seconds to compile.
const LARGEST_SOFTWARE_WORKGROUP: u32 = 64;

/// Nor do more workgroups than a few help there, and each number of them takes as long to compile.
const MOST_SOFTWARE_WORKGROUPS: u32 = 2;

/// Of workgroups that wait for each other, smaller ones were never the fastest on hardware.
const SMALLEST_TOGETHER_WORKGROUP: u32 = 128;

/// Of how many of the fastest sizes it is tried how rows are dealt out: which size is the fastest depends on that.
const SIZES_DEALT: usize = 3;

/// An arm's fastest tuning.
pub struct Calibrated {
    pub tuning: Tuning,
    /// What it was tried with, and how long that took.
    pub requests: Vec<Request>,
    pub ns: f64,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Trial {
    device: String,
    driver: String,
    arm: String,
    workgroups: u32,
    workgroup_size: u32,
    least_lanes: u32,
    /// Of the program that ran, sizes and all, and of its shaders.
    program_sha256: String,
    shaders_sha256: String,
    /// Of the fastest run: by the GPU's clock where it has one.
    ns: f64,
}

/// The tunings of an arm that suit a device; or why the arm cannot run.
pub fn tunings(
    gpu: &Gpu,
    config: &Config,
    requests: &[Request],
    arm: Arm,
    keep_logits: bool,
) -> std::result::Result<Vec<Tuning>, String> {
    if requests.len() > 1 && arm.algorithm != Algorithm::FusedBatch {
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
                false if arm.algorithm != Algorithm::FusedGrid => true,
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
                memory: gpu.device.limits().max_compute_workgroup_storage_size,
            };
            match gpu.objection(&arm.program_of_all(config, requests, &tuning)) {
                None => fitting.push(tuning),
                Some(reason) => objection = reason,
            }
        }
    }
    if fitting.is_empty() { Err(objection) } else { Ok(fitting) }
}

/// About a second on a GPU, where asking takes most of a microsecond. On a CPU it takes some 10 ns, and other processes may
/// hold a workgroup up.
pub fn waiting(is_software: bool) -> Waiting {
    Waiting { patience: if is_software { 1 << 28 } else { 1 << 20 }, by_writing: is_software }
}

/// The tuning that is fastest in short runs: of `tunings`, which is not empty, and then of how the fastest of them deal out
/// rows to threads. `blocks` hold the weights as the arm reads them.
pub fn calibrate(
    gpu: &Gpu,
    config: &Config,
    blocks: &Blocks,
    requests: &[Request],
    arm: Arm,
    tunings: &[Tuning],
) -> Result<Calibrated> {
    let by_size = tried(gpu, config, blocks, requests, arm, tunings)?;
    if !arm.algorithm.has_formats() || gpu.info.is_software {
        return Ok(fastest(by_size));
    }
    let dealt = |tuning: Tuning| Tuning::LEAST_LANES.map(|least_lanes| Tuning { least_lanes, ..tuning });
    let dealt: Vec<Tuning> = by_size.iter().take(SIZES_DEALT).flat_map(|size| dealt(size.tuning)).collect();
    Ok(fastest(tried(gpu, config, blocks, requests, arm, &dealt)?))
}

/// How long an arm takes in a tuning that was chosen already.
pub fn timed(
    gpu: &Gpu,
    config: &Config,
    blocks: &Blocks,
    requests: &[Request],
    arm: Arm,
    tuning: Tuning,
) -> Result<Calibrated> {
    Ok(fastest(tried(gpu, config, blocks, requests, arm, &[tuning])?))
}

fn fastest(tried: Vec<Calibrated>) -> Calibrated {
    tried.into_iter().next().expect("a tuning that was tried")
}

/// How long these tunings take, of which there is at least one, the fastest first.
fn tried(
    gpu: &Gpu,
    config: &Config,
    blocks: &Blocks,
    requests: &[Request],
    arm: Arm,
    tunings: &[Tuning],
) -> Result<Vec<Calibrated>> {
    let short = |request: &Request| {
        let new_tokens = (request.new_tokens / 4).max(TOKENS).min(request.new_tokens);
        Request { new_tokens, ..request.clone() }
    };
    let requests: Vec<Request> = requests.iter().map(short).collect();
    let known = read_trials();
    let programs: Vec<Program> = tunings.iter().map(|tuning| arm.program_of_all(config, &requests, tuning)).collect();
    let mut trials: Vec<Trial> =
        tunings.iter().zip(&programs).map(|(tuning, program)| trial(gpu, arm, tuning, program)).collect();
    for trial in &mut trials {
        trial.ns = known.iter().rev().find(|known| known.is_of(trial)).map_or(f64::INFINITY, |known| known.ns);
    }
    let unknown: Vec<usize> = (0..trials.len()).filter(|&index| trials[index].ns.is_infinite()).collect();
    executor::compile(gpu, unknown.iter().map(|&index| &programs[index]))?;
    let prepared: Vec<Prepared> =
        unknown.iter().map(|&index| Prepared::new(gpu, &programs[index], blocks)).collect::<Result<_>>()?;
    // A first run may still compile. Two rounds, since a GPU that just woke up is slower in the first.
    for prepared in &prepared {
        prepared.run(Policy::OneSubmit)?;
    }
    for _ in 0..2 {
        for (prepared, &index) in prepared.iter().zip(&unknown) {
            let mut elapsed_ns = 0.0;
            while elapsed_ns < ROUND_NS {
                let timing = prepared.run(Policy::OneSubmit)?;
                elapsed_ns += timing.wall_ns as f64;
                // Where the GPU tells the time, its own is compared: sizes often differ by less than a wait does.
                let gpu_ns = timing.gpu_ns.and_then(|reading| reading.ok());
                trials[index].ns = trials[index].ns.min(gpu_ns.unwrap_or(timing.wall_ns) as f64);
            }
        }
    }
    append(unknown.iter().map(|&index| &trials[index]));
    let of =
        |(tuning, trial): (&Tuning, &Trial)| Calibrated { tuning: *tuning, requests: requests.clone(), ns: trial.ns };
    let mut tried: Vec<Calibrated> = tunings.iter().zip(&trials).map(of).collect();
    tried.sort_by(|a, b| a.ns.total_cmp(&b.ns));
    Ok(tried)
}

fn trial(gpu: &Gpu, arm: Arm, tuning: &Tuning, program: &Program) -> Trial {
    Trial {
        device: gpu.info.name.clone(),
        driver: gpu.info.driver_info.clone(),
        arm: arm.name(),
        workgroups: tuning.workgroups,
        workgroup_size: tuning.workgroup_size,
        least_lanes: tuning.least_lanes,
        program_sha256: program.sha256(),
        shaders_sha256: shaders::sha256(program),
        ns: f64::INFINITY,
    }
}

impl Trial {
    fn is_of(&self, other: &Trial) -> bool {
        let what = |trial: &'_ Trial| {
            [&trial.device, &trial.driver, &trial.program_sha256, &trial.shaders_sha256].map(String::clone)
        };
        what(self) == what(other)
    }
}

/// By the conventions of the system; none where it tells of no such folder.
fn path() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME")
        .or_else(|| folder("LOCALAPPDATA"))
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("onedispatch").join("calibration.jsonl"))
}

/// What is in the file, without lines that say nothing to this version. A file that cannot be read is one with no trials.
fn read_trials() -> Vec<Trial> {
    let text = path().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Trials are for convenience: what cannot be written is tried again another time.
fn append<'a>(trials: impl Iterator<Item = &'a Trial>) {
    let lines: String = trials.filter_map(|trial| Some(serde_json::to_string(trial).ok()? + "\n")).collect();
    let write = |path: PathBuf| -> std::io::Result<()> {
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(lines.as_bytes())
    };
    if let Some(path) = path().filter(|_| !lines.is_empty()) {
        let _ = write(path);
    }
}
