//! A decoder in f64 on the CPU: the twin of the shaders, written to be read.
//!
//! The function is Hugging Face's `GPT2LMHeadModel` (`modeling_gpt2.py`), after Radford et al., "Language Models are
//! Unsupervised Multitask Learners" (2019): learned positions, pre-norm blocks, causal attention over a KV cache,
//! tanh-GELU, and an output head tied to the token embedding; and where its [`Block`](super::block::Block) says so that of
//! `LlamaForCausalLM` and its relatives. One token is computed at a time, as the shaders do it. All that is long can be left and gone
//! on with: see [`crate::pause`].

use super::block::Activation;
use super::model::{Config, Layer, Linear, Norm, Request, Weights};
use super::sampling::{choose, penalised};
use crate::pause::{at_once, pause};

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

/// Of one layer; both `[tokens, n_key_head head_dim]`.
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
    pub async fn step(&mut self, token: u32) -> Vec<f64> {
        self.feed(token).await;
        self.logits().await
    }

    /// Gives the model its next token, `token < vocab_size`, at a position below `n_positions`.
    pub async fn feed(&mut self, token: u32) {
        let State { cache, tokens, hidden, means } = &mut self.state;
        let mut x = embed(self.config, self.weights, token, *tokens);
        let turns = match self.config.block.rotary {
            Some(_) => row(&self.weights.wpe, self.config.head_dim(), *tokens),
            None => &[],
        };
        for (index, (layer, cache)) in self.weights.layers.iter().zip(cache).enumerate() {
            block(self.config, layer, index, cache, turns, means, &mut x).await;
        }
        means.see(self.config, &x);
        *hidden = x;
        *tokens += 1;
    }

    /// Gives the model a prompt and its own tokens after it: these, and the logits that chose each, `[new_tokens, vocab_size]`.
    /// The last of them is not given to it.
    pub fn answer(&mut self, request: &Request) -> (Vec<u32>, Vec<f64>) {
        request.prompt.iter().for_each(|&token| at_once(self.feed(token)));
        let mut tokens = Vec::new();
        let mut rows = Vec::new();
        for step in 0..request.new_tokens {
            if let Some(&last) = tokens.last() {
                at_once(self.feed(last));
            }
            let logits = at_once(self.logits());
            let there = request.prompt.iter().chain(&tokens).copied();
            tokens.push(choose(&penalised(&logits, &request.sampling, there), request.sampling, step));
            rows.extend(logits);
        }
        (tokens, rows)
    }

    /// Standard deviations, at most, that the mean of a norm so far was away from zero or from the norm's before: f32 sums
    /// about such an origin keep few digits of the variance.
    pub fn farthest_mean(&self) -> f64 {
        self.state.means.farthest
    }

    /// Logits after the last token that was given, `[vocab_size]`: the final norm, then its product with each row of
    /// the head.
    pub async fn logits(&self) -> Vec<f64> {
        let x = layer_norm(self.config, &self.weights.ln_f, &self.state.hidden);
        let head = if self.config.block.untied { &self.weights.lm_head } else { &self.weights.wte };
        let mut logits = vec![0.0; head.outputs()];
        head.multiply(&x, &mut logits).await;
        logits
    }
}

fn row(matrix: &[f32], width: u32, index: usize) -> &[f32] {
    &matrix[index * width as usize..][..width as usize]
}

/// Token embedding, and where positions are learned that of the position, summed: `[n_embd]`.
fn embed(config: &Config, weights: &Weights, token: u32, position: usize) -> Vec<f64> {
    let row_of_token = weights.wte.row(token as usize);
    let token = row_of_token.iter().map(|&t| f64::from(t));
    match config.block.rotary {
        Some(_) => token.collect(),
        None => token.zip(row(&weights.wpe, config.n_embd, position)).map(|(t, &p)| t + f64::from(p)).collect(),
    }
}

/// One pre-norm block, in place: x += attention(ln_1(x)), then x += mlp(ln_2(x)); x is `[n_embd]`.
/// `turns` are the position's cosines and sines.
async fn block(
    config: &Config,
    layer: &Layer,
    index: usize,
    cache: &mut KeysValues,
    turns: &[f32],
    means: &mut Means,
    x: &mut [f64],
) {
    means.see(config, x);
    let normed = layer_norm(config, &layer.ln_1, x);
    let mut qkv = linear(&layer.attn_c_attn, &normed).await;
    prepare(config, layer, turns, &mut qkv);
    let scale = config.attention_scale() / if config.block.scale_by_layer { (index + 1) as f64 } else { 1.0 };
    let attended = attention(config, scale, cache, &qkv).await;
    add(x, &linear(&layer.attn_c_proj, &attended).await);

    means.see(config, x);
    let normed = layer_norm(config, &layer.ln_2, x);
    let mut inner = linear(&layer.mlp_c_fc, &normed).await;
    let others = inner.split_off(config.n_inner as usize);
    inner.iter_mut().for_each(|value| *value = activated(config.block.activation, *value));
    inner.iter_mut().zip(others).for_each(|(gate, value)| *gate *= value);
    add(x, &linear(&layer.mlp_c_proj, &inner).await);
}

/// (x - mean) / sqrt(variance + epsilon) * weight + bias with the biased variance, over `[n_embd]` (Ba, Kiros and
/// Hinton, "Layer Normalization", 2016); with the mean taken for 0 where the model's norms are root mean squares.
fn layer_norm(config: &Config, norm: &Norm, x: &[f64]) -> Vec<f64> {
    let (mean, variance) = if config.block.root_mean_square { (0.0, mean_square(x)) } else { moments(x) };
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

fn mean_square(x: &[f64]) -> f64 {
    x.iter().map(|value| value * value).sum::<f64>() / x.len() as f64
}

/// Queries and keys of all heads, in place: normed where the model does so, then each pair (i, i + head_dim / 2) turned by the
/// position (Su et al., "RoFormer", 2021, equation 34).
fn prepare(config: &Config, layer: &Layer, turns: &[f32], qkv: &mut [f64]) {
    let heads = qkv.chunks_exact_mut(config.head_dim() as usize);
    let queries = config.n_head as usize;
    for (index, head) in heads.take(queries + config.n_key_head() as usize).enumerate() {
        if config.block.query_key_norm {
            let weight = if index < queries { &layer.q_norm } else { &layer.k_norm };
            let scale = 1.0 / (mean_square(head) + config.layer_norm_epsilon).sqrt();
            head.iter_mut().zip(weight).for_each(|(value, &w)| *value *= scale * f64::from(w));
        }
        let (first, second) = head.split_at_mut(head.len() / 2);
        for ((x, y), turn) in first.iter_mut().zip(second).zip(turns.chunks_exact(2)) {
            let (cosine, sine) = (f64::from(turn[0]), f64::from(turn[1]));
            (*x, *y) = (*x * cosine - *y * sine, *y * cosine + *x * sine);
        }
    }
}

/// x W + b: `[in]` to `[out]`.
async fn linear(linear: &Linear, x: &[f64]) -> Vec<f64> {
    let mut y: Vec<f64> = linear.bias.iter().map(|&b| f64::from(b)).collect();
    linear.weight.multiply(x, &mut y).await;
    y
}

/// Causal self-attention of the newest token, whose query, key and value are `qkv`: per head, softmax(q K^T * scale) V over every
/// token so far (Vaswani et al., "Attention Is All You Need", 2017, equation 1); neighbouring heads share keys and values where
/// there are fewer of these (Ainslie et al., "GQA", 2023). Returns the heads side by side, `[n_head head_dim]`.
async fn attention(config: &Config, scale: f64, cache: &mut KeysValues, qkv: &[f64]) -> Vec<f64> {
    let [head_dim, heads, key_heads] =
        [config.head_dim(), config.n_head, config.n_key_head()].map(|size| size as usize);
    let keys = key_heads * head_dim;
    let (query, kv) = qkv.split_at(heads * head_dim);
    cache.keys.extend_from_slice(&kv[..keys]);
    cache.values.extend_from_slice(&kv[keys..]);

    let mut attended = vec![0.0; heads * head_dim];
    for (head, (query, attended)) in query.chunks_exact(head_dim).zip(attended.chunks_exact_mut(head_dim)).enumerate() {
        let first = head / config.group() as usize * head_dim;
        let score = |key: &[f64]| scale * query.iter().zip(&key[first..]).map(|(q, k)| q * k).sum::<f64>();
        let scores: Vec<f64> = cache.keys.chunks_exact(keys).map(score).collect();
        for (probability, value) in softmax(&scores).into_iter().zip(cache.values.chunks_exact(keys)) {
            for (sum, v) in attended.iter_mut().zip(&value[first..]) {
                *sum += probability * v;
            }
        }
        pause().await;
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

fn activated(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::GeluNew => gelu(x),
        Activation::Gelu => x * 0.5 * (1.0 + libm::erf(x / std::f64::consts::SQRT_2)),
        Activation::Silu => x / (1.0 + (-x).exp()),
    }
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

/// The oracle's new tokens, and the logits that chose each, `[new_tokens, vocab_size]`.
pub fn expected(config: &Config, weights: &Weights, request: &Request) -> (Vec<u32>, Vec<f64>) {
    Oracle::new(config, weights).answer(request)
}
