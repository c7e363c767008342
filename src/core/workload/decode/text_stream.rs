//! Text as it is made: what each further token adds to it, never half a character.

use super::text::{Tokenizer, common};
use crate::error::Result;

/// The text behind a prompt, a few tokens at a time.
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    prompt: Vec<u32>,
    tokens: Vec<u32>,
    given: String,
}

impl<'a> TextStream<'a> {
    pub fn new(tokenizer: &'a Tokenizer, prompt: &[u32]) -> TextStream<'a> {
        TextStream { tokenizer, prompt: prompt.to_vec(), tokens: Vec::new(), given: String::new() }
    }

    /// The text that is certain with these further tokens and was not before.
    pub fn push(&mut self, tokens: &[u32]) -> Result<String> {
        self.tokens.extend(tokens);
        let text = self.tokenizer.continuation(&self.prompt, &self.tokens)?;
        Ok(self.beyond_given(complete(&text)).unwrap_or_default().to_string())
    }

    /// What was held back.
    pub fn finish(mut self) -> Result<String> {
        let text = self.tokenizer.continuation(&self.prompt, &self.tokens)?;
        // A decoder that takes back what it gave (a blank before an apostrophe) cannot be followed on paper.
        let rest = &text[common(&self.given, &text)..];
        Ok(self.beyond_given(&text).unwrap_or_else(|| rest.to_string()))
    }

    fn beyond_given(&mut self, text: &str) -> Option<String> {
        let rest = text.strip_prefix(&self.given)?.to_string();
        self.given += &rest;
        Some(rest)
    }
}

/// The text without characters at its end that lack some of their bytes, which decoders show as U+FFFD.
pub fn complete(text: &str) -> &str {
    text.trim_end_matches(char::REPLACEMENT_CHARACTER)
}
