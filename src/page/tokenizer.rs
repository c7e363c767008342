//! Text to token ids and back.

use onedispatch_core::workload::decode::text;
use onedispatch_core::workload::decode::text_stream::complete;
use wasm_bindgen::prelude::*;

use crate::{Answer, refusal};

#[wasm_bindgen]
pub struct Tokenizer(pub(crate) text::Tokenizer);

#[wasm_bindgen]
impl Tokenizer {
    /// From the text of a `tokenizer.json`.
    #[wasm_bindgen(constructor)]
    pub fn new(json: &str) -> Answer<Tokenizer> {
        text::Tokenizer::parse(json.as_bytes(), "tokenizer.json".into()).map(Tokenizer).map_err(refusal)
    }

    /// None of an empty text.
    pub fn encode(&self, text: &str) -> Answer<Vec<u32>> {
        self.0.ids(text).map_err(refusal)
    }

    /// Of a text that has the special tokens which the model wants written out, as chat templates write them.
    #[wasm_bindgen(js_name = encodeAsWritten)]
    pub fn encode_as_written(&self, text: &str) -> Answer<Vec<u32>> {
        self.0.ids_as_written(text).map_err(refusal)
    }

    pub fn decode(&self, ids: &[u32]) -> Answer<String> {
        self.0.decode(ids).map_err(refusal)
    }

    /// What `tokens` add to the text of `prompt`; while more are to come, without characters that lack some of their bytes.
    pub fn continuation(&self, prompt: &[u32], tokens: &[u32], more_to_come: bool) -> Answer<String> {
        let text = self.0.continuation(prompt, tokens).map_err(refusal)?;
        Ok(if more_to_come { complete(&text).to_string() } else { text })
    }
}
