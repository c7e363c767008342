//! The tokens that end a generation: `eos_token_id` of `generation_config.json`, or of `config.json` where there is no such file.

use std::path::Path;

use serde_json::{Map, Value};

use super::python_json;
use crate::error::{Error, Result, Within};

/// How many a request may have: the words that shaders have for them.
pub const END_TOKENS: usize = 8;

/// Those of `generation_config.json` in `dir`; nothing where there is no such file.
///
/// As in `transformers`, the file stands for all: where it is there and names none, none of `config.json` counts.
pub fn read(dir: &Path, vocab_size: u32) -> Result<Option<Vec<u32>>> {
    let path = dir.join("generation_config.json");
    if !path.exists() {
        return Ok(None);
    }
    let text = python_json::text(&path, 1)?;
    parse(&text, vocab_size).within(path.display()).map(Some)
}

/// Those of the text of a `generation_config.json`.
pub fn parse(text: &str, vocab_size: u32) -> Result<Vec<u32>> {
    let keys = python_json::object(text)
        .map_err(|error| Error::input(format!("not a JSON object ({error}); mend it, or leave the file out")))?;
    of(&keys, vocab_size)
}

/// Those that `eos_token_id` names: none, one, or a list. One outside the vocabulary is never made, so it is left out.
pub fn of(keys: &Map<String, Value>, vocab_size: u32) -> Result<Vec<u32>> {
    let found = match keys.get("eos_token_id") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(tokens)) => tokens.as_slice(),
        Some(token) => std::slice::from_ref(token),
    };
    let mut tokens = Vec::new();
    for value in found {
        let token = value.as_u64().and_then(|token| u32::try_from(token).ok()).filter(|&token| token < vocab_size);
        // -1 stands for none in some checkpoints.
        if !value.is_i64() && !value.is_u64() {
            return Err(Error::input(format!(
                "eos_token_id is {}; it must be a token id or a list of them",
                python_json::brief(value)
            )));
        }
        tokens.extend(token.filter(|token| !tokens.contains(token)));
    }
    at_most(&tokens).within("eos_token_id")?;
    Ok(tokens)
}

/// Refuses more than a request can have.
pub fn at_most(tokens: &[u32]) -> Result<()> {
    match tokens.len() {
        0..=END_TOKENS => Ok(()),
        more => Err(Error::input(format!("there are {more} end tokens; give at most {END_TOKENS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(eos_token_id: Value) -> Result<Vec<u32>> {
        parse(&json!({ "eos_token_id": eos_token_id }).to_string(), 64)
    }

    #[test]
    fn one_or_several_are_read() {
        assert_eq!(found(json!(5)).unwrap(), [5]);
        assert_eq!(found(json!([5, 0, 5, 63])).unwrap(), [5, 0, 63]);
        assert_eq!(found(json!([9, -1, 64, 1u64 << 40])).unwrap(), [9]);
        assert_eq!(found(json!([0, 1, 2, 3, 4, 5, 6, 7, 7])).unwrap().len(), END_TOKENS);
        for none in [json!(null), json!(-1), json!(64), json!(1u64 << 40), json!([])] {
            assert!(found(none).unwrap().is_empty());
        }
        assert!(parse("{}", 64).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let line = |value| found(value).unwrap_err().to_string();
        let why = "it must be a token id or a list of them";
        assert_eq!(line(json!("</s>")), format!("eos_token_id is \"</s>\"; {why}"));
        assert_eq!(line(json!([1, [2]])), format!("eos_token_id is [2]; {why}"));
        assert_eq!(line(json!(1.5)), format!("eos_token_id is 1.5; {why}"));
        let many: Vec<u32> = (0..9).collect();
        assert_eq!(line(json!(many)), "eos_token_id: there are 9 end tokens; give at most 8");
        assert!(parse("[]", 64).unwrap_err().to_string().starts_with("not a JSON object"));
    }
}
