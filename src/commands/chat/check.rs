//! Whether the first answer is right: the device and the program are the same for all that follow.

use super::turn::Model;
use crate::commands::generate::TOLERANCE;
use crate::error::{Error, Result};
use crate::output;
use crate::workload::decode::gate::Reference;
use crate::workload::decode::model::Request;

/// The oracle takes seconds for each token of a large model.
const MOST_TOKENS: usize = 16;

/// Holds the first tokens of an answer against the f64 oracle, and says so.
///
/// # Errors
/// A check error where one of them is wrong.
pub fn first_answer(model: &Model, request: &Request, tokens: &[u32]) -> Result<()> {
    let tokens = &tokens[..tokens.len().min(MOST_TOKENS)];
    let request = Request { new_tokens: tokens.len() as u32, ..request.clone() };
    let config = &model.checkpoint.config;
    let weights = model.chosen.arm.format.rounded(config, &model.checkpoint.weights);
    let gate = Reference::new(config, &weights).check_tokens(&request, tokens, TOLERANCE);
    if !gate.pass {
        return Err(Error::check(format!("the answer does not match the f64 oracle: {}", gate.reason)));
    }
    output::note(format_args!("checked: its first {} tokens are those of the f64 oracle", tokens.len()))
}
