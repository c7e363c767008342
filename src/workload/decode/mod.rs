//! GPT-2 decoding: the function of Hugging Face's `GPT2LMHeadModel`, token by token on the GPU.

pub mod buffers;
pub mod checkpoint;
pub mod config;
pub mod cost;
pub mod fused;
pub mod gate;
pub mod model;
pub mod oracle;
pub mod packing;
pub mod random;
pub mod request;
pub mod sampling;
pub mod stepwise;
pub mod tensors;
pub mod text;

use model::{Config, Request};
use packing::Layout;

use crate::error::{Error, Result};
use crate::program::Program;

/// What an arm's program may be tuned by; chosen per device by calibration and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Threads in a workgroup.
    pub workgroup_size: u32,
    /// The device's smallest subgroup; 0 where it has none.
    pub subgroup_size: u32,
    /// Whether the logits of every new token are kept, or only the last ones.
    pub keep_logits: bool,
    /// Positions that the KV cache holds, at least those of the request. Requests of one capacity share pipelines.
    pub capacity: u32,
}

/// A way to compute the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// One dispatch per operation; run under each policy.
    Stepwise,
    /// One dispatch, one thread: the preprint's first kernel.
    FusedScalar,
    /// One dispatch of one workgroup; no optional feature.
    FusedWorkgroup,
    /// The same with subgroup operations.
    FusedSubgroup,
}

impl Arm {
    pub const ALL: [Arm; 4] = [Arm::Stepwise, Arm::FusedScalar, Arm::FusedWorkgroup, Arm::FusedSubgroup];

    pub fn name(self) -> &'static str {
        match self {
            Arm::Stepwise => "stepwise",
            Arm::FusedScalar => "fused-scalar",
            Arm::FusedWorkgroup => "fused-workgroup",
            Arm::FusedSubgroup => "fused-subgroup",
        }
    }

    pub fn named(name: &str) -> Result<Arm> {
        Arm::ALL.into_iter().find(|arm| arm.name() == name).ok_or_else(|| {
            let names = Arm::ALL.map(Arm::name).join(", ");
            Error::input(format!("no arm is called `{name}`; there are {names}"))
        })
    }

    /// A fused arm is one dispatch, so policies do not tell apart.
    pub fn is_fused(self) -> bool {
        self != Arm::Stepwise
    }

    /// How the arm's kernels read the weights.
    pub fn layout(self) -> Layout {
        if self == Arm::FusedSubgroup { Layout::OutIn } else { Layout::InOut }
    }

    /// Workgroup sizes that calibration tries, as far as a device has them.
    pub fn workgroup_sizes(self) -> &'static [u32] {
        match self {
            Arm::FusedScalar => &[1],
            Arm::Stepwise => &[32, 64, 128, 256],
            Arm::FusedWorkgroup | Arm::FusedSubgroup => &[32, 64, 128, 256, 512, 1024],
        }
    }

    /// The program that answers `request`.
    pub fn program(self, config: &Config, request: &Request, tuning: &Tuning) -> Program {
        match self {
            Arm::Stepwise => stepwise::program(config, request, tuning),
            Arm::FusedScalar | Arm::FusedWorkgroup => fused::workgroup(self.name(), config, request, tuning),
            Arm::FusedSubgroup => fused::subgroup(self.name(), config, request, tuning),
        }
    }
}

/// The new tokens in what came back in `tokens`: all that a kernel wrote, so that tokens after the end token are seen.
pub fn new_tokens(request: &Request, tokens: &[u32]) -> Vec<u32> {
    let new = &tokens[request.prompt.len()..];
    let unwritten = new.iter().position(|&token| token == u32::MAX);
    new[..unwritten.unwrap_or(new.len())].to_vec()
}
