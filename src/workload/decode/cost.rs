//! What a decode program computes and moves, counted from the program itself.
//!
//! Multiply-adds and barriers follow from what the program tells its kernels (its constants and its list of dispatches), not
//! from the case it was made for: an arm that computed another amount would be found out. They are those of matrices and
//! of attention, padding included; norms, GELU and sampling are left out.

use super::model::{Config, Request};
use crate::program::{Contents, Dispatch, Kernel, Program};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub multiply_adds: u64,
    /// Workgroup and storage barriers that a thread meets within kernels. Between dispatches the GPU has its own.
    pub barriers: u64,
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        self.multiply_adds += other.multiply_adds;
        self.barriers += other.barriers;
    }
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

/// Fewest bytes that answer a request token by token in f32, without padding: for each token fed to the model, every weight
/// of the layers once, the embeddings' two rows, the keys and values before it read and its own written; for each new
/// token the head once and the logits.
pub fn min_bytes(config: &Config, request: &Request) -> u64 {
    let [embd, inner, vocab] = [config.n_embd, config.n_inner, config.vocab_size].map(u64::from);
    let layer = 3 * embd * embd + embd * embd + 2 * embd * inner + (4 + 1 + 3 + 1) * embd + inner;
    let positions = u64::from(request.positions());
    let cache: u64 = (1..=positions).map(|touched| touched * 2 * embd * u64::from(config.n_layer)).sum();
    let per_position = u64::from(config.n_layer) * layer + 2 * embd;
    let per_new_token = embd * vocab + 2 * embd + vocab;
    4 * (positions * per_position + cache + u64::from(request.new_tokens) * per_new_token)
}

fn constant(kernel: &Kernel, name: &str) -> u64 {
    kernel.constants[name] as u64
}

fn dispatch_work(program: &Program, dispatch: &Dispatch, position: u64) -> Work {
    let kernel = &program.kernels[dispatch.kernel];
    let get = |name| constant(kernel, name);
    match (kernel.shader.as_str(), kernel.entry.as_str()) {
        ("decode/linear.wgsl", _) => Work { multiply_adds: 16 * get("IN4") * get("OUT4"), barriers: 1 },
        ("decode/attention.wgsl", _) => {
            let per_head = 2 * 4 * get("HEAD4") * (position + 1);
            Work { multiply_adds: u64::from(dispatch.workgroups) * per_head, barriers: 4 }
        }
        ("decode/norm.wgsl", _) => Work { multiply_adds: 0, barriers: 2 * (2 + get("WORKGROUP_SIZE").ilog2() as u64) },
        ("decode/sample.wgsl", "sample") => {
            Work { multiply_adds: 0, barriers: choice_barriers(kernel, get("WORKGROUP_SIZE")) }
        }
        ("decode/fused_workgroup.wgsl" | "decode/fused_subgroup.wgsl", _) => fused_work(program, kernel),
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

fn fused_work(program: &Program, kernel: &Kernel) -> Work {
    let get = |name| constant(kernel, name);
    let [layers, embd4, heads4, inner4, vocab4, threads] =
        ["N_LAYER", "N_EMBD4", "HEADS4", "N_INNER4", "VOCAB4", "WORKGROUP_SIZE"].map(get);
    let with_subgroups = kernel.shader == "decode/fused_subgroup.wgsl";
    let linear = |in4: u64, out4: u64| {
        let sliced = !with_subgroups && (threads / out4).clamp(1, in4) > 1;
        Work { multiply_adds: 16 * in4 * out4, barriers: 1 + u64::from(sliced) }
    };
    let norm = Work { multiply_adds: 0, barriers: if with_subgroups { 1 } else { 2 } };
    let mut work = Work::default();
    let [prompt_tokens, steps] = request_head(program);
    for position in 0..steps {
        work.barriers += 1;
        for _ in 0..layers {
            work += norm;
            work += linear(embd4, 3 * heads4);
            work += Work {
                multiply_adds: 2 * 4 * heads4 * (position + 1),
                // Two of them order storage.
                barriers: if threads / heads4 > 1 { 3 + 2 } else { 2 + 2 },
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
            let holders = match (with_subgroups, sampled) {
                (true, _) => threads,
                (false, true) => threads.min(get("VOCAB_SIZE")),
                (false, false) => threads.min(vocab4),
            };
            work.barriers += choice_barriers(kernel, holders) + u64::from(sampled);
        }
    }
    work
}

/// Tokens of the prompt, and tokens fed to the model in all, as the program tells its kernels.
fn request_head(program: &Program) -> [u64; 2] {
    let words = program.buffers.iter().find_map(|buffer| match &buffer.contents {
        Contents::Words(words) if buffer.name == "request" => Some(words),
        _ => None,
    });
    words.map_or([0, 0], |words| [u64::from(words[0]), u64::from(words[1])])
}
