//! The tokens of a GGUF file, as the tokenizer's crate takes them.

use std::collections::BTreeMap;

use serde_json::Value;
use tokenizers::AddedToken;
use tokenizers::models::bpe::{BPE, Vocab};

use super::file::File;
use crate::error::{Error, Result, printable};

/// What a message ends with, where the model can be run without its tokenizer.
pub const MEND: &str = "give the prompt as token ids";

/// The crate finds them all by one automaton; the vocabularies of Llama 3 and Qwen have a few hundred.
const MOST_SPECIAL: usize = 10_000;

/// Kinds of tokens in `tokenizer.ggml.token_type`.
pub const NORMAL: i64 = 1;
pub const UNKNOWN: i64 = 2;
pub const CONTROL: i64 = 3;
pub const USER_DEFINED: i64 = 4;

/// The tokens of a file by their ids.
pub struct Vocabulary {
    pub tokens: Vec<String>,
    pub kinds: Vec<i64>,
    pub ids: BTreeMap<String, u32>,
}

/// How text becomes what a model of merges takes, and back; in the words of a `tokenizer.json`.
pub struct Parts {
    pub model: BPE,
    pub normalizer: Option<Value>,
    pub pre_tokenizer: Option<Value>,
    pub decoder: Value,
    /// Whether a sequence begins with the start token where the file does not say.
    pub adds_start: bool,
}

impl Vocabulary {
    pub fn read(file: &File, bytes: &[u8]) -> Result<Vocabulary> {
        let Some(texts) = file.texts(bytes, "tokenizer.ggml.tokens") else {
            return Err(Error::input(format!("tokenizer.ggml.tokens is missing; {MEND}")));
        };
        // llama.cpp names what has no text in the same way.
        let named =
            |(id, text): (usize, &str)| if text.is_empty() { format!("[EMPTY_{id}]") } else { text.to_string() };
        let tokens: Vec<String> = texts.enumerate().map(named).collect();
        let kinds: Vec<i64> = match file.numbers(bytes, "tokenizer.ggml.token_type") {
            Some(kinds) => kinds.map(|kind| kind as i64).collect(),
            None => vec![NORMAL; tokens.len()],
        };
        if kinds.len() != tokens.len() {
            let (kinds, tokens) = (kinds.len(), tokens.len());
            return Err(Error::input(format!("the file has {tokens} tokens and types of {kinds}; {MEND}")));
        }
        let mut ids = BTreeMap::new();
        for (id, token) in tokens.iter().enumerate() {
            if ids.insert(token.clone(), id as u32).is_some() {
                return Err(Error::input(format!("token `{}` is there twice; {MEND}", printable(token))));
            }
        }
        Ok(Vocabulary { tokens, kinds, ids })
    }

    /// The tokens of these kinds, which are found in a text before it is split.
    pub fn added(&self, kinds: &[i64]) -> Result<Vec<AddedToken>> {
        let added = self.tokens.iter().zip(&self.kinds).filter(|(_, kind)| kinds.contains(kind));
        let added: Vec<AddedToken> = added
            .map(|(token, kind)| AddedToken::from(token.clone(), *kind != USER_DEFINED).normalized(false))
            .collect();
        match added.len() {
            0..=MOST_SPECIAL => Ok(added),
            many => Err(Error::input(format!("{many} special tokens, at most {MOST_SPECIAL} are supported; {MEND}"))),
        }
    }

    /// The crate's model: a word is merged by the pair that stands first.
    pub fn model(&self, merges: Vec<(String, String)>, byte_fallback: bool, whole_words: bool) -> Result<BPE> {
        let vocabulary = self.ids.iter().map(|(token, id)| (token.clone(), *id));
        BPE::builder()
            .vocab_and_merges(vocabulary.collect::<Vocab>(), merges)
            .byte_fallback(byte_fallback)
            .ignore_merges(whole_words)
            .build()
            .map_err(|error| Error::input(format!("damaged vocabulary: {}; {MEND}", printable(&error.to_string()))))
    }
}
