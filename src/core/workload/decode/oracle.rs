//! GPT-2 in f64 on the CPU: the twin of the shaders, written to be read.
//!
//! The function is Hugging Face's `GPT2LMHeadModel` (`modeling_gpt2.py`), after Radford et al., "Language Models are
//! Unsupervised Multitask Learners" (2019): learned positions, pre-norm blocks, causal attention over a KV cache,
//! tanh-GELU, and an output head tied to the token embedding. One token is computed at a time, as the shaders do it.

use super::model::{Config, Layer, Linear, Norm, Request, Weights};
use super::sampling::choose;

/// A model and what it keeps of the tokens it was given so far.
pub struct Oracle<'a> {
    config: &'a Config,
    weights: &'a Weights,
    state: State,
}

/// What a model keeps of the tokens it was given so far.
pub struct State {
    /// Per layer.
    cache: Vec<KeysValues>,
    /// Tokens given so far.
    tokens: usize,
    /// `[n_embd]`: the last token's output of the last layer, before the final norm.
    hidden: Vec<f64>,
    means: Means,
}

/// How far the means of streams are from where a norm may look for them.
#[derive(Clone, Copy, Default)]
struct Means {
    last: f64,
    /// Standard deviations, at most, that a norm's mean is away from zero or from the mean of the norm before.
    farthest: f64,
}

impl Means {
    fn see(&mut self, config: &Config, x: &[f64]) {
        let (mean, variance) = moments(x);
        let deviation = (variance + config.layer_norm_epsilon).sqrt();
        self.farthest = self.farthest.max(mean.abs().max((mean - self.last).abs()) / deviation);
        self.last = mean;
    }
}

/// Of one layer; both `[tokens, n_embd]`.
#[derive(Clone, Default)]
struct KeysValues {
    keys: Vec<f64>,
    values: Vec<f64>,
}

impl<'a> Oracle<'a> {
    pub fn new(config: &'a Config, weights: &'a Weights) -> Self {
        let cache = vec![KeysValues::default(); weights.layers.len()];
        Oracle::resume(config, weights, State { cache, tokens: 0, hidden: Vec::new(), means: Means::default() })
    }

    /// Goes on from a state of the same model.
    pub fn resume(config: &'a Config, weights: &'a Weights, state: State) -> Self {
        Oracle { config, weights, state }
    }

    pub fn into_state(self) -> State {
        self.state
    }

    /// Gives the model its next token and returns the logits after it, `[vocab_size]`.
    pub fn step(&mut self, token: u32) -> Vec<f64> {
        self.feed(token);
        self.logits()
    }

    /// Gives the model its next token, `token < vocab_size`, at a position below `n_positions`.
    pub fn feed(&mut self, token: u32) {
        let State { cache, tokens, hidden, means } = &mut self.state;
        let mut x = embed(self.config, self.weights, token, *tokens);
        for (layer, cache) in self.weights.layers.iter().zip(cache) {
            block(self.config, layer, cache, means, &mut x);
        }
        means.see(self.config, &x);
        *hidden = x;
        *tokens += 1;
    }

    /// Standard deviations, at most, that the mean of a norm so far was away from zero or from the norm's before: f32 sums
    /// about such an origin keep few digits of the variance.
    pub fn farthest_mean(&self) -> f64 {
        self.state.means.farthest
    }

    /// Logits after the last token that was given, `[vocab_size]`: the final norm, then its product with each row of
    /// `wte`.
    pub fn logits(&self) -> Vec<f64> {
        let x = layer_norm(self.config, &self.weights.ln_f, &self.state.hidden);
        self.weights.wte.chunks_exact(x.len()).map(|row| dot(&x, row)).collect()
    }
}

/// Token and position embedding, summed: `[n_embd]`.
fn embed(config: &Config, weights: &Weights, token: u32, position: usize) -> Vec<f64> {
    let n_embd = config.n_embd as usize;
    let token = &weights.wte[token as usize * n_embd..][..n_embd];
    let position = &weights.wpe[position * n_embd..][..n_embd];
    token.iter().zip(position).map(|(&t, &p)| f64::from(t) + f64::from(p)).collect()
}

/// One pre-norm block, in place: x += attention(ln_1(x)), then x += mlp(ln_2(x)); x is `[n_embd]`.
fn block(config: &Config, layer: &Layer, cache: &mut KeysValues, means: &mut Means, x: &mut [f64]) {
    means.see(config, x);
    let normed = layer_norm(config, &layer.ln_1, x);
    let qkv = linear(&layer.attn_c_attn, &normed);
    let attended = attention(config, cache, &qkv);
    add(x, &linear(&layer.attn_c_proj, &attended));

    means.see(config, x);
    let normed = layer_norm(config, &layer.ln_2, x);
    let mut inner = linear(&layer.mlp_c_fc, &normed);
    inner.iter_mut().for_each(|value| *value = gelu(*value));
    add(x, &linear(&layer.mlp_c_proj, &inner));
}

/// (x - mean) / sqrt(variance + epsilon) * weight + bias with the biased variance, over `[n_embd]` (Ba, Kiros and
/// Hinton, "Layer Normalization", 2016).
fn layer_norm(config: &Config, norm: &Norm, x: &[f64]) -> Vec<f64> {
    let (mean, variance) = moments(x);
    let scale = 1.0 / (variance + config.layer_norm_epsilon).sqrt();
    let affine = norm.weight.iter().zip(&norm.bias);
    x.iter().zip(affine).map(|(value, (&w, &b))| (value - mean) * scale * f64::from(w) + f64::from(b)).collect()
}

/// Mean and biased variance.
fn moments(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    (mean, x.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n)
}

/// x W + b: `[in]` to `[out]`, adding one contiguous row of W per input.
fn linear(linear: &Linear, x: &[f64]) -> Vec<f64> {
    let mut y: Vec<f64> = linear.bias.iter().map(|&b| f64::from(b)).collect();
    for (value, row) in x.iter().zip(linear.weight.chunks_exact(y.len())) {
        for (sum, &w) in y.iter_mut().zip(row) {
            *sum += value * f64::from(w);
        }
    }
    y
}

/// Causal self-attention of the newest token, whose query, key and value are `qkv`, `[3 n_embd]`: per head, softmax(q
/// K^T * scale) V over every token so far (Vaswani et al., "Attention Is All You Need", 2017, equation 1). Returns the
/// heads side by side, `[n_embd]`.
fn attention(config: &Config, cache: &mut KeysValues, qkv: &[f64]) -> Vec<f64> {
    let (n_embd, head_dim) = (config.n_embd as usize, config.head_dim() as usize);
    let (query, kv) = qkv.split_at(n_embd);
    cache.keys.extend_from_slice(&kv[..n_embd]);
    cache.values.extend_from_slice(&kv[n_embd..]);

    let mut attended = vec![0.0; n_embd];
    for first in (0..n_embd).step_by(head_dim) {
        let head = first..first + head_dim;
        let scores: Vec<f64> = cache
            .keys
            .chunks_exact(n_embd)
            .map(|key| {
                config.attention_scale()
                    * query[head.clone()].iter().zip(&key[head.clone()]).map(|(q, k)| q * k).sum::<f64>()
            })
            .collect();
        for (probability, value) in softmax(&scores).into_iter().zip(cache.values.chunks_exact(n_embd)) {
            for (sum, v) in attended[head.clone()].iter_mut().zip(&value[head.clone()]) {
                *sum += probability * v;
            }
        }
    }
    attended
}

/// exp(x) over its sum, with the maximum taken off first so that nothing overflows.
pub fn softmax(x: &[f64]) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = x.iter().map(|value| (value - max).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.into_iter().map(|e| e / sum).collect()
}

/// 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): Hugging Face's `gelu_new`, from Hendrycks and Gimpel, "Gaussian
/// Error Linear Units" (2016).
fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
}

fn add(x: &mut [f64], y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// Inner product in eight interleaved sums, which the compiler keeps in vector registers.
fn dot(x: &[f64], y: &[f32]) -> f64 {
    let ((x_chunks, x_rest), (y_chunks, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for ((sum, x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * f64::from(y);
        }
    }
    sums.iter().sum::<f64>() + x_rest.iter().zip(y_rest).map(|(x, &y)| x * f64::from(y)).sum::<f64>()
}

/// The oracle's new tokens, and the logits that chose each, `[new_tokens, vocab_size]`.
pub fn expected(config: &Config, weights: &Weights, request: &Request) -> (Vec<u32>, Vec<f64>) {
    let mut oracle = Oracle::new(config, weights);
    request.prompt.iter().for_each(|&token| oracle.feed(token));
    let mut tokens = Vec::new();
    let mut rows = Vec::new();
    for step in 0..request.new_tokens {
        if let Some(&last) = tokens.last() {
            oracle.feed(last);
        }
        let logits = oracle.logits();
        tokens.push(choose(&logits, request.sampling, step));
        rows.extend(logits);
    }
    (tokens, rows)
}
