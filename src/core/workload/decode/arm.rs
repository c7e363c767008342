//! The ways to decode, as one table, and what a name of one says.

use super::format::Format;
use super::model::Config;
use super::packing::Layout;
use super::span::Span;
use crate::error::{Error, Result};
use crate::program::Checks;

/// A way to compute the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arm {
    pub algorithm: Algorithm,
    /// Of the weights of matrices; f32 but for the kernels with subgroups.
    pub format: Format,
    pub checks: Checks,
    /// How much one dispatch covers.
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    Stepwise,
    FusedScalar,
    FusedWorkgroup,
    FusedSubgroup,
    FusedGrid,
    FusedBatch,
}

/// What there is to know of an algorithm: the one place where an arm is told of. Its kernel's constants are in `kernel.rs`.
pub struct About {
    pub algorithm: Algorithm,
    pub name: &'static str,
    /// What it is, as the README has it.
    pub text: &'static str,
    /// Whether its kernel is the one with subgroups, which reads weights in several formats.
    pub has_formats: bool,
    /// What a dispatch covers where nothing else is asked for.
    pub span: Span,
    /// Of one sequence: by one workgroup, or by many.
    pub is_spread: bool,
    /// Whether many sequences are answered at once.
    pub answers_many: bool,
    /// Whether a spec that names no arm means this one too, and whether a browser can run it: not where workgroups of one
    /// dispatch wait for each other, which WebGPU does not promise, nor where there are many sequences.
    pub is_common: bool,
    /// Workgroup sizes that calibration tries, as far as a device has them.
    pub workgroup_sizes: &'static [u32],
    /// How it is drawn in figures: red, green and blue, and a marker by matplotlib's letters.
    pub color: [u8; 3],
    pub marker: char,
}

/// Every algorithm, from the one that needs least of a device.
pub const ALGORITHMS: [About; 6] = [
    About {
        algorithm: Algorithm::Stepwise,
        name: "stepwise",
        text: "an operation at a time by many workgroups, as frameworks cut it; no optional feature",
        has_formats: false,
        span: Span::Operation,
        is_spread: true,
        answers_many: false,
        is_common: true,
        workgroup_sizes: &[32, 64, 128, 256],
        color: [0x33, 0x33, 0x33],
        marker: 'D',
    },
    About {
        algorithm: Algorithm::FusedScalar,
        name: "fused-scalar",
        text: "one thread does everything",
        has_formats: false,
        span: Span::Generation,
        is_spread: false,
        answers_many: false,
        is_common: true,
        workgroup_sizes: &[1],
        color: [0x56, 0xb4, 0xe9],
        marker: 'v',
    },
    About {
        algorithm: Algorithm::FusedWorkgroup,
        name: "fused-workgroup",
        text: "one workgroup, parallel in every stage; needs no optional feature",
        has_formats: false,
        span: Span::Generation,
        is_spread: false,
        answers_many: false,
        is_common: true,
        workgroup_sizes: &[64, 256, 512, 1024],
        color: [0x00, 0x72, 0xb2],
        marker: 'o',
    },
    About {
        algorithm: Algorithm::FusedSubgroup,
        name: "fused-subgroup",
        text: "the same with subgroup operations, where the device has them",
        has_formats: true,
        span: Span::Generation,
        is_spread: false,
        answers_many: false,
        is_common: true,
        workgroup_sizes: &[64, 256, 512, 1024],
        color: [0x00, 0x9e, 0x73],
        marker: 's',
    },
    About {
        algorithm: Algorithm::FusedGrid,
        name: "fused-grid",
        text: "many workgroups that wait for each other: the fastest on a large GPU, but beyond what WebGPU promises where a \
               dispatch covers more than a stage, so a spec has to name it",
        has_formats: true,
        span: Span::Generation,
        is_spread: true,
        answers_many: false,
        is_common: false,
        workgroup_sizes: &[64, 128, 256, 512],
        color: [0x8b, 0x3f, 0xe8],
        marker: '^',
    },
    About {
        algorithm: Algorithm::FusedBatch,
        name: "fused-batch",
        text: "one workgroup for each of many sequences",
        has_formats: true,
        span: Span::Generation,
        is_spread: false,
        answers_many: true,
        is_common: false,
        workgroup_sizes: &[64, 256, 512, 1024],
        color: [0x8c, 0x51, 0x0a],
        marker: 'o',
    },
];

impl Algorithm {
    pub fn about(self) -> &'static About {
        const { assert!(is_in_order(), "ALGORITHMS has each algorithm at its place") };
        &ALGORITHMS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.about().name
    }

    /// As [`About::has_formats`].
    pub fn has_formats(self) -> bool {
        self.about().has_formats
    }

    /// As [`About::span`].
    pub fn span(self) -> Span {
        self.about().span
    }

    /// Whether it has many workgroups that wait for each other, where it is not cut so that they need not.
    pub fn waits(self) -> bool {
        self.about().is_spread && self.about().span.waits()
    }

    /// Whether it has many workgroups, none of which can wait for another.
    fn never_waits(self) -> bool {
        self.about().is_spread && !self.about().span.waits()
    }
}

const fn is_in_order() -> bool {
    let mut index = 0;
    while index < ALGORITHMS.len() {
        if ALGORITHMS[index].algorithm as usize != index {
            return false;
        }
        index += 1;
    }
    true
}

/// What ends the name of an arm whose shaders are compiled with other checks than WebGPU's.
pub const CHECKS: [(&str, Checks); 2] = [("-unchecked", Checks::None), ("-loops-checked", Checks::BoundsAndLoops)];

/// A name without such an ending, and what that says.
pub fn checks_of(name: &str) -> (&str, Checks) {
    let ends = |(ending, checks): &(&str, Checks)| name.strip_suffix(ending).map(|rest| (rest, *checks));
    CHECKS.iter().find_map(ends).unwrap_or((name, Checks::Bounds))
}

/// Names of arms, each algorithm in every format that its kernel reads; one of [`CHECKS`] and a span may follow.
pub fn names() -> Vec<String> {
    let formats = |about: &'static About| if about.has_formats { &Format::ALL[..] } else { &Format::ALL[..1] };
    let named =
        |about: &'static About| formats(about).iter().map(|&format| Arm { format, ..Arm::of(about.algorithm) }.name());
    ALGORITHMS.iter().flat_map(named).collect()
}

/// The same in short, for a message: `fused-grid[-f16|-bf16]`.
pub fn listed() -> String {
    let endings = Format::ALL[1..].iter().map(|format| format!("-{}", format.name())).collect::<Vec<_>>().join("|");
    let named =
        |about: &About| if about.has_formats { format!("{}[{endings}]", about.name) } else { about.name.into() };
    ALGORITHMS.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// The endings of [`CHECKS`], for a message.
pub fn endings() -> String {
    CHECKS.map(|(ending, _)| ending).join(" or ")
}

impl Arm {
    /// The arms of every algorithm, as they are unless asked for otherwise: f32, with WebGPU's checks.
    pub fn all() -> [Arm; ALGORITHMS.len()] {
        std::array::from_fn(|index| Arm::of(ALGORITHMS[index].algorithm))
    }

    pub fn of(algorithm: Algorithm) -> Arm {
        Arm { algorithm, format: Format::F32, checks: Checks::Bounds, span: algorithm.span() }
    }

    /// The algorithm, `-f16` or `-bf16`, an ending of [`CHECKS`], and the span behind an `@`, where it is not the algorithm's own:
    /// `fused-grid-f16-unchecked`, `fused-grid@stage`.
    pub fn name(self) -> String {
        let mut name = self.algorithm.name().to_string();
        if self.format != Format::F32 {
            name = name + "-" + self.format.name();
        }
        name += CHECKS.iter().find(|(_, checks)| *checks == self.checks).map_or("", |(ending, _)| ending);
        if self.span != self.algorithm.span() {
            name = name + "@" + &self.span.name();
        }
        name
    }

    pub fn named(name: &str) -> Result<Arm> {
        let (kernel, span) = name.split_once('@').map_or((name, None), |(kernel, span)| (kernel, Some(span)));
        let (rest, checks) = checks_of(kernel);
        let with_format = |format: Format| Some((rest.strip_suffix(format.name())?.strip_suffix('-')?, format));
        let (algorithm, format) = Format::ALL[1..].iter().copied().find_map(with_format).unwrap_or((rest, Format::F32));
        let arm = match ALGORITHMS.iter().find(|about| about.name == algorithm) {
            Some(about) if format == Format::F32 || about.has_formats => {
                Arm { format, checks, ..Arm::of(about.algorithm) }
            }
            _ => {
                return Err(Error::input(format!(
                    "no arm is called `{name}`; there are {}, each also with {} behind it, and then with @ and a span, such as \
                     @stage",
                    listed(),
                    endings()
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
        if self.algorithm.never_waits() && span.waits() {
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
        self.algorithm.about().workgroup_sizes
    }

    /// Numbers of workgroups that calibration tries, as far as that many make progress together: such that each has about
    /// eight or four rows of the narrowest matrix, which keep its threads busy; on a software device two.
    pub fn workgroup_counts(self, config: &Config) -> Vec<u32> {
        if !self.algorithm.about().is_spread {
            return vec![1];
        }
        let count = (config.n_embd / 8).clamp(16, 128);
        let mut counts = vec![2, count, (2 * count).min(128)];
        if self.algorithm.never_waits() {
            // It is for models of any size.
            counts.iter_mut().for_each(|count| *count = (*count).min(config.n_embd));
        }
        counts.dedup();
        counts
    }
}
