//! What is asked for: the prompt, how much of an answer, and how its tokens are chosen.

use std::io::Read;

use super::args::Args;
use crate::error::{Error, Result};
use crate::workload::decode::checkpoint::Checkpoint;
use crate::workload::decode::model::Request;
use crate::workload::decode::model_files::ModelFiles;
use crate::workload::decode::request;
use crate::workload::decode::text::Tokenizer;

/// As many new tokens as a person who names no number would read.
const TOKENS: u32 = 128;

/// A request, and what its ids are as text where there is a tokenizer.
pub struct Asked {
    pub request: Request,
    pub tokenizer: Option<Tokenizer>,
    /// None where the prompt was given as ids.
    pub text: Option<String>,
}

pub fn asked(args: &Args, files: &ModelFiles, checkpoint: &Checkpoint) -> Result<Asked> {
    let (prompt, tokenizer, text) = match (&args.prompt, &args.prompt_ids) {
        (Some(text), _) => {
            let tokenizer = Tokenizer::load(files)?;
            let text = if text == "-" { standard_input()? } else { text.clone() };
            (tokenizer.encode(&text)?, Some(tokenizer), Some(text))
        }
        // Ids need no tokenizer, so one that is missing or faulty only leaves the text out.
        (_, Some(ids)) => (ids.clone(), Tokenizer::load(files).ok(), None),
        _ => return Err(Error::input("give the prompt with --prompt or --prompt-ids")),
    };
    let config = &checkpoint.config;
    // The last new token is never fed back, so it takes no position.
    let left = (config.n_positions + 1).saturating_sub(prompt.len() as u32);
    let request = Request {
        prompt,
        new_tokens: args.tokens.unwrap_or(left.clamp(1, TOKENS)),
        sampling: args.sampling.sampling(config.vocab_size)?,
        end_tokens: checkpoint.end_tokens.clone(),
    };
    request::validate(config, &request)?;
    Ok(Asked { request, tokenizer, text })
}

/// All of it, without the line end that `echo` puts behind.
fn standard_input() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Error::input(format!("standard input: {error}; give the prompt as UTF-8 text")))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(text.to_string())
}
