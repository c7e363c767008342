//! Every arm, on whatever device there is, against the oracle in f64.

use std::sync::Arc;

use onedispatch::device::Gpu;
use onedispatch::device::executor::Prepared;
use onedispatch::program::{Blocks, Policy};
use onedispatch::workload::decode::model::{Config, Request, Sampling, Weights};
use onedispatch::workload::decode::oracle::Oracle;
use onedispatch::workload::decode::packing::{Layout, pack};
use onedispatch::workload::decode::{Arm, Tuning, new_tokens, random, sampling};

fn config(n_embd: u32, n_head: u32, n_layer: u32, n_inner: u32, vocab_size: u32) -> Config {
    Config {
        vocab_size,
        n_positions: 64,
        n_embd,
        n_head,
        n_layer,
        n_inner,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
    }
}

fn oracle_tokens(config: &Config, weights: &Weights, request: &Request) -> (Vec<u32>, Vec<f64>) {
    let mut oracle = Oracle::new(config, weights);
    let mut logits = Vec::new();
    for &token in &request.prompt {
        logits = oracle.step(token);
    }
    let mut tokens = Vec::new();
    loop {
        let token = sampling::choose(&logits, request.sampling, tokens.len() as u32);
        tokens.push(token);
        if tokens.len() == request.new_tokens as usize || request.end_token == Some(token) {
            return (tokens, logits);
        }
        logits = oracle.step(token);
    }
}

fn check(gpu: &Gpu, config: &Config, request: &Request) {
    let weights = random::weights(config, 7);
    let (expected, expected_logits) = oracle_tokens(config, &weights, request);
    let mut blocks = Blocks::new();
    for layout in [Layout::InOut, Layout::OutIn] {
        blocks.insert(layout.block().into(), Arc::new(pack(config, &weights, layout)));
    }
    for arm in Arm::ALL {
        for &workgroup_size in arm.workgroup_sizes() {
            let tuning = Tuning {
                workgroup_size,
                subgroup_size: gpu.info.subgroup_min_size,
                keep_logits: false,
                capacity: request.positions(),
            };
            let program = arm.program(config, request, &tuning);
            if gpu.objection(&program).is_some() {
                continue;
            }
            let prepared = Prepared::new(gpu, &program, &blocks).unwrap();
            for policy in if arm.is_fused() { vec![Policy::OneSubmit] } else { Policy::ALL.to_vec() } {
                prepared.run(policy).unwrap();
                let tokens: Vec<u32> = bytemuck::pod_collect_to_vec(&prepared.read("tokens").unwrap());
                let what = format!("{} {policy} at workgroup {workgroup_size}, {config:?}", arm.name());
                assert_eq!(new_tokens(request, &tokens), expected, "{what}");
                let logits: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("logits").unwrap());
                let range = expected_logits.iter().fold(0f64, |most, logit| most.max(logit.abs()));
                for (got, want) in logits.iter().zip(&expected_logits) {
                    assert!((f64::from(*got) - want).abs() < 1e-5 * range, "{what}: logit {got}, expected {want}");
                }
            }
        }
    }
}

#[test]
fn every_arm_at_every_workgroup_size_follows_the_oracle() {
    let gpu = Gpu::open(None).unwrap();
    let greedy =
        |prompt: Vec<u32>, new_tokens| Request { prompt, new_tokens, sampling: Sampling::Greedy, end_token: None };
    check(&gpu, &config(32, 2, 1, 128, 64), &greedy(vec![3], 24));
    check(&gpu, &config(30, 3, 2, 50, 37), &greedy(vec![3, 1, 4, 1, 5], 12));
    check(&gpu, &config(6, 6, 1, 7, 5), &greedy(vec![3, 1], 12));
    check(&gpu, &config(128, 2, 2, 512, 64), &greedy(vec![9], 8));
    let sampled = Sampling::TopK { temperature: 0.8, top_k: 10, seed: 0x1234_5678_9abc };
    check(
        &gpu,
        &config(32, 2, 1, 128, 64),
        &Request { prompt: vec![3, 4], new_tokens: 24, sampling: sampled, end_token: None },
    );
}
