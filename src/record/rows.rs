//! The tables of a result directory: every column with its unit and what it says, defined here and nowhere else.
//!
//! Units are in the names as well: `_ns`, `_bytes`, `_per_s`. A row is found by its [`Key`].

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::fault::Fault;
use super::row::{Cells, Column, Row, prose, table};

table! {
    /// Which measurement a row belongs to: a case, and how it was computed and dispatched.
    Key {
        /// The case's name, such as `d32-l1-t64`; its parameters are in `cases.csv` beside this file.
        case: String,
        /// The kernel, and how much of the work one dispatch of it covers, such as `fused-grid@stage`.
        arm: String,
        /// How the dispatches were handed over to the GPU, such as `wait-each`.
        policy: String,
        /// 0; 1 for the second entry of the same arm and policy in a case, the A/A control.
        replica: u32,
    }
}

table! {
    /// One case of a run: its parameters, which every arm shares.
    Case in "cases.csv" rows by [case] {
        /// The case's name, such as `d32-l1-t64`.
        case: String,
        /// What is computed: `decode`, `rollout` or `control`.
        workload: String,
        /// Width of the model. Zero where a workload has no such parameter, here and in the columns that follow.
        n_embd: u32 as "values",
        /// Layers of the model.
        n_layer: u32 as "layers",
        /// Attention heads of a layer.
        n_head: u32 as "heads",
        /// Width inside the MLP.
        n_inner: u32 as "values",
        /// Size of the vocabulary.
        vocab_size: u32 as "tokens",
        /// Tokens that are given.
        prompt_tokens: u32 as "tokens",
        /// Tokens that each sequence makes.
        new_tokens: u32 as "tokens",
        /// Seed of the weights; of a rollout, of the genomes and initial states.
        seed: u64,
        /// SHA-256 of the weights' canonical bytes, or of the genomes and initial states; empty where there are none.
        weights_sha256: String,
    } then {
        /// Of a rollout: what is stepped, such as `acrobot`. Runs from before there were rollouts lack this column and the next
        /// ones, and are read as if they were empty or zero.
        environment: String,
        /// Of a rollout: individuals.
        population: u32 as "individuals",
        /// Of a rollout: the longest length of an episode.
        steps: u32 as "environment steps",
        /// Of decoding: sequences that are answered at once; 0 is one.
        sequences: u32 as "sequences",
    } then {
        /// Of an evolution: initial states that each individual starts from; else 0.
        episodes: u32 as "episodes",
        /// Of an evolution: generations of one timed run; else 0.
        generations: u32 as "generations",
        /// SHA-256 of the file of prices that the spec names; empty where it names none.
        prices_sha256: String,
    } then {
        /// Of a run that several GPUs measured, at once or as shards: which of them measured the case, from 1 on; 0 where one
        /// measured all, and in runs that lack this column.
        part: u32,
    } then {
        /// Of decoding: whose shape the model has, such as `llama-3.2-1b`; empty where it is a GPT-2 of these sizes, and in runs
        /// that lack this column.
        shape: String,
    }
}

table! {
    /// One timed run of an arm.
    Sample in "samples.csv" by Key(case, arm, policy, replica) rows by [case, arm, policy, replica, sample] {
        /// Counts from 0 among the runs of this case, arm, policy and replica.
        sample: u32,
        /// Place in the case's interleaved order, from 0.
        order: u32,
        /// Wall time from the first encoder call to the end of the last wait.
        wall_ns: u64 as "ns",
        /// From the first pass's begin to the last pass's end by GPU timestamps; empty where the device has none or the reading
        /// is not plausible.
        gpu_ns: Option<u64> as "ns",
        /// Why `gpu_ns` is empty though the device has timestamps: `zero`, `negative` or `longer-than-wall`.
        gpu_flag: String,
    }
}

table! {
    /// One arm of one case: what ran, whether it was right, and its times.
    ResultRow in "results.csv" by Key(case, arm, policy, replica) rows by [case, arm, policy, replica] {
        /// What one unit is: `token`, `environment step` (of an episode that goes on), `body step`, `term`, `sample`, `dispatch`,
        /// `byte`, `multiply-add`, `barrier` or `round`.
        unit: String,
        /// Units that one timed run made. Less than the case asks for where `cap` says so.
        units: u64 as "what the column unit names",
        /// Threads of a workgroup.
        workgroup_size: u32 as "threads",
        /// Threads of a subgroup; 0 where the arm uses no subgroup operation.
        subgroup_size: u32 as "threads",
        /// Dispatches of one timed run.
        dispatches: u64 as "dispatches",
        /// Submits of one timed run.
        submits: u64 as "submits",
        /// Waits of the host in one timed run.
        waits: u64 as "waits",
        /// Workgroup barriers that one timed run passes, one after another.
        barriers: u64 as "barriers",
        /// Multiply-adds of one timed run.
        multiply_adds: u64 as "multiply-adds",
        /// The fewest bytes that one timed run has to read and write: each weight once a token, the KV cache as it grows.
        min_bytes: u64 as "bytes",
        /// Whether the outputs were right by the f64 oracle: `pass` or `fail`.
        gate: String,
        /// Largest error found by the gate, relative to the range of the values compared; empty where a value was NaN or
        /// nothing came back.
        gate_error: Option<f64> as "1",
        /// Largest error that the gate lets pass.
        gate_tolerance: f64 as "1",
        /// Timed runs. 0 where the gate failed: nothing is timed that was not checked.
        samples: u32 as "timed runs",
        /// Median wall time of a timed run.
        wall_median_ns: Option<f64> as "ns",
        /// Low end of the bootstrap 95% interval of the median.
        wall_low_ns: Option<f64> as "ns",
        /// High end of the bootstrap 95% interval of the median.
        wall_high_ns: Option<f64> as "ns",
        /// `units / wall_median_ns * 1e9`.
        units_per_s: Option<f64> as "units per second, of what the column unit names",
        /// Median of `gpu_ns` over the samples that have it.
        gpu_median_ns: Option<f64> as "ns",
        /// Sum over dispatches (per pass) of end minus begin by GPU timestamps, the median of a few instrumented runs that
        /// are not among the samples.
        gpu_busy_ns: Option<f64> as "ns",
        /// Why fewer units or samples were timed than asked for; empty where none were cut.
        cap: String,
        /// Why the arm has no time; empty where it has one.
        reason: String,
        /// SHA-256 of the program that was run: its buffers, kernels and dispatches.
        program_sha256: String,
        /// SHA-256 over the arm's WGSL files.
        shaders_sha256: String,
    } then {
        /// Workgroups of the largest dispatch. Runs from before this was recorded lack this column and the next, and are read as
        /// if they were zero.
        workgroups: u32 as "workgroups",
        /// Times that the workgroups of a dispatch wait for each other, in one timed run.
        rounds: u64 as "rounds",
    } then {
        /// Of what has a fitness: individuals that the f64 oracle followed. Zero where nothing was ranked, and in runs from
        /// before ranks were recorded, which lack this column and the next five.
        followed: u32 as "individuals",
        /// How many of those followed are such that rounding does not change them; the others are chaotic, or near a tie.
        decided: u32 as "individuals",
        /// Largest difference of a decided individual's fitness from the oracle's, relative to the range that it may have.
        fitness_error: Option<f64> as "1",
        /// Spearman's rank correlation with the oracle's fitness, over the decided individuals; empty where all are equal.
        rank_correlation: Option<f64> as "1",
        /// Spearman's rank correlation with the oracle's fitness, over all that were followed; empty where all are equal.
        rank_correlation_all: Option<f64> as "1",
        /// Of an evolution: mean return of its best policy from states that it has not seen.
        fresh_return: Option<f64> as "return of an episode",
    } then {
        /// Of a kernel with subgroups: the fewest threads that share a row of a matrix. Zero in runs that lack this column.
        row_lanes: u32 as "threads",
    } then {
        /// How much one dispatch covers: of decoding `operation`, `stage`, `layer`, `token`, `chunk:N` or `generation`; of a
        /// rollout `operation`, `step`, `steps:N` or `episode`. Empty in runs from before there was a choice.
        span: String,
    }
}

table! {
    /// One variant of a peer, another framework, on one case: whether it was right, and its times.
    PeerRow in "peer-results.csv" rows by [case, peer, variant] {
        /// The case's name, as in `cases.csv` beside this file.
        case: String,
        /// The framework, such as `pytorch`.
        peer: String,
        /// The way in which the framework does the work, such as `compile-graph`.
        variant: String,
        /// What one timed run made: all tokens that the case asks for, or the environment steps of all episodes (0 where nothing
        /// was made).
        units: u64 as "tokens or environment steps",
        /// Multiply-adds that these units take, as for the arms; not counted in the peer.
        multiply_adds: u64 as "multiply-adds",
        /// The fewest bytes that these units have to move, as for the arms; not counted in the peer.
        min_bytes: u64 as "bytes",
        /// As in `results.csv`, by the oracle of the program that imported it. `fail` where the peer gave a reason itself.
        gate: String,
        /// Largest error found by the gate, relative to the range of the values compared; empty where there is none.
        gate_error: Option<f64> as "1",
        /// Largest error that the gate lets pass.
        gate_tolerance: f64 as "1",
        /// Timed runs; 0 where the gate failed.
        samples: u32 as "timed runs",
        /// Median wall time of a timed run.
        wall_median_ns: Option<f64> as "ns",
        /// Low end of the bootstrap 95% interval of the median.
        wall_low_ns: Option<f64> as "ns",
        /// High end of the bootstrap 95% interval of the median.
        wall_high_ns: Option<f64> as "ns",
        /// `units / wall_median_ns * 1e9`.
        units_per_s: Option<f64> as "tokens or environment steps per second",
        /// Why fewer samples were timed than asked for; empty where none were cut.
        cap: String,
        /// Why the variant has no time; empty where it has one.
        reason: String,
        /// When it was measured: `YYYY-MM-DD`, UTC.
        date: String,
        /// The GPU's driver as the peer found it; empty where it did not say.
        driver: String,
        /// The variant's settings, a JSON object.
        settings: String,
        /// Versions by name, a JSON object.
        versions: String,
        /// SHA-256 of the peer's source, as `peers/peer/report.py` takes it.
        source_sha256: String,
        /// SHA-256 of the file that the peer wrote.
        file_sha256: String,
    }
}

table! {
    /// One timed run of a peer.
    PeerSample in "peer-samples.csv" rows by [case, peer, variant, sample] {
        /// The case's name, as in `cases.csv` beside this file.
        case: String,
        /// The framework, as in `peer-results.csv`.
        peer: String,
        /// The way in which the framework does the work, as in `peer-results.csv`.
        variant: String,
        /// Counts from 0 within the variant.
        sample: u32,
        /// Wall time from the first call to the end of a device synchronise.
        wall_ns: u64 as "ns",
    }
}

impl Case {
    /// The model that it decodes with, in words.
    pub fn model(&self) -> String {
        match self.shape.as_str() {
            "" => format!("n_embd {}, n_layer {}", self.n_embd, self.n_layer),
            shape => shape.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<R: Row>() {
        let columns = R::described();
        assert_eq!(columns.iter().map(|column| column.name).collect::<Vec<_>>(), R::COLUMNS);
        assert!(R::KEY.iter().all(|key| R::COLUMNS.contains(key)), "{}: {:?}", R::FILE, R::KEY);
        assert!(!R::about().is_empty());
        for Column { name, unit, about, .. } in &columns {
            let by_name = [("_ns", "ns"), ("_bytes", "bytes")].into_iter().find(|(ending, _)| name.ends_with(ending));
            assert!(by_name.is_none_or(|(_, named)| *unit == Some(named)), "{name}: {unit:?}");
            assert_eq!(name.ends_with("_per_s"), unit.is_some_and(|unit| unit.contains("per second")), "{name}");
            assert!(about.ends_with(['.', ';', ')']), "{name}: {about}");
        }
    }

    #[test]
    fn every_column_is_described_in_the_unit_of_its_name() {
        check::<Case>();
        check::<Sample>();
        check::<ResultRow>();
        check::<PeerRow>();
        check::<PeerSample>();
    }
}
