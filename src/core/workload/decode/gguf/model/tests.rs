use super::super::written::Written;
use super::*;

/// A Llama with one layer, two heads of four and one key head, and seven tokens.
pub fn llama() -> Written {
    Written::default()
        .text("general.architecture", "llama")
        .whole("llama.block_count", 1)
        .whole("llama.context_length", 64)
        .whole("llama.embedding_length", 8)
        .whole("llama.feed_forward_length", 2)
        .whole("llama.attention.head_count", 2)
        .whole("llama.attention.head_count_kv", 1)
        .number("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &["<|end|>", "a", "b", "ab", "Ġ", "Ġab", "aab"])
        .texts("tokenizer.ggml.merges", &["a b", "Ġ ab", "a ab"])
        .wholes("tokenizer.ggml.token_type", &[3, 1, 1, 1, 1, 1, 1])
        .whole("tokenizer.ggml.bos_token_id", 0)
        .whole("tokenizer.ggml.eos_token_id", 0)
        .text("tokenizer.chat_template", "{{ messages }}")
        .tensor("token_embd.weight", &[8, 7], 0.0)
        .tensor("output_norm.weight", &[8], 0.0)
        .tensor("blk.0.attn_q.weight", &[1, 8], 0.0)
        .tensor("blk.0.attn_k.weight", &[2, 4], 0.0)
        .tensor("blk.0.attn_v.weight", &[2, 4], 0.0)
}

fn gpt2() -> Written {
    Written::default()
        .text("general.architecture", "gpt2")
        .whole("gpt2.block_count", 1)
        .whole("gpt2.context_length", 16)
        .whole("gpt2.embedding_length", 2)
        .whole("gpt2.feed_forward_length", 8)
        .whole("gpt2.attention.head_count", 1)
        .number("gpt2.attention.layer_norm_epsilon", 1e-5)
        .tensor("token_embd.weight", &[2, 3], 0.0)
        .tensor("blk.0.attn_qkv.weight", &[2, 6], 0.0)
        .tensor("blk.0.attn_qkv.bias", &[6], 0.0)
}

fn model(written: &Written) -> Model<Vec<u8>> {
    Model::parse(written.bytes()).unwrap()
}

fn refused(written: Written) -> String {
    match Model::parse(written.bytes()) {
        Ok(model) => model.config().unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_llama_has_hugging_face_keys() {
    let config = model(&llama()).config().unwrap();
    insta::assert_snapshot!(serde_json::to_string(&config).unwrap());
    let more = llama()
        .whole("tokenizer.ggml.eot_token_id", 3)
        .whole("llama.attention.key_length", 16)
        .text("llama.rope.scaling.type", "linear")
        .number("llama.rope.scaling.factor", 2.5)
        .number("llama.rope.freq_base", 5e5)
        .tensor("output.weight", &[8, 7], 0.0)
        .tensor("blk.0.attn_q.bias", &[8], 0.0)
        .tensor("rope_freqs.weight", &[8], 1.0);
    let config = model(&more).config().unwrap();
    insta::assert_snapshot!(serde_json::to_string(&config).unwrap());
}

#[test]
fn qwen_and_gpt2_have_theirs() {
    let qwen = Written {
        keys: llama().keys.into_iter().map(|(key, value)| (key.replace("llama.", "qwen3."), value)).collect(),
        ..llama()
    };
    let qwen = model(&qwen.text("general.architecture", "qwen3"));
    assert_eq!(qwen.config().unwrap()["model_type"], "qwen3");
    // Not moved, as there Hugging Face's order is the file's.
    assert_eq!(qwen.values("model.layers.0.self_attn.q_proj.weight").unwrap(), [0., 1., 2., 3., 4., 5., 6., 7.]);
    insta::assert_snapshot!(serde_json::to_string(&model(&gpt2()).config().unwrap()).unwrap());
}

#[test]
fn rows_that_rotate_together_are_half_a_head_apart() {
    let model = model(&llama());
    assert_eq!(
        model.names(),
        [
            "model.embed_tokens.weight",
            "model.layers.0.self_attn.k_proj.weight",
            "model.layers.0.self_attn.q_proj.weight",
            "model.layers.0.self_attn.v_proj.weight",
            "model.norm.weight"
        ]
    );
    // reshape(heads, half, 2, columns).swapaxes(1, 2) of 0, 1, 2, ...
    assert_eq!(model.values("model.layers.0.self_attn.q_proj.weight").unwrap(), [0., 2., 1., 3., 4., 6., 5., 7.]);
    assert_eq!(model.values("model.layers.0.self_attn.k_proj.weight").unwrap(), [0., 1., 4., 5., 2., 3., 6., 7.]);
    assert_eq!(model.values("model.layers.0.self_attn.v_proj.weight").unwrap(), [0., 1., 2., 3., 4., 5., 6., 7.]);
    assert_eq!(model.shape("model.layers.0.self_attn.k_proj.weight").unwrap(), [4, 2]);
    assert_eq!(model.types(), BTreeMap::from([("F32", 5)]));
}

#[test]
fn gpt2_has_its_matrices_the_other_way_round() {
    let file = model(&gpt2());
    assert_eq!(file.names(), ["h.0.attn.c_attn.bias", "h.0.attn.c_attn.weight", "wte.weight"]);
    assert_eq!(file.shape("h.0.attn.c_attn.weight").unwrap(), [2, 6]);
    assert_eq!(file.values("h.0.attn.c_attn.weight").unwrap(), [0., 2., 4., 6., 8., 10., 1., 3., 5., 7., 9., 11.]);
    assert_eq!(file.values("h.0.attn.c_attn.bias").unwrap().len(), 6);
    // An output head that repeats the embedding is none.
    let repeated = model(&gpt2().tensor("output.weight", &[2, 3], 0.0));
    assert!(!repeated.names().contains(&"lm_head.weight".to_string()));
    let other = model(&gpt2().tensor("output.weight", &[2, 3], 1.0));
    assert_eq!(other.config().unwrap()["tie_word_embeddings"], false);
}

#[test]
fn what_is_not_read_is_refused_in_one_line() {
    let without = |key: &str| {
        let mut written = llama();
        written.keys.retain(|(known, _)| known != key);
        refused(written)
    };
    let mut values = llama().tensor("blk.0.attn_q.bias", &[3], 0.0);
    values.tensors.push(("blk.0.ffn_up.weight".to_string(), vec![256, 1], 16, vec![0; 66]));
    let values = model(&values);
    let lines = [
        refused(llama().text("general.architecture", "mamba\n")),
        without("general.architecture"),
        without("llama.block_count"),
        without("llama.attention.layer_norm_rms_epsilon"),
        refused(llama().whole("split.count", 3)),
        refused(llama().whole("llama.expert_count", 8)),
        refused(llama().whole("llama.rope.dimension_count", 2)),
        refused(llama().whole("llama.attention.head_count", 0)),
        refused(llama().wholes("llama.attention.head_count", &[1, 2])),
        refused(llama().tensor("model.norm.weight", &[8], 0.0)),
        refused(Written { tensors: vec![], ..llama() }),
        values.values("lm_head.weight").unwrap_err(),
        values.values("model.layers.0.self_attn.q_proj.bias").unwrap_err(),
        values.values("model.layers.0.mlp.up_proj.weight").unwrap_err(),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}
