//! The buffers of a decode program, in the order of their bindings.

use super::Tuning;
use super::model::{Config, Draw, Request, Sampling};
use super::operations::{Part, Place, Range};
use super::packing::{Map, Portion, Widths};
use super::shape::Shape;
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

/// The buffer that holds the `Request` of each sequence in each dispatch, and how many 32-bit words that has.
pub const REQUESTS: &str = "requests";
pub const REQUEST_WORDS: usize = 22;

pub const WEIGHTS: &str = "weights";

/// The buffer of keys and values, which a program may go on from.
pub const CACHE: &str = "cache";

/// Bytes of a sequence's keys and values for each position, where `shared` heads have one key and one value in the cache.
pub fn cache_bytes(config: &Config, shared: u32) -> u64 {
    32 * u64::from(config.n_layer) * u64::from(Widths::of(config).heads4 / shared)
}

/// Bytes from one dispatch's requests to the next one's.
pub fn requests_stride(sequences: usize) -> u64 {
    (4 * (REQUEST_WORDS * sequences) as u64).next_multiple_of(Binding::ALIGNMENT)
}

/// The `Request` of the shaders, name by name: what is asked for, where its outputs start, and what a dispatch covers of it.
pub fn request_words(
    config: &Config,
    request: &Request,
    tuning: &Tuning,
    (first_token, first_logits): (u32, u32),
    cached: u32,
    range: &Range,
) -> [(&'static str, u32); REQUEST_WORDS] {
    let logits_stride = if tuning.keep_logits { Widths::of(config).vocab4 } else { 0 };
    let (top_k, temperature, seed) = match request.sampling.draw {
        None => (0, 1.0, 0),
        Some(Draw { temperature, top_k, seed, .. }) => (top_k, temperature, seed),
    };
    let [seed_low, seed_high] = philox::key(seed);
    let end = Place { step: request.positions(), operation: 0 };
    let (first, end) = (range.start.min(end), range.end.min(end));
    let end_token = |index: usize| request.end_tokens.get(index).copied().unwrap_or(u32::MAX);
    [
        ("prompt_tokens", request.prompt.len() as u32),
        ("cached", cached),
        ("end_token", end_token(0)),
        ("other_ends", u32::from(request.end_tokens.len() > 1)),
        ("end_token_2", end_token(1)),
        ("end_token_3", end_token(2)),
        ("end_token_4", end_token(3)),
        ("end_token_5", end_token(4)),
        ("end_token_6", end_token(5)),
        ("end_token_7", end_token(6)),
        ("end_token_8", end_token(7)),
        ("logits_stride", logits_stride),
        ("top_k", top_k),
        ("temperature", f32::to_bits(temperature)),
        ("seed_low", seed_low),
        ("seed_high", seed_high),
        ("first_token", first_token),
        ("first_logits", first_logits),
        ("first_step", first.step),
        ("first_operation", first.operation),
        ("end_step", end.step),
        ("end_operation", end.operation),
    ]
}

/// Slots for what is asked for beyond top-k: of top-p and min-p the other halves of a round's words and what a workgroup knows,
/// and a bit for each token that a penalty is for.
fn sampling_slots(config: &Config, sampling: &Sampling, workgroups: u32) -> u32 {
    let weighs = sampling.draw.is_some_and(|draw| draw.top_p < 1.0 || draw.min_p > 0.0);
    let penalises = sampling.repetition_penalty != 1.0;
    let bits = if penalises { config.vocab_size.div_ceil(32) } else { 0 };
    bits + if weighs { 5 * workgroups } else { 0 }
}

/// Weights, KV cache `[sequence][layer][position][key, value][heads of keys]`, logits `[sequence][new token or 1][vocab]`, tokens
/// `[sequence][prompt + new]`, the requests of each dispatch, the slots of `exchange` `[sequence][member of a tile]`, whether a workgroup gave up waiting for
/// another; and where there are no subgroups scores `[sequence][head][position]`.
pub fn buffers(
    config: &Config,
    requests: &[Request],
    tuning: &Tuning,
    shape: &Shape,
    cached: u32,
    parts: &[Part],
) -> Vec<Buffer> {
    let widths = Widths::of(config);
    let layout = shape.layout;
    let sequences = requests.len() as u64;
    let most_new = requests.iter().map(|request| request.new_tokens).max().unwrap_or(0);
    let logits = 4 * widths.vocab4 * if tuning.keep_logits { most_new } else { 1 };
    let attention4 = widths.query_key_value4() + widths.heads4;
    let slots = 12 * widths.n_embd4 + 4 * (attention4 + widths.n_inner4) + 5 * shape.workgroups;
    // Of a tile the norm behind attention has slots of its own.
    let slots = slots + if shape.tile > 1 { 4 * widths.n_embd4 } else { 0 };
    let slots = slots + sampling_slots(config, &requests[0].sampling, shape.workgroups);
    let positions = u64::from(tuning.capacity);
    let cache = positions * cache_bytes(config, shape.shared);
    let starts: Vec<(u32, u32)> = (0..)
        .zip(requests)
        .scan(0, |first_token, (index, request): (u32, _)| {
            let start = (*first_token, index * logits);
            *first_token += request.prompt.len() as u32 + request.new_tokens;
            Some(start)
        })
        .collect();
    let mut all = Vec::new();
    for range in parts.iter().flat_map(|part| part.repetitions.iter().flatten()) {
        all.resize(all.len().next_multiple_of(Binding::ALIGNMENT as usize / 4), 0);
        for (request, &start) in requests.iter().zip(&starts) {
            all.extend(request_words(config, request, tuning, start, cached, range).map(|(_, word)| word));
        }
    }
    let weights = |part: Option<Portion>| {
        let name =
            if part.is_none_or(|part| part == Portion::Rest) { WEIGHTS.into() } else { Portion::block(part, layout) };
        // A head that is tied is the embedding; no buffer is empty.
        let bytes = Map::of(config, layout, part).bytes().max(Binding::ALIGNMENT);
        buffer(&name, bytes, Contents::Constant(Portion::block(part, layout)))
    };
    let mut buffers = vec![
        weights(shape.parts()[0]),
        buffer(CACHE, sequences * cache, Contents::Scratch),
        buffer("logits", 4 * sequences * u64::from(logits), Contents::Poison),
        words("tokens", requests.iter().flat_map(tokens).collect()),
        words(REQUESTS, all),
        buffer("exchange", 4 * sequences * u64::from(shape.tile * slots), Contents::Zero),
        buffer("gave_up", 4, Contents::Zero),
    ];
    buffers.extend(shape.parts()[1..].iter().map(|part| weights(*part)));
    if !shape.has_subgroups {
        buffers.push(buffer("scores", 4 * sequences * u64::from(config.n_head) * positions, Contents::Scratch));
    }
    buffers
}
