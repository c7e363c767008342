//! The buffers of a decode program.

use super::Tuning;
use super::model::{Config, Request};
use super::packing::{Layout, Map, Widths};
use crate::program::{Buffer, Contents};

fn buffer(name: &str, bytes: u64, contents: Contents) -> Buffer {
    Buffer { name: name.into(), bytes, contents }
}

/// What every arm has: weights, KV cache `[layer][key, value][position][heads]`, scores `[head][position]`, logits
/// `[new token or 1][vocab]`, tokens `[prompt + new]`, in this order.
pub fn fused(config: &Config, request: &Request, tuning: &Tuning, layout: Layout) -> Vec<Buffer> {
    let widths = Widths::of(config);
    let positions = u64::from(request.positions());
    let rows = if tuning.keep_logits { u64::from(request.new_tokens) } else { 1 };
    vec![
        buffer("weights", Map::of(config).bytes(), Contents::Constant(layout.block().into())),
        buffer("cache", 32 * u64::from(config.n_layer) * positions * u64::from(widths.heads4), Contents::Scratch),
        buffer("scores", 4 * u64::from(config.n_head) * positions, Contents::Scratch),
        buffer("logits", 16 * rows * u64::from(widths.vocab4), Contents::Poison),
        buffer("tokens", 4 * (positions + 1), Contents::Data("tokens".into())),
    ]
}

/// Those, with a KV cache for each layer (a binding may not start inside a buffer at any place), and what one dispatch
/// hands to the next.
pub fn stepwise(config: &Config, request: &Request, tuning: &Tuning) -> Vec<Buffer> {
    let widths = Widths::of(config);
    let vec4 = |name: &str, count: u32| buffer(name, 16 * u64::from(count), Contents::Scratch);
    let mut buffers = fused(config, request, tuning, Layout::InOut);
    buffers.retain(|buffer| buffer.name != "cache");
    buffers.extend(
        (0..config.n_layer).map(|layer| vec4(&format!("cache-{layer}"), 2 * request.positions() * widths.heads4)),
    );
    buffers.extend([
        buffer("state", 8, Contents::Zero),
        vec4("stream", widths.n_embd4),
        vec4("normed", widths.n_embd4),
        vec4("query_key_value", 3 * widths.heads4),
        vec4("attended", widths.heads4),
        vec4("inner", widths.n_inner4),
    ]);
    buffers
}
