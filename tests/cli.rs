//! The command line as a person meets it: what it says of itself, and one line and an exit code for each fault.

mod fixture;

use std::path::Path;
use std::process::{Command, Output};

use fixture::{Temporary, onedispatch, printed, refusal, text, verbs, without_lists};
use onedispatch::device::Gpu;
use onedispatch::device::adapter::adapters;

/// Relative to the project, where the tests' commands run.
const MODEL: &str = "tests/golden/decode/tiny_d32_l1_h2";

fn generate(model: &str, rest: &[&str]) -> Command {
    onedispatch(&[&["generate", "--model", model][..], rest].concat())
}

const ASKED: [&str; 4] = ["--prompt-ids", "1,2,3", "--tokens", "4"];

#[test]
fn help_teaches() {
    insta::assert_snapshot!("help", printed(&mut onedispatch(&["--help"])));
    for verb in verbs() {
        let help = printed(&mut onedispatch(&[&verb, "--help"]));
        insta::assert_snapshot!(format!("help-{verb}"), without_lists(&help));
    }
}

/// One dispatch for all tokens, or one for every few: the same tokens.
#[test]
fn chunks_give_the_same_tokens() {
    let directory = Temporary::new();
    let answer = |rest: &[&str]| -> serde_json::Value {
        let words = [&ASKED[..], &["--arm", "fused-workgroup", "--format", "json"], rest].concat();
        serde_json::from_str(&printed(&mut generate(MODEL, &words))).unwrap()
    };
    let whole = answer(&[]);
    let chunked = answer(&["--chunk", "3", "--policy", "wait-each"]);
    assert_eq!(chunked["token_ids"], whole["token_ids"]);
    let positions =
        (whole["prompt_ids"].as_array().unwrap().len() + whole["token_ids"].as_array().unwrap().len() - 1) as u64;
    let dispatches = |answer: &serde_json::Value| ["dispatches", "waits"].map(|key| answer[key].as_u64().unwrap());
    assert_eq!((dispatches(&whole), dispatches(&chunked)), ([1; 2], [positions.div_ceil(3); 2]));
    let line =
        refusal(&mut generate(MODEL, &[&ASKED[..], &["--arm", "stepwise", "--chunk", "3"]].concat()), &directory);
    let why = "its workgroups do not wait for each other; it has operation and stage, and fused-grid has all";
    assert_eq!(line, format!("onedispatch: stepwise has no span `chunk:3`: {why}"));
}

/// Clap's own refusals have several lines, with the usage among them.
#[test]
fn wrong_usage_exits_with_2_and_says_what_is_missing() {
    let said = |rest: &[&str]| {
        let Output { status, stderr, .. } = generate(MODEL, rest).output().unwrap();
        assert_eq!(status.code(), Some(2));
        text(&stderr).lines().take_while(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect::<String>()
    };
    let faults = [
        said(&["--tokens", "4"]),
        said(&["--prompt", "a", "--prompt-ids", "1", "--tokens", "4"]),
        said(&["--prompt-ids", "1,x", "--tokens", "4"]),
        said(&["--prompt-ids", "1", "--tokens", "-4"]),
        said(&["--prompt-ids", "1", "--tokens", "4", "--policy", "never"]),
    ];
    insta::assert_snapshot!(without_lists(&faults.concat()));
}

#[test]
fn faults_of_a_spec_are_named() {
    let directory = Temporary::new();
    let out = directory.0.join("out");
    let good = std::fs::read_to_string("experiments/decode-quick.toml").unwrap();
    let spec = |name: &str, from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        let path = directory.0.join(name);
        std::fs::write(&path, good.replace(from, to)).unwrap();
        refusal(onedispatch(&["run"]).arg(path).arg("--out").arg(&out), &directory)
    };
    let faults = [
        spec("unknown-key.toml", "samples =", "smaples ="),
        spec("impossible-size.toml", "n_embd = [32, 64]", "n_embd = [32, 0]"),
        spec("odd-heads.toml", "n_embd = [32, 64]", "n_embd = [33]"),
        spec("unknown-arm.toml", "quick = true", "quick = true\narms = [\"fused\"]"),
        spec("no-toml.toml", "workload =", "workload"),
        refusal(&mut onedispatch(&["run", "no/such/spec.toml"]), &directory),
    ];
    insta::assert_snapshot!(without_lists(&faults.join("\n")));
    // The good one stands first: nothing may be measured before the last is read.
    let line =
        refusal(onedispatch(&["run", "experiments/decode-quick.toml", "no-such.toml", "--out"]).arg(&out), &directory);
    assert!(line.contains("no-such.toml"), "{line}");
    assert!(!out.exists());
}

#[test]
fn faults_of_a_request_are_named() {
    let directory = Temporary::new();
    let says = |rest: &[&str]| refusal(&mut generate(MODEL, rest), &directory);
    let faults = [
        refusal(&mut generate("no/such/model", &ASKED), &directory),
        says(&["--prompt-ids", "1,64", "--tokens", "4"]),
        says(&["--prompt-ids", "1", "--tokens", "100"]),
        says(&["--prompt-ids", "1", "--tokens", "4294967295"]),
        says(&["--prompt-ids", "1", "--tokens", "0"]),
        says(&["--prompt", "text", "--tokens", "4"]),
        says(&["--prompt-ids", "1", "--tokens", "4", "--arm", "fused"]),
        says(&["--prompt-ids", "1", "--tokens", "4", "--top-k", "5"]),
        says(&["--prompt-ids", "1", "--tokens", "4", "--seed", "5"]),
        says(&["--prompt-ids", "1", "--tokens", "4", "--temperature", "1", "--top-k", "65"]),
        says(&["--prompt-ids", "1", "--tokens", "4", "--temperature", "0"]),
        says(&["--prompt-ids", "1", "--tokens", "4", "--temperature", "nan"]),
        says(&["--prompt-ids", "1", "--tokens", "4", "--top-p", "0.9"]),
        says(&["--prompt-ids", "1", "--tokens", "4", "--temperature", "1", "--top-p", "0"]),
        says(&["--prompt-ids", "1", "--tokens", "4", "--temperature", "1", "--min-p", "-0.1"]),
        says(&["--prompt-ids", "1", "--tokens", "4", "--repetition-penalty", "-1"]),
    ];
    insta::assert_snapshot!(without_lists(&faults.join("\n")));
}

#[test]
fn faults_of_a_checkpoint_are_named() {
    let directory = Temporary::new();
    let model = |name: &str, config: &str, weights: Option<&[u8]>| {
        let model = directory.0.join(name);
        std::fs::create_dir_all(&model).unwrap();
        std::fs::write(model.join("config.json"), config).unwrap();
        weights.into_iter().for_each(|bytes| std::fs::write(model.join("model.safetensors"), bytes).unwrap());
        refusal(&mut generate(model.to_str().unwrap(), &ASKED), &directory)
    };
    let config = std::fs::read_to_string(Path::new(MODEL).join("config.json")).unwrap();
    let weights = std::fs::read(Path::new(MODEL).join("model.safetensors")).unwrap();
    let hostile = [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat();
    let faults = [
        model("truncated", &config, Some(&weights[..weights.len() / 2])),
        model("empty", &config, Some(&[])),
        model("hostile", &config, Some(&hostile)),
        model("no-weights", &config, None),
        model("no-config", "{", Some(&weights)),
        model("another-size", &config.replace("\"n_embd\": 32", "\"n_embd\": 48"), Some(&weights)),
    ];
    insta::assert_snapshot!(faults.join("\n"));
}

#[test]
fn an_adapter_that_is_not_there_is_answered_with_those_that_are() {
    let directory = Temporary::new();
    let named = |name: &str| refusal(generate(MODEL, &ASKED).args(["--adapter", name]), &directory);
    let names: Vec<String> = adapters().iter().map(|adapter| format!("`{}`", adapter.get_info().name)).collect();
    let expected = format!("onedispatch: no adapter's name contains `Voodoo`; there are {}", names.join(", "));
    assert_eq!(named("Voodoo"), expected);
    // As of a variable that is not set.
    assert_eq!(named(""), format!("onedispatch: an adapter's name is empty; there are {}", names.join(", ")));
    let out = directory.0.join("out");
    let mut run = onedispatch(&["run", "experiments/decode-quick.toml", "--adapters", "0,", "--out"]);
    let line = refusal(run.arg(&out), &directory);
    assert_eq!(line, format!("onedispatch: an adapter's name is empty; there are {}", names.join(", ")));
}

/// The loader of Vulkan finds drivers where this variable says.
#[cfg(target_os = "linux")]
mod drivers {
    use super::*;
    use crate::fixture::quick::twins;

    #[test]
    fn no_adapter_is_answered_with_what_to_install() {
        let directory = Temporary::new();
        let model = [&["generate", "--model", MODEL][..], &ASKED].concat();
        for arguments in [&["devices"][..], &["run", "experiments/decode-quick.toml"], &model] {
            let mut command = onedispatch(arguments);
            command.env("VK_DRIVER_FILES", "/nonexistent").env("VK_ICD_FILENAMES", "/nonexistent");
            insta::allow_duplicates! {
                insta::assert_snapshot!(
                    refusal(&mut command, &directory),
                    @"onedispatch: no GPU and no software Vulkan device was found; install a GPU driver with Vulkan, or on Debian a software device with `scripts/software-vulkan.sh`"
                );
            }
        }
    }

    #[test]
    fn a_name_that_several_adapters_have_is_answered_with_their_names() {
        let Some(driver) = std::env::var_os("VK_DRIVER_FILES").filter(|_| adapters().len() == 1) else { return };
        let directory = Temporary::new();
        let both = twins(&driver, &directory);
        let name = adapters()[0].get_info().name;
        let asked = |adapter: &str| {
            let mut command = generate(MODEL, &ASKED);
            command.args(["--adapter", adapter]).env("VK_DRIVER_FILES", &both);
            command
        };
        // Two of one name cannot be told apart by it, not even by the whole of it; their numbers tell.
        for part in [&name[..4], &name] {
            let mend = "give more of one, or its number in `onedispatch devices`";
            let expected = format!("onedispatch: several adapters' names contain `{part}`: `{name}`, `{name}`; {mend}");
            assert_eq!(refusal(&mut asked(part), &directory), expected);
        }
        printed(&mut asked("1"));
    }
}

/// A vocabulary whose head is larger than a kernel may bind, in a file that is small: one channel, padded to four.
#[test]
fn a_model_that_does_not_fit_names_the_limit_and_the_size() {
    let limit = Gpu::open(None).unwrap().device.limits().max_storage_buffer_binding_size;
    if limit > 1 << 30 {
        eprintln!("not tested: a model over this device's limit of {limit} bytes would be a file of gigabytes");
        return;
    }
    let vocab = limit / 16 + 4;
    let directory = Temporary::new();
    let config = format!(
        r#"{{"model_type": "gpt2", "vocab_size": {vocab}, "n_positions": 8, "n_embd": 1, "n_head": 1, "n_layer": 1}}"#
    );
    std::fs::write(directory.0.join("config.json"), config).unwrap();
    let shapes = [
        ("wte.weight", vec![vocab as usize, 1]),
        ("wpe.weight", vec![8, 1]),
        ("ln_f.weight", vec![1]),
        ("ln_f.bias", vec![1]),
        ("h.0.ln_1.weight", vec![1]),
        ("h.0.ln_1.bias", vec![1]),
        ("h.0.ln_2.weight", vec![1]),
        ("h.0.ln_2.bias", vec![1]),
        ("h.0.attn.c_attn.weight", vec![1, 3]),
        ("h.0.attn.c_attn.bias", vec![3]),
        ("h.0.attn.c_proj.weight", vec![1, 1]),
        ("h.0.attn.c_proj.bias", vec![1]),
        ("h.0.mlp.c_fc.weight", vec![1, 4]),
        ("h.0.mlp.c_fc.bias", vec![4]),
        ("h.0.mlp.c_proj.weight", vec![4, 1]),
        ("h.0.mlp.c_proj.bias", vec![1]),
    ];
    let zeros = vec![0u8; 2 * vocab as usize];
    let views = shapes.map(|(name, shape)| {
        let bytes = &zeros[..2 * shape.iter().product::<usize>()];
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F16, shape, bytes).unwrap())
    });
    std::fs::write(directory.0.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let model = directory.0.to_str().unwrap();
    let line = refusal(&mut generate(model, &["--prompt-ids", "1", "--tokens", "2", "--arm", "stepwise"]), &directory);
    let device = adapters()[0].get_info().name;
    assert!(
        line.starts_with(&format!("onedispatch: the model does not fit {device} (stepwise: the buffer `weights` (")),
        "{line}"
    );
    assert!(line.contains(&format!("but max_storage_buffer_binding_size is {limit})")), "{line}");
    assert!(line.ends_with("; choose another --arm, device or model"), "{line}");
}

#[test]
fn json_has_the_documented_keys_and_logits_choose_the_tokens() {
    let directory = Temporary::new();
    let file = directory.0.join("logits.safetensors");
    let mut command =
        generate(MODEL, &["--prompt-ids", "34", "--tokens", "9", "--arm", "stepwise", "--policy", "wait-each"]);
    let report = printed(command.args(["--format", "json", "--logits"]).arg(&file));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let mut keys: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort();
    let mut documented = [
        "arm",
        "policy",
        "adapter",
        "prompt_ids",
        "token_ids",
        "tokens_per_s",
        "dispatches",
        "submits",
        "waits",
        "gate",
    ];
    documented.sort();
    assert_eq!(keys, documented);
    assert_eq!(
        (&report["arm"], &report["policy"], &report["gate"]),
        (&"stepwise".into(), &"wait-each".into(), &"pass".into())
    );
    assert_eq!(report["prompt_ids"], serde_json::json!([34]));
    // The golden continuation, 4 + 7 n_layer dispatches for each of its tokens.
    assert_eq!(report["token_ids"], serde_json::json!([54, 49, 7, 10, 11, 41, 10, 61, 13]));
    for count in ["dispatches", "submits", "waits"] {
        assert_eq!(report[count], 9 * 11, "{count}");
    }
    assert!(report["tokens_per_s"].as_f64().unwrap() > 0.0);

    let bytes = std::fs::read(file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.names(), ["logits"]);
    let logits = tensors.tensor("logits").unwrap();
    assert_eq!((logits.dtype(), logits.shape()), (safetensors::Dtype::F32, &[9, 64][..]));
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(logits.data());
    let largest = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    assert_eq!(report["token_ids"], serde_json::json!(values.chunks(64).map(largest).collect::<Vec<_>>()));
}

#[test]
fn text_prints_the_tokens_and_a_seed_repeats_itself() {
    let asked = ["--prompt-ids", "34", "--tokens", "9", "--arm", "stepwise"];
    assert_eq!(printed(&mut generate(MODEL, &asked)), "54,49,7,10,11,41,10,61,13\n");
    let drawn = |seed| printed(generate(MODEL, &asked).args(["--temperature", "1.5", "--top-k", "20", "--seed", seed]));
    let one = drawn("1");
    assert_eq!(drawn("1"), one);
    assert_ne!(drawn("2"), one);
}

/// The tiny model, with a tokenizer of 64 words.
fn with_words(directory: &Temporary) -> String {
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(MODEL).join(file), directory.0.join(file)).unwrap();
    }
    let vocab: serde_json::Map<String, serde_json::Value> =
        (0..64).map(|id| (if id == 63 { "-".into() } else { format!("w{id}") }, id.into())).collect();
    let tokenizer = serde_json::json!({"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "WhitespaceSplit"},
        "decoder": null, "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"}});
    std::fs::write(directory.0.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    directory.0.to_str().unwrap().to_owned()
}

#[test]
fn text_follows_its_prompt_and_comes_as_it_is_made() {
    let directory = Temporary::new();
    let model = with_words(&directory);
    let says = |rest: &[&str]| printed(generate(&model, rest).args(["--arm", "stepwise"]));
    let whole = "w34 w54 w49 w7 w10\n";
    assert_eq!(says(&["--prompt", "w34", "--tokens", "4"]), whole);
    assert_eq!(says(&["--prompt", "w34", "--tokens", "4", "--stream"]), whole);
    let fused = ["--prompt", "w34", "--tokens", "4", "--stream", "--arm", "fused-workgroup"];
    assert_eq!(printed(&mut generate(&model, &fused)), whole);
    assert!(says(&["--prompt", "- w34", "--tokens", "1"]).starts_with("- w34 w"));
    // Without a number, up to what the context holds.
    assert!(says(&["--prompt", "w34"]).starts_with(whole.trim_end()));
    let report = says(&["--prompt", "w34", "--tokens", "4", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["prompt"], &report["text"]), (&"w34".into(), &" w54 w49 w7 w10".into()));
}

#[test]
fn a_prompt_comes_from_standard_input() {
    let directory = Temporary::new();
    let model = with_words(&directory);
    let file = directory.0.join("prompt.txt");
    std::fs::write(&file, "w34\n").unwrap();
    let mut command = generate(&model, &["--prompt", "-", "--tokens", "4", "--arm", "stepwise"]);
    command.stdin(std::fs::File::open(&file).unwrap());
    assert_eq!(printed(&mut command), "w34 w54 w49 w7 w10\n");
}
