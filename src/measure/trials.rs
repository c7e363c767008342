//! How long programs took when they were tried, remembered in a file.
//!
//! The file, `onedispatch/calibration.jsonl` in the user's cache folder, holds a line for each program that was tried: the
//! device and driver, what ran (by digest), how long it took. It may be deleted at any time.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::device::Gpu;
use crate::program::Program;
use crate::shaders;
use crate::workload::decode::cost;

/// A line of the file.
#[derive(Clone, Serialize, Deserialize)]
struct Trial {
    device: String,
    driver: String,
    /// For people: the arm and its sizes. The digests below say what ran.
    arm: String,
    workgroups: u32,
    workgroup_size: u32,
    /// Of the matrix with the fewest; 0 where there is none. Older lines have another word for it.
    #[serde(default)]
    row_lanes: u32,
    program_sha256: String,
    shaders_sha256: String,
    /// Of the fastest run: by the GPU's clock where it has one.
    ns: f64,
}

impl Trial {
    fn of(gpu: &Gpu, arm: &str, program: &Program) -> Trial {
        let dispatches = program.phases.iter().flat_map(|phase| &phase.dispatches);
        Trial {
            device: gpu.info.name.clone(),
            driver: gpu.info.driver_info.clone(),
            arm: arm.into(),
            workgroups: dispatches.map(|dispatch| dispatch.workgroups).max().unwrap_or(0),
            workgroup_size: program.kernels.iter().map(|kernel| kernel.workgroup_size).max().unwrap_or(0),
            row_lanes: cost::row_lanes(program),
            program_sha256: program.sha256(),
            shaders_sha256: shaders::sha256(program),
            ns: f64::INFINITY,
        }
    }

    fn is_of(&self, other: &Trial) -> bool {
        let what = |trial: &'_ Trial| {
            [&trial.device, &trial.driver, &trial.program_sha256, &trial.shaders_sha256].map(String::clone)
        };
        what(self) == what(other)
    }
}

/// What was tried so far: the lines of the file, and those that it will get. Without a file they last as long as this does.
pub struct Trials {
    file: Option<PathBuf>,
    known: Vec<Trial>,
}

impl Trials {
    /// Those of the user's file. One that cannot be read holds none, and a line that says nothing to this version is left out.
    pub fn of_user() -> Trials {
        Trials::in_file(path())
    }

    pub fn in_file(file: Option<PathBuf>) -> Trials {
        let text = file.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let known = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Trials { file, known }
    }

    /// How long a program took when it was tried last.
    pub fn ns_of(&self, gpu: &Gpu, program: &Program) -> Option<f64> {
        let asked = Trial::of(gpu, "", program);
        self.known.iter().rev().find(|known| known.is_of(&asked)).map(|known| known.ns)
    }

    /// Trials are for convenience: what cannot be written is tried again another time.
    pub fn add(&mut self, gpu: &Gpu, arm: &str, program: &Program, ns: f64) {
        let trial = Trial { ns, ..Trial::of(gpu, arm, program) };
        if let (Some(file), Ok(line)) = (&self.file, serde_json::to_string(&trial)) {
            let _ = append(file, &(line + "\n"));
        }
        self.known.push(trial);
    }
}

fn append(file: &Path, line: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(file.parent().unwrap_or(file))?;
    std::fs::OpenOptions::new().create(true).append(true).open(file)?.write_all(line.as_bytes())
}

/// By the conventions of the system; none where it tells of no such folder.
fn path() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME")
        .or_else(|| folder("LOCALAPPDATA"))
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("onedispatch").join("calibration.jsonl"))
}
