//! Text to token ids and back, by the checkpoint's own `tokenizer.json`.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, printable};

pub struct Tokenizer {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    /// Reads `tokenizer.json` in `dir`.
    pub fn load(dir: &Path) -> Result<Tokenizer> {
        let path = dir.join("tokenizer.json");
        let mend = "give the prompt as token ids with --prompt-ids";
        if !path.is_file() {
            return Err(Error::input(format!("{}: there is no such file; {mend}", path.display())));
        }
        let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
        Tokenizer::parse(&bytes, path).map_err(|error| Error::input(format!("{error}; {mend}")))
    }

    /// From the bytes of the `tokenizer.json` at `path`, which messages name.
    pub fn parse(bytes: &[u8], path: PathBuf) -> Result<Tokenizer> {
        let inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|error| Error::input(format!("{}: not a tokenizer ({})", path.display(), one_line(error))))?;
        Ok(Tokenizer { path, inner })
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
        let encoding = self.inner.encode(text, true).map_err(|error| {
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
}

fn one_line(error: tokenizers::Error) -> String {
    printable(&error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
}
