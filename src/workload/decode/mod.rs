//! GPT-2 decoding: the function of Hugging Face's `GPT2LMHeadModel`, token by token on the GPU.

pub mod buffers;
pub mod checkpoint;
pub mod config;
pub mod cost;
pub mod format;
pub mod fused;
pub mod gate;
pub mod model;
pub mod oracle;
pub mod packing;
pub mod random;
pub mod request;
pub mod sampling;
pub mod span;
pub mod stepwise;
pub mod tensors;
pub mod text;

use std::num::NonZeroU32;

use format::Format;
use model::{Config, Request};
use packing::Layout;

use crate::error::{Error, Result};
use crate::program::Program;

/// What an arm's program may be tuned by; chosen per device by calibration and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Workgroups of a fused dispatch.
    pub workgroups: u32,
    pub waiting: Waiting,
    /// Threads in a workgroup.
    pub workgroup_size: u32,
    /// Of the kernels with subgroups: threads that share a row of a matrix at least, as far as it has that many chunks.
    pub least_lanes: u32,
    /// The device's smallest subgroup; 0 where it has none.
    pub subgroup_size: u32,
    /// Whether the logits of every new token are kept, or only the last ones.
    pub keep_logits: bool,
    /// Positions that the KV cache holds, at least those of the request. Requests of one capacity share pipelines.
    pub capacity: u32,
    /// Tokens fed to the model by a dispatch of a fused arm, so that a host sees what there is after each of several;
    /// `None` feeds them all in one.
    pub chunk: Option<NonZeroU32>,
}

impl Tuning {
    /// Of [`Tuning::least_lanes`]: that many threads read a whole cache line of 128 bytes, which suits weights that are far;
    /// of a small model, which stays near, fewer threads have fewer sums to add up.
    pub const LEAST_LANES: [u32; 3] = [8, 4, 2];

    /// One workgroup of this size, without subgroups; the last logits are kept.
    pub fn of(workgroup_size: u32, capacity: u32) -> Tuning {
        let waiting = Waiting { patience: 1, by_writing: false };
        Tuning {
            workgroups: 1,
            waiting,
            workgroup_size,
            least_lanes: Tuning::LEAST_LANES[0],
            subgroup_size: 0,
            keep_logits: false,
            capacity,
            chunk: None,
        }
    }
}

/// How a thread waits for what another workgroup makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Times that it asks before it gives up.
    pub patience: u32,
    /// By an atomic operation that writes (and changes nothing): Mesa's llvmpipe takes an atomic load in a loop for one
    /// whose value cannot change.
    pub by_writing: bool,
}

/// A way to compute the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arm {
    pub algorithm: Algorithm,
    /// Of the weights of matrices; f32 but for the kernels with subgroups.
    pub format: Format,
    /// Whether shaders are compiled without WebGPU's checks.
    pub unchecked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// One dispatch per operation; run under each policy.
    Stepwise,
    /// One dispatch, one thread: the preprint's first kernel.
    FusedScalar,
    /// One dispatch of one workgroup; no optional feature.
    FusedWorkgroup,
    /// The same with subgroup operations.
    FusedSubgroup,
    /// One dispatch of many workgroups that wait for each other.
    FusedGrid,
    /// One dispatch of a workgroup for each of many sequences, with subgroup operations.
    FusedBatch,
}

impl Algorithm {
    pub const ALL: [Algorithm; 6] = [
        Algorithm::Stepwise,
        Algorithm::FusedScalar,
        Algorithm::FusedWorkgroup,
        Algorithm::FusedSubgroup,
        Algorithm::FusedGrid,
        Algorithm::FusedBatch,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Stepwise => "stepwise",
            Algorithm::FusedScalar => "fused-scalar",
            Algorithm::FusedWorkgroup => "fused-workgroup",
            Algorithm::FusedSubgroup => "fused-subgroup",
            Algorithm::FusedGrid => "fused-grid",
            Algorithm::FusedBatch => "fused-batch",
        }
    }

    /// Whether its kernel is the one with subgroups, which reads weights in several formats.
    pub fn has_formats(self) -> bool {
        matches!(self, Algorithm::FusedSubgroup | Algorithm::FusedGrid | Algorithm::FusedBatch)
    }
}

impl Arm {
    /// The arms of every algorithm, as they are unless asked for otherwise: f32, checked.
    pub const ALL: [Arm; 6] = [
        Arm::of(Algorithm::Stepwise),
        Arm::of(Algorithm::FusedScalar),
        Arm::of(Algorithm::FusedWorkgroup),
        Arm::of(Algorithm::FusedSubgroup),
        Arm::of(Algorithm::FusedGrid),
        Arm::of(Algorithm::FusedBatch),
    ];

    pub const fn of(algorithm: Algorithm) -> Arm {
        Arm { algorithm, format: Format::F32, unchecked: false }
    }

    /// The algorithm, `-f16` or `-bf16`, and `-unchecked`: `fused-grid-f16-unchecked`.
    pub fn name(self) -> String {
        let mut name = self.algorithm.name().to_string();
        if self.format != Format::F32 {
            name = name + "-" + self.format.name();
        }
        if self.unchecked {
            name += "-unchecked";
        }
        name
    }

    pub fn named(name: &str) -> Result<Arm> {
        let (rest, unchecked) = name.strip_suffix("-unchecked").map_or((name, false), |rest| (rest, true));
        let with_format = |format: Format| Some((rest.strip_suffix(format.name())?.strip_suffix('-')?, format));
        let (algorithm, format) =
            [Format::Bf16, Format::F16].into_iter().find_map(with_format).unwrap_or((rest, Format::F32));
        match Algorithm::ALL.into_iter().find(|other| other.name() == algorithm) {
            Some(algorithm) if format == Format::F32 || algorithm.has_formats() => {
                Ok(Arm { algorithm, format, unchecked })
            }
            _ => Err(Error::input(format!(
                "no arm is called `{name}`; there are {}; the last three also with -f16 or -bf16 after it, \
                 and all with -unchecked at the end",
                Algorithm::ALL.map(Algorithm::name).join(", ")
            ))),
        }
    }

    /// A fused arm is one dispatch, so policies do not tell apart.
    pub fn is_fused(self) -> bool {
        self.algorithm != Algorithm::Stepwise
    }

    /// How the arm's kernels read the weights.
    pub fn layout(self) -> Layout {
        if self.algorithm.has_formats() { Layout::OutIn(self.format) } else { Layout::InOut }
    }

    /// Workgroup sizes that calibration tries, as far as a device has them.
    pub fn workgroup_sizes(self) -> &'static [u32] {
        match self.algorithm {
            Algorithm::FusedScalar => &[1],
            Algorithm::Stepwise => &[32, 64, 128, 256],
            Algorithm::FusedWorkgroup | Algorithm::FusedSubgroup | Algorithm::FusedBatch => &[64, 256, 512, 1024],
            Algorithm::FusedGrid => &[64, 128, 256, 512],
        }
    }

    /// Numbers of workgroups that calibration tries, as far as that many make progress together: such that each has about
    /// eight or four rows of the narrowest matrix, which keep its threads busy; on a software device two.
    pub fn workgroup_counts(self, config: &Config) -> Vec<u32> {
        if self.algorithm != Algorithm::FusedGrid {
            return vec![1];
        }
        let count = (config.n_embd / 8).clamp(16, 128);
        let mut counts = vec![2, count, (2 * count).min(128)];
        counts.dedup();
        counts
    }

    /// The program that answers `request`.
    pub fn program(self, config: &Config, request: &Request, tuning: &Tuning) -> Program {
        self.program_of_all(config, std::slice::from_ref(request), tuning)
    }

    /// The program that answers all requests at once. More than one are for `fused-batch`; another arm answers the first.
    pub fn program_of_all(self, config: &Config, requests: &[Request], tuning: &Tuning) -> Program {
        let name = self.name();
        let request = &requests[0];
        let mut program = match self.algorithm {
            Algorithm::Stepwise => stepwise::program(config, request, tuning),
            Algorithm::FusedScalar | Algorithm::FusedWorkgroup => fused::workgroup(&name, config, request, tuning),
            Algorithm::FusedSubgroup | Algorithm::FusedGrid => {
                fused::subgroup(&name, config, &requests[..1], tuning, self.format)
            }
            Algorithm::FusedBatch => fused::subgroup(&name, config, requests, tuning, self.format),
        };
        for kernel in &mut program.kernels {
            kernel.unchecked = self.unchecked;
        }
        program
    }
}

/// The new tokens in what came back in `tokens` of a request: all that a kernel wrote, so that tokens after the end token
/// are seen.
pub fn new_tokens(request: &Request, tokens: &[u32]) -> Vec<u32> {
    let new = &tokens[request.prompt.len()..];
    let unwritten = new.iter().position(|&token| token == u32::MAX);
    new[..unwritten.unwrap_or(new.len())].to_vec()
}
