//! What the peers themselves make of tiny cases on the CPU is taken in, where there is what they need.

mod fixture;
mod running_peers;

use std::path::Path;

use fixture::{Measured, Temporary};
use onedispatch::cases::decode::config_of;
use onedispatch::peer::export::export;
use onedispatch::record::rows::Case;
use onedispatch::record::run::load_all;
use onedispatch::record::summary::summarise;
use onedispatch::spec::Spec;
use onedispatch::workload::decode::{random, tensors};
use running_peers::{has_built, manifest, python, run_peer, taken_in, today};
use serde_json::Value;

const DECODE: &str = r#"name = "peers"
question = "Do the peers decode a tiny model?"
workload = "decode"
seed = 5
quick = true
samples = 5
warmup_s = 0.01
arm_cap_s = 1.0
tolerance = 1e-3
tolerance_reason = "f32"

[decode]
n_embd = [8]
n_layer = [1]
new_tokens = [5]
vocab_size = [19]
prompt_tokens = [2]
"#;

const ENGINES: &str = r#"name = "engines"
question = "Do engines decode a tiny model in each format of its weights?"
workload = "decode"
seed = 5
quick = true
samples = 5
warmup_s = 0.01
arm_cap_s = 1.0
tolerance = 1e-3
tolerance_reason = "f32"
arms = ["fused-grid", "fused-grid-f16", "fused-grid-q8_0", "fused-grid-q4_0"]

[decode]
n_embd = [64]
n_layer = [2]
new_tokens = [5]
vocab_size = [19]
prompt_tokens = [2]
"#;

/// The rows of an arm of a spec's only case, as the runner would write them of one that was cut, so that nothing is said of the work
/// of others.
fn measured(spec: &Spec) -> Measured {
    let case = spec.cases().remove(0);
    let config = config_of(&case).unwrap();
    let mut measured = fixture::decode(1);
    measured.results.retain(|row| row.key.arm == "fused-workgroup" && row.gate == "pass");
    measured.samples.retain(|sample| sample.key.arm == "fused-workgroup");
    measured.results.iter_mut().for_each(|row| {
        row.key.case = case.name.clone();
        (row.units, row.multiply_adds, row.min_bytes) = (1, 1, 1);
    });
    measured.samples.iter_mut().for_each(|sample| sample.key.case = case.name.clone());
    for row in &mut measured.results {
        let of_row: Vec<_> = measured.samples.iter().filter(|sample| sample.key == row.key).cloned().collect();
        summarise(&row.key, &of_row).write_into(row);
        row.cap = format!("1 of {} tokens", case.new_tokens);
    }
    measured.case = Case {
        case: case.name.clone(),
        n_embd: case.n_embd,
        n_head: case.n_head,
        n_inner: case.n_inner,
        vocab_size: case.vocab_size,
        prompt_tokens: case.prompt_tokens,
        new_tokens: case.new_tokens,
        seed: case.seed,
        weights_sha256: tensors::weights_sha256(&config, &random::weights(&config, case.seed)),
        ..measured.case
    };
    measured
}

#[test]
fn python_peers_decode_on_a_cpu() {
    let Some(python) = python() else { return };
    let temporary = Temporary::new();
    let (data, cases) = (temporary.0.join("data"), temporary.0.join("cases"));
    let spec = Spec::parse(DECODE, "spec").unwrap();
    let is_built = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/build/burn/release/libburn_peer.so").exists();
    let has_burn = is_built || std::env::var_os("BURN_PEER_LIBRARY").is_some();
    let run_on = |data: &Path, device: &str| {
        fixture::write(data, manifest(DECODE, device, &today()), &[fixture::controls(), measured(&spec)]);
    };
    run_on(&data, "cpu");
    for case in export(&spec, &[], &cases, &mut |_| Ok(())).unwrap() {
        for peer in ["jax", "cuda", "onnxruntime"] {
            let out = temporary.0.join(format!("{peer}.json"));
            run_peer(&python, &format!("{peer}/run.py"), &case, &out, &[]);
            taken_in(&data, &out);
        }
        if has_built("burn", has_burn, "scripts/burn-peer.sh") {
            // It runs on a software device rather than on the processor itself.
            let (data, out) = (temporary.0.join("software"), temporary.0.join("burn.json"));
            run_peer(&python, "burn/run.py", &case, &out, &[]);
            let result: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
            run_on(&data, result["device"]["name"].as_str().unwrap());
            taken_in(&data, &out);
        }
    }
}

/// llama.cpp, in each format that the arms of a spec have, by the oracle of the weights that are left in it. It rounds what a product takes
/// in to as many bits as the weights have, to eight at most; a layer that is wrong is farther off than that.
#[test]
fn llama_cpp_decodes_on_a_cpu() {
    let Some(python) = python() else { return };
    let is_built = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/build/llama-cpp/cpu/decode").exists();
    if !has_built("llama.cpp", is_built, "peers/llama-cpp/build.sh cpu") {
        return;
    }
    let temporary = Temporary::new();
    let (data, cases, out) = (temporary.0.join("data"), temporary.0.join("cases"), temporary.0.join("llama-cpp.json"));
    let spec = Spec::parse(ENGINES, "spec").unwrap();
    fixture::write(&data, manifest(ENGINES, "cpu", &today()), &[fixture::controls(), measured(&spec)]);
    let case = export(&spec, &[], &cases, &mut |_| Ok(())).unwrap().remove(0);
    let variants = "cpu-f32,cpu-f16-flash,cpu-q4_0,cpu-q8_0-flash";
    run_peer(&python, "llama-cpp/run.py", &case, &out, &["--variants", variants]);
    taken_in(&data, &out);
    let run = load_all(&data).unwrap().remove(0);
    let rows = run.peers.rows.iter().map(|row| (row.variant.as_str(), row.min_bytes));
    let [exact, .., packed] = rows.collect::<Vec<_>>()[..] else { panic!("no rows") };
    assert_eq!((exact.0, packed.0), ("cpu-f32", "cpu-q8_0-flash"));
    assert!(packed.1 < exact.1 / 2, "{packed:?} beside {exact:?}");
}
