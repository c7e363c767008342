//! Merges of bytes within words: the scheme of GPT-2, and how each family splits a text into words.

use serde_json::json;

use super::file::File;
use super::vocabulary::{MEND, Parts, Vocabulary};
use crate::error::{Error, Result, printable};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEFAULT: [&str; 4] = [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"];

/// How a text is split before its words are merged, by `tokenizer.ggml.pre`.
pub struct Splitting {
    pub names: &'static [&'static str],
    /// Each splits what the one before left whole.
    patterns: &'static [&'static str],
    /// What Hugging Face's tokenizer of the family does and llama.cpp does not: letters and their accents become one.
    composes: bool,
    /// A word that is a token is not merged.
    whole_words: bool,
    adds_start: bool,
}

const PLAIN: Splitting =
    Splitting { names: &[], patterns: &[], composes: false, whole_words: false, adds_start: false };

pub const SPLITTINGS: [Splitting; 6] = [
    Splitting { names: &["gpt-2", "phi-2", "olmo"], patterns: &[GPT2], ..PLAIN },
    Splitting {
        names: &["llama-bpe", "llama3", "llama-v3"],
        patterns: &[LLAMA3],
        whole_words: true,
        adds_start: true,
        ..PLAIN
    },
    Splitting { names: &["qwen2"], patterns: &[QWEN2], composes: true, ..PLAIN },
    Splitting { names: &["deepseek-r1-qwen"], patterns: &[QWEN2], ..PLAIN },
    Splitting { names: &["smollm", "starcoder"], patterns: &[r"\p{N}", GPT2], ..PLAIN },
    // What llama.cpp falls back to; the model's own splitting is not known then.
    Splitting { names: &["default"], patterns: &DEFAULT, ..PLAIN },
];

fn splitting(file: &File) -> Result<&'static Splitting> {
    let name = match (file.text("tokenizer.ggml.pre"), file.text("general.architecture")) {
        (Some(name), _) => name,
        // Files of GPT-2 from before the key was there can mean nothing else.
        (None, Some("gpt2")) => "gpt-2",
        _ => return Err(Error::input(format!("tokenizer.ggml.pre is missing; convert the model again, or {MEND}"))),
    };
    SPLITTINGS.iter().find(|known| known.names.contains(&name)).ok_or_else(|| {
        let known = SPLITTINGS.iter().flat_map(|known| known.names).copied().collect::<Vec<_>>().join(", ");
        Error::input(format!("tokenizer.ggml.pre is {}; {known} are read; {MEND}", printable(name)))
    })
}

/// Merges of bytes, written as letters: GPT-2's scheme.
pub fn parts(file: &File, bytes: &[u8], vocabulary: &Vocabulary) -> Result<Parts> {
    let splitting = splitting(file)?;
    let Some(texts) = file.texts(bytes, "tokenizer.ggml.merges") else {
        return Err(Error::input(format!("tokenizer.ggml.merges is missing; {MEND}")));
    };
    // No token holds a space, which is written as a letter; the first may be one itself.
    let merges = texts.map(|text| {
        let at = text.char_indices().skip(1).find(|(_, letter)| *letter == ' ').map(|(at, _)| at);
        let pair = at.map(|at| (text[..at].to_string(), text[at + 1..].to_string()));
        pair.ok_or_else(|| Error::input(format!("merge `{}` is no pair; {MEND}", printable(text))))
    });
    let model = vocabulary.model(merges.collect::<Result<_>>()?, false, splitting.whole_words)?;
    let splits = splitting.patterns.iter().map(
        |pattern| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false}),
    );
    let letters = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    Ok(Parts {
        model,
        normalizer: splitting.composes.then(|| json!({"type": "NFC"})),
        pre_tokenizer: Some(
            json!({"type": "Sequence", "pretokenizers": splits.chain([letters.clone()]).collect::<Vec<_>>()}),
        ),
        decoder: letters,
        adds_start: splitting.adds_start,
    })
}
