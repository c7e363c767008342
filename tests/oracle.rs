//! The f64 oracle against golden checkpoints of an independent implementation (`golden/decode/README.md`).

use std::path::{Path, PathBuf};

use onedispatch::pause::at_once;
use onedispatch::workload::decode::checkpoint;
use onedispatch::workload::decode::config;
use onedispatch::workload::decode::gate;
use onedispatch::workload::decode::model::{Request, Sampling};
use onedispatch::workload::decode::model_files::ModelFiles;
use onedispatch::workload::decode::oracle::Oracle;
use onedispatch::workload::decode::sampling::choose;
use serde::Deserialize;
use serde_json::Value;

/// Names, and the largest error of a logit. The two differ only by the order of f64 sums and the last bit of exp and tanh; of
/// the Llama family also by cosines and sines, which both round to f32 from other angles.
const MODELS: [(&str, f64); 9] = [
    ("tiny_d32_l1_h2", 1e-12),
    ("small_d64_l3_h4", 1e-12),
    ("odd_d96_l2_h6_inner200", 1e-12),
    ("llama_gqa_d64_l2_h8_kv2", 1e-5),
    ("qwen2_bias_d48_l3_h4_kv2", 1e-5),
    ("mistral_d48_l2_h8_kv2", 1e-5),
    ("qwen3_d40_l2_h4_kv2", 1e-5),
    ("llama3_scaled_d64_l2_h4_kv4", 1e-5),
    ("llama_linear_d32_l2_h2_kv1", 1e-5),
];

#[derive(Deserialize)]
struct Expected {
    prompt: Vec<u32>,
    /// Prompt and greedy continuation.
    tokens: Vec<u32>,
    logits_step0: Vec<f64>,
    logits_last: Vec<f64>,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decode").join(name)
}

fn expected(name: &str) -> Expected {
    serde_json::from_slice(&std::fs::read(golden(name).join("expected.json")).unwrap()).unwrap()
}

/// Largest difference over the range of what is expected.
fn error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let max = expected.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let min = expected.iter().copied().fold(f64::INFINITY, f64::min);
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / (max - min)
}

/// What an independent implementation made is compared with the oracle here, and with arms in `arms.rs`.
#[test]
fn every_golden_checkpoint_is_compared() {
    let arms = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arms.rs")).unwrap();
    for entry in std::fs::read_dir(golden("")).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            assert!(MODELS.iter().any(|(listed, _)| *listed == name), "MODELS in tests/oracle.rs lacks {name}");
            assert!(arms.contains(&format!("reproduces_golden(\"{name}\"")), "no test in tests/arms.rs decodes {name}");
        }
    }
}

/// Each family of models has such a checkpoint.
#[test]
fn every_family_has_a_golden_checkpoint() {
    let models = MODELS.map(|(name, _)| std::fs::read_to_string(golden(name).join("config.json")).unwrap());
    for family in config::families() {
        let has = models.iter().any(|keys| serde_json::from_str::<Value>(keys).unwrap()["model_type"] == family);
        assert!(has, "no checkpoint in tests/golden/decode/ is a {family}");
    }
}

#[test]
fn reproduces_golden_tokens_and_logits() {
    for (name, tolerance) in MODELS {
        let model = checkpoint::load(&ModelFiles::open(&golden(name)).unwrap()).unwrap();
        let expected = expected(name);
        let mut oracle = Oracle::new(&model.config, &model.weights);
        let (last, before) = expected.prompt.split_last().unwrap();
        before.iter().for_each(|&token| at_once(oracle.feed(token)));

        let mut tokens = expected.prompt.clone();
        let mut logits = at_once(oracle.step(*last));
        assert!(error(&logits, &expected.logits_step0) < tolerance, "{name}: first logits");
        loop {
            let token = choose(&logits, Sampling::GREEDY, 0);
            tokens.push(token);
            if tokens.len() == expected.tokens.len() {
                break;
            }
            logits = at_once(oracle.step(token));
        }
        assert_eq!(tokens, expected.tokens, "{name}");
        assert!(error(&logits, &expected.logits_last) < tolerance, "{name}: last logits");
    }
}

#[test]
fn the_gate_passes_golden_outputs() {
    for (name, _) in MODELS {
        let model = checkpoint::load(&ModelFiles::open(&golden(name)).unwrap()).unwrap();
        let expected = expected(name);
        let tokens = &expected.tokens[expected.prompt.len()..];
        let request = Request {
            prompt: expected.prompt.clone(),
            new_tokens: tokens.len() as u32,
            sampling: Sampling::GREEDY,
            end_tokens: model.end_tokens.clone(),
        };
        let last: Vec<f32> = expected.logits_last.iter().map(|&logit| logit as f32).collect();
        let gate = gate::check(&model.config, &model.weights, &request, tokens, &last, 1e-6);
        assert!(gate.pass, "{name}: {gate:?}");
    }
}
