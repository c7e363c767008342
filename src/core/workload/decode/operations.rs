//! The operations of a token, as `shaders/modules/generation.wgsl` numbers them, and how a span cuts a generation into
//! dispatches.

use super::model::{Request, Sampling};
use super::prompt::Reading;
use super::span::Span;
use crate::program::Kernel;

/// Of a layer, from its first on: norm, query-key-value, attention, projection, norm, and the two matrices of the MLP.
pub const NORM_1: u32 = 0;
pub const QUERY_KEY_VALUE: u32 = 1;
pub const ATTENTION: u32 = 2;
pub const PROJECTION: u32 = 3;
pub const NORM_2: u32 = 4;
pub const FC: u32 = 5;
pub const MLP: u32 = 6;
pub const LAYER_OPERATIONS: u32 = 7;

/// Kinds of operation, a bit for each, as COVERS has them: those of a layer, the embedding, the norm and the head behind the
/// layers, and how the next token is found.
pub const LAYER_KINDS: u32 = 0x7f;
pub const EMBEDDING_KIND: u32 = 7;
pub const HEAD_KIND: u32 = 8;
pub const CHOICE_KIND: u32 = 9;
pub const ALL_KINDS: u32 = 0x3ff;

/// Rounds that find a threshold, a bit in each.
pub const BITS: u32 = 32;

/// Rounds that find which tokens are drawn from: the bits of top-k's threshold; then, for top-p or min-p, the largest logit; and
/// for top-p the mass of all that top-k leaves, and the bits of another threshold. Of a greedy choice after a penalty there are
/// 0; without one the head makes the choice, and there is none.
pub fn rounds(sampling: &Sampling) -> Option<u32> {
    let Some(draw) = sampling.draw else { return (*sampling != Sampling::GREEDY).then_some(0) };
    let has_top_p = draw.top_p < 1.0;
    Some(BITS + u32::from(has_top_p || draw.min_p > 0.0) + if has_top_p { 1 + BITS } else { 0 })
}

/// Where the operations of a token are: the embedding is 0, and the layers follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    pub n_layer: u32,
    pub norm_f: u32,
    pub head: u32,
    /// The first of the rounds that find which tokens are drawn from.
    pub count: u32,
    pub draw: u32,
    pub choice: u32,
}

impl Operations {
    /// `rounds` as of [`rounds`].
    pub fn of(n_layer: u32, rounds: Option<u32>) -> Operations {
        let norm_f = 1 + LAYER_OPERATIONS * n_layer;
        let count = norm_f + 2;
        let draw = count + rounds.unwrap_or(BITS);
        let choice = if rounds.is_some() { draw + 1 } else { count };
        Operations { n_layer, norm_f, head: norm_f + 1, count, draw, choice }
    }

    /// Those of a kernel, by its constants.
    pub fn of_kernel(kernel: &Kernel) -> Operations {
        let get = |name: &str| kernel.constants.get(name).map(|&value| value as u32);
        let rounds = get("SAMPLED").filter(|&sampled| sampled > 0).map(|_| get("CHOICE_ROUNDS").unwrap_or(BITS));
        Operations::of(get("N_LAYER").unwrap_or(0), rounds)
    }

    pub fn of_layer(layer: u32) -> u32 {
        1 + LAYER_OPERATIONS * layer
    }

    /// The kinds that a dispatch covers: all, where it covers whole tokens.
    pub fn kinds(&self, range: &Range) -> u32 {
        if range.start.operation == 0 && range.end.operation == 0 && range.start.step < range.end.step {
            return ALL_KINDS;
        }
        let kind = |operation: u32| match operation {
            0 => EMBEDDING_KIND,
            _ if operation < self.norm_f => (operation - 1) % LAYER_OPERATIONS,
            _ if operation < self.count => HEAD_KIND,
            _ => CHOICE_KIND,
        };
        let of_step = |step: u32| {
            let first = if step == range.start.step { range.start.operation } else { 0 };
            let end = if step == range.end.step { range.end.operation } else { self.choice + 1 };
            (first..end).map(kind)
        };
        (range.start.step..=range.end.step).flat_map(of_step).fold(0, |kinds, kind| kinds | 1 << kind)
    }

    /// The operations of a token at which a dispatch of this span begins, the embedding left out; the choice is among them
    /// where the next token's embedding goes on from it.
    fn cuts(&self, span: Span) -> Vec<u32> {
        let layers = (0..self.n_layer).map(Operations::of_layer);
        let tail = self.count..self.choice;
        match span {
            Span::Operation => (1..=self.choice).collect(),
            Span::Stage => {
                let of_layer = |start: u32| [NORM_1, ATTENTION, PROJECTION, NORM_2, MLP].map(|at| start + at);
                let cuts = layers.flat_map(of_layer).filter(|&at| at > 1);
                cuts.chain([self.norm_f]).chain(tail).chain([self.choice]).collect()
            }
            Span::Layer => layers.filter(|&at| at > 1).chain([self.norm_f, self.choice]).collect(),
            Span::Token | Span::Chunk(_) | Span::Generation => Vec::new(),
        }
    }
}

/// An operation of the token that is fed at position `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub step: u32,
    pub operation: u32,
}

/// What a dispatch covers: from one place to before another.
pub type Range = std::ops::Range<Place>;

/// Dispatches that are run in order, as often as there are `repetitions`, each with its own ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: &'static str,
    pub repetitions: Vec<Vec<Range>>,
}

/// How a span cuts what all `requests` ask for together into dispatches.
pub fn parts(span: Span, n_layer: u32, requests: &[Request], reading: Reading) -> Vec<Part> {
    let operations = Operations::of(n_layer, rounds(&requests[0].sampling));
    let positions = requests.iter().map(Request::positions).max().unwrap_or(0);
    let firsts = reading.rounds(requests);
    let chunk = match span {
        Span::Chunk(tokens) => tokens.get() as usize,
        Span::Token => 1,
        Span::Generation => firsts.len(),
        Span::Operation | Span::Stage | Span::Layer => {
            return within_tokens(&operations, &operations.cuts(span), span == Span::Operation, requests, &firsts);
        }
    };
    let begins = firsts.iter().step_by(chunk).chain([&positions]).map(|&step| Place { step, operation: 0 });
    let repetitions = begins.collect::<Vec<_>>().windows(2).map(|pair| vec![pair[0]..pair[1]]).collect();
    vec![Part { name: "generation", repetitions }]
}

/// The parts where a token takes several dispatches: tokens of the prompt, which end with their layers, and those that make a new
/// one. A tile of the prompt is like a token there, but that its norm reads the embeddings. Where the choice is not a dispatch `alone`,
/// the first dispatch of a token begins with it, and one more ends the generation.
fn within_tokens(
    operations: &Operations,
    cuts: &[u32],
    alone: bool,
    requests: &[Request],
    firsts: &[u32],
) -> Vec<Part> {
    let positions = requests.iter().map(Request::positions).max().unwrap_or(0);
    let prompt = requests.iter().map(|request| request.prompt.len() as u32).min().unwrap_or(1) - 1;
    let token = |step: u32, first: Place, cuts: &[u32], end: Place| -> Vec<Range> {
        let inner = cuts.iter().map(|&operation| Place { step, operation });
        let places: Vec<Place> = std::iter::once(first).chain(inner).chain([end]).collect();
        places.windows(2).map(|pair| pair[0]..pair[1]).collect()
    };
    let begin = |step| Place { step, operation: 0 };
    let choice = |step| Place { step, operation: operations.choice };
    let of_layers: Vec<u32> = cuts.iter().copied().filter(|&at| at < operations.norm_f).collect();
    let of_prompt = |step| token(step, begin(step), &of_layers, Place { step, operation: operations.norm_f });
    let (in_prompt, new): (Vec<u32>, Vec<u32>) = firsts.iter().partition(|&&step| step < prompt);
    let before_choice: Vec<u32> = cuts.iter().copied().filter(|&at| at < operations.choice).collect();
    let of_new = |step: u32| match alone {
        true => token(step, begin(step), cuts, begin(step + 1)),
        false if step == prompt => token(step, begin(step), &before_choice, choice(step)),
        false => token(step, choice(step - 1), &before_choice, choice(step)),
    };
    let mut parts = vec![
        Part { name: "prompt", repetitions: in_prompt.into_iter().map(of_prompt).collect() },
        Part { name: "decode", repetitions: new.into_iter().map(of_new).collect() },
    ];
    if !alone {
        let last = choice(positions - 1)..begin(positions);
        parts.push(Part { name: "choice", repetitions: vec![vec![last]] });
    }
    parts.retain(|part| !part.repetitions.is_empty());
    parts
}
