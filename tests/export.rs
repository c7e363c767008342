//! Exported cases: what another program reads is what the arms are measured with.

mod fixture;

use std::path::Path;

use fixture::{Temporary, onedispatch, refusal};
use onedispatch::digest::sha256_hex;
use onedispatch::peer::case::{CaseFile, FORMAT};
use onedispatch::peer::export::export;
use onedispatch::spec::Spec;
use onedispatch::workload::decode::format::Format;
use onedispatch::workload::decode::gate::Reference;
use onedispatch::workload::decode::model::{Request, Sampling};
use onedispatch::workload::decode::model_files::ModelFiles;
use onedispatch::workload::decode::{checkpoint, oracle, tensors};
use safetensors::SafeTensors;

const SPEC: &str = r#"name = "export-quick"
question = "Does another program get the same case?"
workload = "decode"
seed = 5
quick = true
samples = 4
warmup_s = 0.25
arm_cap_s = 3.0
tolerance = 1e-3
tolerance_reason = "f32"

[decode]
n_embd = [6, 32]
n_layer = [2]
vocab_size = [37]
new_tokens = [9]
prompt_tokens = [1, 5]
"#;

/// In the layout of GPT-2, and of other families.
fn specs() -> [String; 2] {
    let sizes = "n_embd = [6, 32]\nn_layer = [2]\nvocab_size = [37]\n";
    assert!(SPEC.contains(sizes));
    [SPEC.to_owned(), SPEC.replace(sizes, "shape = [\"llama-tiny\"]\n")]
}

fn spec() -> Spec {
    Spec::parse(SPEC, "spec").unwrap()
}

fn read(directory: &Path) -> CaseFile {
    serde_json::from_slice(&std::fs::read(directory.join("case.json")).unwrap()).unwrap()
}

/// The files hold the case's model, and tokens and logits that pass the gate without any error.
#[test]
fn an_exported_case_is_whole_and_right() {
    for (text, cases) in specs().iter().zip([4, 2]) {
        exported_is_right(text, cases);
    }
}

fn exported_is_right(text: &str, cases: usize) {
    let out = Temporary::new();
    let directories = export(&Spec::parse(text, "spec").unwrap(), &[], &out.0, &mut |_| Ok(())).unwrap();
    assert_eq!(directories.len(), cases);
    for directory in directories {
        let case = read(&directory);
        let name = directory.file_name().unwrap().to_str().unwrap();
        assert_eq!((case.format.as_str(), case.case.as_str()), (FORMAT, name));
        assert_eq!((case.experiment.as_str(), case.sampling.as_str()), ("export-quick", "greedy"));
        assert_eq!(case.spec_sha256, sha256_hex(text.as_bytes()));
        let protocol = case.protocol;
        assert_eq!((protocol.samples, protocol.fewest_samples, protocol.seed), (4, 4, 5));
        assert_eq!((protocol.warmup_s, protocol.arm_cap_s), (0.25, 3.0));

        let model = checkpoint::load(&ModelFiles::open(&directory).unwrap()).unwrap();
        assert!(model.end_tokens.is_empty());
        assert_eq!(tensors::weights_sha256(&model.config, &model.weights), case.weights_sha256);
        assert_eq!(case.prompt.len(), if name.ends_with("p5") { 5 } else { 1 });

        let bytes = std::fs::read(directory.join("expected.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let logits = file.tensor("logits").unwrap();
        assert_eq!(logits.shape(), [9, model.config.vocab_size as usize]);
        let logits: Vec<f64> = bytemuck::pod_collect_to_vec(logits.data());
        let logits: Vec<f32> = logits.into_iter().map(|logit| logit as f32).collect();
        let request = Request {
            prompt: case.prompt.clone(),
            new_tokens: case.new_tokens,
            sampling: Sampling::GREEDY,
            end_tokens: Vec::new(),
        };
        let mut reference = Reference::new(&model.config, &model.weights);
        let gate = reference.check_all_logits(&request, &case.expected_tokens, &logits, 1e-7);
        assert!(gate.pass, "{name}: {}", gate.reason);
    }
}

/// A peer with packed weights is held to the oracle of the weights that are left, as the arms in the same format are.
#[test]
fn a_case_has_an_oracle_for_each_format_of_the_arms() {
    let out = Temporary::new();
    let arms = "arms = [\"fused-grid\", \"fused-grid-q8_0\", \"fused-grid-q8_0-unchecked\"]\n\n[decode]";
    let spec = Spec::parse(&SPEC.replace("[decode]", arms), "spec").unwrap();
    let directory = export(&spec, &["d32-l2-t9-p1".into()], &out.0, &mut |_| Ok(())).unwrap().remove(0);
    let case = read(&directory);
    assert_eq!(case.formats.keys().collect::<Vec<_>>(), ["q8_0"]);

    let model = checkpoint::load(&ModelFiles::open(&directory).unwrap()).unwrap();
    let request =
        Request { prompt: case.prompt.clone(), new_tokens: 9, sampling: Sampling::GREEDY, end_tokens: Vec::new() };
    let expected = oracle::expected(&model.config, &Format::Q8_0.rounded(&model.config, &model.weights), &request);
    let bytes = std::fs::read(directory.join("expected-q8_0.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let logits: Vec<f64> = bytemuck::pod_collect_to_vec(file.tensor("logits").unwrap().data());
    assert_eq!((&case.formats["q8_0"].tokens, &logits), (&expected.0, &expected.1));
}

#[test]
fn chosen_cases_are_written_anew_and_the_same() {
    let out = Temporary::new();
    let only = ["d6-l2-t9-p1".to_owned()];
    let first = export(&spec(), &only, &out.0, &mut |_| Ok(())).unwrap();
    let files = ["case.json", "config.json", "model.safetensors", "expected.safetensors"];
    let bytes = || files.map(|file| std::fs::read(first[0].join(file)).unwrap());
    let before = bytes();
    std::fs::write(first[0].join("model.safetensors"), "half").unwrap();
    assert_eq!(export(&spec(), &only, &out.0, &mut |_| Ok(())).unwrap(), first);
    assert_eq!(bytes(), before);
    assert_eq!(std::fs::read_dir(&out.0).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_exported_is_refused_in_one_line() {
    let out = Temporary::new();
    let refused = |rest: &[&str]| refusal(onedispatch(&["export"]).args(rest), &out);
    let file = out.0.join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("cases");
    let unused = out.0.join("cases");
    let [file, below, unused] = [&file, &below, &unused].map(|path| path.to_str().unwrap());
    let lines = [
        refused(&["experiments/controls.toml", "--out", unused]),
        refused(&["experiments/decode-quick.toml", "--out", unused, "--case", "d33-l1-t16"]),
        refused(&["experiments/decode-quick.toml", "--out", below]),
        refused(&[file, "--out", below]),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}
