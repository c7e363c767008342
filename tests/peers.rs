//! What the peers themselves make of tiny cases on the CPU is taken in, where there is what they need.

mod fixture;
mod running_peers;

use std::path::Path;

use fixture::Temporary;
use onedispatch::peer::export::export;
use onedispatch::record::run::load_all;
use onedispatch::spec::Spec;
use running_peers::{decoded, has_built, manifest, peers_with, python, run_peer, taken_in, today};
use serde_json::Value;

/// A spec of one tiny case: what stands in it of its arms and of its model.
fn spec(arms: &str, model: &str) -> String {
    format!(
        r#"name = "peers"
question = "Do peers decode a tiny model?"
workload = "decode"
seed = 5
quick = true
samples = 5
warmup_s = 0.01
arm_cap_s = 1.0
tolerance = 1e-3
tolerance_reason = "f32"
{arms}

[decode]
{model}
new_tokens = [5]
prompt_tokens = [2]
"#
    )
}

/// Writes a run of the spec's case by an arm that was cut, so that nothing is said of the work of others.
fn write_run(data: &Path, text: &str, device: &str) {
    let case = Spec::parse(text, "spec").unwrap().cases().remove(0);
    let measured = decoded(&case, |row| {
        (row.units, row.multiply_adds, row.min_bytes) = (1, 1, 1);
        row.cap = format!("1 of {} tokens", case.new_tokens);
    });
    fixture::write(data, manifest(text, device, &today()), &[fixture::controls(), measured]);
}

/// Peers that a script builds first: each has its own part below.
const BUILT: [&str; 2] = ["burn", "llama-cpp"];

#[test]
fn python_peers_decode_on_a_cpu() {
    let Some(python) = python() else { return };
    let temporary = Temporary::new();
    let (data, cases) = (temporary.0.join("data"), temporary.0.join("cases"));
    let text = spec("", "n_embd = [8]\nn_layer = [1]\nvocab_size = [19]");
    let is_built = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/build/burn/release/libburn_peer.so").exists();
    let has_burn = is_built || std::env::var_os("BURN_PEER_LIBRARY").is_some();
    write_run(&data, &text, "cpu");
    for case in export(&Spec::parse(&text, "spec").unwrap(), &[], &cases, &mut |_| Ok(())).unwrap() {
        for peer in peers_with("run.py").iter().filter(|peer| !BUILT.contains(&peer.as_str())) {
            let out = temporary.0.join(format!("{peer}.json"));
            run_peer(&python, &format!("{peer}/run.py"), &case, &out, &[]);
            taken_in(&data, &out);
        }
        if has_built("burn", has_burn, "scripts/burn-peer.sh") {
            // It runs on a software device rather than on the processor itself.
            let (data, out) = (temporary.0.join("software"), temporary.0.join("burn.json"));
            run_peer(&python, "burn/run.py", &case, &out, &[]);
            let result: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
            write_run(&data, &text, result["device"]["name"].as_str().unwrap());
            taken_in(&data, &out);
        }
    }
}

/// llama.cpp, in the layouts of GPT-2 and of Llama, in each format that the arms of a spec have, by the oracle of the weights that are
/// left in it. It rounds what a product takes in to as many bits as the weights have, to eight at most; a layer that is wrong is farther
/// off than that.
#[test]
fn llama_cpp_decodes_on_a_cpu() {
    let Some(python) = python() else { return };
    let is_built = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/build/llama-cpp/cpu/decode").exists();
    if !has_built("llama.cpp", is_built, "peers/llama-cpp/build.sh cpu") {
        return;
    }
    for model in ["n_embd = [64]\nn_layer = [2]\nvocab_size = [19]", "shape = [\"llama-tiny\"]"] {
        llama_cpp_decodes(&python, model);
    }
}

fn llama_cpp_decodes(python: &str, model: &str) {
    let temporary = Temporary::new();
    let (data, cases, out) = (temporary.0.join("data"), temporary.0.join("cases"), temporary.0.join("llama-cpp.json"));
    let text = spec(r#"arms = ["fused-grid", "fused-grid-f16", "fused-grid-q8_0", "fused-grid-q4_0"]"#, model);
    write_run(&data, &text, "cpu");
    let case = export(&Spec::parse(&text, "spec").unwrap(), &[], &cases, &mut |_| Ok(())).unwrap().remove(0);
    let variants = "cpu-f32,cpu-f16-flash,cpu-q4_0,cpu-q8_0-flash";
    run_peer(python, "llama-cpp/run.py", &case, &out, &["--variants", variants]);
    taken_in(&data, &out);
    let run = load_all(&data).unwrap().remove(0);
    let rows = run.peers.rows.iter().map(|row| (row.variant.as_str(), row.min_bytes));
    let [exact, .., packed] = rows.collect::<Vec<_>>()[..] else { panic!("no rows") };
    assert_eq!((exact.0, packed.0), ("cpu-f32", "cpu-q8_0-flash"));
    assert!(packed.1 < exact.1 / 2, "{model}: {packed:?} beside {exact:?}");
}
