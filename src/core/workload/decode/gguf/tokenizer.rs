//! The tokenizer of a GGUF file, built of its vocabulary: the same ids as by the `tokenizer.json` of the same model.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer};

use super::file::File;
use super::vocabulary::{CONTROL, MEND, UNKNOWN, USER_DEFINED, Vocabulary};
use super::{pieces, words};
use crate::error::{Error, Result, printable};

/// The Jinja template of a chat, where the file has one.
pub fn chat_template(file: &File) -> Option<&str> {
    file.text("tokenizer.chat_template")
}

/// The text of a special token, such as `bos`, where the file has one. `bytes` are those of the file.
pub fn special(file: &File, bytes: &[u8], name: &str) -> Option<String> {
    let id = file.whole(&format!("tokenizer.ggml.{name}_token_id"))?;
    file.texts(bytes, "tokenizer.ggml.tokens")?.nth(usize::try_from(id).ok()?).map(str::to_owned)
}

/// The tokenizer, with its special tokens and what it adds to a sequence. `bytes` are those of the file.
///
/// # Errors
///
/// One line for a vocabulary that is damaged, or of a kind that this project cannot split text for exactly.
pub fn tokenizer(file: &File, bytes: &[u8]) -> Result<Tokenizer> {
    let vocabulary = Vocabulary::read(file, bytes)?;
    let parts = match file.text("tokenizer.ggml.model") {
        Some("gpt2") => words::parts(file, bytes, &vocabulary)?,
        Some("llama") => pieces::parts(file, bytes, &vocabulary)?,
        Some(other) => {
            let other = printable(other);
            return Err(Error::input(format!("tokenizer.ggml.model is {other}; gpt2 and llama are read; {MEND}")));
        }
        None => return Err(Error::input(format!("tokenizer.ggml.model is missing; {MEND}"))),
    };
    let mut tokenizer = Tokenizer::new(parts.model);
    tokenizer.with_normalizer(parts.normalizer.map(part::<NormalizerWrapper>).transpose()?);
    tokenizer.with_pre_tokenizer(parts.pre_tokenizer.map(part::<PreTokenizerWrapper>).transpose()?);
    tokenizer.with_decoder(Some(part::<DecoderWrapper>(parts.decoder)?));
    tokenizer.with_post_processor(
        around(file, &vocabulary, parts.adds_start)?.map(part::<PostProcessorWrapper>).transpose()?,
    );
    tokenizer.add_special_tokens(&vocabulary.added(&[UNKNOWN, CONTROL])?);
    tokenizer.add_tokens(&vocabulary.added(&[USER_DEFINED])?);
    Ok(tokenizer)
}

fn part<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|error| Error::input(format!("the tokenizer cannot be built ({error}); {MEND}")))
}

/// What is added before and after a sequence.
fn around(file: &File, vocabulary: &Vocabulary, adds_start: bool) -> Result<Option<Value>> {
    let token = |name: &str, by_default: bool| {
        if !file.flag(&format!("tokenizer.ggml.add_{name}_token")).unwrap_or(by_default) {
            return Ok(None);
        }
        let key = format!("tokenizer.ggml.{name}_token_id");
        let id = file.whole(&key).and_then(|id| usize::try_from(id).ok());
        match id.and_then(|id| Some((id, vocabulary.tokens.get(id)?))) {
            Some(token) => Ok(Some(token)),
            None => Err(Error::input(format!("{key} is missing or no token; {MEND}"))),
        }
    };
    let (start, end) = (token("bos", adds_start)?, token("eos", false)?);
    if start.is_none() && end.is_none() {
        return Ok(None);
    }
    let special =
        |token: Option<(usize, &String)>| token.map(|(_, text)| json!({"SpecialToken": {"id": text, "type_id": 0}}));
    let sequence = |id: &str| {
        let text = Some(json!({"Sequence": {"id": id, "type_id": 0}}));
        [special(start), text, special(end)].into_iter().flatten().collect::<Vec<Value>>()
    };
    let tokens: serde_json::Map<String, Value> = [start, end]
        .into_iter()
        .flatten()
        .map(|(id, text)| (text.clone(), json!({"id": text, "ids": [id], "tokens": [text]})))
        .collect();
    let pair = [sequence("A"), sequence("B")].concat();
    Ok(Some(json!({
        "type": "TemplateProcessing",
        "single": sequence("A"),
        "pair": pair,
        "special_tokens": tokens,
    })))
}

#[cfg(test)]
mod tests;
