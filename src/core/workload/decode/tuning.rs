//! What a program may be tuned by.

/// Workgroup memory of every WebGPU device, in bytes.
pub const LEAST_MEMORY: u32 = 16_384;

/// What an arm's program may be tuned by; chosen per device by calibration and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Workgroups of a sequence.
    pub workgroups: u32,
    pub waiting: Waiting,
    /// Threads in a workgroup.
    pub workgroup_size: u32,
    /// Of the kernels with subgroups: threads that share a row of a matrix at least, as far as it has that many chunks.
    pub least_lanes: u32,
    /// The device's smallest subgroup; 0 where it has none.
    pub subgroup_size: u32,
    /// Whether the logits of every new token are kept, or only the last ones.
    pub keep_logits: bool,
    /// Positions that the KV cache holds, at least those of the request. Requests of one capacity share pipelines.
    pub capacity: u32,
    /// Of the kernels with subgroups: tokens of a prompt that share a reading of the weights, as far as workgroup memory has
    /// place for them. A power of two; less than 8 feeds each alone.
    pub tile: u32,
    /// Bytes of workgroup memory that a kernel may take. Vectors that do not fit come in tiles.
    pub memory: u32,
    /// Bytes that a kernel may bind as one buffer. Weights that are more come in parts.
    pub binding_bytes: u64,
}

impl Tuning {
    /// Of [`Tuning::tile`]: what a prompt of some length is read in, where nothing else is asked for.
    pub const TILE: u32 = 64;

    /// Of [`Tuning::tile`]: what suits a device. Software takes minutes to compile a kernel that reads tiles, so it feeds each token
    /// alone.
    pub fn tile_for(is_software: bool) -> u32 {
        if is_software { 1 } else { Tuning::TILE }
    }

    /// Of [`Tuning::least_lanes`]: that many threads read a whole cache line of 128 bytes, which suits weights that are far;
    /// of a small model, which stays near, fewer threads have fewer sums to add up.
    pub const LEAST_LANES: [u32; 3] = [8, 4, 2];

    /// One workgroup of this size, without subgroups; the last logits are kept.
    pub fn of(workgroup_size: u32, capacity: u32) -> Tuning {
        let waiting = Waiting { patience: 1, by_writing: false };
        Tuning {
            workgroups: 1,
            waiting,
            workgroup_size,
            least_lanes: Tuning::LEAST_LANES[0],
            subgroup_size: 0,
            keep_logits: false,
            capacity,
            tile: 1,
            memory: LEAST_MEMORY,
            binding_bytes: u64::MAX,
        }
    }
}

/// How a thread waits for what another workgroup makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Times that it asks before it gives up.
    pub patience: u32,
    /// By an atomic operation that writes (and changes nothing): Mesa's llvmpipe takes an atomic load in a loop for one
    /// whose value cannot change.
    pub by_writing: bool,
}
