//! Text to token ids and back, by the checkpoint's own `tokenizer.json`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::normalizers::Precompiled;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::normalizer::SplitDelimiterBehavior;

use super::gguf;
use super::model_files::ModelFiles;
use super::oniguruma::translated;
use crate::error::{Error, Result, Within, printable};

pub struct Tokenizer {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    /// Reads `tokenizer.json` in a directory, or what a GGUF file says of its tokenizer.
    pub fn load(files: &ModelFiles) -> Result<Tokenizer> {
        Tokenizer::load_or(files, "give the prompt as token ids with --prompt-ids")
    }

    /// The same. `mend` stands behind what is wrong with a `tokenizer.json`: what to do without one.
    pub fn load_or(files: &ModelFiles, mend: &str) -> Result<Tokenizer> {
        let path = match files {
            ModelFiles::Directory(dir) => dir.join("tokenizer.json"),
            ModelFiles::Gguf(file) => return Tokenizer::of_gguf(&file.name, file.bytes()),
        };
        if !path.is_file() {
            return Err(Error::input(format!("{}: there is no such file; {mend}", path.display())));
        }
        let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
        Tokenizer::parse(&bytes, path).map_err(|error| Error::input(format!("{error}; {mend}")))
    }

    /// From the bytes of the `tokenizer.json` at `path`, which messages name.
    pub fn parse(bytes: &[u8], path: PathBuf) -> Result<Tokenizer> {
        let bytes = with_own_patterns(bytes, &path)?;
        let mut inner = tokenizers::Tokenizer::from_bytes(&bytes)
            .map_err(|error| Error::input(format!("{}: not a tokenizer ({})", path.display(), one_line(error))))?;
        // They are left over from training. A pad token would be fed as if it were of the prompt.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| Error::input(format!("{}: {}", path.display(), one_line(error))))?;
        Ok(Tokenizer { path, inner })
    }

    /// From the bytes of the GGUF file called `name`.
    pub fn of_gguf(name: &str, bytes: &[u8]) -> Result<Tokenizer> {
        let file = gguf::file::File::parse(bytes).within(name)?;
        let inner = gguf::tokenizer::tokenizer(&file, bytes).within(name)?;
        Ok(Tokenizer { path: name.into(), inner })
    }

    /// Token ids of `text`, with what the tokenizer itself adds to a sequence (GPT-2's adds nothing). At least one.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match self.ids(text)? {
            ids if ids.is_empty() => Err(Error::input("the prompt has no token; give some text")),
            ids => Ok(ids),
        }
    }

    /// The same; none of an empty text.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>> {
        self.encoded(text, true)
    }

    /// Token ids of a text that has its special tokens written out, as a chat template writes them: nothing is added.
    pub fn ids_as_written(&self, text: &str) -> Result<Vec<u32>> {
        self.encoded(text, false)
    }

    fn encoded(&self, text: &str, adds_special_tokens: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode(text, adds_special_tokens).map_err(|error| {
            Error::input(format!("{}: cannot encode the prompt: {}", self.path.display(), one_line(error)))
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of `ids`, special tokens included; an id that the tokenizer does not know gives no text.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner
            .decode(ids, false)
            .map_err(|error| Error::input(format!("{}: cannot decode: {}", self.path.display(), one_line(error))))
    }

    /// What `tokens` add to the text of `prompt`: decoders look at where a token stands, so both are decoded together.
    pub fn continuation(&self, prompt: &[u32], tokens: &[u32]) -> Result<String> {
        let before = self.decode(prompt)?;
        let mut whole = self.decode(&[prompt, tokens].concat())?;
        Ok(whole.split_off(common(&before, &whole)))
    }
}

/// A `tokenizer.json` whose patterns are in the syntax that is read here: the same bytes where they are the same patterns.
fn with_own_patterns<'a>(bytes: &'a [u8], path: &Path) -> Result<Cow<'a, [u8]>> {
    let no_tokenizer = |error: serde_json::Error| {
        Error::input(format!("{}: not a tokenizer ({})", path.display(), printable(&error.to_string())))
    };
    // The library's reader panics where a decoder is no JSON, or where a precompiled normalizer is none.
    let parts: Parts = serde_json::from_slice(bytes).map_err(no_tokenizer)?;
    check_precompiled(&parts.normalizer).map_err(no_tokenizer)?;
    let mut changed = Vec::new();
    for (name, mut part) in
        [("normalizer", parts.normalizer), ("pre_tokenizer", parts.pre_tokenizer), ("decoder", parts.decoder)]
    {
        if translate(&mut part, path)? {
            changed.push((name, part));
        }
    }
    if changed.is_empty() {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut whole: Value = serde_json::from_slice(bytes).expect("it was JSON above");
    changed.into_iter().for_each(|(name, part)| whole[name] = part);
    Ok(Cow::Owned(whole.to_string().into_bytes()))
}

/// What of a `tokenizer.json` may hold patterns; the vocabulary, which is large, is passed over.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Parts {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
}

/// Whether each precompiled normalizer in `part` is one.
fn check_precompiled(part: &Value) -> serde_json::Result<()> {
    match part {
        Value::Object(entries) if entries.get("type").is_some_and(|kind| kind == "Precompiled") => {
            serde_json::from_value::<Precompiled>(part.clone()).map(drop)
        }
        Value::Object(entries) => entries.values().try_for_each(check_precompiled),
        Value::Array(items) => items.iter().try_for_each(check_precompiled),
        _ => Ok(()),
    }
}

/// Translates every `{"Regex": …}` in `part`; whether one changed.
fn translate(part: &mut Value, path: &Path) -> Result<bool> {
    let mut has_changed = false;
    match part {
        Value::Object(entries) => {
            for (name, entry) in entries {
                has_changed |= match entry {
                    Value::String(pattern) if name == "Regex" => {
                        let own = own_pattern(pattern, path)?;
                        let differs = own != *pattern;
                        *pattern = own;
                        differs
                    }
                    entry => translate(entry, path)?,
                };
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                has_changed |= translate(entry, path)?;
            }
        }
        _ => {}
    }
    Ok(has_changed)
}

fn own_pattern(pattern: &str, path: &Path) -> Result<String> {
    let refused = |why: String| {
        Error::input(format!(
            "{}: the pattern `{}` has {why}, which cannot be read here",
            path.display(),
            pattern.escape_debug()
        ))
    };
    let own = translated(pattern).map_err(refused)?;
    // The tokenizer's own reader would not say which pattern it is.
    match Split::new(SplitPattern::Regex(own.clone()), SplitDelimiterBehavior::Isolated, false) {
        Ok(_) => Ok(own),
        Err(error) => Err(refused(format!("something ({})", one_line(error)))),
    }
}

fn one_line(error: tokenizers::Error) -> String {
    printable(&error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Bytes of the characters that two texts begin with alike.
pub(super) fn common(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::decode::text_stream::TextStream;

    /// A tokenizer of bytes: the id of each is its number.
    fn of_bytes(more: Value) -> Tokenizer {
        let is_shown = |byte: &u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
        let mut others = 256..;
        let letters = (0..256).map(|byte| if is_shown(&byte) { byte } else { others.next().unwrap() });
        let vocab: Value = letters
            .enumerate()
            .map(|(id, code)| (char::from_u32(code).unwrap().to_string(), Value::from(id)))
            .collect();
        let bytes = serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        let mut file = serde_json::json!({
            "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": bytes, "decoder": bytes,
            "model": {"type": "BPE", "vocab": vocab, "merges": []},
        });
        more.as_object().unwrap().iter().for_each(|(name, entry)| file[name] = entry.clone());
        Tokenizer::parse(file.to_string().as_bytes(), "tokenizer.json".into()).unwrap()
    }

    fn replacing(pattern: &str) -> Tokenizer {
        of_bytes(serde_json::json!({"normalizer": {"type": "Replace", "pattern": {"Regex": pattern}, "content": "_"}}))
    }

    fn replaced(pattern: &str, text: &str) -> String {
        let tokenizer = replacing(pattern);
        tokenizer.decode(&tokenizer.ids(text).unwrap()).unwrap()
    }

    #[test]
    fn padding_and_truncation_are_taken_off() {
        let padding = serde_json::json!({"strategy": {"Fixed": 12}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 33, "pad_type_id": 0, "pad_token": "!"});
        let truncation =
            serde_json::json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0});
        let tokenizer = of_bytes(serde_json::json!({"padding": padding, "truncation": truncation}));
        assert_eq!(tokenizer.encode("Hello").unwrap(), [72, 101, 108, 108, 111]);
    }

    /// The library panics at each of these; see `scripts/fuzz.sh`.
    #[test]
    fn a_file_that_is_cut_off_or_has_a_damaged_part_is_refused() {
        let refusal = |text: &str| {
            let refused = Tokenizer::parse(text.as_bytes(), "tokenizer.json".into()).err();
            refused.unwrap_or_else(|| panic!("{text} is read")).to_string()
        };
        for text in [
            r#"{"version": "1.0", "decoder": {"type": "Byte"#,
            r#"{"version": "1.0", "normalizer": {"type": "Precompiled"}}"#,
            r#"{"version": "1.0", "normalizer": {"type": "Sequence", "normalizers": [{"type": "Precompiled", "precompiled_charsmap": "AA"}]}}"#,
        ] {
            assert!(refusal(text).starts_with("tokenizer.json: not a tokenizer ("), "{}", refusal(text));
        }
    }

    #[test]
    fn patterns_are_of_each_line() {
        assert_eq!(replaced("^ +", "  a\n  b"), "_a\n_b");
        assert_eq!(replaced("x$", "x\nx"), "_\n_");
        assert_eq!(replaced("(?m)a.b", "a\nb"), "_");
        assert_eq!(replaced(r"\R", "a\r\nb\nc"), "a_b_c");
        assert_eq!(replaced("[[:space:]]", "a\u{a0}b"), "a_b");
        assert_eq!(replaced(r"x\Z", "x x\n"), "x _\n");
        assert_eq!(replaced(r"\p{^Alnum}+", "a--1"), "a_1");
        assert_eq!(replaced("[+--]", "a,b"), "a_b");
        assert_eq!(replaced(r"\ba", "a ba"), "_ ba");
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_shown() {
        let says = |pattern: &str| {
            let file = serde_json::json!({"normalizer": {"type": "Sequence", "normalizers": [{"pattern": {"Regex": pattern}}]}});
            Tokenizer::parse(file.to_string().as_bytes(), "tokenizer.json".into()).err().unwrap().to_string()
        };
        assert_eq!(says(r"\X+"), r"tokenizer.json: the pattern `\\X+` has `\X`, which cannot be read here");
        let line = says(r"\p{In_Basic_Latin}");
        assert!(line.starts_with(r"tokenizer.json: the pattern `\\p{In_Basic_Latin}` has something ("), "{line}");
    }

    #[test]
    fn words_are_parted_at_the_seam() {
        let words =
            br#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "decoder": null,
            "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "the": 1, "cat": 2}, "unk_token": "<unk>"}}"#;
        let tokenizer = Tokenizer::parse(words, "tokenizer.json".into()).unwrap();
        assert_eq!(tokenizer.continuation(&[1, 2], &[1]).unwrap(), " the");
        let mut stream = TextStream::new(&tokenizer, &[1]);
        assert_eq!([stream.push(&[2]).unwrap(), stream.push(&[1, 2]).unwrap()], [" cat", " the cat"]);
    }

    #[test]
    fn half_a_character_waits_for_its_other_half() {
        let tokenizer = of_bytes(serde_json::json!({}));
        let euro: Vec<u32> = "€".bytes().map(u32::from).collect();
        let mut stream = TextStream::new(&tokenizer, &[97]);
        let given: Vec<String> = [98, euro[0], euro[1], euro[2], euro[0]].map(|id| stream.push(&[id]).unwrap()).into();
        assert_eq!(given, ["b", "", "", "€", ""]);
        assert_eq!(stream.finish().unwrap(), "\u{fffd}");
        // The prompt's own half is completed, too.
        assert_eq!(tokenizer.continuation(&euro[..2], &euro[2..]).unwrap(), "€");
    }
}
