//! The page's files, without a browser: what the native program makes of sizes that the page's modules are held to as well.

use std::num::NonZeroU32;
use std::path::Path;

use onedispatch::measure::decode::weight_blocks;
use onedispatch::record::digest::sha256_hex;
use onedispatch::workload::decode::model::{Config, Request, Sampling};
use onedispatch::workload::decode::{Algorithm, Arm, Tuning, random};
use serde_json::{Value, json};

const DIGESTS: &str = "web/tests/digests.json";

fn config(n_embd: u32, n_head: u32, n_layer: u32, n_inner: u32, vocab_size: u32, layer_norm_epsilon: f64) -> Config {
    Config {
        vocab_size,
        n_positions: 24,
        n_embd,
        n_head,
        n_layer,
        n_inner,
        layer_norm_epsilon,
        scale_attn_weights: true,
    }
}

/// Digests of programs and of packed weights: of even sizes, of odd ones, of a model that needs exponents in its JSON.
fn digests() -> Value {
    let configs = [
        config(32, 2, 1, 128, 64, 1e-5),
        config(30, 3, 2, 50, 37, 1e-6),
        config(96, 6, 1, 200, 101, 2.5e-6),
        config(7, 1, 3, 9, 5, 1e-12),
        Config { scale_attn_weights: false, ..config(256, 4, 1, 1024, 64, 1e-5) },
    ];
    let greedy = Request { prompt: vec![1, 2], new_tokens: 20, sampling: Sampling::Greedy, end_token: None };
    let sampling = Sampling::TopK { temperature: 0.7, top_k: 3, seed: 0x0123_4567_89ab_cdef };
    let drawn = Request { prompt: vec![4], new_tokens: 9, sampling, end_token: Some(3) };
    let tunings = [(1, 0, false, None), (64, 4, true, Some(1)), (256, 32, false, Some(7)), (1024, 8, true, None)];
    let mut programs = Vec::new();
    let mut weights = Vec::new();
    for config in &configs {
        let arms = ["fused-scalar", "fused-workgroup", "fused-subgroup", "fused-subgroup-f16", "fused-subgroup-bf16"];
        let arms = arms.map(|name| Arm::named(name).unwrap());
        for arm in arms {
            for (workgroup_size, subgroup_size, keep_logits, chunk) in tunings {
                let needs = arm.algorithm == Algorithm::FusedSubgroup;
                if (arm.algorithm == Algorithm::FusedScalar) != (workgroup_size == 1) || needs && subgroup_size == 0 {
                    continue;
                }
                for request in [&greedy, &drawn] {
                    let chunk = chunk.and_then(NonZeroU32::new);
                    let capacity = request.positions() + 1;
                    let tuning = Tuning { subgroup_size, keep_logits, chunk, ..Tuning::of(workgroup_size, capacity) };
                    programs.push(json!({
                        "arm": arm.name(),
                        "config": plain(config),
                        "request": {
                            "prompt": request.prompt,
                            "new_tokens": request.new_tokens,
                            "sampling": match request.sampling {
                                Sampling::Greedy => Value::Null,
                                Sampling::TopK { temperature, top_k, seed } => json!({
                                    "temperature": f64::from(temperature), "top_k": top_k, "seed": seed.to_string(),
                                }),
                            },
                            "end_token": request.end_token,
                        },
                        "tuning": {
                            "workgroup_size": workgroup_size, "subgroup_size": subgroup_size, "keep_logits": keep_logits,
                            "capacity": capacity, "chunk": chunk,
                        },
                        "sha256": arm.program(config, request, &tuning).sha256(),
                    }));
                }
            }
        }
        let blocks = weight_blocks(config, &random::weights(config, 7), &arms.map(|arm| arm.layout()));
        for (name, bytes) in &blocks {
            weights.push(json!({ "config": plain(config), "seed": 7, "block": name, "sha256": sha256_hex(bytes) }));
        }
    }
    json!({ "programs": programs, "weights": weights })
}

fn plain(config: &Config) -> Value {
    json!({
        "vocab_size": config.vocab_size,
        "n_positions": config.n_positions,
        "n_embd": config.n_embd,
        "n_head": config.n_head,
        "n_layer": config.n_layer,
        "n_inner": config.n_inner,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "scale_attn_weights": config.scale_attn_weights,
    })
}

/// The page's own tests hold its modules to the same file. Written anew where UPDATE_DIGESTS is set.
#[test]
fn the_page_is_held_to_what_is_native() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DIGESTS);
    let made = serde_json::to_string_pretty(&digests()).unwrap() + "\n";
    if std::env::var_os("UPDATE_DIGESTS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap();
    assert!(there == made, "{DIGESTS} is not what the programs are now; write it anew with UPDATE_DIGESTS=1");
}
