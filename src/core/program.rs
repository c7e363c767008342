//! A program: the plain data that says what a GPU is to do.
//!
//! A workload writes a program, an executor runs it under a [`Policy`], and anything may read, count, compare or
//! serialise it in between. A *fused* arm is a program of one dispatch; one that is cut into spans has many, of the same
//! kernel. Nothing here knows a GPU API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a GPU is to do: buffers, kernels, and phases of dispatches run in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    pub name: String,
    pub buffers: Vec<Buffer>,
    pub kernels: Vec<Kernel>,
    pub phases: Vec<Phase>,
    /// Names of the buffers that are read back after a run.
    pub outputs: Vec<String>,
}

/// A storage buffer of `bytes` bytes (a multiple of 4), filled anew before each run unless it is constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buffer {
    pub name: String,
    pub bytes: u64,
    pub contents: Contents,
}

/// What a buffer holds when a run starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contents {
    /// Written before every run: all zero.
    Zero,
    /// Written before every run: these 32-bit words.
    Words(Vec<u32>),
    /// Written once from the block of this name; kernels only read it (weights).
    Constant(String),
    /// Written before every run with 0xff bytes, which are NaN as floats: what no kernel wrote is seen.
    Poison,
    /// Cleared before every run, so that no run sees another's values: a kernel writes each element before any reads it.
    Scratch,
}

/// The bytes of a constant, which may be made as they are asked for.
pub trait Block: Send + Sync {
    fn bytes(&self) -> u64;

    /// Gives `write` the bytes piece by piece, each with where it begins. Offsets and lengths are multiples of 4; what no piece
    /// covers is zero.
    fn write(&self, write: &mut dyn FnMut(u64, &[u8]));

    /// All bytes.
    fn whole(&self) -> Vec<u8> {
        let mut whole = vec![0; self.bytes() as usize];
        self.write(&mut |at, piece| whole[at as usize..][..piece.len()].copy_from_slice(piece));
        whole
    }
}

impl Block for Vec<u8> {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    fn write(&self, write: &mut dyn FnMut(u64, &[u8])) {
        write(0, self);
    }
}

/// The initial contents that programs name, by block name.
pub type Blocks = BTreeMap<String, std::sync::Arc<dyn Block>>;

/// One block under its name.
pub fn one_block(name: &str, bytes: std::sync::Arc<Vec<u8>>) -> Blocks {
    let bytes: std::sync::Arc<dyn Block> = bytes;
    [(name.to_string(), bytes)].into()
}

/// A compute pipeline: a WGSL file under `shaders/`, an entry point, and values for its `override` constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    pub shader: String,
    pub entry: String,
    pub constants: BTreeMap<String, f64>,
    /// What a device must offer: threads in a workgroup, bytes of workgroup memory, subgroups of at least this many threads
    /// (0: none needed).
    pub workgroup_size: u32,
    pub workgroup_bytes: u64,
    pub subgroup_size: u32,
    /// Workgroups of its dispatch that wait for each other, and so have to make progress together; 1 where none waits.
    pub workgroups_together: u32,
    pub checks: Checks,
}

/// What a kernel is guarded against while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checks {
    /// Nothing: only natively.
    None,
    /// Indices out of bounds and division by zero, as WebGPU demands. A browser also ends loops that it cannot see the end of.
    Bounds,
    /// And all loops: each counts its turns, also where its end is plain to see. This is what naga makes of a shader that nobody
    /// vouches for; only natively.
    BoundsAndLoops,
}

/// Dispatches that are run in order, `repeat` times over. Each repetition makes one token (or one step).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    pub repeat: u32,
    pub dispatches: Vec<Dispatch>,
}

/// One kernel over `workgroups` workgroups; `bindings[i]` is bound at `@group(0) @binding(i)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dispatch {
    pub kernel: usize,
    pub bindings: Vec<Binding>,
    pub workgroups: u32,
}

/// A range of a buffer, in bytes; `offset` and `stride` are multiples of [`Binding::ALIGNMENT`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    pub buffer: usize,
    pub offset: u64,
    pub bytes: u64,
    /// How much further on each repetition of the phase binds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stride: u64,
}

fn is_zero(stride: &u64) -> bool {
    *stride == 0
}

impl Binding {
    /// WebGPU's default `minStorageBufferOffsetAlignment`: every device allows these offsets.
    pub const ALIGNMENT: u64 = 256;

    /// All of the program's buffer `index`.
    pub fn whole(index: usize, buffer: &Buffer) -> Binding {
        Binding { buffer: index, offset: 0, bytes: buffer.bytes, stride: 0 }
    }
}

/// How the dispatches of a program are handed to the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Submit each dispatch and wait for it: one round trip per operation.
    WaitEach,
    /// Submit each dispatch; wait once at the end.
    SubmitEach,
    /// One submit per token (per repetition of a phase); wait once at the end.
    SubmitPerToken,
    /// Each submit carries twice as many tokens as the one before, so that the GPU computes while the host records; wait once at
    /// the end.
    SubmitAhead,
    /// Everything in one submit and one compute pass; wait once.
    OneSubmit,
}

impl Policy {
    pub const ALL: [Policy; 5] =
        [Policy::WaitEach, Policy::SubmitEach, Policy::SubmitPerToken, Policy::SubmitAhead, Policy::OneSubmit];

    pub fn name(self) -> &'static str {
        match self {
            Policy::WaitEach => "wait-each",
            Policy::SubmitEach => "submit-each",
            Policy::SubmitPerToken => "submit-per-token",
            Policy::SubmitAhead => "submit-ahead",
            Policy::OneSubmit => "one-submit",
        }
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Policy {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Policy::ALL.into_iter().find(|policy| policy.name() == name).ok_or_else(|| {
            format!("no policy is called `{name}`; there are {}", Policy::ALL.map(Policy::name).join(", "))
        })
    }
}

/// How often a program goes to the GPU and back under a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Traffic {
    pub dispatches: u64,
    pub submits: u64,
    pub waits: u64,
}

impl Program {
    pub fn dispatches(&self) -> u64 {
        self.phases.iter().map(|phase| u64::from(phase.repeat) * phase.dispatches.len() as u64).sum()
    }

    pub fn traffic(&self, policy: Policy) -> Traffic {
        let dispatches = self.dispatches();
        let repetitions: u64 = self.phases.iter().map(|phase| u64::from(phase.repeat)).sum();
        let (submits, waits) = match policy {
            Policy::WaitEach => (dispatches, dispatches),
            Policy::SubmitEach => (dispatches, 1),
            Policy::SubmitPerToken => (repetitions, 1),
            Policy::SubmitAhead => (u64::from(repetitions.checked_ilog2().map_or(0, |log| log + 1)), 1),
            Policy::OneSubmit => (1, 1),
        };
        Traffic { dispatches, submits, waits }
    }

    pub fn buffer(&self, name: &str) -> Option<usize> {
        self.buffers.iter().position(|buffer| buffer.name == name)
    }

    /// SHA-256 over the program's JSON: two runs with the same digest did the same thing.
    pub fn sha256(&self) -> String {
        let json = serde_json::to_vec(self).expect("a program is plain data");
        crate::digest::sha256_hex(&json)
    }
}
