//! The rows of a result directory, as plain structs: what the runner writes and everything else reads.
//!
//! Units are in the names: `_ns`, `_bytes`, `_per_s`. A row is found by its [`Key`].

use serde::{Deserialize, Serialize};

/// Which measurement a row belongs to: a case, and how it was computed and dispatched.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// A case's name, such as `d32-l1-t64`; its parameters are in `cases.csv`.
    pub case: String,
    pub arm: String,
    pub policy: String,
    /// 0; 1 for the second entry of the same arm and policy in a case, the A/A control.
    pub replica: u32,
}

/// One case of a run: its parameters, which every arm shares. A row of `cases.csv`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub case: String,
    /// `decode`, `rollout` or `control`.
    pub workload: String,
    /// Zero where a workload has no such parameter.
    pub n_embd: u32,
    pub n_layer: u32,
    pub n_head: u32,
    pub n_inner: u32,
    pub vocab_size: u32,
    pub prompt_tokens: u32,
    pub new_tokens: u32,
    /// Seed of the weights, and the SHA-256 of their canonical bytes (empty where there are none). Of a rollout: of the
    /// genomes and initial states.
    pub seed: u64,
    pub weights_sha256: String,
    /// Of a rollout: what is stepped, individuals, and the longest length of an episode. Runs from before there were rollouts
    /// lack these columns, and are read as if they were empty or zero.
    pub environment: String,
    pub population: u32,
    pub steps: u32,
    /// Of decoding: sequences that are answered at once. Runs from before there were several lack the column: 0 is one.
    pub sequences: u32,
    /// Of an evolution: initial states that each individual starts from, and generations of one timed run; else 0. These columns
    /// and the next came later too.
    pub episodes: u32,
    pub generations: u32,
    /// SHA-256 of the file of prices that the spec names; empty where it names none.
    pub prices_sha256: String,
}

/// One timed run. A row of `samples.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    #[serde(flatten)]
    pub key: Key,
    /// Counts from 0 within the key.
    pub sample: u32,
    /// Place in the case's interleaved order, from 0.
    pub order: u32,
    /// From the first encoder call to the end of the last wait.
    pub wall_ns: u64,
    /// From the first pass's begin to the last pass's end by GPU timestamps, where the device has them and the reading is
    /// plausible.
    pub gpu_ns: Option<u64>,
    /// Why `gpu_ns` is empty though the device has timestamps: `zero`, `negative` or `longer-than-wall`.
    pub gpu_flag: String,
}

/// One arm of one case: what ran, whether it was right, and its times. A row of `results.csv`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    #[serde(flatten)]
    pub key: Key,
    /// What one unit is: `token`, `environment step` (of an episode that goes on), `body step`, `term`, `sample`, `dispatch`,
    /// `byte`, `multiply-add`, `barrier` or `round`.
    pub unit: String,
    /// Units that one timed run made. Less than the case asks for where `cap` says so.
    pub units: u64,
    pub workgroup_size: u32,
    /// 0 where the arm uses no subgroup operation.
    pub subgroup_size: u32,
    /// Of one timed run.
    pub dispatches: u64,
    pub submits: u64,
    pub waits: u64,
    pub barriers: u64,
    pub multiply_adds: u64,
    /// The fewest bytes that one timed run has to read and write: each weight once a token, the KV cache as it grows.
    pub min_bytes: u64,
    /// `pass` or `fail`.
    pub gate: String,
    /// Largest error found by the gate, relative to the range of the values compared; empty where a value was NaN or
    /// nothing came back.
    pub gate_error: Option<f64>,
    pub gate_tolerance: f64,
    /// 0 where the gate failed: nothing is timed that was not checked.
    pub samples: u32,
    pub wall_median_ns: Option<f64>,
    /// Bootstrap 95% interval of the median.
    pub wall_low_ns: Option<f64>,
    pub wall_high_ns: Option<f64>,
    /// `units / wall_median_ns * 1e9`.
    pub units_per_s: Option<f64>,
    pub gpu_median_ns: Option<f64>,
    /// Sum over dispatches (per pass) of end minus begin by GPU timestamps, the median of a few instrumented runs that
    /// are not among the samples.
    pub gpu_busy_ns: Option<f64>,
    /// Why fewer units or samples were timed than asked for; empty where none were cut.
    pub cap: String,
    /// Why the arm has no time; empty where it has one.
    pub reason: String,
    pub program_sha256: String,
    /// Over the arm's WGSL files.
    pub shaders_sha256: String,
    /// Of the largest dispatch. Runs from before this was recorded lack these columns, and are read as if they were zero.
    pub workgroups: u32,
    /// Times that the workgroups of a dispatch wait for each other, in one timed run.
    pub rounds: u64,
    /// Of what has a fitness: individuals that the f64 oracle followed, and how many of them rounding does not change (the
    /// others are chaotic, or near a tie). Zero where nothing was ranked; these columns and the next came later.
    pub followed: u32,
    pub decided: u32,
    /// Largest difference of a decided individual's fitness from the oracle's, relative to the range that it may have.
    pub fitness_error: Option<f64>,
    /// Spearman's rank correlation with the oracle's fitness: over the decided individuals, and over all that were followed.
    /// Empty where all are equal.
    pub rank_correlation: Option<f64>,
    pub rank_correlation_all: Option<f64>,
    /// Of an evolution: mean return of its best policy from states that it has not seen.
    pub fresh_return: Option<f64>,
    /// Of a kernel with subgroups: the fewest threads that share a row of a matrix. This column came later.
    pub row_lanes: u32,
    /// How much one dispatch covers: of decoding `operation`, `stage`, `layer`, `token`, `chunk:N` or `generation`; of a rollout
    /// `operation`, `step`, `steps:N` or `episode`. Empty in runs from before there was a choice. This column came later.
    pub span: String,
}

/// One variant of a peer on one case: whether it was right, and its times. A row of `peer-results.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerRow {
    /// A case of `cases.csv` beside it.
    pub case: String,
    /// The framework, such as `pytorch`, and the way in which it does the work, such as `compile-graph`.
    pub peer: String,
    pub variant: String,
    /// What one timed run made: all tokens that the case asks for, or the environment steps of all episodes (0 where nothing
    /// was made).
    pub units: u64,
    /// What these take, as for the arms; not counted in the peer.
    pub multiply_adds: u64,
    pub min_bytes: u64,
    /// As in `results.csv`, by the oracle of the program that imported it. `fail` where the peer gave a reason itself.
    pub gate: String,
    pub gate_error: Option<f64>,
    pub gate_tolerance: f64,
    pub samples: u32,
    pub wall_median_ns: Option<f64>,
    pub wall_low_ns: Option<f64>,
    pub wall_high_ns: Option<f64>,
    pub units_per_s: Option<f64>,
    pub cap: String,
    pub reason: String,
    /// `YYYY-MM-DD`, UTC.
    pub date: String,
    /// As the peer found it; empty where it did not say.
    pub driver: String,
    /// JSON objects: the variant's settings, and versions by name.
    pub settings: String,
    pub versions: String,
    /// Of the peer's source, as `peers/peer/report.py` takes it.
    pub source_sha256: String,
    /// Of the file that the peer wrote.
    pub file_sha256: String,
}

/// One timed run of a peer. A row of `peer-samples.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerSample {
    pub case: String,
    pub peer: String,
    pub variant: String,
    /// Counts from 0 within the variant.
    pub sample: u32,
    /// From the first call to the end of a device synchronise.
    pub wall_ns: u64,
}
