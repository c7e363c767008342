//! The check of what an arm made: its tokens and logits against the f64 oracle.
//!
//! The oracle follows the arm's *own* tokens, so that one near-tie decided differently in f32 is no failure, while
//! every token after it is still checked. All errors are relative to the range (maximum minus minimum) of the oracle's
//! logits at that step, so one tolerance serves models of any scale.

use std::borrow::Cow;
use std::collections::HashMap;

use super::model::{Config, Request, Sampling, Weights};
use super::near_ties::left;
use super::oracle::{Oracle, State};
use super::request;
use super::sampling::{argmax, penalised, scores};
use crate::pause::{at_once, pause};

/// Whether an output is right, and how far off it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    pub pass: bool,
    /// Largest error found, relative to the range of the oracle's logits; none where a value was NaN or infinite, or
    /// where nothing could be compared.
    pub error: Option<f64>,
    /// How many tokens, from the first on, are right.
    pub tokens_ok: u32,
    /// Why it fails: step, token, what was there, what was expected. Empty where it passes.
    pub reason: String,
}

/// The oracle's logits after each sequence of tokens asked for so far. The arms of a case mostly make the same tokens,
/// and a capped arm makes the first few of them, so each is computed once. Holds `8 * vocab_size` bytes a token.
pub struct Reference<'a> {
    config: Cow<'a, Config>,
    weights: Cow<'a, Weights>,
    logits: HashMap<Vec<u32>, Vec<f64>>,
    /// What the oracle was given last, and its state after that: tokens that follow cost no others.
    last: Option<(Vec<u32>, State)>,
    /// As [`Oracle::farthest_mean`], of all that was asked for.
    farthest_mean: f64,
}

/// Standard deviations between a mean and where a norm looks for it from which on a failing gate says so: of a variance, f32 sums
/// about such an origin are off by 100^2 / 2^24, or 6e-4.
const FAR_MEAN: f64 = 100.0;

impl<'a> Reference<'a> {
    pub fn new(config: &'a Config, weights: &'a Weights) -> Self {
        Reference::of(Cow::Borrowed(config), Cow::Borrowed(weights))
    }

    /// One that keeps the model.
    pub fn owning(config: Config, weights: Weights) -> Reference<'static> {
        Reference::of(Cow::Owned(config), Cow::Owned(weights))
    }

    fn of(config: Cow<'a, Config>, weights: Cow<'a, Weights>) -> Self {
        Reference { config, weights, logits: HashMap::new(), last: None, farthest_mean: 0.0 }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Computes what the oracle itself answers, which most outputs that are checked will be.
    pub fn foresee(&mut self, request: &Request) {
        let mut oracle = Oracle::new(&self.config, &self.weights);
        let (tokens, rows) = oracle.answer(request);
        let read = [&request.prompt, &tokens[..]].concat();
        for (step, logits) in rows.chunks_exact(self.config.vocab_size as usize).enumerate() {
            self.logits.insert(read[..request.prompt.len() + step].to_vec(), logits.to_vec());
        }
        self.farthest_mean = self.farthest_mean.max(oracle.farthest_mean());
    }

    /// Logits that choose each of `tokens` after `prompt`: `tokens.len()` vectors of `[vocab_size]`. Every token is
    /// below `vocab_size`, and `prompt` is not empty.
    pub fn logits(&mut self, prompt: &[u32], tokens: &[u32]) -> Vec<&[f64]> {
        at_once(self.expect(prompt, tokens))
    }

    /// The same, as work that can be left and gone on with.
    pub async fn expect(&mut self, prompt: &[u32], tokens: &[u32]) -> Vec<&[f64]> {
        let read = [prompt, tokens.split_last().map_or(&[][..], |(_, fed)| fed)].concat();
        let known = |reference: &Self, step: usize| reference.logits.contains_key(&read[..prompt.len() + step]);
        let first = (0..tokens.len()).find(|&step| !known(self, step)).unwrap_or(tokens.len());
        if first < tokens.len() {
            let (before, after) = read.split_at(prompt.len() + first - 1);
            let (fed, mut oracle) = match self.last.take().filter(|(fed, _)| before.starts_with(fed)) {
                Some((fed, state)) => (fed.len(), Oracle::resume(&self.config, &self.weights, state)),
                None => (0, Oracle::new(&self.config, &self.weights)),
            };
            for &token in &before[fed..] {
                oracle.feed(token).await;
            }
            for (i, &token) in after.iter().enumerate() {
                self.logits.insert(read[..before.len() + i + 1].to_vec(), oracle.step(token).await);
            }
            self.farthest_mean = self.farthest_mean.max(oracle.farthest_mean());
            self.last = Some((read.clone(), oracle.into_state()));
        }
        (0..tokens.len()).map(|step| self.logits[&read[..prompt.len() + step]].as_slice()).collect()
    }

    /// Checks new `tokens` and the logits that chose the last of them, `[vocab_size]`. `tolerance` is relative to the
    /// range of the logits.
    pub fn check(&mut self, request: &Request, tokens: &[u32], last_logits: &[f32], tolerance: f64) -> Gate {
        let last = tokens.len().saturating_sub(1);
        at_once(self.judge(request, tokens, &[(last, last_logits)], tolerance))
    }

    /// Checks new `tokens` alone.
    pub fn check_tokens(&mut self, request: &Request, tokens: &[u32], tolerance: f64) -> Gate {
        at_once(self.judge(request, tokens, &[], tolerance))
    }

    /// Checks new `tokens` and all logits, `[tokens.len(), vocab_size]`: row i chose new token i.
    pub fn check_all_logits(&mut self, request: &Request, tokens: &[u32], logits: &[f32], tolerance: f64) -> Gate {
        let vocab_size = self.config.vocab_size as usize;
        if logits.len() != tokens.len() * vocab_size {
            return fail(
                0,
                None,
                format!(
                    "there are {} logits; {} tokens of a vocabulary of {vocab_size} have {}",
                    logits.len(),
                    tokens.len(),
                    tokens.len() * vocab_size
                ),
            );
        }
        let rows: Vec<_> = logits.chunks_exact(vocab_size).enumerate().collect();
        at_once(self.judge(request, tokens, &rows, tolerance))
    }

    /// Checks new `tokens` and those logits that are given, each with the place of the token it chose: as work that can be left
    /// and gone on with. Where that fails, a likely cause is named.
    pub async fn judge(&mut self, request: &Request, tokens: &[u32], rows: &[(usize, &[f32])], tolerance: f64) -> Gate {
        let mut gate = self.compare(request, tokens, rows, tolerance).await;
        if gate.error.is_some_and(|error| !within(error, tolerance)) && self.farthest_mean > FAR_MEAN {
            gate.reason += &format!(
                "; a norm's mean is {:.1e} standard deviations away from zero or from the norm's before: a norm that sums about \
                 those loses its digits",
                self.farthest_mean
            );
        }
        gate
    }

    /// `rows`: the logits that chose new token `.0`.
    async fn compare(&mut self, request: &Request, tokens: &[u32], rows: &[(usize, &[f32])], tolerance: f64) -> Gate {
        if let Err(reason) = shape(&self.config, request, tokens) {
            return fail(0, None, reason);
        }
        let expected = self.expect(&request.prompt, tokens).await;

        let mut largest: f64 = 0.0;
        for (step, (&token, logits)) in tokens.iter().zip(&expected).enumerate() {
            let there = || request.prompt.iter().chain(&tokens[..step]).copied();
            let penalised = penalised(logits, &request.sampling, there());
            // A penalty stretches what a logit is off by.
            let penalty = f64::from(request.sampling.repetition_penalty);
            let range = range(logits) * penalty.max(1.0 / penalty);
            let (error, reason) = shortfall(&penalised, range, request.sampling, step as u32, token, tolerance);
            largest = largest.max(error);
            if !within(error, tolerance) {
                return fail(
                    step,
                    finite(largest),
                    format!("step {step}: token {token} has {reason}; {}", far(error, tolerance)),
                );
            }
            pause().await;
        }
        for &(step, found) in rows {
            match logits_error(found, expected[step]) {
                Err(reason) => return fail(tokens.len(), None, format!("logits of step {step}: {reason}")),
                Ok((error, i)) => {
                    largest = largest.max(error);
                    if !within(error, tolerance) {
                        return fail(
                            tokens.len(),
                            finite(largest),
                            format!(
                                "logits of step {step}: token {i} has {}, expected {:.6}; {}",
                                found[i],
                                expected[step][i],
                                far(error, tolerance)
                            ),
                        );
                    }
                }
            }
        }
        Gate { pass: true, error: finite(largest), tokens_ok: tokens.len() as u32, reason: String::new() }
    }
}

/// [`Reference::check`] of a single output.
pub fn check(
    config: &Config,
    weights: &Weights,
    request: &Request,
    tokens: &[u32],
    last_logits: &[f32],
    tolerance: f64,
) -> Gate {
    Reference::new(config, weights).check(request, tokens, last_logits, tolerance)
}

fn fail(tokens_ok: usize, error: Option<f64>, reason: String) -> Gate {
    Gate { pass: false, error, tokens_ok: tokens_ok as u32, reason }
}

fn far(error: f64, tolerance: f64) -> String {
    format!("off by {error:.1e} of the range of the logits, tolerance {tolerance:.1e}")
}

/// False for NaN.
fn within(error: f64, tolerance: f64) -> bool {
    error <= tolerance
}

fn finite(error: f64) -> Option<f64> {
    error.is_finite().then_some(error)
}

/// Refuses what no oracle is needed for: an impossible request, a wrong number of tokens, a token outside the
/// vocabulary.
fn shape(config: &Config, request: &Request, tokens: &[u32]) -> Result<(), String> {
    request::validate(config, request).map_err(|error| error.to_string())?;
    let (found, wanted) = (tokens.len(), request.new_tokens as usize);
    if let Some((step, token)) = tokens.iter().enumerate().find(|(_, token)| **token >= config.vocab_size) {
        return Err(format!("step {step}: token {token} is outside the vocabulary of {}", config.vocab_size));
    }
    if found > wanted {
        return Err(format!("there are {found} tokens, expected {wanted}"));
    }
    let end = tokens.iter().position(|token| request.end_tokens.contains(token));
    match end {
        Some(step) if step + 1 < found => {
            Err(format!("step {}: token {} follows an end token, expected none", step + 1, tokens[step + 1]))
        }
        None if found < wanted => Err(format!(
            "there are {found} tokens, expected {wanted}{}",
            if request.end_tokens.is_empty() { "" } else { " or an end token last" }
        )),
        _ => Ok(()),
    }
}

/// How far `token` falls short of the best choice, relative to the `range` of the logits, and in words.
///
/// Greedy: the largest logit minus its logit. Sampled: its logit must be among those that are left, and its score the largest of
/// the tokens that are left surely when logits move by the tolerance; a token that is left only when they move passes with what
/// it is off by, or with the tolerance itself where that is less: top-p's threshold may jump. Scores are compared in units of
/// logits (times the temperature), and their range is widened by the temperature, the unit of the noise, whose own rounding
/// counts at high temperatures.
fn shortfall(logits: &[f64], range: f64, sampling: Sampling, step: u32, token: u32, tolerance: f64) -> (f64, String) {
    let logit = logits[token as usize];
    let Some(draw) = sampling.draw else {
        let best = argmax(logits.iter().copied());
        let expected = logits[best as usize];
        let reason = format!("logit {logit:.6}, expected the largest, {expected:.6} of token {best}");
        return ((expected - logit) / range, reason);
    };
    let left = left(logits, &draw, tolerance * range);
    let mut outside = (left.exactly - logit) / range;
    if logit >= left.perhaps {
        outside = outside.min(tolerance);
    }
    if !within(outside, tolerance) {
        let of = match draw.top_p < 1.0 || draw.min_p > 0.0 {
            true => "those that are left".to_string(),
            false => format!("the top {}", draw.top_k),
        };
        return (outside, format!("logit {logit:.6}, expected one of {of}, from {:.6} up", left.exactly));
    }
    let scores = scores(logits, sampling, step);
    let admitted =
        scores.iter().zip(logits).map(|(&score, &logit)| if logit >= left.surely { score } else { f64::NEG_INFINITY });
    let best = argmax(admitted);
    let (score, expected) = (scores[token as usize], scores[best as usize]);
    let temperature = f64::from(draw.temperature);
    // With no sure member (a near-tie at a threshold), `best` is an arbitrary token and being left is all there is to ask.
    let short = if logits[best as usize] >= left.surely { expected - score } else { 0.0 };
    (
        (short * temperature / (range + temperature)).max(outside),
        format!("score {score:.6}, expected the largest, {expected:.6} of token {best}"),
    )
}

/// Largest error of `found`, relative to the range of `expected`, and where it is; or what cannot be compared.
fn logits_error(found: &[f32], expected: &[f64]) -> Result<(f64, usize), String> {
    if found.len() != expected.len() {
        return Err(format!("there are {}, expected {}", found.len(), expected.len()));
    }
    if let Some(i) = found.iter().position(|logit| !logit.is_finite()) {
        return Err(format!("token {i} has {}, expected {:.6}", found[i], expected[i]));
    }
    let range = range(expected);
    let errors = found.iter().zip(expected).map(|(&found, expected)| (f64::from(found) - expected).abs() / range);
    Ok(errors.zip(0..).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0)))
}

/// Maximum minus minimum; where all are equal (a vocabulary of one), their size.
fn range(logits: &[f64]) -> f64 {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let min = logits.iter().copied().fold(f64::INFINITY, f64::min);
    if max > min { max - min } else { max.abs().max(f64::MIN_POSITIVE) }
}
