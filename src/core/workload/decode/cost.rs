//! What a decode program computes and moves, counted from the program itself.
//!
//! Multiply-adds, barriers and rounds follow from what the program tells its kernel (its constants, and what each dispatch covers),
//! not from the case it was made for: an arm that computed another amount would be found out. Multiply-adds are those of matrices
//! and of attention, padding included; norms, GELU and sampling are left out. A build of the same kernels that counts
//! ([`super::counted`]) holds these terms to what is done.

mod prompt;

use super::buffers::{REQUEST_WORDS, REQUESTS};
use super::format::{Format, Formats};
use super::model::{Config, Request};
use super::operations::{self, Operations, Place};
use crate::program::{Contents, Dispatch, Kernel, Program};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub multiply_adds: u64,
    /// Workgroup and storage barriers that a thread of a sequence's first workgroup meets within kernels; where there are several
    /// sequences, of all of them. Between dispatches the GPU has its own.
    pub barriers: u64,
    /// Times that the workgroups of a sequence ask for what others made: within a dispatch they wait for it there.
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

/// Tokens of a prompt that a program feeds together.
pub fn tile(program: &Program) -> u32 {
    program.kernels.iter().map(|kernel| Sizes { kernel }.tile()).max().unwrap_or(1)
}

/// Fewest bytes that answer a request token by token, the prompt but its last one `tile` of them at a time, without padding: each
/// time every weight of the layers once; for each token fed to the model the embeddings' two rows, the keys and values before it
/// read and its own written; for each new token the head once and the logits. Matrices are as [`Formats::of`] has them, all else in f32.
/// Sequences that are answered together read the weights together, as often as the longest of them does.
pub fn min_bytes(config: &Config, requests: &[Request], format: Format, tile: u32) -> u64 {
    let [embd, inner, vocab, layers] =
        [config.n_embd, config.n_inner, config.vocab_size, config.n_layer].map(u64::from);
    let [heads, query_key_value, gates] =
        [config.n_head * config.head_dim(), config.query_key_value(), config.block.gates()].map(u64::from);
    let keys = u64::from(config.n_key_head() * config.head_dim());
    let formats = Formats::of(config, format);
    let of_layer = formats.query_key_value.bytes_of(query_key_value * embd)
        + formats.projection.bytes_of(heads * embd)
        + formats.fc.bytes_of(gates * embd * inner)
        + formats.mlp.bytes_of(embd * inner);
    let vectors = (4 + 1 + 1) * embd + query_key_value + gates * inner;
    let most = |of: fn(&Request) -> u32| requests.iter().map(of).max().map_or(0, u64::from);
    let times = requests.iter().map(|request| (request.prompt.len() as u32 - 1).div_ceil(tile) + request.new_tokens);
    let shared = u64::from(times.max().unwrap_or(0)) * layers * (of_layer + 4 * vectors)
        + most(|request| request.new_tokens) * (formats.head.bytes_of(embd * vocab) + 4 * 2 * embd);
    let own = |request: &Request| {
        let positions = u64::from(request.positions());
        let cache: u64 = (1..=positions).map(|touched| touched * 2 * keys * layers).sum();
        positions * (formats.embedding.bytes_of(embd) + 4 * embd) + 4 * (cache + u64::from(request.new_tokens) * vocab)
    };
    shared + requests.iter().map(own).sum::<u64>()
}

/// The work of one run of a program made by this workload, every token generated.
pub fn work(program: &Program) -> Work {
    let mut work = Work::default();
    for phase in &program.phases {
        for repetition in 0..u64::from(phase.repeat) {
            for dispatch in &phase.dispatches {
                let sizes = Sizes { kernel: &program.kernels[dispatch.kernel] };
                for covered in covered(program, dispatch, repetition) {
                    work += sizes.of_dispatch(&covered);
                }
            }
        }
    }
    work
}

/// What a dispatch covers of a request, as the program tells its kernel.
struct Covered {
    prompt_tokens: u32,
    first: Place,
    end: Place,
}

fn covered(program: &Program, dispatch: &Dispatch, repetition: u64) -> Vec<Covered> {
    let of_request = |words: &[u32]| {
        let place = |at: usize| Place { step: words[at], operation: words[at + 1] };
        Covered { prompt_tokens: words[0], first: place(REQUEST_WORDS - 4), end: place(REQUEST_WORDS - 2) }
    };
    for binding in &dispatch.bindings {
        let buffer = &program.buffers[binding.buffer];
        if let (Contents::Words(words), REQUESTS) = (&buffer.contents, buffer.name.as_str()) {
            let start = binding.offset + repetition * binding.stride;
            let bound = &words[start as usize / 4..(start + binding.bytes) as usize / 4];
            return bound.chunks_exact(REQUEST_WORDS).map(of_request).collect();
        }
    }
    Vec::new()
}

/// A kernel's constants, and what follows from them.
struct Sizes<'a> {
    kernel: &'a Kernel,
}

/// What an operation meets, and what it does not: the terms of the shaders' modules, one function for each.
impl Sizes<'_> {
    fn get(&self, name: &str) -> u64 {
        self.kernel.constants[name] as u64
    }

    fn is(&self, name: &str) -> bool {
        self.get(name) > 0
    }

    fn has_subgroups(&self) -> bool {
        self.kernel.constants.contains_key("SUBGROUP")
    }

    fn together(&self) -> u64 {
        u64::from(self.get("WORKGROUPS") > 1)
    }

    fn of_dispatch(&self, covered: &Covered) -> Work {
        let operations = Operations::of_kernel(self.kernel);
        let mut first = covered.first;
        let mut work = Work::default();
        if self.tile() > 1 {
            (work, first) = self.read_prompt(&operations, covered);
            if first.step + 1 < covered.prompt_tokens {
                return work;
            }
        }
        // The token that comes first is told to all.
        work += barriers(2);
        for step in first.step..=covered.end.step {
            let from = if step == first.step { first.operation } else { 0 };
            let to = if step == covered.end.step { covered.end.operation } else { operations.choice + 1 };
            if step == first.step && from > 0 {
                work += self.entering(&operations, from);
            }
            let makes_token = step + 1 >= covered.prompt_tokens;
            for operation in from..to.min(if makes_token { to } else { operations.norm_f }) {
                work += self.of_operation(&operations, operation, operation > from, u64::from(step));
            }
            if !makes_token && to > operations.norm_f {
                work += self.awaiting();
            }
        }
        work
    }

    /// What an operation within a token restores of an earlier dispatch.
    fn entering(&self, operations: &Operations, from: u32) -> Work {
        let [near, whole] = ["NEAR", "WHOLE"].map(|name| self.is(name));
        if from >= operations.norm_f {
            let restores = from == operations.head || (from == operations.norm_f && near);
            return barriers(u64::from(whole && restores));
        }
        let depth = (from - 1) / operations::LAYER_OPERATIONS;
        let normed =
            [operations::QUERY_KEY_VALUE, operations::FC].contains(&((from - 1) % operations::LAYER_OPERATIONS));
        let restored = match (from - 1) % operations::LAYER_OPERATIONS {
            operations::NORM_1 => u64::from(near || depth == 0),
            operations::QUERY_KEY_VALUE | operations::NORM_2 | operations::FC => u64::from(near),
            _ => 2 * u64::from(near),
        };
        barriers(u64::from(whole) * (restored + u64::from(normed)))
    }

    fn of_operation(&self, operations: &Operations, operation: u32, is_known: bool, position: u64) -> Work {
        let [embd4, heads4, inner4] = ["N_EMBD4", "HEADS4", "N_INNER4"].map(|name| self.get(name));
        let near = self.is("NEAR");
        if operation == 0 {
            return barriers(u64::from(self.is("WHOLE")) + u64::from(!self.has_subgroups()));
        }
        if operation < operations.norm_f {
            let is_first_layer = operation <= operations::LAYER_OPERATIONS;
            return match (operation - 1) % operations::LAYER_OPERATIONS {
                operations::NORM_1 if is_first_layer => self.norm(),
                operations::NORM_1 | operations::NORM_2 => self.gathered(self.norm()),
                operations::QUERY_KEY_VALUE => {
                    let rows = 4 * (heads4 + 2 * self.get("KEYS4"));
                    self.ended(self.matrix("QUERY_KEY_VALUE", embd4, rows, 1))
                }
                operations::ATTENTION => self.attention(position),
                operations::PROJECTION => self.gathered(self.ended(self.matrix("PROJECTION", heads4, 4 * embd4, 1))),
                operations::FC => self.ended(self.matrix("FC", embd4, 4 * inner4, self.get("GATES"))),
                _ => self.gathered(self.ended(self.matrix("MLP", inner4, 4 * embd4, 1))),
            };
        }
        if operation == operations.norm_f {
            return self.gathered(self.norm());
        }
        let offers = if self.is("SAMPLED") { operations.draw } else { operations.head };
        let mut work = Work::default();
        if operation == operations.head {
            work += self.matrix("LOGITS", embd4, self.get("VOCAB_SIZE"), 1);
        }
        if self.is("SAMPLED")
            && operation == operations.count
            && self.kernel.constants.contains_key("REPETITION_PENALTY")
        {
            work += barriers(1);
        }
        if self.is("SAMPLED") && (operations.count..operations.draw).contains(&operation) {
            work += barriers(2);
        }
        if self.is("SAMPLED") && (operations.count + 1..=operations.draw).contains(&operation) {
            let known = near && is_known;
            work += Work {
                barriers: if known { 1 } else { 3 },
                rounds: if near { 0 } else { self.together() },
                multiply_adds: 0,
            };
        }
        if operation == offers {
            work += barriers(self.best());
        }
        if operation == operations.choice {
            if !(near && is_known) {
                let rounds = if near { 0 } else { self.together() };
                let barriers = if self.has_subgroups() { 0 } else { 1 + self.best() };
                work += Work { barriers, rounds, multiply_adds: 0 };
            }
            // The token is told to all.
            work += barriers(2);
        }
        work
    }

    /// With what comes of other workgroups: whole vectors, which one barrier ends.
    fn gathered(&self, work: Work) -> Work {
        let whole = u64::from(self.is("WHOLE") && !self.is("NEAR"));
        let rounds = if self.is("NEAR") { 0 } else { self.together() };
        Work { barriers: work.barriers + whole, rounds: work.rounds + rounds, ..work }
    }

    /// The whole stream, before a token of the prompt is left.
    fn awaiting(&self) -> Work {
        let far = !self.is("NEAR");
        Work { barriers: u64::from(far), rounds: if far { self.together() } else { 0 }, multiply_adds: 0 }
    }

    fn norm(&self) -> Work {
        let total = match self.has_subgroups() {
            true => u64::from(self.get("NORM_LANES") > self.get("SUBGROUP")),
            false => 1,
        };
        let passes = if self.is("WHOLE") || self.is("ROOT_MEAN_SQUARE") { 1 } else { 2 };
        barriers(passes * (total + 1))
    }

    /// With the barrier at which a matrix ends that others read.
    fn ended(&self, work: Work) -> Work {
        Work { barriers: work.barriers + 1, ..work }
    }

    /// `gates` rows for each of `outputs`.
    fn matrix(&self, name: &str, in4: u64, outputs: u64, gates: u64) -> Work {
        match self.has_subgroups() {
            true => self.rows(name, in4, outputs, gates),
            false => self.columns(in4, (outputs * gates).div_ceil(4)),
        }
    }

    /// As `linear` of `shaders/modules/rows.wgsl`.
    fn rows(&self, name: &str, in4: u64, outputs: u64, gates: u64) -> Work {
        let lanes = self.get(&format!("{name}_LANES"));
        let format = Format::ALL[self.get(&format!("{name}_FORMAT")) as usize];
        let vec4_in_chunk = u64::from(format.vec4_in_chunk());
        let step_chunks = u64::from(format.step_chunks());
        let chunks = in4.div_ceil(vec4_in_chunk);
        let row_steps = (chunks / lanes).div_ceil(step_chunks);
        let turns = gates * outputs.div_ceil(self.get("WORKGROUPS")).div_ceil(self.get("WORKGROUP_SIZE") / lanes);
        let shared = if lanes > self.get("SUBGROUP") { turns * (1 + u64::from(turns > 1)) } else { 0 };
        let mut tiles = 0;
        if !self.is("WHOLE") {
            let tile_steps = self.get("TILE4") / (vec4_in_chunk * step_chunks * lanes);
            let loads = if row_steps > tile_steps { turns * row_steps.div_ceil(tile_steps) } else { 1 };
            tiles = 2 * loads - 1;
        }
        Work { multiply_adds: 4 * outputs * gates * chunks * vec4_in_chunk, barriers: shared + tiles, rounds: 0 }
    }

    /// As `linear` of `shaders/modules/columns.wgsl`, of its first workgroup.
    fn columns(&self, in4: u64, out4: u64) -> Work {
        let size = self.get("WORKGROUP_SIZE");
        let columns = out4.div_ceil(self.get("WORKGROUPS"));
        let longest = if self.is("WHOLE") { in4 } else { in4.min(self.get("TILE4")) };
        let slices = (size / columns).clamp(1, longest);
        let turns = columns.div_ceil(size);
        let loads = match (self.is("WHOLE"), longest < in4) {
            (true, _) => 0,
            (false, true) => turns * in4.div_ceil(longest),
            (false, false) => 1,
        };
        Work { multiply_adds: 16 * in4 * out4, barriers: u64::from(slices > 1) + 2 * loads, rounds: 0 }
    }

    fn attention(&self, position: u64) -> Work {
        let [heads, head4, workgroups] = ["N_HEAD", "HEAD4", "WORKGROUPS"].map(|name| self.get(name));
        let group = self.get("GROUP");
        let near = self.is("NEAR");
        let rounds = if near { 0 } else { self.together() };
        let multiply_adds = 2 * 4 * heads * head4 * (position + 1);
        let fetched = u64::from(!near);
        if self.has_subgroups() {
            let shared = self.get("SHARED");
            let passes = (heads / shared).div_ceil(workgroups * self.get("TEAMS"));
            return Work { multiply_adds, barriers: passes * (2 * shared + fetched), rounds };
        }
        let prepared = u64::from(self.is("ROTARY") || self.is("QUERY_KEY_NORM"));
        let mut own = heads / group / workgroups;
        let mut met = 0;
        while own > 0 {
            let now = own.min(self.get("GROUPS"));
            let sliced = self.get("WORKGROUP_SIZE") / (now * group * head4) > 1;
            met += 2 + fetched + prepared + u64::from(sliced) + u64::from(!self.is("NEAR_SCORES"));
            own -= now;
        }
        Work { multiply_adds, barriers: met, rounds }
    }

    /// Barriers of the best candidate of a workgroup.
    fn best(&self) -> u64 {
        if self.has_subgroups() {
            return 1;
        }
        let mut levels = 0;
        let mut entries = self.get("WORKGROUP_SIZE");
        while entries > 1 {
            entries = entries.div_ceil(8);
            levels += 1;
        }
        levels
    }
}

fn barriers(barriers: u64) -> Work {
    Work { barriers, ..Work::default() }
}
