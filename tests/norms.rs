//! Norms of streams that are far from zero: how many digits of the logits are left where the first token puts large numbers into
//! a few channels, as GPT-2's does, and where the stream grows from layer to layer.
//!
//! PyTorch in f32 was off by 2e-7 of the logits' range in a model of the first kind; an arm may be off by ten times as much.

mod common;
mod optional;

use onedispatch::cases::decode::weight_blocks;
use onedispatch::device::Gpu;
use onedispatch::device::executor::Prepared;
use onedispatch::program::Policy;
use onedispatch::workload::decode::arm::ALGORITHMS;
use onedispatch::workload::decode::format::Format;
use onedispatch::workload::decode::gate::Reference;
use onedispatch::workload::decode::matrix::{Matrix, Rows};
use onedispatch::workload::decode::model::{Config, Request, Sampling, Weights};
use onedispatch::workload::decode::packing::Layout;
use onedispatch::workload::decode::{Algorithm, Arm, new_tokens, random};

const TOLERANCE: f64 = 2e-6;

fn config() -> Config {
    Config {
        vocab_size: 64,
        n_positions: 16,
        n_embd: 32,
        n_head: 2,
        n_layer: 4,
        n_inner: 128,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        block: Default::default(),
        stored: None,
    }
}

/// The first position alone puts numbers of this mean into the stream.
fn shifted(mean: f32) -> Weights {
    let mut weights = random::weights(&config(), 5);
    for channel in [3, 11, 30] {
        weights.wpe[channel] += mean * 32.0 / 3.0;
    }
    weights
}

/// Each layer adds numbers ten times as large as the one before: 1,000-fold from the first to the last.
fn growing() -> Weights {
    let mut weights = random::weights(&config(), 6);
    let mut factor = 1.0;
    for layer in &mut weights.layers {
        for linear in [&mut layer.attn_c_proj, &mut layer.mlp_c_proj] {
            let scaled = linear.weight.by_inputs().iter().map(|weight| weight * factor).collect();
            linear.weight = Matrix::by_input(Rows::of_f32(scaled, linear.weight.outputs()));
            linear.bias.iter_mut().for_each(|value| *value *= factor);
        }
        factor *= 10.0;
    }
    weights
}

fn keeps_its_digits(gpu: &Gpu, algorithm: Algorithm, cases: &[(&str, Weights)]) {
    let config = config();
    let request = Request { prompt: vec![1, 2, 3], new_tokens: 6, sampling: Sampling::GREEDY, end_tokens: Vec::new() };
    let tuning = common::tuning(gpu, algorithm, 32, request.positions());
    let program = Arm::of(algorithm).program(&config, &request, &tuning);
    if !optional::runs(gpu, algorithm, &program) {
        return;
    }
    for (what, weights) in cases {
        let blocks = weight_blocks(&config, weights, &[Layout::InOut, Layout::OutIn(Format::F32)]);
        let prepared = Prepared::new(gpu, &program, &blocks).unwrap();
        prepared.run(Policy::OneSubmit).unwrap();
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&prepared.read("tokens").unwrap());
        let logits: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("logits").unwrap());
        let tokens = new_tokens(&request, &words);
        let mut reference = Reference::new(&config, weights);
        let gate = reference.check_all_logits(&request, &tokens, &logits, TOLERANCE);
        assert!(gate.pass, "{}, {what}: {}", program.name, gate.reason);
    }
}

#[test]
fn norms_keep_their_digits() {
    let gpu = Gpu::open(None).unwrap();
    let cases = [
        ("a mean of 10", shifted(10.0)),
        ("a mean of 100", shifted(100.0)),
        ("a mean of 1,000", shifted(1000.0)),
        ("a stream that grows", growing()),
    ];
    for algorithm in ALGORITHMS.map(|about| about.algorithm) {
        keeps_its_digits(&gpu, algorithm, &cases);
    }
}
