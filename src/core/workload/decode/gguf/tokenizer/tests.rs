use proptest::prelude::*;

use super::super::model::tests::llama;
use super::super::words::SPLITTINGS;
use super::super::written::Written;
use super::*;

fn build(written: &Written) -> Result<Tokenizer> {
    let bytes = written.bytes();
    tokenizer(&File::parse(&bytes)?, &bytes)
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, true).unwrap().get_ids().to_vec()
}

#[test]
fn words_are_merged_and_special_tokens_found() {
    let tokenizer = build(&llama()).unwrap();
    // `ab` is merged first, then `a` with it.
    assert_eq!(ids(&tokenizer, "ab ab<|end|>aab"), [3, 5, 0, 6]);
    assert_eq!(tokenizer.decode(&[3, 5, 0, 6], false).unwrap(), "ab ab<|end|>aab");
    assert_eq!(tokenizer.decode(&[3, 5, 0, 6], true).unwrap(), "ab abaab");
    let bytes = llama().bytes();
    let file = File::parse(&bytes).unwrap();
    assert_eq!(chat_template(&file), Some("{{ messages }}"));
    assert_eq!(
        (special(&file, &bytes, "bos").as_deref(), special(&file, &bytes, "separator")),
        (Some("<|end|>"), None)
    );
}

#[test]
fn the_file_says_what_is_added_around_a_text() {
    let around = |written: Written| ids(&build(&written).unwrap(), "ab");
    assert_eq!(around(llama().text("tokenizer.ggml.pre", "llama-bpe")), [0, 3]);
    assert_eq!(
        around(llama().text("tokenizer.ggml.pre", "llama-bpe").flag("tokenizer.ggml.add_bos_token", false)),
        [3]
    );
    let both = llama().flag("tokenizer.ggml.add_bos_token", true).flag("tokenizer.ggml.add_eos_token", true);
    assert_eq!(around(both.whole("tokenizer.ggml.eos_token_id", 6)), [0, 3, 6]);
}

#[test]
fn every_splitting_is_built() {
    for name in SPLITTINGS.iter().flat_map(|known| known.names) {
        let written = llama().text("tokenizer.ggml.pre", name).flag("tokenizer.ggml.add_bos_token", false);
        assert_eq!(ids(&build(&written).unwrap(), "ab ab"), [3, 5], "{name}");
    }
}

/// A vocabulary of SentencePiece: three special tokens, the bytes, letters and then these by falling scores.
fn pieces(merged: &[&str]) -> Written {
    let bytes: Vec<String> = (0..256).map(|byte| format!("<0x{byte:02X}>")).collect();
    let letters = ["▁", "a", "b"];
    let tokens: Vec<&str> = ["<unk>", "<s>", "</s>"]
        .into_iter()
        .chain(bytes.iter().map(String::as_str))
        .chain(letters)
        .chain(merged.iter().copied())
        .collect();
    let kinds: Vec<i32> = [2, 3, 3].into_iter().chain([6; 256]).chain([1; 3]).chain(merged.iter().map(|_| 1)).collect();
    let scores: Vec<f32> =
        [0.0; 259].into_iter().chain([-1e6; 3]).chain((0..merged.len()).map(|i| -(i as f32))).collect();
    Written::default()
        .text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", &tokens)
        .wholes("tokenizer.ggml.token_type", &kinds)
        .numbers("tokenizer.ggml.scores", &scores)
        .whole("tokenizer.ggml.bos_token_id", 1)
}

#[test]
fn sentence_pieces_have_spaces_and_bytes() {
    let tokenizer = build(&pieces(&["▁a", "ab"])).unwrap();
    // ▁a, b; then the bytes of é; a space alone is ▁.
    assert_eq!(ids(&tokenizer, "abé  ab"), [1, 262, 261, 3 + 0xc3, 3 + 0xa9, 259, 262, 261]);
    assert_eq!(tokenizer.decode(&[262, 261, 3 + 0xc3, 3 + 0xa9, 259, 262, 261], true).unwrap(), "abé  ab");
    // What follows a special token begins anew.
    assert_eq!(ids(&tokenizer, "a</s>a"), [1, 262, 2, 262]);
}

/// SentencePiece's rule, word for word: the adjacent pair of the highest score, the leftmost of equal ones.
fn by_scores(text: &str, merged: &[&str]) -> Vec<String> {
    let mut parts: Vec<String> = text.chars().map(String::from).collect();
    let score = |pair: &[String]| merged.iter().position(|token| *token == pair.concat());
    while let Some((_, at)) = (1..parts.len()).filter_map(|at| Some((score(&parts[at - 1..=at])?, at))).min() {
        let right = parts.remove(at);
        parts[at - 1].push_str(&right);
    }
    parts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// Texts of two letters, so that tokens repeat and overlap as often as they can.
    #[test]
    fn sentence_pieces_are_merged_by_scores(
        merged in prop::collection::hash_set("[ab]{2,7}", 1..24),
        texts in prop::collection::vec("[ab]{1,40}", 20),
    ) {
        let merged: Vec<&str> = merged.iter().map(String::as_str).collect();
        let written = pieces(&merged).flag("tokenizer.ggml.add_space_prefix", false);
        let tokenizer = build(&written.flag("tokenizer.ggml.add_bos_token", false)).unwrap();
        for text in texts {
            let tokens = tokenizer.encode(text.as_str(), true).unwrap().get_tokens().to_vec();
            prop_assert_eq!(tokens, by_scores(&text, &merged));
        }
    }
}

#[test]
fn what_is_not_exact_is_refused_in_one_line() {
    let without = |mut written: Written, key: &str| {
        written.keys.retain(|(known, _)| known != key);
        written
    };
    let spaced = pieces(&["ab"]);
    let refused = [
        without(llama(), "tokenizer.ggml.model"),
        without(llama(), "tokenizer.ggml.tokens"),
        without(llama(), "tokenizer.ggml.merges"),
        without(llama(), "tokenizer.ggml.pre"),
        llama().text("tokenizer.ggml.model", "rwkv"),
        llama().text("tokenizer.ggml.pre", "deepseek-llm"),
        llama().texts("tokenizer.ggml.merges", &["ab"]),
        llama().texts("tokenizer.ggml.merges", &["a c"]),
        llama().texts("tokenizer.ggml.tokens", &["a", "b", "a", "", "", "", ""]),
        llama().wholes("tokenizer.ggml.token_type", &[1]),
        llama().flag("tokenizer.ggml.add_bos_token", true).whole("tokenizer.ggml.bos_token_id", 7),
        without(spaced.clone(), "tokenizer.ggml.scores"),
        spaced.clone().numbers("tokenizer.ggml.scores", &[0.0]),
        pieces(&["ac"]),
        pieces(&["ab", &"ab".repeat(200)]),
        pieces(&["ab", "ba"]).numbers("tokenizer.ggml.scores", &[0.0; 264]),
        spaced.clone().flag("tokenizer.ggml.remove_extra_whitespaces", true),
        spaced.clone().texts("tokenizer.ggml.precompiled_charsmap", &[]),
        spaced.texts("tokenizer.ggml.tokens", &["a"]).wholes("tokenizer.ggml.token_type", &[1]),
    ];
    let lines: Vec<String> = refused.iter().map(|written| build(written).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
