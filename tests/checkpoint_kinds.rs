//! Checkpoints as tools and people leave them: in shards, with prefixes, without biases, with heads of other tasks, with several end
//! tokens.

mod checkpoints;

use std::process::Command;

use checkpoints::{CONFIG_JSON, Dir, File, Stored, bytes, config, dir, file, stored, weights};
use safetensors::tensor::Dtype;
use serde_json::{Value, json};

const INDEX: &str = "model.safetensors.index.json";

fn head() -> Stored {
    file(Dtype::F32, "")["wte.weight"].clone()
}

#[test]
fn any_prefix_before_all_names_is_taken_off() {
    for prefix in ["_orig_mod.", "module.", "pretrained_model.", "_orig_mod.module.", "a.b.c."] {
        for model in ["", "transformer."] {
            let mut file = file(Dtype::F32, &format!("{prefix}{model}"));
            file.insert(format!("{prefix}lm_head.weight"), head());
            let loaded = dir(bytes(&file)).load().unwrap();
            assert_eq!(loaded.weights, weights(), "{prefix}{model}");
            assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
        }
    }
}

/// A tied model has one matrix, which some tools save under the other name.
#[test]
fn an_embedding_may_be_there_as_the_head() {
    let mut file = file(Dtype::F32, "transformer.");
    let embedding = file.remove("transformer.wte.weight").unwrap();
    file.insert("lm_head.weight".into(), embedding);
    assert_eq!(dir(bytes(&file)).load().unwrap().weights, weights());
}

#[test]
fn biases_that_are_all_missing_are_zeros() {
    let mut without = file(Dtype::F32, "transformer.");
    without.retain(|name, _| !name.ends_with(".bias"));
    without.insert("score.bias".into(), stored(&[1.0], &[1], Dtype::F32));
    let loaded = dir(bytes(&without)).load().unwrap();
    let mut expected = weights();
    for layer in &mut expected.layers {
        for linear in [&mut layer.attn_c_attn, &mut layer.attn_c_proj, &mut layer.mlp_c_fc, &mut layer.mlp_c_proj] {
            linear.bias.fill(0.0);
        }
        layer.ln_1.bias.fill(0.0);
        layer.ln_2.bias.fill(0.0);
    }
    expected.ln_f.bias.fill(0.0);
    assert_eq!(loaded.weights, expected);
    assert_eq!(loaded.notes[0], "there are no biases; zeros stand for them");

    // With one of them left, the others are missing.
    let one = file(Dtype::F32, "transformer.")["transformer.ln_f.bias"].clone();
    without.insert("transformer.ln_f.bias".into(), one);
    assert!(dir(bytes(&without)).refusal().contains("tensor h.0.ln_1.bias [8] is missing"));
}

#[test]
fn heads_of_other_tasks_are_left_out_with_a_note() {
    let mut file = file(Dtype::F32, "transformer.");
    let number = || stored(&[f32::NAN], &[1], Dtype::F32);
    for name in
        ["score.weight", "v_head.summary.bias", "multiple_choice_head.\u{1b}[31m", "lm_head.bias", "transformer.z"]
    {
        file.insert(name.into(), number());
    }
    let loaded = dir(bytes(&file)).load().unwrap();
    assert_eq!(loaded.weights, weights());
    assert_eq!(
        loaded.notes,
        [
            r"left out, as no part of GPT-2 with its own head: lm_head.bias [1], multiple_choice_head.\u{1b}[31m [1], score.weight [1] and 2 more"
        ]
    );
}

#[test]
fn doubles_are_rounded() {
    let mut file = file(Dtype::F64, "");
    assert_eq!(dir(bytes(&file)).load().unwrap().weights, weights());
    let bias: Vec<u8> =
        [1.0 / 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1e300f64].iter().flat_map(|x| x.to_le_bytes()).collect();
    file.insert("ln_f.bias".into(), Stored { dtype: Dtype::F64, shape: vec![8], bytes: bias });
    assert!(dir(bytes(&file)).refusal().contains("tensor ln_f.bias has inf at [7]"));
}

/// What is there under other names is shown where something is missing.
#[test]
fn missing_tensors_are_told_with_those_that_are_there() {
    let mut renamed = File::new();
    for (name, tensor) in file(Dtype::F32, "") {
        renamed.insert(name.replace("attn.", "self_attn."), tensor);
    }
    let none = dir(bytes(&File::new())).refusal();
    insta::assert_snapshot!([dir(bytes(&renamed)).refusal(), none].join("\n"));
}

/// A directory with the model in `shards`, tensors dealt out in turn.
fn sharded(shards: usize, change: impl FnOnce(&mut Vec<File>, &mut Value)) -> Dir {
    let name = |shard: usize| format!("model-{:05}-of-{shards:05}.safetensors", shard + 1);
    let mut files = vec![File::new(); shards];
    let mut index = json!({ "metadata": { "total_size": 1 }, "weight_map": {} });
    for (place, (tensor, stored)) in file(Dtype::F16, "transformer.").into_iter().enumerate() {
        index["weight_map"][&tensor] = json!(name(place % shards));
        files[place % shards].insert(tensor, stored);
    }
    change(&mut files, &mut index);
    let dir = Dir::new().with("config.json", CONFIG_JSON).with(INDEX, index.to_string());
    files.iter().enumerate().fold(dir, |dir, (shard, file)| dir.with(&name(shard), bytes(file)))
}

#[test]
fn shards_make_one_model() {
    let whole = dir(bytes(&file(Dtype::F16, "transformer."))).load().unwrap();
    for shards in [1, 2, 5] {
        assert_eq!(sharded(shards, |_, _| ()).load().unwrap().weights, whole.weights);
    }
    // One file comes first, as in `transformers`.
    let both = sharded(2, |_, _| ()).with("model.safetensors", bytes(&file(Dtype::F32, "")));
    assert_eq!(both.load().unwrap().weights, weights());
}

#[test]
fn faults_of_shards_are_named() {
    let placed = |file: &'static str| {
        sharded(2, move |_, index| index["weight_map"]["transformer.wpe.weight"] = json!(file)).refusal()
    };
    let missing = sharded(2, |_, _| ());
    std::fs::remove_file(missing.0.join("model-00002-of-00002.safetensors")).unwrap();
    let cut = sharded(2, |_, _| ()).with("model-00002-of-00002.safetensors", "12345678");
    let lines = [
        missing.refusal(),
        cut.refusal(),
        placed("../model.safetensors"),
        placed("/etc/passwd"),
        placed("C:\\x.safetensors"),
        placed("x\u{1b}.safetensors"),
        placed("model.bin"),
        placed("model-00003-of-00002.safetensors"),
        sharded(2, |files, _| drop(files[0].pop_first())).refusal(),
        sharded(2, |files, _| {
            let (name, tensor) = files[0].first_key_value().unwrap();
            let (name, tensor) = (name.clone(), tensor.clone());
            files[1].insert(name, tensor);
        })
        .refusal(),
        sharded(2, |_, index| index["weight_map"] = json!({})).refusal(),
        sharded(2, |_, index| index["weight_map"] = json!([1])).refusal(),
        sharded(2, |_, index| *index = json!({})).refusal(),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

fn end_tokens(own: &str, generation: Option<&str>) -> Vec<u32> {
    let config = CONFIG_JSON.replace("\"eos_token_id\": 3", own);
    let dir = Dir::new().with("config.json", config).with("model.safetensors", bytes(&file(Dtype::F32, "")));
    let dir = generation.into_iter().fold(dir, |dir, text| dir.with("generation_config.json", text));
    dir.load().unwrap().end_tokens
}

#[test]
fn end_tokens_are_those_of_generation_config_where_it_is_there() {
    assert_eq!(end_tokens("\"eos_token_id\": [4, 9, 10]", None), [4, 9]);
    assert_eq!(end_tokens("\"eos_token_id\": 3", Some("{\"eos_token_id\": [1, 2]}")), [1, 2]);
    assert_eq!(end_tokens("\"eos_token_id\": null", Some("{\"eos_token_id\": 5, \"x\": Infinity}")), [5]);
    assert!(end_tokens("\"eos_token_id\": 3", Some("{}")).is_empty());
    let broken = dir(bytes(&file(Dtype::F32, ""))).with("generation_config.json", "{");
    assert!(broken.refusal().starts_with("generation_config.json: not a JSON object"), "{}", broken.refusal());
}

#[test]
fn numbers_that_only_python_writes_are_read() {
    let text = CONFIG_JSON.replace('{', "{\"repetition_penalty\": Infinity, \"n\": [NaN, -Infinity], ");
    let dir = Dir::new().with("config.json", &text).with("model.safetensors", bytes(&file(Dtype::F32, "")));
    assert_eq!(dir.load().unwrap().config, config());
    let dir = dir.with("config.json", text.replace("\"n\":", "\"layer_norm_epsilon\": Infinity, \"n\":"));
    assert_eq!(dir.refusal(), "config.json: layer_norm_epsilon is \"Infinity\"; it must be a number between 0 and 1");
}

fn generate(dir: &Dir, rest: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onedispatch"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
        .args(["generate", "--prompt-ids", "1,2", "--tokens", "4", "--model"])
        .arg(&dir.0)
        .args(rest)
        .output()
        .unwrap()
}

/// Before a device is looked for, so that this needs none.
#[test]
fn a_weight_beyond_f16_is_refused_of_arms_in_f16() {
    let mut file = file(Dtype::F32, "");
    let mut values = weights().layers[0].mlp_c_fc.weight.by_inputs().into_owned();
    values[0] = 70_000.0;
    file.insert("h.0.mlp.c_fc.weight".into(), stored(&values, &[8, 12], Dtype::F32));
    let output = generate(&dir(bytes(&file)), &["--arm", "fused-subgroup-f16"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "onedispatch: h.0.mlp.c_fc.weight [0, 0] is 70000, beyond f16's 65504; use bf16 or f32\n"
    );
}

/// With any one of several end tokens, in the kernels of all arms; and notes are told.
#[test]
fn generation_ends_with_any_end_token() {
    let mut model = file(Dtype::F32, "");
    model.insert("score.weight".into(), stored(&[1.0], &[1], Dtype::F32));
    let model = bytes(&model);
    let answer = |end: &[u32], arm: &str| -> Vec<u32> {
        let dir = dir(&model).with("generation_config.json", json!({ "eos_token_id": end }).to_string());
        let output = generate(&dir, &["--arm", arm, "--temperature", "3", "--seed", "1"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains("score.weight [1]"), "{said}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().split(',').map(|token| token.parse().unwrap()).collect()
    };
    let whole = answer(&[], "stepwise");
    let others: Vec<u32> = (0..10).filter(|token| !whole.contains(token)).take(7).collect();
    let at = (1..4).find(|&at| !whole[..at].contains(&whole[at])).expect("a second token comes");
    for arm in ["stepwise", "fused-workgroup"] {
        for place in [0, 1, 5] {
            let mut end = others.clone();
            end.insert(place.min(end.len()), whole[at]);
            assert_eq!(answer(&end, arm), whole[..=at], "{arm}, {end:?}");
        }
        assert_eq!(answer(&others, arm), whole, "{arm}");
    }
}
