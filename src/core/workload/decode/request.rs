//! Checks a request against a model before anything is computed.

use super::end_tokens;
use super::model::{Config, Draw, Request};
use crate::error::{Error, Result};

/// Refuses a request that the model cannot carry out: an empty prompt, a token outside the vocabulary, more positions
/// than there are, a way to draw outside its range.
pub fn validate(config: &Config, request: &Request) -> Result<()> {
    let Config { vocab_size, n_positions, .. } = *config;
    if request.prompt.is_empty() {
        return Err(Error::input("the prompt is empty; give at least one token"));
    }
    if request.new_tokens == 0 {
        return Err(Error::input("no new token is asked for; give at least 1"));
    }
    if let Some((i, token)) = request.prompt.iter().enumerate().find(|(_, token)| **token >= vocab_size) {
        return Err(Error::input(format!(
            "prompt token {i} is {token}; the model's vocabulary is 0 to {}",
            vocab_size - 1
        )));
    }
    // The last new token is never fed back, so it takes no position.
    let needed = request.prompt.len() as u64 + u64::from(request.new_tokens) - 1;
    if needed > u64::from(n_positions) {
        return Err(Error::input(format!(
            "a prompt of {} and {} new tokens take {needed} positions; the model has {n_positions}; ask for fewer",
            request.prompt.len(),
            request.new_tokens
        )));
    }
    end_tokens::at_most(&request.end_tokens)?;
    if let Some(token) = request.end_tokens.iter().find(|token| **token >= vocab_size) {
        return Err(Error::input(format!(
            "the end token is {token}; the model's vocabulary is 0 to {}",
            vocab_size - 1
        )));
    }
    let penalty = request.sampling.repetition_penalty;
    if !(penalty.is_normal() && penalty > 0.0) {
        return Err(Error::input(format!(
            "the repetition penalty is {penalty}; give a number above 0: 1 leaves logits as they are, more avoids tokens that are there"
        )));
    }
    if let Some(Draw { temperature, top_k, top_p, min_p, .. }) = request.sampling.draw {
        let usable = temperature.is_normal() && temperature > 0.0;
        if !usable {
            return Err(Error::input(format!(
                "the temperature is {temperature}; give a number above 0, or no temperature for greedy decoding"
            )));
        }
        if top_k == 0 || top_k > vocab_size {
            return Err(Error::input(format!("top-k is {top_k}; it must be from 1 to the vocabulary's {vocab_size}")));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(Error::input(format!(
                "top-p is {top_p}; it must be above 0 and at most 1, which leaves all tokens"
            )));
        }
        if !(0.0..=1.0).contains(&min_p) {
            return Err(Error::input(format!("min-p is {min_p}; it must be from 0, which leaves all tokens, to 1")));
        }
    }
    Ok(())
}

/// The new tokens in what came back in `tokens` of a request: all that a kernel wrote, so that tokens after an end token
/// are seen.
pub fn new_tokens(request: &Request, tokens: &[u32]) -> Vec<u32> {
    let new = &tokens[request.prompt.len()..];
    let unwritten = new.iter().position(|&token| token == u32::MAX);
    new[..unwritten.unwrap_or(new.len())].to_vec()
}
