//! Made-up runs of two devices, plausible in shape: nothing here was measured.

use std::collections::BTreeMap;
use std::path::PathBuf;

use onedispatch::philox;
use onedispatch::record::manifest::{Device, Host, Manifest, Software};
use onedispatch::record::peers::Peers;
use onedispatch::record::rows::{Case, Key, ResultRow, Sample};
use onedispatch::record::run::Run;

const DATE: &str = "2030-01-01";
const SAMPLES: u32 = 15;

/// A graphics card and a software device, each with three experiments.
pub fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for (slug, slowness) in [("llvmpipe", 40.0), ("nvidia-h200", 1.0)] {
        let widths = [32, 64, 128, 256, 512].into_iter();
        runs.push(decode(slug, "decode", slowness, widths.flat_map(|d| [(d, 1, 64), (d, 4, 64)]).collect()));
        let lengths = [16, 64, 256, 1024].into_iter();
        runs.push(decode(slug, "decode-tokens", slowness, lengths.flat_map(|t| [(32, 1, t), (128, 1, t)]).collect()));
        runs.push(controls(slug, slowness));
    }
    runs
}

/// The experiment `span`: the rungs of one kernel, and `stepwise`, which takes twice as long. Computing takes the same on every
/// rung, and each dispatch costs what it does under its policy.
pub fn spans(slug: &str) -> Run {
    let mut run = empty(slug, "span");
    for (n_embd, n_layer) in [(32, 1), (32, 4), (256, 1), (256, 4), (1024, 1)] {
        let case = case(&format!("d{n_embd}-l{n_layer}-t64"), "decode", n_embd, n_layer, 64);
        let (layers, tokens) = (u64::from(n_layer), u64::from(case.new_tokens));
        let computing = 64.0 * 20e3 * f64::from(n_layer) * (f64::from(n_embd) / 32.0).sqrt();
        let policies = [("wait-each", 50e3), ("submit-each", 14e3), ("submit-per-token", 1.5e3), ("one-submit", 2e3)];
        for (arm, dispatches) in [
            ("stepwise", (7 * layers + 4) * tokens),
            ("fused-grid@operation", (7 * layers + 4) * tokens),
            ("fused-grid@stage", (5 * layers + 1) * tokens + 1),
            ("fused-grid@token", tokens),
            ("fused-grid", 1),
        ] {
            let kernel = if arm == "stepwise" { 2.0 } else { 1.0 };
            for (policy, overhead) in
                policies.into_iter().filter(|(policy, _)| dispatches > 1 || *policy == "one-submit")
            {
                let mut row = row(&case, arm, policy, 0);
                (row.units, row.dispatches) = (tokens, dispatches);
                row.gate_error = Some(1e-6);
                row.gpu_busy_ns = Some(kernel * computing);
                row.gpu_median_ns = Some(kernel * computing);
                add(&mut run, row, kernel * (computing + overhead * dispatches as f64));
            }
        }
        run.cases.push(case);
    }
    add_controls(&mut run, 1.0);
    run
}

/// The arms of the experiment `peers`; its peers are another matter.
pub fn peers(slug: &str) -> Run {
    let slowness = if slug == "llvmpipe" { 40.0 } else { 1.0 };
    decode(slug, "peers", slowness, [32, 64, 512].into_iter().flat_map(|d| [(d, 1, 64), (d, 4, 64)]).collect())
}

/// The experiments that the fused kernels are compared by: `peers` (without peers), `peers-gpt2` and `decode-batch`.
pub fn kernels(slug: &str) -> Vec<Run> {
    let mut runs = vec![peers(slug), decode(slug, "peers-gpt2", 1.0, vec![(768, 12, 64)])];
    for run in &mut runs {
        let own = |row: &&ResultRow| row.key.arm == "fused-workgroup";
        let rows: Vec<ResultRow> = run.results.iter().filter(own).cloned().collect();
        for workgroup in rows {
            let case = run.cases.iter().find(|case| case.case == workgroup.key.case).expect("it has one").clone();
            let width = f64::from(case.n_embd);
            // Twice as fast without checks; many workgroups are faster from n_embd 200 on.
            for (arm, times) in [
                ("fused-workgroup-unchecked", 0.5),
                ("fused-subgroup", 0.8),
                ("fused-subgroup-unchecked", 0.4),
                ("fused-grid", 160.0 / width),
                ("fused-grid-unchecked", 80.0 / width),
                ("fused-grid-f16-unchecked", 40.0 / width),
            ] {
                let mut row =
                    ResultRow { key: Key { arm: arm.to_owned(), ..workgroup.key.clone() }, ..workgroup.clone() };
                if arm.starts_with("fused-grid") {
                    let rounds = 5 * u64::from(case.n_layer) + 2;
                    (row.workgroups, row.rounds, row.barriers) = (64, rounds * row.units, 3 * rounds * row.units);
                }
                if arm.contains("f16") {
                    row.min_bytes /= 2;
                }
                let ns = times * workgroup.wall_median_ns.expect("it is timed");
                add(run, row, ns);
            }
        }
    }
    runs.push(batch(slug));
    runs
}

/// A hundred sequences take as long as one.
fn batch(slug: &str) -> Run {
    let mut run = empty(slug, "decode-batch");
    for sequences in [1, 4, 256, 1024] {
        let case = Case { sequences, ..case(&format!("d64-l4-t64-s{sequences}"), "decode", 64, 4, 64) };
        for (arm, us) in [("fused-batch", 100.0), ("fused-batch-unchecked", 80.0)] {
            let mut row = row(&case, arm, "one-submit", 0);
            row.units = u64::from(case.new_tokens * sequences);
            row.multiply_adds = 200_000 * row.units;
            row.min_bytes = 4 * row.multiply_adds;
            add(&mut run, row, us * 64e3 * f64::from(sequences.div_ceil(100)));
        }
        run.cases.push(case);
    }
    add_controls(&mut run, 1.0);
    run
}

/// Rollouts, the controls beside them, and an evolution. `gain` is what one dispatch has over all in one submit.
pub fn rollouts(slug: &str, gain: f64) -> Vec<Run> {
    let case = |environment: &str, population: u32, steps: u32| Case {
        environment: environment.to_owned(),
        population,
        steps,
        ..case(&format!("{environment}-n{population}-t{steps}"), "rollout", 0, 0, 0)
    };
    let run = |experiment: &str, cases: Vec<Case>, arms: &[(&str, &str, u32, f64)], busy: f64| {
        let mut run = empty(slug, experiment);
        for case in cases {
            for &(arm, policy, replica, us) in arms {
                let mut row = row(&case, arm, policy, replica);
                row.unit = "environment step".to_owned();
                row.units = u64::from(case.population) * u64::from(case.steps);
                row.multiply_adds = 249 * row.units;
                row.gate_error = Some(1e-6);
                row.gpu_busy_ns = Some(us * 1e3 * busy);
                (row.followed, row.decided) = (64, 60);
                (row.fitness_error, row.rank_correlation, row.rank_correlation_all) =
                    (Some(2e-6), Some(1.0), Some(0.98));
                row.fresh_return = (arm == "evolution").then_some(-90.0);
                add(&mut run, row, us * 1e3);
            }
            run.cases.push(case);
        }
        add_controls(&mut run, 1.0);
        run
    };
    let once = 1000.0;
    let all = once * gain;
    let ladder = [
        ("per-operation", "wait-each", 0, 60.0 * all),
        ("per-operation", "one-submit", 0, 6.0 * all),
        ("stepwise", "wait-each", 0, 10.0 * all),
        ("stepwise", "one-submit", 0, all),
        ("fused", "one-submit", 0, once),
        ("fused", "one-submit", 1, once),
    ];
    let control = [
        ("per-operation", "wait-each", 0, 1.5 * once),
        ("per-operation", "one-submit", 0, once),
        ("fused", "one-submit", 0, once),
        ("fused", "one-submit", 1, once),
    ];
    let loops = [("evaluation", "one-submit", 0, once), ("evolution", "one-submit", 0, 1.5 * once)];
    let seed = |seed: u64| Case {
        case: format!("acrobot-n1024-t500-e8-g40-s{seed}"),
        seed,
        episodes: 8,
        generations: 40,
        ..case("acrobot", 1024, 500)
    };
    vec![
        run("rollout", vec![case("acrobot", 4096, 500), case("cartpole", 4096, 500)], &ladder, 0.9),
        run("rollout-controls", vec![case("sphere", 4096, 2000), case("ackley", 4096, 2000)], &control, 0.9),
        run("rollout-evolution", vec![seed(0), seed(1)], &loops, 0.9),
    ]
}

fn decode(slug: &str, experiment: &str, slowness: f64, sizes: Vec<(u32, u32, u32)>) -> Run {
    let mut run = empty(slug, experiment);
    for (n_embd, n_layer, new_tokens) in sizes {
        let case = case(&format!("d{n_embd}-l{n_layer}-t{new_tokens}"), "decode", n_embd, n_layer, new_tokens);
        let per_token = 8.0 * f64::from(n_layer) + 5.0;
        let dispatches = per_token as u64 * u64::from(new_tokens);
        let multiply_adds = u64::from(new_tokens * n_layer * 12 * n_embd * n_embd);
        // Microseconds per token: what computing takes, and what each way of dispatching adds.
        let compute = per_token * 2.0 * slowness + f64::from(n_embd) * f64::from(n_layer) * 0.05;
        for (arm, policy, us, submits, waits) in [
            ("stepwise", "wait-each", compute + per_token * 54.0, dispatches, dispatches),
            ("stepwise", "submit-each", compute + per_token * 14.0, dispatches, 1),
            ("stepwise", "submit-per-token", compute + 25.0, u64::from(new_tokens), 1),
            ("stepwise", "one-submit", compute + 20.0, 1, 1),
            ("fused-scalar", "one-submit", f64::from(n_embd * n_embd * n_layer) * 0.15, 1, 1),
            ("fused-workgroup", "one-submit", f64::from(n_layer * n_embd) * (0.2 + f64::from(n_embd) / 600.0), 1, 1),
        ] {
            let dispatches = if arm == "stepwise" { dispatches } else { 1 };
            let mut row = row(&case, arm, policy, 0);
            row.units = u64::from(new_tokens);
            (row.dispatches, row.submits, row.waits) = (dispatches, submits, waits);
            row.multiply_adds = multiply_adds;
            row.min_bytes = multiply_adds * 4;
            row.gate_error = Some(f64::from(n_embd) * 1.3e-8);
            if arm == "fused-scalar" && n_embd == 512 {
                row.units = 8;
                row.cap = "8 of 64 tokens: the rest would take longer than the cap".to_owned();
            }
            let ns = us * row.units as f64 * 1e3;
            row.gpu_busy_ns = Some(if arm == "stepwise" { compute * row.units as f64 * 1e3 } else { ns * 0.97 });
            add(&mut run, row, ns);
        }
        run.cases.push(case);
    }
    add_controls(&mut run, slowness);
    run
}

fn controls(slug: &str, slowness: f64) -> Run {
    let mut run = empty(slug, "controls");
    add_controls(&mut run, slowness);
    run
}

fn add_controls(run: &mut Run, slowness: f64) {
    for (name, arm, policy, unit, units, ns_each) in [
        ("empty", "empty", "wait-each", "dispatch", 100, 54_000.0),
        ("empty", "empty", "submit-each", "dispatch", 100, 14_000.0),
        ("empty", "empty", "one-submit", "dispatch", 1000, 1_500.0),
        ("copy", "copy", "one-submit", "byte", 1 << 30, 0.000_25 * slowness),
        ("cached-read", "cached-read", "one-submit", "byte", 1 << 30, 0.000_1 * slowness),
        ("fma", "fma", "one-submit", "multiply-add", 1 << 34, 0.000_04 * slowness),
    ] {
        if !run.cases.iter().any(|case| case.case == name) {
            run.cases.push(case(name, "control", 0, 0, 0));
        }
        for replica in 0..if unit == "dispatch" { 2 } else { 1 } {
            let case = run.cases.iter().find(|case| case.case == name).expect("it was pushed").clone();
            let mut row = row(&case, arm, policy, replica);
            row.unit = unit.to_owned();
            row.units = units;
            add(run, row, ns_each * units as f64);
        }
    }
}

fn add(run: &mut Run, mut row: ResultRow, ns: f64) {
    let seed = philox::key(run.results.len() as u64 + 1);
    let noise = |sample: u32| f64::from(philox::philox4x32([sample, 0, 0, 0], seed)[0]) / f64::from(u32::MAX) - 0.5;
    let mut walls: Vec<u64> = (0..SAMPLES).map(|sample| (ns * (1.0 + 0.02 * noise(sample))) as u64).collect();
    let order = 0;
    run.samples.extend((0..).zip(&walls).map(|(sample, wall_ns)| Sample {
        key: row.key.clone(),
        sample,
        order,
        wall_ns: *wall_ns,
        gpu_ns: None,
        gpu_flag: String::new(),
    }));
    walls.sort_unstable();
    let at = |place: usize| Some(walls[place] as f64);
    (row.wall_low_ns, row.wall_median_ns, row.wall_high_ns) = (at(3), at(7), at(11));
    row.units_per_s = row.wall_median_ns.map(|median| row.units as f64 / median * 1e9);
    run.results.push(row);
}

fn row(case: &Case, arm: &str, policy: &str, replica: u32) -> ResultRow {
    ResultRow {
        key: Key { case: case.case.clone(), arm: arm.to_owned(), policy: policy.to_owned(), replica },
        unit: "token".to_owned(),
        workgroup_size: 64,
        dispatches: 1,
        submits: 1,
        waits: 1,
        gate: "pass".to_owned(),
        gate_tolerance: 1e-3,
        samples: SAMPLES,
        workgroups: 1,
        ..ResultRow::default()
    }
}

fn case(name: &str, workload: &str, n_embd: u32, n_layer: u32, new_tokens: u32) -> Case {
    Case {
        case: name.to_owned(),
        workload: workload.to_owned(),
        n_embd,
        n_layer,
        n_head: 2,
        n_inner: 4 * n_embd,
        vocab_size: 64,
        prompt_tokens: 1,
        new_tokens,
        seed: 1,
        ..Case::default()
    }
}

fn empty(slug: &str, experiment: &str) -> Run {
    let software = slug == "llvmpipe";
    let text = |text: &str| text.to_owned();
    Run {
        path: PathBuf::from(format!("data/{slug}/{DATE}-{experiment}")),
        manifest: Manifest {
            schema: 1,
            experiment: text(experiment),
            date: text(DATE),
            complete: true,
            shard: None,
            shards: Vec::new(),
            spec: format!(
                "name = \"{experiment}\"\nseed = 1\nsamples = {SAMPLES}\nwarmup_s = 0.5\narm_cap_s = 60\ntolerance = 1e-3\n"
            ),
            spec_sha256: String::new(),
            device: Device {
                name: text(if software { "llvmpipe (LLVM 19.1.7, 256 bits)" } else { "NVIDIA H200" }),
                vendor: text("10de"),
                device: text("2335"),
                backend: text("vulkan"),
                device_type: text(if software { "Cpu" } else { "DiscreteGpu" }),
                is_software: software,
                driver: text(if software { "llvmpipe" } else { "NVIDIA" }),
                driver_info: text(if software { "Mesa 25.0.7" } else { "580.0" }),
                subgroup_min_size: if software { 8 } else { 32 },
                subgroup_max_size: if software { 8 } else { 32 },
                timestamp_period_ns: 1.0,
                features: Vec::new(),
                limits: BTreeMap::new(),
            },
            host: Host { os: text("linux"), arch: text("x86_64"), cpus: 2, clock_resolution_ns: 20 },
            software: Software {
                onedispatch: text("0.1.0"),
                wgpu: text("30.0.0"),
                commit: String::new(),
                clean: true,
                binary_sha256: String::new(),
            },
            browser: None,
            files: BTreeMap::new(),
        },
        cases: Vec::new(),
        results: Vec::new(),
        samples: Vec::new(),
        peers: Peers::default(),
    }
}
