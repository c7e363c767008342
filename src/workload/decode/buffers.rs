//! The buffers of a decode program.

use std::num::NonZeroU32;
use std::ops::Range;

use super::Tuning;
use super::model::{Config, Request, Sampling};
use super::packing::{Layout, Map, Widths};
use crate::philox;
use crate::program::{Binding, Buffer, Contents};

fn buffer(name: &str, bytes: u64, contents: Contents) -> Buffer {
    Buffer { name: name.into(), bytes, contents }
}

fn words(name: &str, words: Vec<u32>) -> Buffer {
    buffer(name, 4 * words.len() as u64, Contents::Words(words))
}

/// The prompt, then, for each token that is to come, what is no token.
fn tokens(request: &Request) -> Vec<u32> {
    let mut words = request.prompt.clone();
    words.resize(request.prompt.len() + request.new_tokens as usize, u32::MAX);
    words
}

/// Tokens fed to the model by each dispatch of a fused arm: one range, or one for each chunk.
fn chunks(requests: &[Request], tuning: &Tuning) -> Vec<Range<u32>> {
    let positions = requests.iter().map(Request::positions).max().unwrap_or(0);
    let chunk = tuning.chunk.map_or(positions, NonZeroU32::get).clamp(1, positions.max(1));
    (0..positions.div_ceil(chunk)).map(|index| index * chunk..(index * chunk).saturating_add(chunk)).collect()
}

/// The words of each chunk, from an offset on that a binding may have.
fn chunked(name: &str, words_of: Vec<Vec<u32>>) -> Buffer {
    let mut all = Vec::new();
    for chunk in words_of {
        all.resize(all.len().next_multiple_of(Binding::ALIGNMENT as usize / 4), 0);
        all.extend(chunk);
    }
    words(name, all)
}

/// What each dispatch of a fused arm binds of a buffer that [`chunked`] made for `requests` requests.
pub fn chunk_bindings(buffer: usize, plan: &Buffer, requests: usize) -> Vec<Binding> {
    let words_each = if plan.name == REQUESTS { REQUESTS_WORDS * requests } else { REQUEST_WORDS };
    let bytes = 4 * words_each as u64;
    let stride = bytes.next_multiple_of(Binding::ALIGNMENT);
    (0..plan.bytes.div_ceil(stride)).map(|index| Binding { buffer, offset: index * stride, bytes }).collect()
}

/// Names of the buffers that hold requests, and 32-bit words of one request: of the kernel with subgroups, and of the others.
pub const REQUESTS: &str = "requests";
pub const REQUESTS_WORDS: usize = 11;
pub const REQUEST: &str = "request";
pub const REQUEST_WORDS: usize = 9;

/// The `Request` of the shaders, but for where its outputs start and its first step.
fn request_words(config: &Config, request: &Request, tuning: &Tuning, chunk: &Range<u32>) -> Vec<u32> {
    let logits_stride = if tuning.keep_logits { Widths::of(config).vocab4 } else { 0 };
    let (top_k, temperature, seed) = match request.sampling {
        Sampling::Greedy => (0, 1.0, 0),
        Sampling::TopK { temperature, top_k, seed } => (top_k, temperature, seed),
    };
    let [seed_low, seed_high] = philox::key(seed);
    let end_token = request.end_token.unwrap_or(u32::MAX);
    let prompt_tokens = request.prompt.len() as u32;
    let steps = request.positions().min(chunk.end);
    vec![prompt_tokens, steps, end_token, logits_stride, top_k, f32::to_bits(temperature), seed_low, seed_high]
}

/// Of the kernel with subgroups: weights, KV cache `[sequence][layer][position][key, value][heads]`, logits
/// `[sequence][new token or 1][vocab]`, tokens `[sequence][prompt + new]`, requests of each chunk, the slots of `exchange`, and whether a
/// workgroup gave up waiting for another, in this order.
pub fn grid(config: &Config, requests: &[Request], tuning: &Tuning, layout: Layout) -> Vec<Buffer> {
    let widths = Widths::of(config);
    let sequences = requests.len() as u64;
    let most_new = requests.iter().map(|request| request.new_tokens).max().unwrap_or(0);
    let logits_rows = if tuning.keep_logits { most_new } else { 1 };
    let logits = 4 * widths.vocab4 * logits_rows;
    let slots = 8 * widths.n_embd4 + 16 * widths.heads4 + 4 * widths.n_inner4 + 4 * tuning.workgroups;
    let cache = 32 * u64::from(config.n_layer) * u64::from(tuning.capacity) * u64::from(widths.heads4);
    let words_of = |chunk: Range<u32>| {
        let mut first_token = 0;
        let mut words = Vec::new();
        for (index, request) in (0u32..).zip(requests) {
            words.extend(request_words(config, request, tuning, &chunk));
            words.extend([first_token, index * logits, chunk.start.min(request.positions())]);
            first_token += request.prompt.len() as u32 + request.new_tokens;
        }
        words
    };
    vec![
        buffer("weights", Map::of(config, layout).bytes(), Contents::Constant(layout.block().into())),
        buffer("cache", sequences * cache, Contents::Scratch),
        buffer("logits", 4 * sequences * u64::from(logits), Contents::Poison),
        words("tokens", requests.iter().flat_map(tokens).collect()),
        chunked(REQUESTS, chunks(requests, tuning).into_iter().map(words_of).collect()),
        buffer("exchange", 4 * sequences * u64::from(slots), Contents::Zero),
        buffer("gave_up", 4, Contents::Zero),
    ]
}

/// What every other arm has: weights, KV cache `[layer][key, value][position][heads]`, scores `[head][position]`, logits
/// `[new token or 1][vocab]`, tokens `[prompt + new]`, and the request of each chunk, in this order.
pub fn fused(config: &Config, request: &Request, tuning: &Tuning, layout: Layout) -> Vec<Buffer> {
    let widths = Widths::of(config);
    let positions = u64::from(tuning.capacity);
    let rows = if tuning.keep_logits { u64::from(request.new_tokens) } else { 1 };
    let words_of = |chunk: Range<u32>| {
        let mut words = request_words(config, request, tuning, &chunk);
        words.push(chunk.start);
        words
    };
    vec![
        buffer("weights", Map::of(config, layout).bytes(), Contents::Constant(layout.block().into())),
        buffer("cache", 32 * u64::from(config.n_layer) * positions * u64::from(widths.heads4), Contents::Scratch),
        buffer("scores", 4 * u64::from(config.n_head) * positions, Contents::Scratch),
        buffer("logits", 16 * rows * u64::from(widths.vocab4), Contents::Poison),
        words("tokens", tokens(request)),
        chunked(REQUEST, chunks(std::slice::from_ref(request), tuning).into_iter().map(words_of).collect()),
    ]
}

/// Those, with a KV cache for each layer (a binding may not start inside a buffer at any place), and what one dispatch
/// hands to the next.
pub fn stepwise(config: &Config, request: &Request, tuning: &Tuning) -> Vec<Buffer> {
    let widths = Widths::of(config);
    let vec4 = |name: &str, count: u32| buffer(name, 16 * u64::from(count), Contents::Scratch);
    let mut buffers = fused(config, request, &Tuning { chunk: None, ..*tuning }, Layout::InOut);
    buffers.retain(|buffer| buffer.name != "cache");
    buffers
        .extend((0..config.n_layer).map(|layer| vec4(&format!("cache-{layer}"), 2 * tuning.capacity * widths.heads4)));
    buffers.extend([
        buffer("state", 16, Contents::Zero),
        vec4("stream", widths.n_embd4),
        vec4("normed", widths.n_embd4),
        vec4("query_key_value", 3 * widths.heads4),
        vec4("attended", widths.heads4),
        vec4("inner", widths.n_inner4),
    ]);
    buffers
}
