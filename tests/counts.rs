//! The printed counts of barriers, rounds and multiply-adds against a build of the same kernels that counts them, on the
//! device: for sizes on both sides of every threshold at which a kernel deals out its work otherwise.

mod optional;

use std::num::NonZeroU32;

use onedispatch::cases::decode::weight_blocks;
use onedispatch::device::Gpu;
use onedispatch::device::executor::Prepared;
use onedispatch::device::pipeline;
use onedispatch::measure::decode::gave_up;
use onedispatch::measure::decode_tuning::waiting;
use onedispatch::program::{Policy, Program};
use onedispatch::workload::decode::arm::ALGORITHMS;
use onedispatch::workload::decode::block::{Activation, Block};
use onedispatch::workload::decode::cost::work;
use onedispatch::workload::decode::format::Format;
use onedispatch::workload::decode::model::{Config, Draw, Request, Sampling};
use onedispatch::workload::decode::packing::Layout;
use onedispatch::workload::decode::rotary::Rotary;
use onedispatch::workload::decode::span::Span;
use onedispatch::workload::decode::tuning::LEAST_MEMORY;
use onedispatch::workload::decode::{Algorithm, Arm, Tuning, counted, random};

/// Workgroup memory in which no vector of 30 elements fits whole.
const TINY: u32 = 2_000;
/// In which the vectors of every size here do.
const AMPLE: u32 = 32_768;

/// A model, an arm, and what it is tuned by.
struct Case {
    n_embd: u32,
    n_head: u32,
    algorithm: Algorithm,
    format: Format,
    drawn: bool,
    /// By top-p and min-p too, where it is drawn, and after a penalty.
    weighed: bool,
    /// Of the Llama family, with half as many heads of keys.
    llama: bool,
    /// Tokens of a prompt that are fed together.
    tile: u32,
    workgroups: u32,
    workgroup_size: u32,
    memory: u32,
}

/// Two tiles of eight, and one that is not full.
const PROMPT: u32 = 21;

fn case(n_embd: u32, n_head: u32, algorithm: Algorithm, tuning: (u32, u32, u32)) -> Case {
    let (workgroups, workgroup_size, memory) = tuning;
    Case {
        n_embd,
        n_head,
        algorithm,
        format: Format::F32,
        drawn: false,
        weighed: false,
        llama: false,
        tile: 1,
        workgroups,
        workgroup_size,
        memory,
    }
}

fn llama(n_key_head: u32) -> Block {
    Block {
        n_key_head: Some(n_key_head),
        root_mean_square: true,
        rotary: Some(Rotary { theta: 100.0, scaling: None }),
        query_key_norm: true,
        activation: Activation::Silu,
        gated: true,
        untied: true,
        ..Block::default()
    }
}

impl Case {
    fn drawn(self) -> Case {
        Case { drawn: true, ..self }
    }

    fn weighed(self) -> Case {
        Case { weighed: true, ..self }
    }

    fn llama(self) -> Case {
        Case { llama: true, ..self }
    }

    /// With a prompt of [`PROMPT`] tokens in tiles.
    fn in_tiles(self, tile: u32) -> Case {
        Case { tile, ..self }
    }

    fn of(self, format: Format) -> Case {
        Case { format, ..self }
    }

    fn config(&self) -> Config {
        Config {
            vocab_size: 75,
            n_positions: if self.tile > 1 { PROMPT + 8 } else { 8 },
            n_embd: self.n_embd,
            n_head: self.n_head,
            n_layer: 2,
            n_inner: if self.n_embd > 512 { self.n_embd } else { 4 * self.n_embd },
            layer_norm_epsilon: 1e-5,
            scale_attn_weights: true,
            block: if self.llama { llama(self.n_head / 2) } else { Block::default() },
            stored: None,
        }
    }

    /// A prompt and new tokens: a batch answers two of different lengths.
    fn requests(&self) -> Vec<Request> {
        let sampling = match self.drawn {
            true => Sampling::top_k(0.9, 5, 3),
            false => Sampling::GREEDY,
        };
        let sampling = match self.weighed {
            true => Sampling {
                repetition_penalty: 1.3,
                draw: sampling.draw.map(|draw| Draw { top_p: 0.8, min_p: 0.05, ..draw }),
            },
            false => sampling,
        };
        let prompt = if self.tile > 1 { (1..=PROMPT).collect() } else { vec![1, 2] };
        let request = Request { prompt, new_tokens: 2, sampling, end_tokens: Vec::new() };
        let longer = Request { prompt: vec![7], new_tokens: 4, ..request.clone() };
        if self.algorithm.about().answers_many { vec![request, longer] } else { vec![request] }
    }

    /// In spans of one kind, by the case's place in a list: those that cut layers, tokens alone, or neither, have a kernel each,
    /// which takes a software device many seconds to compile.
    fn programs(&self, gpu: &Gpu, place: usize) -> Vec<Program> {
        let tuning = Tuning {
            workgroups: self.workgroups,
            waiting: waiting(gpu.info.is_software),
            subgroup_size: gpu.info.subgroup_min_size,
            memory: self.memory,
            tile: self.tile,
            ..Tuning::of(self.workgroup_size, self.config().n_positions)
        };
        let three = Span::Chunk(NonZeroU32::new(3).unwrap());
        let spans = [&[Span::Stage, Span::Operation][..], &[Span::Generation, three, Span::Token], &[Span::Layer]];
        let can_wait = Arm::of(self.algorithm).cut(Span::Generation).is_ok();
        let spans = if can_wait { spans[place % 3] } else { spans[0] };
        let arm = Arm { format: self.format, ..Arm::of(self.algorithm) };
        let arms = spans.iter().filter_map(|&span| arm.cut(span).ok());
        arms.map(|arm| arm.program_of_all(&self.config(), &self.requests(), &tuning)).collect()
    }
}

/// These cases, and one of each algorithm and format that none of them has.
fn with_others(has_formats: bool, mut cases: Vec<Case>) -> Vec<Case> {
    for about in ALGORITHMS.iter().filter(|about| about.has_formats == has_formats) {
        if cases.iter().all(|case| case.algorithm != about.algorithm) {
            let largest = about.workgroup_sizes.iter().copied().max().unwrap_or(1);
            let workgroups = if about.is_spread { 2 } else { 1 };
            cases.push(case(64, 4, about.algorithm, (workgroups, largest.min(64), LEAST_MEMORY)));
        }
    }
    for format in Format::ALL.into_iter().filter(|_| has_formats) {
        if cases.iter().all(|case| case.format != format) {
            cases.push(case(64, 4, Algorithm::FusedSubgroup, (1, 64, LEAST_MEMORY)).of(format));
        }
    }
    cases
}

fn agrees(cases: Vec<Case>) {
    let gpu = Gpu::open(None).unwrap();
    let counted: Vec<(&Case, Program, Program)> = cases
        .iter()
        .enumerate()
        .flat_map(|(place, case)| case.programs(&gpu, place).into_iter().map(move |program| (case, program)))
        .map(|(case, program)| (case, counted::program(&program), program))
        .filter(|(case, counted, _)| optional::fits(&gpu, case.algorithm, counted))
        .collect();
    for Case { algorithm, .. } in &cases {
        let is_there = counted.iter().any(|(case, ..)| case.algorithm == *algorithm);
        assert!(is_there || !optional::required(), "{} runs none of {}", gpu.info.name, algorithm.name());
    }
    pipeline::compile(&gpu, counted.iter().map(|(_, counted, _)| counted)).unwrap();
    for (case, counted, program) in &counted {
        let config = case.config();
        let weights = random::weights(&config, 5);
        let blocks = weight_blocks(&config, &weights, &[Layout::InOut, Layout::OutIn(case.format)]);
        let prepared = Prepared::new(&gpu, counted, &blocks).unwrap();
        prepared.run(Policy::OneSubmit).unwrap();
        assert!(!gave_up(&prepared).unwrap());
        let is_in_tiles = program.kernels.iter().all(|kernel| kernel.constants.contains_key("TILE"));
        assert_eq!(is_in_tiles, case.tile > 1, "{}", program.name);
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&prepared.read(counted::COUNTS).unwrap());
        let found = counted::work(&words);
        let Case { n_embd, n_head, workgroups, workgroup_size, memory, drawn, .. } = case;
        let what = format!(
            "{} of {n_embd} channels and {n_head} heads, drawn: {drawn}, {workgroups} x {workgroup_size} threads, {memory} bytes",
            program.name
        );
        assert_eq!(found, work(program), "{what}: left is counted");
        assert!(found.multiply_adds > 0 && found.barriers > 0, "{what}");
    }
}

#[test]
fn without_subgroups() {
    use Algorithm::{FusedScalar, FusedWorkgroup, Stepwise};
    agrees(with_others(
        false,
        vec![
            case(30, 3, FusedScalar, (1, 1, LEAST_MEMORY)).drawn().weighed(),
            case(30, 1, FusedWorkgroup, (1, 64, LEAST_MEMORY)),
            case(64, 4, FusedWorkgroup, (1, 256, LEAST_MEMORY)).drawn(),
            case(300, 6, FusedWorkgroup, (1, 64, AMPLE)).weighed(),
            case(768, 12, FusedWorkgroup, (1, 128, LEAST_MEMORY)),
            case(30, 3, FusedWorkgroup, (1, 64, TINY)).drawn(),
            case(64, 4, FusedWorkgroup, (2, 64, LEAST_MEMORY)).llama(),
            case(64, 1, Stepwise, (2, 64, LEAST_MEMORY)).drawn().weighed(),
            case(512, 8, Stepwise, (3, 128, LEAST_MEMORY)),
            case(768, 12, Stepwise, (2, 64, AMPLE)),
        ],
    ));
}

#[test]
fn with_subgroups() {
    use Algorithm::{FusedBatch, FusedGrid, FusedSubgroup};
    agrees(with_others(
        true,
        vec![
            case(30, 3, FusedSubgroup, (1, 64, LEAST_MEMORY)).drawn().weighed(),
            case(64, 1, FusedSubgroup, (1, 512, LEAST_MEMORY)).of(Format::F16),
            case(300, 6, FusedSubgroup, (1, 256, AMPLE)),
            case(768, 12, FusedSubgroup, (1, 64, LEAST_MEMORY)),
            case(30, 1, FusedSubgroup, (1, 32, TINY)).drawn(),
            case(30, 3, FusedBatch, (1, 64, LEAST_MEMORY)).drawn(),
            case(64, 4, FusedGrid, (2, 64, LEAST_MEMORY)).drawn(),
            case(300, 6, FusedGrid, (2, 64, LEAST_MEMORY)).of(Format::Bf16),
            case(300, 6, FusedSubgroup, (1, 64, AMPLE)).of(Format::Q8_0),
            case(64, 4, FusedGrid, (2, 64, LEAST_MEMORY)).of(Format::Q4_0).llama(),
            case(768, 12, FusedSubgroup, (1, 64, LEAST_MEMORY)).of(Format::Q4_1),
            case(64, 4, FusedGrid, (2, 64, LEAST_MEMORY)).llama(),
            case(96, 6, FusedGrid, (2, 32, TINY)).llama(),
            case(512, 8, FusedGrid, (2, 1024, AMPLE)),
            case(768, 12, FusedGrid, (2, 128, AMPLE)),
            case(768, 1, FusedGrid, (2, 256, LEAST_MEMORY)).drawn().weighed(),
        ],
    ));
}

#[test]
fn prompts_in_tiles() {
    use Algorithm::{FusedGrid, FusedSubgroup};
    agrees(vec![
        case(48, 6, FusedGrid, (2, 64, AMPLE)).in_tiles(8),
        case(64, 4, FusedGrid, (2, 64, LEAST_MEMORY)).in_tiles(16).llama().of(Format::Q8_0),
        case(48, 4, FusedSubgroup, (1, 64, 9_000)).in_tiles(8).llama(),
    ]);
}
