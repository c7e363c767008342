//! SentencePiece's merges by scores, as the merges in order that the tokenizer's crate takes.
//!
//! SentencePiece merges the adjacent pair whose joined text is the token of the highest score, the leftmost of equal ones. What
//! becomes a token is merged inside as if it stood alone, since no merge has crossed its ends: so it is always joined of the
//! same two tokens. One merge for each token, in the order of scores, hence gives the same ids, if no two scores are equal.

use std::collections::BTreeMap;

use serde_json::json;

use super::file::File;
use super::vocabulary::{MEND, NORMAL, Parts, Vocabulary};
use crate::error::{Error, Result, printable};

/// Letters of the longest token: each is compared with its neighbours once a merge. SentencePiece itself makes up to 16.
const LONGEST: usize = 256;

pub fn parts(file: &File, bytes: &[u8], vocabulary: &Vocabulary) -> Result<Parts> {
    let refuse = |fault: &str| Err(Error::input(format!("the vocabulary {fault}; {MEND}")));
    if file.flag("tokenizer.ggml.remove_extra_whitespaces") == Some(true) {
        return refuse("drops spaces, which is not supported");
    }
    if file.get("tokenizer.ggml.precompiled_charsmap").is_some() {
        return refuse("rewrites letters by a table, which is not supported");
    }
    if let Some(byte) = (0..=u8::MAX).find(|byte| !vocabulary.ids.contains_key(&format!("<0x{byte:02X}>"))) {
        return refuse(&format!("has no token <0x{byte:02X}>"));
    }
    let Some(scores) = file.numbers(bytes, "tokenizer.ggml.scores") else { return refuse("has no scores") };
    let scores: Vec<f64> = scores.collect();
    if scores.len() != vocabulary.tokens.len() || scores.iter().any(|score| score.is_nan()) {
        return refuse("has scores that do not fit its tokens");
    }
    let spaced = file.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let prepend = spaced.then(|| json!({"type": "Prepend", "prepend": "▁"}));
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let strip = spaced.then(|| json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    let decoders = [
        Some(json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "})),
        Some(json!({"type": "ByteFallback"})),
        Some(json!({"type": "Fuse"})),
        strip,
    ];
    Ok(Parts {
        model: vocabulary.model(merges(vocabulary, &scores)?, true, false)?,
        normalizer: Some(json!({
            "type": "Sequence",
            "normalizers": prepend.into_iter().chain([replace]).collect::<Vec<_>>(),
        })),
        pre_tokenizer: None,
        decoder: json!({"type": "Sequence", "decoders": decoders.into_iter().flatten().collect::<Vec<_>>()}),
        adds_start: true,
    })
}

/// The last merge of each token that merges make, by falling scores.
fn merges(vocabulary: &Vocabulary, scores: &[f64]) -> Result<Vec<(String, String)>> {
    let normal = |id: &usize| vocabulary.kinds[*id] == NORMAL;
    let known: BTreeMap<&str, f64> =
        (0..scores.len()).filter(normal).map(|id| (vocabulary.tokens[id].as_str(), scores[id])).collect();
    let mut merges = Vec::new();
    for (&token, &score) in &known {
        if token.chars().nth(LONGEST).is_some() {
            return Err(Error::input(format!("token `{}` is over {LONGEST} letters long; {MEND}", printable(token))));
        }
        if let Some(letter) =
            token.char_indices().map(|(at, letter)| &token[at..][..letter.len_utf8()]).find(|letter| {
                // SentencePiece would merge a letter that is no token; the crate has it as bytes by then.
                !vocabulary.ids.contains_key(*letter)
            })
        {
            let (token, letter) = (printable(token), printable(letter));
            return Err(Error::input(format!("token `{token}` holds `{letter}`, which is no token; {MEND}")));
        }
        if let Some(pair) = last_merge(token, &known) {
            merges.push((score, pair));
        }
    }
    merges.sort_by(|a, b| b.0.total_cmp(&a.0));
    if let Some(pair) = merges.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let (first, second) = (pair[0].1, pair[1].1);
        let [first, second] = [first, second].map(|(left, right)| printable(&format!("{left}{right}")));
        return Err(Error::input(format!("tokens `{first}` and `{second}` have the same score; {MEND}")));
    }
    Ok(merges.into_iter().map(|(_, (left, right))| (left.to_string(), right.to_string())).collect())
}

/// The two tokens that a token is merged of at last; none where merges end before it, or it is a letter.
fn last_merge<'a>(token: &'a str, known: &BTreeMap<&str, f64>) -> Option<(&'a str, &'a str)> {
    let mut ends: Vec<usize> = token.char_indices().map(|(at, letter)| at + letter.len_utf8()).collect();
    loop {
        let start = |i: usize| if i == 0 { 0 } else { ends[i - 1] };
        let pairs =
            (0..ends.len().saturating_sub(1)).filter_map(|i| Some((i, *known.get(&token[start(i)..ends[i + 1]])?)));
        // The first of equal ones.
        let (i, _) = pairs.reduce(|best, pair| if pair.1 > best.1 { pair } else { best })?;
        if ends.len() == 2 {
            return Some(token.split_at(ends[0]));
        }
        ends.remove(i);
    }
}
