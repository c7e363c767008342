//! Checkpoints that load, and one clear line for each fault of those that do not.

mod checkpoints;

use checkpoints::{CONFIG_JSON, Dir, File, Stored, bytes, config, dir, file, stored, weights};
use half::{bf16, f16};
use onedispatch::workload::decode::model_files::ModelFiles;
use onedispatch::workload::decode::text::Tokenizer;
use onedispatch::workload::decode::{checkpoint, tensors};
use proptest::prelude::*;
use safetensors::tensor::Dtype;

fn refusal(change: impl FnOnce(&mut File)) -> String {
    let mut file = file(Dtype::F32, "transformer.");
    change(&mut file);
    dir(bytes(&file)).refusal()
}

#[test]
fn loads_every_type_with_and_without_prefix() {
    for prefix in ["", "transformer."] {
        let exact = dir(bytes(&file(Dtype::F32, prefix))).load().unwrap();
        assert_eq!((exact.config, exact.end_tokens), (config(), vec![3]));
        assert!(exact.notes.is_empty());
        assert_eq!(exact.weights, weights());
        for (dtype, round) in [
            (Dtype::F16, (|x| f16::from_f32(x).to_f32()) as fn(f32) -> f32),
            (Dtype::BF16, |x| bf16::from_f32(x).to_f32()),
        ] {
            let loaded = dir(bytes(&file(dtype, prefix))).load().unwrap();
            let all = tensors::tensors(&loaded.config);
            for (tensor, (found, original)) in
                all.zip(tensors::values(&loaded.weights).zip(tensors::values(&weights())))
            {
                let (found, original) = (found.of(&tensor), original.of(&tensor));
                assert_eq!(found, original.iter().map(|&x| round(x)).collect::<Vec<f32>>());
            }
        }
    }
}

#[test]
fn types_may_differ_within_a_file() {
    let mut mixed = file(Dtype::F32, "");
    mixed.insert("wpe.weight".into(), file(Dtype::BF16, "")["wpe.weight"].clone());
    assert_eq!(dir(bytes(&mixed)).load().unwrap().weights.wte, weights().wte);
}

#[test]
fn known_extras_are_ignored() {
    let mut file = file(Dtype::F32, "transformer.");
    file.insert("lm_head.weight".into(), file["transformer.wte.weight"].clone());
    for layer in 0..2 {
        let mask = Stored { dtype: Dtype::U8, shape: vec![1, 1, 6, 6], bytes: vec![1; 36] };
        file.insert(format!("transformer.h.{layer}.attn.bias"), mask);
        file.insert(format!("transformer.h.{layer}.attn.masked_bias"), stored(&[-1e4], &[], Dtype::F32));
    }
    assert_eq!(dir(bytes(&file)).load().unwrap().weights, weights());
}

#[test]
fn faults_of_tensors_are_named() {
    let put = |name: &'static str, tensor: Stored| {
        move |file: &mut File| {
            file.insert(name.into(), tensor);
        }
    };
    let nan_at = |i: usize| {
        let mut values = weights().layers[1].mlp_c_fc.weight.by_inputs().into_owned();
        values[i] = f32::NAN;
        stored(&values, &[8, 12], Dtype::F32)
    };
    let mut overflowing = [0.0; 8];
    overflowing[5] = 1e6;
    let faults = [
        refusal(|file| drop(file.remove("transformer.h.1.attn.c_attn.bias"))),
        refusal(|file| file.retain(|name, _| !name.starts_with("transformer.h.0"))),
        refusal(put("transformer.h.2.ln_1.weight", stored(&[1.0; 8], &[8], Dtype::F32))),
        refusal(put("transformer.h.2.attn.bias", stored(&[1.0; 4], &[1, 1, 2, 2], Dtype::F32))),
        refusal(put("transformer.h.1.\n\u{1b}[2J.weight", stored(&[1.0], &[1], Dtype::F32))),
        refusal(put("wte.weight", stored(&[1.0; 80], &[10, 8], Dtype::F32))),
        refusal(put("transformer.wte.weight", stored(&[1.0; 80], &[8, 10], Dtype::F32))),
        refusal(put("transformer.ln_f.bias", stored(&[1.0; 9], &[9], Dtype::F32))),
        refusal(put("transformer.h.1.mlp.c_fc.weight", nan_at(2 * 12 + 7))),
        refusal(put("transformer.ln_f.bias", stored(&overflowing, &[8], Dtype::F16))),
        refusal(put("transformer.ln_f.bias", Stored { dtype: Dtype::I8, shape: vec![8], bytes: vec![1; 8] })),
        refusal(put("lm_head.weight", stored(&[1.0; 80], &[10, 8], Dtype::F32))),
        refusal(|file| {
            file.remove("transformer.wpe.weight");
            file.insert("transformer.ln_f.bias".into(), stored(&[f32::NEG_INFINITY; 8], &[8], Dtype::F32));
            file.insert("extra".into(), stored(&[1.0], &[1], Dtype::F32));
        }),
    ];
    insta::assert_snapshot!(faults.join("\n"));
}

/// A file with this header, whatever it says, and `data` bytes after it.
fn with_header(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn files_that_are_no_checkpoint_are_refused() {
    let entry = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"wte.weight":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    let two = |a: &str, b: &str| {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":{a}}},"b":{{"dtype":"F32","shape":[2],"data_offsets":{b}}}}}"#
        )
    };
    // Sizes whose sum wraps around 2^64.
    let part = 1u64 << 60;
    let wrapping: Vec<String> = (0..15)
        .map(|i| {
            format!(r#""t{i}":{{"dtype":"U8","shape":[{part}],"data_offsets":[{},{}]}}"#, i * part, (i + 1) * part)
        })
        .chain([format!(
            r#""u":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}"#,
            part - 1,
            15 * part,
            16 * (part - 1) + 15
        )])
        .collect();
    let refusals = [
        vec![],
        vec![1, 2, 3],
        u64::MAX.to_le_bytes().to_vec(),
        [&1000u64.to_le_bytes()[..], b"{}"].concat(),
        with_header("", 0),
        with_header("not JSON", 0),
        with_header("[]", 0),
        with_header("{}", 0),
        with_header("{}", 4),
        with_header(&"[".repeat(100_000), 0),
        with_header(&entry("F32", "[10,8]", "[0,320]"), 319),
        with_header(&entry("F32", "[10,8]", "[0,320]"), 321),
        with_header(&entry("F32", "[10,8]", "[0,316]"), 316),
        with_header(&entry("F32", "[10,8]", "[320,0]"), 320),
        with_header(&entry("F32", "[4294967296,4294967296]", "[0,320]"), 320),
        with_header(&entry("F32", "[1000000000000]", "[0,4000000000000]"), 320),
        with_header(&entry("F32", "[-1]", "[0,320]"), 320),
        with_header(&entry("F99", "[10,8]", "[0,320]"), 320),
        with_header(&two("[0,8]", "[4,12]"), 12),
        with_header(&two("[0,8]", "[0,12]"), 12),
        with_header(&two("[0,8]", "[12,20]"), 20),
        with_header(&format!("{{{}}}", wrapping.join(",")), 0),
    ]
    .map(|bytes| dir(bytes).refusal());
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = bytes(&file(Dtype::F16, ""));
    for length in (0..whole.len()).step_by(97).chain([7, 8, 9, whole.len() - 1]) {
        let line = dir(&whole[..length]).refusal();
        assert!(line.starts_with("model.safetensors: damaged: "), "{line}");
    }
}

#[test]
fn missing_and_foreign_files_are_named() {
    let model = bytes(&file(Dtype::F32, ""));
    let deep = r#"{"model_type": "gpt2", "vocab_size": 10, "n_positions": 6, "n_embd": 1, "n_head": 1,
        "n_layer": 1000000000}"#;
    let lines = [
        Dir::new().refusal(),
        Dir::new().with("config.json", CONFIG_JSON).refusal(),
        Dir::new().with("config.json", CONFIG_JSON).with("pytorch_model.bin", "").refusal(),
        Dir::new().with("config.json", CONFIG_JSON).with("adapter_model.safetensors", "").refusal(),
        Dir::new().with("config.json", "{").with("model.safetensors", &model).refusal(),
        Dir::new().with("config.json", vec![b' '; 2 << 20]).with("model.safetensors", &model).refusal(),
        Dir::new().with("config.json", b"\xff\xfe").with("model.safetensors", &model).refusal(),
        Dir::new().with("config.json", deep).with("model.safetensors", &model).refusal(),
        Dir::new().with("config.json", CONFIG_JSON.replace("8,", "16,")).with("model.safetensors", &model).refusal(),
    ];
    insta::assert_snapshot!(lines.join("\n"));
    assert!(ModelFiles::open(&Dir::new().0.join("nowhere")).err().unwrap().to_string().contains("no such directory"));
}

/// Only what is asked for is read of a file.
#[test]
fn a_file_far_too_large_is_not_read() {
    let dir = dir(with_header(
        r#"{"wte.weight":{"dtype":"U8","shape":[1099511627768],"data_offsets":[0,1099511627768]}}"#,
        0,
    ));
    let sparse = std::fs::OpenOptions::new().write(true).open(dir.0.join("model.safetensors")).unwrap();
    let header = sparse.metadata().unwrap().len();
    sparse.set_len(header + 1_099_511_627_768).unwrap();
    assert!(dir.refusal().contains("tensor wte.weight has shape [1099511627768], expected [10, 8]"));
    sparse.set_len(header).unwrap();
    assert!(dir.refusal().contains("damaged: its tensors end elsewhere than the file does"));
}

#[test]
fn text_goes_to_ids_and_back() {
    let words = r#"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null,
            "continuing_subword_prefix": "", "end_of_word_suffix": "",
            "fuse_unk": false, "byte_fallback": false, "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4},
            "merges": ["a b", "Ġ ab"]}}"#;
    let tokenizer =
        Tokenizer::load(&ModelFiles::Directory(Dir::new().with("tokenizer.json", words).0.clone())).unwrap();
    assert_eq!(tokenizer.encode("ab aba").unwrap(), [3, 4, 0]);
    assert_eq!(tokenizer.decode(&[3, 4, 0]).unwrap(), "ab aba");
    assert_eq!(tokenizer.decode(&[3, 99]).unwrap(), "ab");
    assert!(tokenizer.encode("").unwrap_err().to_string().contains("no token"));

    let refusal = |dir: Dir| match Tokenizer::load(&ModelFiles::Directory(dir.0.clone())) {
        Ok(_) => panic!("there is no tokenizer"),
        Err(error) => error.to_string().replace(&format!("{}/", dir.0.display()), ""),
    };
    insta::assert_snapshot!(
        refusal(Dir::new()),
        @"tokenizer.json: there is no such file; give the prompt as token ids with --prompt-ids"
    );
    let line = refusal(Dir::new().with("tokenizer.json", "{\"version\": 1}"));
    assert!(line.starts_with("tokenizer.json: not a tokenizer (") && line.contains("--prompt-ids"), "{line}");
    let line = refusal(Dir::new().with("tokenizer.json", r#"{"version": "\u001b[31m9\n"}"#));
    assert!(line.contains(r"\u{1b}[31m9") && !line.contains(char::is_control), "{line}");
}

proptest! {
    #[test]
    fn arbitrary_headers_never_panic(header: Vec<u8>, data: Vec<u8>, claimed in prop::option::of(any::<u64>())) {
        let length = claimed.unwrap_or(header.len() as u64);
        let bytes = [&length.to_le_bytes()[..], &header, &data].concat();
        prop_assert!(checkpoint::parse(bytes.into(), &config()).is_err());
    }

    /// Headers that are JSON of the right form, with numbers and names from the edges.
    #[test]
    fn plausible_headers_never_panic(
        entries in prop::collection::vec(
            (
                prop::sample::select(vec!["wte.weight", "transformer.wte.weight", "ln_f.bias", "h.0.attn.bias", "lm_head.weight", "\u{0}"]),
                prop::sample::select(vec!["F32", "F16", "BF16", "U8", "F4", "C64"]),
                prop::collection::vec(prop::sample::select(vec![0, 1, 2, 8, 10, u64::MAX, 1 << 32, 1 << 61]), 0..4),
                prop::sample::select(vec![0, 8, 80, 320, u64::MAX]),
                prop::sample::select(vec![0, 8, 80, 320, u64::MAX]),
            ),
            0..4,
        ),
        data in 0usize..400,
    ) {
        let header: serde_json::Map<String, serde_json::Value> = entries
            .into_iter()
            .map(|(name, dtype, shape, start, end)| {
                (name.to_string(), serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]}))
            })
            .collect();
        let bytes = with_header(&serde_json::Value::from(header).to_string(), data);
        prop_assert!(checkpoint::parse(bytes.into(), &config()).is_err());
    }

    /// One changed byte gives other weights or an error, never a panic.
    #[test]
    fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), value: u8) {
        let mut bytes = bytes(&file(Dtype::F32, ""));
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = checkpoint::parse(bytes.into(), &config());
    }
}
