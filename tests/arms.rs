//! Every arm, on whatever device there is, against golden checkpoints and the oracle in f64.
//!
//! A software device takes many seconds to compile a kernel of one size, so each test is one model at one workgroup size,
//! chosen to differ in how its matrices are cut: none of them, some, or all in slices.

mod common;
mod optional;

use std::num::NonZeroU32;
use std::path::Path;

use onedispatch::cases::decode::weight_blocks;
use onedispatch::device::Gpu;
use onedispatch::device::executor::Prepared;
use onedispatch::measure::decode::gave_up;
use onedispatch::measure::decode_tuning::waiting;
use onedispatch::program::{Blocks, Policy, Program};
use onedispatch::workload::decode::arm::ALGORITHMS;
use onedispatch::workload::decode::block::{Activation, Block};
use onedispatch::workload::decode::end_tokens::END_TOKENS;
use onedispatch::workload::decode::format::Format;
use onedispatch::workload::decode::gate::Reference;
use onedispatch::workload::decode::model::{Config, Draw, Request, Sampling, Weights};
use onedispatch::workload::decode::model_files::ModelFiles;
use onedispatch::workload::decode::packing::Layout;
use onedispatch::workload::decode::rotary::{Rotary, Scaling};
use onedispatch::workload::decode::span::Span;
use onedispatch::workload::decode::tuning::LEAST_MEMORY;
use onedispatch::workload::decode::{Algorithm, Arm, Tuning, Waiting, checkpoint, new_tokens, oracle, random};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde::Deserialize;

/// Largest error of a logit, relative to the range of the logits: 100 times what a command line lets pass.
const TOLERANCE: f64 = 1e-5;

/// Spans that an arm is tried in, each under a policy of its own. Layers have a kernel of their own, which one model tries.
fn ways(arm: Arm, by_layer: bool) -> Vec<(Arm, Policy)> {
    let five = Span::Chunk(NonZeroU32::new(5).unwrap());
    let spans = [Span::Generation, Span::Operation, Span::Stage, Span::Layer, Span::Token, five];
    let policies = Policy::ALL.into_iter().cycle();
    let spans = spans.into_iter().filter(|&span| by_layer || span != Span::Layer);
    spans.zip(policies).filter_map(|(span, policy)| Some((arm.cut(span).ok()?, policy))).collect()
}

/// What one run left.
struct Output {
    tokens: Vec<u32>,
    /// `[tokens, vocab_size]`
    logits: Vec<f32>,
    /// Words of `tokens` and values of `logits` behind those.
    unwritten: (Vec<u32>, Vec<f32>),
}

/// Answers each request in turn by some algorithms, in every span. The requests share pipelines. A kernel takes a software
/// device up to half a minute to compile, so not every algorithm answers every model.
fn answers(
    config: &Config,
    weights: &Weights,
    (workgroup_size, memory): (u32, u32),
    algorithms: &[Algorithm],
    requests: &[Request],
    check: &mut dyn FnMut(&str, &Request, Output),
) {
    let gpu = gpu();
    let blocks = weight_blocks(config, weights, &[Layout::InOut, Layout::OutIn(Format::F32)]);
    let capacity = requests.iter().map(Request::positions).max().unwrap();
    for &algorithm in algorithms {
        let tuning = Tuning { memory, ..common::tuning(&gpu, algorithm, workgroup_size, capacity) };
        // A batch answers all at once: requests of several lengths, each with its own answer.
        let together = if algorithm.about().answers_many { requests.len() } else { 1 };
        for (arm, policy) in ways(Arm::of(algorithm), algorithms.len() == ALGORITHMS.len()) {
            for requests in requests.chunks(together) {
                let program = arm.program_of_all(config, requests, &tuning);
                let Some(prepared) = prepared(&gpu, algorithm, &program, &blocks) else { continue };
                prepared.run(policy).unwrap();
                for (index, request) in requests.iter().enumerate() {
                    let what = format!("{} {policy} at workgroup {workgroup_size}", arm.name());
                    assert!(!gave_up(&prepared).unwrap(), "{what}");
                    check(&what, request, output_of(&prepared, config, requests, index));
                }
            }
        }
    }
}

fn gpu() -> Gpu {
    Gpu::open(None).unwrap()
}

/// None where the device lacks what only some arms need.
fn prepared<'a>(gpu: &'a Gpu, algorithm: Algorithm, program: &'a Program, blocks: &Blocks) -> Option<Prepared<'a>> {
    optional::runs(gpu, algorithm, program).then(|| Prepared::new(gpu, program, blocks).unwrap())
}

/// What a program that answers `requests` left of one of them.
fn output_of(prepared: &Prepared, config: &Config, requests: &[Request], index: usize) -> Output {
    let request = &requests[index];
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(&prepared.read("tokens").unwrap());
    let padded: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("logits").unwrap());
    let tokens_of = |request: &Request| request.prompt.len() + request.new_tokens as usize;
    let first: usize = requests[..index].iter().map(tokens_of).sum();
    let words = words[first..first + tokens_of(request)].to_vec();
    let each = padded.len() / requests.len();
    let padded = &padded[index * each..(index + 1) * each];
    let tokens = new_tokens(request, &words);
    let vocab = config.vocab_size as usize;
    let mut rows = padded.chunks_exact(vocab.next_multiple_of(4)).map(|row| &row[..vocab]);
    let logits = rows.by_ref().take(tokens.len()).collect::<Vec<_>>().concat();
    assert!(words.starts_with(&request.prompt), "the prompt is as it was");
    let unwritten = (words[request.prompt.len() + tokens.len()..].to_vec(), rows.collect::<Vec<_>>().concat());
    Output { tokens, logits, unwritten }
}

/// `tests/golden/decode/README.md` says where these are from.
#[derive(Deserialize)]
struct Golden {
    prompt: Vec<u32>,
    /// Prompt and greedy continuation.
    tokens: Vec<u32>,
    logits_last: Vec<f64>,
}

/// Tokens and last logits of the independent implementation, every other row of logits of the oracle, and an early end.
fn reproduces_golden(name: &str, workgroup_size: u32, memory: u32, algorithms: &[Algorithm]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decode").join(name);
    let golden: Golden = serde_json::from_slice(&std::fs::read(dir.join("expected.json")).unwrap()).unwrap();
    let model = checkpoint::load(&ModelFiles::open(&dir).unwrap()).unwrap();
    let expected = &golden.tokens[golden.prompt.len()..];
    let whole = Request {
        prompt: golden.prompt.clone(),
        new_tokens: expected.len() as u32,
        sampling: Sampling::GREEDY,
        end_tokens: Vec::new(),
    };
    // Ends at the first token that the continuation does not begin with.
    let end = expected.iter().position(|token| *token != expected[0]).unwrap();
    let ended = Request { end_tokens: vec![expected[end]], ..whole.clone() };
    let others = (0..model.config.vocab_size).filter(|token| !expected.contains(token));
    let several = Request { end_tokens: others.take(END_TOKENS - 1).chain([expected[end]]).collect(), ..whole.clone() };
    let mut reference = Reference::new(&model.config, &model.weights);
    answers(
        &model.config,
        &model.weights,
        (workgroup_size, memory),
        algorithms,
        &[whole, ended, several],
        &mut |what, request, output| {
            let expected = if !request.end_tokens.is_empty() { &expected[..=end] } else { expected };
            assert_eq!(output.tokens, expected, "{name}, {what}");
            let gate = reference.check_all_logits(request, &output.tokens, &output.logits, TOLERANCE);
            assert!(gate.pass, "{name}, {what}: {}", gate.reason);
            assert!(output.unwritten.0.iter().all(|word| *word == u32::MAX), "{name}, {what} goes on after the end");
            assert!(output.unwritten.1.iter().all(|logit| logit.is_nan()), "{name}, {what} goes on after the end");
            if request.end_tokens.is_empty() {
                let last = &output.logits[output.logits.len() - golden.logits_last.len()..];
                let (low, high) =
                    golden.logits_last.iter().fold((0f64, 0f64), |(low, high), x| (low.min(*x), high.max(*x)));
                for (found, expected) in last.iter().zip(&golden.logits_last) {
                    let error = (f64::from(*found) - expected).abs() / (high - low);
                    assert!(error < TOLERANCE, "{name}, {what}: logit {found}, expected {expected}");
                }
            }
        },
    );
}

#[test]
fn golden_tiny_with_every_matrix_in_slices() {
    reproduces_golden("tiny_d32_l1_h2", 64, LEAST_MEMORY, &ALGORITHMS.map(|about| about.algorithm));
}

#[test]
fn golden_small_with_some_matrices_in_slices() {
    reproduces_golden("small_d64_l3_h4", 32, LEAST_MEMORY, &[Algorithm::FusedWorkgroup, Algorithm::FusedGrid]);
}

#[test]
fn golden_odd_with_no_matrix_in_slices() {
    reproduces_golden("odd_d96_l2_h6_inner200", 32, LEAST_MEMORY, &[Algorithm::Stepwise, Algorithm::FusedSubgroup]);
}

/// Less memory than any device has, so that this model is too wide for it, as wider ones are for those that there are.
#[test]
fn golden_odd_in_tiles() {
    reproduces_golden("odd_d96_l2_h6_inner200", 32, 3_000, &[Algorithm::FusedWorkgroup, Algorithm::FusedGrid]);
}

/// Heads that share keys and values, rotary positions, norms by root mean square, gates, a head of its own.
#[test]
fn golden_llama() {
    reproduces_golden("llama_gqa_d64_l2_h8_kv2", 32, LEAST_MEMORY, &[Algorithm::FusedWorkgroup, Algorithm::FusedGrid]);
}

#[test]
fn golden_llama_in_tiles() {
    reproduces_golden("llama_gqa_d64_l2_h8_kv2", 32, 3_000, &[Algorithm::FusedWorkgroup, Algorithm::FusedGrid]);
}

/// Heads of 12 elements, and biases of query, key and value.
#[test]
fn golden_qwen2() {
    reproduces_golden("qwen2_bias_d48_l3_h4_kv2", 32, LEAST_MEMORY, &[Algorithm::Stepwise, Algorithm::FusedSubgroup]);
}

/// Four heads that share keys and values, narrower than their share.
#[test]
fn golden_mistral() {
    reproduces_golden("mistral_d48_l2_h8_kv2", 32, LEAST_MEMORY, &[Algorithm::FusedSubgroup, Algorithm::FusedGrid]);
}

/// Norms of query and key, and heads wider than their share.
#[test]
fn golden_qwen3() {
    reproduces_golden("qwen3_d40_l2_h4_kv2", 32, LEAST_MEMORY, &[Algorithm::FusedWorkgroup, Algorithm::FusedGrid]);
}

/// Angles of which some are scaled, some not, and some in part.
#[test]
fn golden_llama_3() {
    reproduces_golden("llama3_scaled_d64_l2_h4_kv4", 32, LEAST_MEMORY, &[Algorithm::FusedSubgroup]);
}

/// Angles scaled alike, and biases of every matrix.
#[test]
fn golden_llama_with_biases() {
    reproduces_golden("llama_linear_d32_l2_h2_kv1", 32, LEAST_MEMORY, &[Algorithm::Stepwise, Algorithm::FusedBatch]);
}

/// Sizes that are no multiple of 4 or of a workgroup, a prompt, and draws from the top 10: by the oracle's own choices.
#[test]
fn draws_are_the_oracles_at_odd_sizes() {
    let algorithms = [Algorithm::FusedWorkgroup, Algorithm::FusedSubgroup, Algorithm::FusedGrid, Algorithm::FusedBatch];
    draws_are_the_oracles(Block::default(), &algorithms);
}

/// Everything that a family may set, at the same sizes: heads wider than their share, one key for three queries, and their norms.
#[test]
fn draws_are_the_oracles_of_the_llama_family() {
    let block = Block {
        n_key_head: Some(1),
        head_dim: Some(14),
        root_mean_square: true,
        rotary: Some(Rotary { theta: 50.0, scaling: Some(Scaling::Linear { factor: 1.5 }) }),
        query_key_norm: true,
        activation: Activation::Silu,
        gated: true,
        untied: true,
        scale_by_layer: false,
    };
    draws_are_the_oracles(block, &[Algorithm::FusedWorkgroup, Algorithm::FusedGrid]);
}

/// GELU by the error function, and scores divided by the layer.
#[test]
fn draws_are_the_oracles_of_other_gpt2s() {
    let block = Block { activation: Activation::Gelu, scale_by_layer: true, ..Block::default() };
    draws_are_the_oracles(block, &[Algorithm::FusedSubgroup]);
}

fn draws_are_the_oracles(block: Block, algorithms: &[Algorithm]) {
    let config = Config {
        vocab_size: 37,
        n_positions: 40,
        n_embd: 30,
        n_head: 3,
        n_layer: 2,
        n_inner: 50,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: false,
        block,
        stored: None,
    };
    // With biases, which the recipe leaves out of models whose norms have no mean.
    let block = Block { root_mean_square: false, ..config.block.clone() };
    let weights = random::weights(&Config { block, ..config.clone() }, 7);
    let request = |seed, top_k, temperature| Request {
        prompt: vec![3, 1, 4, 1, 5],
        new_tokens: 24,
        sampling: Sampling::top_k(temperature, top_k, seed),
        end_tokens: Vec::new(),
    };
    let requests = [
        request(0x1234_5678_9abc, 10, 0.8),
        Request { prompt: vec![9, 2, 6], new_tokens: 30, ..request(1, 37, 2.0) },
        Request { new_tokens: 9, ..request(2, 1, 1.0) },
    ];
    let mut reference = Reference::new(&config, &weights);
    let mut answered = Vec::new();
    answers(&config, &weights, (64, LEAST_MEMORY), algorithms, &requests, &mut |what, request, output| {
        assert_eq!(output.tokens, oracle_tokens(&config, &weights, request), "{what}, {request:?}");
        let gate = reference.check_all_logits(request, &output.tokens, &output.logits, TOLERANCE);
        assert!(gate.pass, "{what}, {request:?}: {}", gate.reason);
        answered.push(output.tokens);
    });
    answered.sort();
    answered.dedup();
    assert_eq!(answered.len(), requests.len(), "seeds, temperatures and top-k make a difference");
}

/// Top-p, min-p and penalties, each alone and all together, at any temperature, top-k, seed and prompt.
#[test]
fn what_is_left_to_draw_from_is_the_oracles() {
    let config = Config {
        vocab_size: 90,
        n_positions: 24,
        n_embd: 32,
        n_head: 2,
        n_layer: 1,
        n_inner: 64,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        block: Block::default(),
        stored: None,
    };
    let weights = random::weights(&config, 8);
    let gpu = gpu();
    let blocks = weight_blocks(&config, &weights, &[Layout::InOut, Layout::OutIn(Format::F32)]);
    let asked = (
        proptest::collection::vec(0..config.vocab_size, 1..6),
        prop_oneof![Just(config.vocab_size), 2..config.vocab_size],
        0.3f32..3.0,
        proptest::num::u64::ANY,
    );
    // These are constants of a kernel, so that any would take a compilation.
    let ways = [(0.7, 0.0, 1.0), (1.0, 0.15, 1.0), (0.8, 0.05, 1.4)];
    let ways = ways.map(|(top_p, min_p, penalty)| (Some((top_p, min_p)), penalty)).into_iter().chain([(None, 1.6)]);
    for (way, repetition_penalty) in ways {
        let arms = [Algorithm::FusedWorkgroup, Algorithm::FusedSubgroup, Algorithm::FusedGrid, Algorithm::Stepwise];
        let reference = std::cell::RefCell::new(Reference::new(&config, &weights));
        let mut runner = TestRunner::new(proptest::test_runner::Config {
            cases: 6,
            failure_persistence: None,
            ..Default::default()
        });
        let test = |(prompt, top_k, temperature, seed): (Vec<u32>, u32, f32, u64)| {
            let draw = way.map(|(top_p, min_p)| Draw { temperature, top_k, top_p, min_p, seed });
            let sampling = Sampling { repetition_penalty, draw };
            let request = Request { prompt, new_tokens: 12, sampling, end_tokens: Vec::new() };
            let expected = oracle_tokens(&config, &weights, &request);
            for algorithm in arms {
                let tuning = common::tuning(&gpu, algorithm, 32, config.n_positions);
                let program = Arm::of(algorithm).program(&config, &request, &tuning);
                let Some(prepared) = prepared(&gpu, algorithm, &program, &blocks) else { continue };
                prepared.run(Policy::OneSubmit).unwrap();
                assert!(!gave_up(&prepared).unwrap(), "{}", program.name);
                let output = output_of(&prepared, &config, std::slice::from_ref(&request), 0);
                assert_eq!(output.tokens, expected, "{}, {request:?}", program.name);
                let gate = reference.borrow_mut().check_all_logits(&request, &output.tokens, &output.logits, TOLERANCE);
                assert!(gate.pass, "{}, {request:?}: {}", program.name, gate.reason);
            }
            Ok(())
        };
        runner.run(&asked, test).unwrap();
    }
}

fn oracle_tokens(config: &Config, weights: &Weights, request: &Request) -> Vec<u32> {
    oracle::expected(config, weights, request).0
}

/// Prompts whose last tile is not full, as the oracle decodes them: in spans of each kind, where vectors are whole and where they come
/// in tiles, where heads share keys, by one workgroup and by two.
#[test]
fn prompts_in_tiles() {
    let gpt2 = Config {
        vocab_size: 61,
        n_positions: 48,
        n_embd: 48,
        n_head: 6,
        n_layer: 2,
        n_inner: 100,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        block: Block { scale_by_layer: true, ..Block::default() },
        stored: None,
    };
    let llama = Config {
        n_head: 4,
        block: Block {
            n_key_head: Some(2),
            head_dim: Some(14),
            root_mean_square: true,
            rotary: Some(Rotary { theta: 50.0, scaling: None }),
            query_key_norm: true,
            activation: Activation::Silu,
            gated: true,
            untied: true,
            ..Block::default()
        },
        ..gpt2.clone()
    };
    let three = Span::Chunk(NonZeroU32::new(3).unwrap());
    let (whole, cut) = ([Span::Generation, three, Span::Token], [Span::Stage, Span::Operation]);
    let gpu = gpu();
    for (config, algorithm, format, tile, memory, spans) in [
        (&gpt2, Algorithm::FusedGrid, Format::F32, 16, 16_384, &cut[..]),
        (&llama, Algorithm::FusedGrid, Format::F16, 16, 32_768, &whole[..]),
        (&llama, Algorithm::FusedSubgroup, Format::F32, 8, 9_000, &cut[..1]),
    ] {
        let exact = random::weights(config, 5);
        let weights = format.rounded(config, &exact);
        let prompt: Vec<u32> = (0..30).map(|index| (index * index + 7) % config.vocab_size).collect();
        let request = Request { prompt, new_tokens: 6, sampling: Sampling::GREEDY, end_tokens: Vec::new() };
        let mut reference = Reference::new(config, &weights);
        let arm = Arm { format, ..Arm::of(algorithm) };
        let blocks = weight_blocks(config, &exact, &[arm.layout()]);
        let tuning = Tuning { tile, memory, ..common::tuning(&gpu, algorithm, 64, 40) };
        for &span in spans {
            let program = arm.cut(span).unwrap().program(config, &request, &tuning);
            let Some(prepared) = prepared(&gpu, algorithm, &program, &blocks) else { return };
            assert!(
                program.kernels.iter().all(|kernel| kernel.constants["TILE"] == f64::from(tile)),
                "{}",
                program.name
            );
            prepared.run(Policy::OneSubmit).unwrap();
            assert!(!gave_up(&prepared).unwrap(), "{}", program.name);
            let output = output_of(&prepared, config, std::slice::from_ref(&request), 0);
            let gate = reference.check_all_logits(&request, &output.tokens, &output.logits, TOLERANCE);
            assert!(gate.pass, "{} in tiles of {tile}: {}", program.name, gate.reason);
        }
        // The same answer, where an earlier program has filled the cache with the beginning of the prompt.
        let begun = Request { prompt: request.prompt[..request.prompt.len() - 9].to_vec(), ..request.clone() };
        let cached = begun.prompt.len() as u32;
        let arm = arm.cut(spans[0]).unwrap();
        let [first, second] =
            [arm.program(config, &begun, &tuning), arm.program_after(config, &request, &tuning, cached)];
        let before = Prepared::new(&gpu, &first, &blocks).unwrap();
        before.run(Policy::OneSubmit).unwrap();
        let after = Prepared::after(&gpu, &second, &blocks, &before.keep("cache").unwrap()).unwrap();
        after.run(Policy::OneSubmit).unwrap();
        assert!(!gave_up(&after).unwrap(), "{}", second.name);
        let output = output_of(&after, config, std::slice::from_ref(&request), 0);
        let gate = reference.check_all_logits(&request, &output.tokens, &output.logits, TOLERANCE);
        assert!(gate.pass, "{} after {cached} tokens: {}", second.name, gate.reason);
    }
}

/// Rows that more lanes share than a subgroup has, norms whose sums the workgroup shares, and matrices in each format.
#[test]
fn wide_rows_and_every_format() {
    let config = Config {
        vocab_size: 40,
        n_positions: 12,
        n_embd: 96,
        // Heads that subgroups of 4 can attend to.
        n_head: 6,
        n_layer: 1,
        n_inner: 256,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        block: Default::default(),
        stored: None,
    };
    let gpu = gpu();
    let exact = random::weights(&config, 3);
    let request = Request { prompt: vec![7, 30], new_tokens: 11, sampling: Sampling::GREEDY, end_tokens: Vec::new() };
    // The least that a device may have would cut rows into tiles.
    let memory = gpu.device.limits().max_compute_workgroup_storage_size;
    // Weights in one buffer, and in as many as a device of small ones would need.
    for (index, format) in Format::ALL.into_iter().enumerate() {
        let workgroup_size = if format == Format::F32 { 1024 } else { 64 };
        let binding_bytes = if index > 0 && index % 2 == 0 { 1 } else { u64::MAX };
        let weights = format.rounded(&config, &exact);
        let arm = Arm { format, ..Arm::of(Algorithm::FusedGrid) };
        let tuning = common::tuning(&gpu, arm.algorithm, workgroup_size, request.positions());
        let tuning = Tuning { memory, binding_bytes, ..tuning };
        let program = arm.program(&config, &request, &tuning);
        let blocks = weight_blocks(&config, &exact, &[arm.layout()]);
        let Some(prepared) = prepared(&gpu, arm.algorithm, &program, &blocks) else { return };
        prepared.run(Policy::OneSubmit).unwrap();
        assert!(!gave_up(&prepared).unwrap(), "{format:?}");
        let output = output_of(&prepared, &config, std::slice::from_ref(&request), 0);
        let mut reference = Reference::new(&config, &weights);
        let gate = reference.check_all_logits(&request, &output.tokens, &output.logits, TOLERANCE);
        assert!(gate.pass, "{format:?}: {}", gate.reason);
        if format != Format::F32 {
            let of_exact =
                Reference::new(&config, &exact).check_all_logits(&request, &output.tokens, &output.logits, TOLERANCE);
            assert!(!of_exact.pass, "{format:?} makes a difference");
        }
    }
}

/// More workgroups than make progress together, on whatever device: the kernel ends, and says so.
#[test]
fn workgroups_that_wait_in_vain_give_up() {
    let config = Config {
        vocab_size: 16,
        n_positions: 4,
        n_embd: 16,
        n_head: 2,
        n_layer: 1,
        n_inner: 32,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        block: Default::default(),
        stored: None,
    };
    let gpu = gpu();
    let arm = Arm::of(Algorithm::FusedGrid);
    let request = Request { prompt: vec![1], new_tokens: 3, sampling: Sampling::GREEDY, end_tokens: Vec::new() };
    let tuning = Tuning {
        workgroups: 2,
        waiting: Waiting { patience: 1000, ..waiting(gpu.info.is_software) },
        subgroup_size: gpu.info.subgroup_min_size,
        ..Tuning::of(32, request.positions())
    };
    let mut program = arm.program(&config, &request, &tuning);
    // Its other half never runs.
    program.phases[0].dispatches[0].workgroups = 1;
    program.kernels[0].workgroups_together = 1;
    let blocks = weight_blocks(&config, &random::weights(&config, 3), &[arm.layout()]);
    let Some(prepared) = prepared(&gpu, arm.algorithm, &program, &blocks) else { return };
    prepared.run(Policy::OneSubmit).unwrap();
    assert!(gave_up(&prepared).unwrap());
}
