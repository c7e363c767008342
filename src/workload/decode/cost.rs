//! What a decode program computes and moves, counted from the program itself.
//!
//! Multiply-adds and barriers follow from what the program tells its kernels (its constants and its list of dispatches), not
//! from the case it was made for: an arm that computed another amount would be found out. They are those of matrices and
//! of attention, padding included; norms, GELU and sampling are left out.

use super::buffers;
use super::format::Format;
use super::model::{Config, Request};
use crate::program::{Contents, Dispatch, Kernel, Program};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub multiply_adds: u64,
    /// Workgroup and storage barriers that a thread meets within kernels. Between dispatches the GPU has its own.
    pub barriers: u64,
    /// Times that the workgroups of a dispatch wait for each other.
    pub rounds: u64,
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        self.multiply_adds += other.multiply_adds;
        self.barriers += other.barriers;
        self.rounds += other.rounds;
    }
}

/// The fewest threads that share a row of a matrix; 0 where no kernel deals out rows so.
pub fn row_lanes(program: &Program) -> u32 {
    let matrices = ["QUERY_KEY_VALUE_LANES", "PROJECTION_LANES", "FC_LANES", "MLP_LANES", "LOGITS_LANES"];
    let lanes =
        program.kernels.iter().flat_map(|kernel| matrices.iter().filter_map(|name| kernel.constants.get(*name)));
    lanes.copied().reduce(f64::min).map_or(0, |lanes| lanes as u32)
}

/// The work of one run of a program made by this workload, every token generated.
pub fn work(program: &Program) -> Work {
    let mut work = Work::default();
    let mut position = 0;
    for phase in &program.phases {
        for _ in 0..phase.repeat {
            for dispatch in &phase.dispatches {
                work += dispatch_work(program, dispatch, position);
            }
            position += 1;
        }
    }
    work
}

/// Fewest bytes that answer a request token by token, without padding: for each token fed to the model, every weight
/// of the layers once, the embeddings' two rows, the keys and values before it read and its own written; for each new
/// token the head once and the logits. Matrices are in `format`, all else in f32.
/// Sequences that are answered together read the weights together, as often as the longest of them does.
pub fn min_bytes(config: &Config, requests: &[Request], format: Format) -> u64 {
    let [embd, inner, vocab, layers] =
        [config.n_embd, config.n_inner, config.vocab_size, config.n_layer].map(u64::from);
    let matrices = 3 * embd * embd + embd * embd + 2 * embd * inner;
    let vectors = (4 + 1 + 3 + 1) * embd + inner;
    let most = |of: fn(&Request) -> u32| requests.iter().map(of).max().map_or(0, u64::from);
    let shared = most(Request::positions) * layers * (format.bytes() * matrices + 4 * vectors)
        + most(|request| request.new_tokens) * (format.bytes() * embd * vocab + 4 * 2 * embd);
    let own = |request: &Request| {
        let positions = u64::from(request.positions());
        let cache: u64 = (1..=positions).map(|touched| touched * 2 * embd * layers).sum();
        positions * (format.bytes() + 4) * embd + 4 * (cache + u64::from(request.new_tokens) * vocab)
    };
    shared + requests.iter().map(own).sum::<u64>()
}

fn constant(kernel: &Kernel, name: &str) -> u64 {
    kernel.constants[name] as u64
}

fn dispatch_work(program: &Program, dispatch: &Dispatch, position: u64) -> Work {
    let kernel = &program.kernels[dispatch.kernel];
    let get = |name| constant(kernel, name);
    match (kernel.shader.as_str(), kernel.entry.as_str()) {
        ("decode/linear.wgsl", _) => Work { multiply_adds: 16 * get("IN4") * get("OUT4"), barriers: 1, rounds: 0 },
        ("decode/attention.wgsl", _) => {
            let per_head = 2 * 4 * get("HEAD4") * (position + 1);
            Work { multiply_adds: u64::from(dispatch.workgroups) * per_head, barriers: 4, rounds: 0 }
        }
        ("decode/norm.wgsl", _) => Work { barriers: 2 * (2 + get("WORKGROUP_SIZE").ilog2() as u64), ..Work::default() },
        ("decode/sample.wgsl", "sample") => {
            Work { barriers: choice_barriers(kernel, get("WORKGROUP_SIZE")), ..Work::default() }
        }
        ("decode/fused_workgroup.wgsl", _) => fused_workgroup_work(program, dispatch),
        ("decode/fused_subgroup.wgsl", _) => fused_subgroup_work(program, dispatch),
        ("decode/embed.wgsl", _) | ("decode/sample.wgsl", "advance") => Work::default(),
        (shader, entry) => unreachable!("{entry} of {shader} is not among this workload's kernels"),
    }
}

/// Barriers of choosing a token among candidates that `holders` threads hold, as in `choose` of the shaders.
fn choice_barriers(kernel: &Kernel, holders: u64) -> u64 {
    let mut levels = 0;
    let mut entries = holders;
    while entries > 1 {
        entries = entries.div_ceil(8);
        levels += 1;
    }
    // workgroupUniformLoad is two barriers; each of 32 bits of a top-k threshold takes three.
    levels + 2 + if constant(kernel, "SAMPLED") > 0 { 32 * 3 } else { 0 }
}

fn fused_workgroup_work(program: &Program, dispatch: &Dispatch) -> Work {
    let kernel = &program.kernels[dispatch.kernel];
    let get = |name| constant(kernel, name);
    let [layers, embd4, heads4, inner4, vocab4, threads] =
        ["N_LAYER", "N_EMBD4", "HEADS4", "N_INNER4", "VOCAB4", "WORKGROUP_SIZE"].map(get);
    let linear = |in4: u64, out4: u64| {
        let sliced = (threads / out4).clamp(1, in4) > 1;
        Work { multiply_adds: 16 * in4 * out4, barriers: 1 + u64::from(sliced), ..Work::default() }
    };
    let norm = Work { barriers: 2, ..Work::default() };
    let chunks = chunks(program, dispatch);
    let mut work = goes_on(&chunks);
    for (prompt_tokens, position) in positions(chunks) {
        // The second orders storage.
        work.barriers += 2;
        for _ in 0..layers {
            work += norm;
            work += linear(embd4, 3 * heads4);
            work += Work {
                multiply_adds: 2 * 4 * heads4 * (position + 1),
                barriers: 2 + u64::from(threads / heads4 > 1) + u64::from(get("NEAR_SCORES") == 0),
                ..Work::default()
            };
            work += linear(heads4, embd4);
            work += norm;
            work += linear(embd4, inner4);
            work += linear(inner4, embd4);
        }
        if position + 1 >= prompt_tokens {
            work += norm;
            work += linear(embd4, vocab4);
            let sampled = get("SAMPLED") > 0;
            let holders = threads.min(if sampled { get("VOCAB_SIZE") } else { vocab4 });
            work.barriers += choice_barriers(kernel, holders) + u64::from(sampled);
        }
    }
    work
}

fn fused_subgroup_work(program: &Program, dispatch: &Dispatch) -> Work {
    let kernel = &program.kernels[dispatch.kernel];
    let get = |name| constant(kernel, name);
    let [layers, embd4, heads4, inner4] = ["N_LAYER", "N_EMBD4", "HEADS4", "N_INNER4"].map(get);
    let passes = get("N_HEAD").div_ceil(get("WORKGROUPS") * get("TEAMS"));
    // A round is what the workgroups wait for each other for; each has a barrier of its own.
    let round = u64::from(get("WORKGROUPS") > 1);
    let matrices = 16 * (embd4 * 3 * heads4 + heads4 * embd4 + 2 * embd4 * inner4);
    let layer_rounds = 5 * round;
    let chunks = chunks(program, dispatch);
    let mut work = goes_on(&chunks);
    for (prompt_tokens, position) in positions(chunks) {
        work.multiply_adds += layers * (matrices + 2 * 4 * heads4 * (position + 1));
        work.rounds += layers * layer_rounds;
        // The embedding; two norms, four matrices, attention.
        work.barriers += 1 + layers * (2 + 4 + 2 * passes + round * (4 + passes));
        if position + 1 >= prompt_tokens {
            work.multiply_adds += 4 * embd4 * get("VOCAB_SIZE");
            let drawing = if get("SAMPLED") > 0 { 32 * (3 + 2 * round) } else { 0 };
            work.barriers += 2 + 3 + round + drawing;
            work.rounds += round * (1 + if get("SAMPLED") > 0 { 32 } else { 0 });
        }
    }
    work
}

/// What a dispatch does of a request, as the program tells its kernel.
struct Chunk {
    prompt_tokens: u64,
    /// Tokens fed to the model.
    steps: std::ops::Range<u64>,
}

fn chunks(program: &Program, dispatch: &Dispatch) -> Vec<Chunk> {
    let chunk = |words: &[u32]| {
        let first = u64::from(words[words.len() - 1]);
        Chunk { prompt_tokens: u64::from(words[0]), steps: first..u64::from(words[1]) }
    };
    for binding in &dispatch.bindings {
        let buffer = &program.buffers[binding.buffer];
        let words_each = match buffer.name.as_str() {
            buffers::REQUEST => buffers::REQUEST_WORDS,
            buffers::REQUESTS => buffers::REQUESTS_WORDS,
            _ => continue,
        };
        if let Contents::Words(words) = &buffer.contents {
            let bound = &words[binding.offset as usize / 4..(binding.offset + binding.bytes) as usize / 4];
            return bound.chunks_exact(words_each).map(chunk).collect();
        }
    }
    Vec::new()
}

/// The tokens of the prompt and the position of each token that is fed.
fn positions(chunks: Vec<Chunk>) -> impl Iterator<Item = (u64, u64)> {
    chunks.into_iter().flat_map(|Chunk { prompt_tokens, steps }| steps.map(move |at| (prompt_tokens, at)))
}

/// Barriers at which a chunk finds out whether the generation goes on.
fn goes_on(chunks: &[Chunk]) -> Work {
    let asking = chunks.iter().filter(|chunk| chunk.steps.start >= chunk.prompt_tokens).count();
    Work { barriers: 2 * asking as u64, ..Work::default() }
}
