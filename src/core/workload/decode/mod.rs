//! GPT-2 decoding: the function of Hugging Face's `GPT2LMHeadModel`, token by token on the GPU.

pub mod buffers;
pub mod checkpoint;
pub mod config;
pub mod cost;
pub mod counted;
pub mod format;
pub mod gate;
pub mod kernel;
pub mod model;
pub mod operations;
pub mod oracle;
pub mod packing;
pub mod random;
pub mod request;
pub mod sampling;
pub mod span;
pub mod tensors;
pub mod text;

use format::Format;
use model::{Config, Request};
use packing::Layout;
use span::Span;

use crate::error::{Error, Result};
use crate::program::Program;

/// What an arm's program may be tuned by; chosen per device by calibration and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Workgroups of a sequence.
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
    /// Bytes of workgroup memory that a kernel may take. Vectors that do not fit come in tiles.
    pub memory: u32,
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
            memory: kernel::LEAST_MEMORY,
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
    /// How much one dispatch covers.
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// An operation at a time by many workgroups, as frameworks cut it; no optional feature, and no workgroup waits.
    Stepwise,
    /// One thread: the preprint's first kernel.
    FusedScalar,
    /// One workgroup; no optional feature.
    FusedWorkgroup,
    /// The same with subgroup operations.
    FusedSubgroup,
    /// Many workgroups, which wait for each other where a dispatch covers more than a stage.
    FusedGrid,
    /// A workgroup for each of many sequences, with subgroup operations.
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

    /// What a dispatch covers where nothing else is asked for.
    pub fn span(self) -> Span {
        if self == Algorithm::Stepwise { Span::Operation } else { Span::Generation }
    }
}

impl Arm {
    /// The arms of every algorithm, as they are unless asked for otherwise: f32, checked.
    pub fn all() -> [Arm; 6] {
        Algorithm::ALL.map(Arm::of)
    }

    pub fn of(algorithm: Algorithm) -> Arm {
        Arm { algorithm, format: Format::F32, unchecked: false, span: algorithm.span() }
    }

    /// The algorithm, `-f16` or `-bf16`, `-unchecked`, and the span behind an `@`, where it is not the algorithm's own:
    /// `fused-grid-f16-unchecked`, `fused-grid@stage`.
    pub fn name(self) -> String {
        let mut name = self.algorithm.name().to_string();
        if self.format != Format::F32 {
            name = name + "-" + self.format.name();
        }
        if self.unchecked {
            name += "-unchecked";
        }
        if self.span != self.algorithm.span() {
            name = name + "@" + &self.span.name();
        }
        name
    }

    pub fn named(name: &str) -> Result<Arm> {
        let (kernel, span) = name.split_once('@').map_or((name, None), |(kernel, span)| (kernel, Some(span)));
        let (rest, unchecked) = kernel.strip_suffix("-unchecked").map_or((kernel, false), |rest| (rest, true));
        let with_format = |format: Format| Some((rest.strip_suffix(format.name())?.strip_suffix('-')?, format));
        let (algorithm, format) =
            [Format::Bf16, Format::F16].into_iter().find_map(with_format).unwrap_or((rest, Format::F32));
        let arm = match Algorithm::ALL.into_iter().find(|other| other.name() == algorithm) {
            Some(algorithm) if format == Format::F32 || algorithm.has_formats() => {
                Arm { algorithm, format, unchecked, span: algorithm.span() }
            }
            _ => {
                return Err(Error::input(format!(
                    "no arm is called `{name}`; there are {}; the last three also with -f16 or -bf16 after it, all with \
                     -unchecked behind that, and with @ and a span, such as @stage, at the end",
                    Algorithm::ALL.map(Algorithm::name).join(", ")
                )));
            }
        };
        span.map_or(Ok(arm), |span| arm.cut(Span::named(span)?))
    }

    /// The same arm with dispatches of `span`.
    ///
    /// # Errors
    /// An input error where its workgroups would wait for each other.
    pub fn cut(self, span: Span) -> Result<Arm> {
        if self.algorithm == Algorithm::Stepwise && span.waits() {
            let (name, span) = (self.algorithm.name(), span.name());
            return Err(Error::input(format!(
                "{name} has no span `{span}`: its workgroups do not wait for each other; it has operation and stage, and \
                 fused-grid has all"
            )));
        }
        Ok(Arm { span, ..self })
    }

    /// Whether all is one dispatch, so that policies do not tell apart.
    pub fn is_fused(self) -> bool {
        self.span == Span::Generation
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
        if !matches!(self.algorithm, Algorithm::FusedGrid | Algorithm::Stepwise) {
            return vec![1];
        }
        let count = (config.n_embd / 8).clamp(16, 128);
        let mut counts = vec![2, count, (2 * count).min(128)];
        if self.algorithm == Algorithm::Stepwise {
            // It is for models of any size.
            counts.iter_mut().for_each(|count| *count = (*count).min(config.n_embd));
        }
        counts.dedup();
        counts
    }

    /// The program that answers `request`.
    pub fn program(self, config: &Config, request: &Request, tuning: &Tuning) -> Program {
        self.program_of_all(config, std::slice::from_ref(request), tuning)
    }

    /// The program that answers all requests at once. More than one are for `fused-batch`; another arm answers the first.
    pub fn program_of_all(self, config: &Config, requests: &[Request], tuning: &Tuning) -> Program {
        let answered = if self.algorithm == Algorithm::FusedBatch { requests } else { &requests[..1] };
        kernel::program(self, config, answered, tuning)
    }
}

/// The new tokens in what came back in `tokens` of a request: all that a kernel wrote, so that tokens after the end token
/// are seen.
pub fn new_tokens(request: &Request, tokens: &[u32]) -> Vec<u32> {
    let new = &tokens[request.prompt.len()..];
    let unwritten = new.iter().position(|&token| token == u32::MAX);
    new[..unwritten.unwrap_or(new.len())].to_vec()
}
