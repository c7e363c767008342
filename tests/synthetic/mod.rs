//! Plausible runs without a GPU: a simple model of a device, the same on every call.
//!
//! Times follow `dispatches * overhead(policy) + multiply_adds / rate(arm)`, with a small wobble drawn from a hash.

#![allow(dead_code)] // each test crate takes what it needs

use std::collections::BTreeMap;
use std::path::PathBuf;

use onedispatch::program::Policy;
use onedispatch::record::manifest::{Browser, Device, Host, Manifest, Software};
use onedispatch::record::peers::Peers;
use onedispatch::record::rows::{Case, Key, ResultRow, Sample};
use onedispatch::record::run::Run;

/// What the model knows of a device.
#[derive(Clone)]
pub struct Model {
    pub name: &'static str,
    pub directory: &'static str,
    pub is_software: bool,
    /// Nanoseconds for each dispatch under `wait-each`, `submit-each`, `submit-per-token`, `submit-ahead` and any other policy.
    pub overhead_ns: [f64; 5],
    /// Multiply-adds in a nanosecond: one thread, one workgroup, the whole device.
    pub rates: [f64; 3],
    /// Nanoseconds for each layer of a fused token, whatever its width.
    pub fused_layer_ns: f64,
    pub has_timestamps: bool,
}

pub const H200: Model = Model {
    name: "NVIDIA H200",
    directory: "nvidia-h200",
    is_software: false,
    overhead_ns: [49_000.0, 15_500.0, 4_700.0, 3_900.0, 4_300.0],
    rates: [0.11, 14.0, 60.0],
    fused_layer_ns: 9_000.0,
    has_timestamps: true,
};

pub const LLVMPIPE: Model = Model {
    name: "llvmpipe (LLVM 15.0.6, 256 bits)",
    directory: "llvmpipe",
    is_software: true,
    overhead_ns: [92_000.0, 61_000.0, 38_000.0, 30_000.0, 31_000.0],
    rates: [0.4, 2.0, 4.0],
    fused_layer_ns: 40_000.0,
    has_timestamps: true,
};

/// Each policy with what a dispatch under it costs.
fn overheads(model: &Model) -> impl Iterator<Item = (Policy, f64)> {
    let [wait, each, per_token, ahead, other] = model.overhead_ns;
    Policy::ALL.into_iter().map(move |policy| {
        let overhead = match policy {
            Policy::WaitEach => wait,
            Policy::SubmitEach => each,
            Policy::SubmitPerToken => per_token,
            Policy::SubmitAhead => ahead,
            _ => other,
        };
        (policy, overhead)
    })
}

/// The experiments `decode` and `decode-tokens`, and two of rollouts, on an H200 and on llvmpipe. Among the rows of the H200, one failed
/// (`fused-subgroup` at `d64-l1-t64`), some are capped (`fused-scalar` at n_embd 512), some are A/A replicas.
pub fn runs() -> Vec<Run> {
    [H200, LLVMPIPE].iter().flat_map(of_device).collect()
}

/// Everything on one device.
pub fn of_device(model: &Model) -> Vec<Run> {
    let lengths = [50, 500, 5000].map(|steps| (4096, steps));
    let populations = [64, 4096, 262_144].map(|population| (population, 500));
    vec![
        decode(model),
        decode_tokens(model),
        rollout(model, "rollout-length", &lengths),
        rollout(model, "rollout-population", &populations),
        environments(model, "rollout", &["acrobot", "pendulum"], &["per-operation", "stepwise"], 4096, 500),
        environments(model, "rollout-controls", &["sphere", "rastrigin"], &["per-operation"], 4096, 2),
        environments(model, "rollout-nbody", &["nbody"], &["stepwise"], 512, 200),
    ]
}

pub fn rollout(model: &Model, experiment: &str, sizes: &[(u32, u32)]) -> Run {
    let cases = sizes.iter().map(|&(population, steps)| ("acrobot", population, steps));
    rollouts(model, experiment, cases.collect(), &["stepwise"])
}

/// Several environments at one size, with these ways of several dispatches.
pub fn environments(
    model: &Model,
    experiment: &str,
    names: &[&'static str],
    slow: &[&str],
    population: u32,
    steps: u32,
) -> Run {
    rollouts(model, experiment, names.iter().map(|name| (*name, population, steps)).collect(), slow)
}

fn rollouts(model: &Model, experiment: &str, sizes: Vec<(&str, u32, u32)>, slow: &[&str]) -> Run {
    let case = |&(environment, population, steps): &(&str, u32, u32)| Case {
        case: format!("{environment}-n{population}-t{steps}"),
        workload: "rollout".into(),
        environment: environment.into(),
        population,
        steps,
        ..blank_case()
    };
    let rows = |case: &Case| {
        let step_ns = f64::from(case.population) * 250.0 / model.rates[2] + 3_000.0;
        let of = |arm: &str, policy: Policy, replica: u32, step_ns: f64| {
            let key = Key { case: case.case.clone(), arm: arm.into(), policy: policy.name().into(), replica };
            let wall = step_ns * f64::from(case.steps) * (1.0 + 0.03 * wobble(&key));
            let units = u64::from(case.population) * u64::from(case.steps);
            let units_per_s = Some(units as f64 / wall * 1e9);
            // As the GPU's clock has it: without what handing over takes.
            let busy = if arm == "fused" { wall * 0.9 } else { step_ns * f64::from(case.steps) };
            let gpu_busy_ns = model.has_timestamps.then_some(busy);
            ResultRow { unit: "environment step".into(), units, units_per_s, gpu_busy_ns, ..row(key, wall, case) }
        };
        let mut rows = Vec::new();
        for arm in slow {
            // A framework's step is six operations.
            let operations = if *arm == "per-operation" { 6.0 } else { 1.0 };
            for (policy, overhead) in overheads(model) {
                rows.push(of(arm, policy, 0, operations * overhead + step_ns));
            }
        }
        rows.extend([0, 1].map(|replica| of("fused", Policy::OneSubmit, replica, step_ns / 3.0)));
        rows
    };
    let cases: Vec<Case> = sizes.iter().map(case).collect();
    let results = cases.iter().flat_map(rows).collect();
    assembled(model, experiment, cases, results)
}

pub fn decode(model: &Model) -> Run {
    let sizes = [1, 4].map(|n_layer| [32, 64, 128, 256, 512].map(|n_embd| (n_embd, n_layer, 64)));
    run(model, "decode", sizes.as_flattened())
}

pub fn decode_tokens(model: &Model) -> Run {
    let sizes = [32, 128].map(|n_embd| [16, 64, 256, 1024].map(|new_tokens| (n_embd, 1, new_tokens)));
    run(model, "decode-tokens", sizes.as_flattened())
}

/// The experiment `browser` natively, and on a browser in which every dispatch costs a third more.
pub fn browsers(model: &Model) -> [Run; 2] {
    let sizes = [1, 4].map(|n_layer| [32, 64, 128, 256].map(|n_embd| (n_embd, n_layer, 64)));
    let native = run(model, "browser", sizes.as_flattened());
    let slower = Model { overhead_ns: model.overhead_ns.map(|ns| ns * 4.0 / 3.0), ..model.clone() };
    let mut browser = run(&slower, "browser", sizes.as_flattened());
    browser.path = browser.path.with_file_name("2030-01-01-browser-2");
    browser.manifest.browser =
        Some(Browser { name: "Chrome".into(), version: "156".into(), isolated: true, file_sha256: "0".repeat(64) });
    [native, browser]
}

/// The arms of the experiment `peers`, without peers.
pub fn peers(model: &Model) -> Run {
    let sizes = [1, 4].map(|n_layer| [32, 64, 128, 256, 512, 1024].map(|n_embd| (n_embd, n_layer, 64)));
    let mut run = run(model, "peers", sizes.as_flattened());
    let kept = ["wait-each", "one-submit"];
    run.results.retain(|row| kept.contains(&row.key.policy.as_str()) && row.key.arm != "fused-scalar");
    run.samples.retain(|sample| run.results.iter().any(|row| row.key == sample.key));
    run
}

/// The arms of the experiment `peers` with every fused kernel, without WebGPU's checks too; no peers.
pub fn kernels(model: &Model) -> Run {
    let mut run = peers(model);
    let own: Vec<ResultRow> = run.results.iter().filter(|row| row.key.arm == "fused-workgroup").cloned().collect();
    for row in own {
        let width = run.cases.iter().find(|case| case.case == row.key.case).map_or(1.0, |case| f64::from(case.n_embd));
        for (arm, times) in [
            ("fused-workgroup-unchecked", 0.9),
            ("fused-subgroup-unchecked", 0.6),
            ("fused-grid", 80.0 / width),
            ("fused-grid-unchecked", 70.0 / width),
        ] {
            run.results.push(slower(&row, arm, times));
        }
    }
    run.samples = run.results.iter().flat_map(samples).collect();
    run
}

/// The experiment `engines`, without peers: one dispatch in f32 and f16.
pub fn engines(model: &Model) -> Run {
    let Run { cases, results, .. } = kernels(model);
    let case = cases.into_iter().find(|case| case.n_embd == 512).expect("kernels has it");
    let mut results: Vec<ResultRow> = results.into_iter().filter(|row| row.key.case == case.case).collect();
    let grid: Vec<ResultRow> = results.iter().filter(|row| row.key.arm.starts_with("fused-grid")).cloned().collect();
    results.extend(grid.iter().map(|row| slower(row, &row.key.arm.replace("fused-grid", "fused-grid-f16"), 0.6)));
    assembled(model, "engines", vec![case], results)
}

/// `row` as another arm's, that takes `times` as long.
fn slower(row: &ResultRow, arm: &str, times: f64) -> ResultRow {
    let scaled = |ns: Option<f64>| ns.map(|ns| times * ns);
    ResultRow {
        key: Key { arm: arm.into(), ..row.key.clone() },
        wall_median_ns: scaled(row.wall_median_ns),
        wall_low_ns: scaled(row.wall_low_ns),
        wall_high_ns: scaled(row.wall_high_ns),
        units_per_s: row.units_per_s.map(|rate| rate / times),
        ..row.clone()
    }
}

/// The experiment `decode-batch`: a hundred sequences take as long as one, and more take turns.
pub fn batch(model: &Model) -> Run {
    let sizes = [1, 4, 16, 64, 256, 1024];
    let cases: Vec<Case> = sizes
        .iter()
        .map(|&sequences| Case { case: format!("d64-l4-t64-s{sequences}"), sequences, ..case((64, 4, 64)) })
        .collect();
    let rows = |case: &Case| {
        ["fused-batch", "fused-batch-unchecked"].map(|arm| {
            let key = Key { case: case.case.clone(), arm: arm.into(), policy: "one-submit".into(), replica: 0 };
            let takes = if arm == "fused-batch" { 6e6 } else { 5e6 };
            let wall = takes * f64::from(case.sequences.div_ceil(100));
            let units = u64::from(case.new_tokens) * u64::from(case.sequences);
            let (multiply_adds, min_bytes) = (units * 200_000, units * 800_000);
            let units_per_s = Some(units as f64 / wall * 1e9);
            ResultRow { units, units_per_s, multiply_adds, min_bytes, ..row(key, wall, case) }
        })
    };
    let results = cases.iter().flat_map(rows).collect();
    assembled(model, "decode-batch", cases, results)
}

/// The experiment `span`: each dispatch costs what its policy does, and computing takes the same on every rung.
pub fn spans(model: &Model) -> Run {
    let cases: Vec<Case> = [1, 4].map(|n_layer| [32, 256, 1024].map(|n_embd| case((n_embd, n_layer, 64)))).concat();
    let rows = |case: &Case| -> Vec<ResultRow> {
        let computing = 20_000.0 * f64::from(case.n_embd * case.n_layer);
        let tokens = u64::from(case.new_tokens);
        let per_token = u64::from(case.n_layer);
        let rungs = [
            ("fused-grid@operation", (7 * per_token + 4) * tokens),
            ("fused-grid@stage", (5 * per_token + 1) * tokens + 1),
            ("fused-grid@layer", (per_token + 1) * tokens + 1),
            ("fused-grid@token", tokens),
            ("fused-grid@chunk:16", tokens / 16),
        ];
        let of = |arm: &str, policy: Policy, dispatches: u64, overhead: f64| {
            let key = Key { case: case.case.clone(), arm: arm.into(), policy: policy.name().into(), replica: 0 };
            let gpu_busy_ns = model.has_timestamps.then_some(computing);
            ResultRow { dispatches, gpu_busy_ns, ..row(key, computing + overhead * dispatches as f64, case) }
        };
        let policies = || overheads(model);
        let cut = rungs.iter().flat_map(|&(arm, dispatches)| {
            policies().map(move |(policy, overhead)| of(arm, policy, dispatches, overhead))
        });
        let whole = of("fused-grid", Policy::OneSubmit, 1, model.overhead_ns[4]);
        let replica = ResultRow { key: Key { replica: 1, ..whole.key.clone() }, ..whole.clone() };
        cut.chain([whole, replica]).collect()
    };
    let results = cases.iter().flat_map(rows).collect();
    assembled(model, "span", cases, results)
}

fn run(model: &Model, experiment: &str, sizes: &[(u32, u32, u32)]) -> Run {
    let cases: Vec<Case> = sizes.iter().map(|&size| case(size)).collect();
    let results = cases.iter().flat_map(|case| rows(model, case)).collect();
    assembled(model, experiment, cases, results)
}

fn assembled(model: &Model, experiment: &str, mut cases: Vec<Case>, mut results: Vec<ResultRow>) -> Run {
    cases.push(Case { case: "control".into(), workload: "control".into(), ..blank_case() });
    results.extend(controls(model));
    let samples = results.iter().flat_map(samples).collect();
    let path = PathBuf::from(format!("data/{}/2026-08-01-{experiment}", model.directory));
    Run { path, manifest: manifest(model, experiment), cases, results, samples, peers: Peers::default() }
}

fn blank_case() -> Case {
    Case { seed: 7, ..Case::default() }
}

fn case((n_embd, n_layer, new_tokens): (u32, u32, u32)) -> Case {
    Case {
        case: format!("d{n_embd}-l{n_layer}-t{new_tokens}"),
        workload: "decode".into(),
        n_embd,
        n_layer,
        n_head: 2.max(n_embd / 64),
        n_inner: 4 * n_embd,
        vocab_size: 64,
        prompt_tokens: 1,
        new_tokens,
        weights_sha256: "00".repeat(32),
        ..blank_case()
    }
}

fn rows(model: &Model, case: &Case) -> Vec<ResultRow> {
    let (d, layers, tokens) = (f64::from(case.n_embd), f64::from(case.n_layer), f64::from(case.new_tokens));
    let per_token = layers * (12.0 * d * d + tokens * d) + 64.0 * d;
    let operations = 8.0 * layers + 4.0;
    let [thread, workgroup, device] = model.rates;
    let mut rows = Vec::new();
    let mut push = |arm: &str, policy: Policy, replica, token_ns: f64, computing_ns: f64| {
        let key = Key { case: case.case.clone(), arm: arm.into(), policy: policy.name().into(), replica };
        let wall = token_ns * tokens * (1.0 + 0.03 * wobble(&key));
        let mut row = row(key, wall, case);
        row.multiply_adds = (per_token * tokens) as u64;
        row.min_bytes = ((layers * 12.0 * d * d + 64.0 * d) * 4.0 * tokens) as u64;
        row.gpu_busy_ns = model.has_timestamps.then_some(computing_ns * tokens);
        if arm == "fused-scalar" && case.n_embd == 512 {
            row.cap = "3 of 15 samples".into();
            row.samples = 3;
        }
        if arm == "fused-subgroup" && case.n_embd == 64 && case.n_layer == 1 && !model.is_software {
            row = failed(row);
        }
        rows.push(row);
    };
    // The narrower the model, the smaller a part of the device an operation can use.
    let step_ns = per_token / (device * (d / 512.0)) + operations * 1_500.0;
    for (policy, overhead) in overheads(model) {
        push("stepwise", policy, 0, operations * overhead + step_ns, step_ns);
    }
    push("stepwise", Policy::OneSubmit, 1, operations * model.overhead_ns[4] + step_ns, step_ns);
    let launch = 400.0;
    for (arm, rate) in [("fused-scalar", thread), ("fused-workgroup", workgroup), ("fused-subgroup", workgroup * 1.3)] {
        let sync = if arm == "fused-scalar" { 0.0 } else { layers * model.fused_layer_ns };
        let computing = per_token / rate + sync;
        push(arm, Policy::OneSubmit, 0, computing + launch, computing);
    }
    rows
}

fn row(key: Key, wall_ns: f64, case: &Case) -> ResultRow {
    let spread = 0.004 + 0.02 * (wobble(&key) + 1.0);
    ResultRow {
        key,
        unit: "token".into(),
        units: case.new_tokens.into(),
        workgroup_size: 256,
        subgroup_size: 32,
        dispatches: 1,
        submits: 1,
        waits: 1,
        gate: "pass".into(),
        gate_error: Some(2.0e-6),
        gate_tolerance: 1.0e-3,
        samples: 15,
        wall_median_ns: Some(wall_ns),
        wall_low_ns: Some(wall_ns * (1.0 - spread)),
        wall_high_ns: Some(wall_ns * (1.0 + 2.0 * spread)),
        units_per_s: Some(f64::from(case.new_tokens) / wall_ns * 1e9),
        program_sha256: "11".repeat(32),
        shaders_sha256: "22".repeat(32),
        workgroups: 1,
        ..ResultRow::default()
    }
}

fn failed(row: ResultRow) -> ResultRow {
    ResultRow {
        gate: "fail".into(),
        gate_error: None,
        samples: 0,
        wall_median_ns: None,
        wall_low_ns: None,
        wall_high_ns: None,
        units_per_s: None,
        gpu_busy_ns: None,
        reason: "logits hold NaN".into(),
        ..row
    }
}

fn controls(model: &Model) -> Vec<ResultRow> {
    let control = |arm: &str, unit: &str, units_per_s: f64| {
        let key = Key { case: "control".into(), arm: arm.into(), policy: "one-submit".into(), replica: 0 };
        let units = 1u64 << 30;
        let wall = units as f64 / units_per_s * 1e9;
        ResultRow { unit: unit.into(), units, units_per_s: Some(units_per_s), ..row(key, wall, &blank_case()) }
    };
    let speed = if model.is_software { 0.01 } else { 1.0 };
    vec![control("copy", "byte", 4.1e12 * speed), control("fma", "multiply-add", 2.9e13 * speed)]
}

fn samples(row: &ResultRow) -> Vec<Sample> {
    let wall = row.wall_median_ns.unwrap_or(0.0);
    let sample = |sample: u32| Sample {
        key: row.key.clone(),
        sample,
        order: sample,
        wall_ns: (wall * (1.0 + 0.01 * (f64::from(sample) - f64::from(row.samples / 2)))) as u64,
        gpu_ns: None,
        gpu_flag: String::new(),
    };
    (0..row.samples).map(sample).collect()
}

/// A number from -1 to 1 that follows from the key alone.
fn wobble(key: &Key) -> f64 {
    let text = format!("{}/{}/{}/{}", key.case, key.arm, key.policy, key.replica);
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 40) as f64 / f64::from(1 << 23) - 1.0
}

fn manifest(model: &Model, experiment: &str) -> Manifest {
    Manifest {
        schema: 1,
        experiment: experiment.into(),
        date: "2026-08-01".into(),
        complete: true,
        shard: None,
        shards: Vec::new(),
        spec: format!("name = \"{experiment}\"\n"),
        spec_sha256: "33".repeat(32),
        device: Device {
            name: model.name.into(),
            vendor: "0x10de".into(),
            device: "0x2335".into(),
            backend: "vulkan".into(),
            device_type: if model.is_software { "Cpu" } else { "DiscreteGpu" }.into(),
            is_software: model.is_software,
            driver: "synthetic".into(),
            driver_info: "1.0".into(),
            subgroup_min_size: 32,
            subgroup_max_size: 32,
            timestamp_period_ns: if model.has_timestamps { 1.0 } else { 0.0 },
            features: vec!["SUBGROUP".into()],
            limits: BTreeMap::from([("max_compute_workgroup_size_x".into(), 1024)]),
        },
        host: Host { os: "linux".into(), arch: "x86_64".into(), cpus: 16, clock_resolution_ns: 20 },
        software: Software {
            onedispatch: "0.1.0".into(),
            wgpu: "30.0.0".into(),
            commit: String::new(),
            clean: true,
            binary_sha256: "44".repeat(32),
        },
        browser: None,
        files: BTreeMap::new(),
    }
}
