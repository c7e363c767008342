//! The fused arms: the whole generation as a program of one dispatch, or of one for each chunk of tokens.

use std::collections::BTreeMap;

use super::format::Format;
use super::model::{Config, Request, Sampling};
use super::packing::{Layout, Map, Widths};
use super::{Tuning, buffers};
use crate::program::{Binding, Buffer, Dispatch, Kernel, Phase, Program};

/// Attention scores that are kept in workgroup memory: 4 KiB of the 16 that every device has.
const MOST_NEAR_SCORES: u32 = 1024;

/// One workgroup, workgroup memory, no optional feature. With a workgroup of one thread: the arm `fused-scalar`.
pub fn workgroup(name: &str, config: &Config, request: &Request, tuning: &Tuning) -> Program {
    let widths = Widths::of(config);
    let workgroup_size = tuning.workgroup_size;
    let narrow4 = widths.n_embd4.max(widths.heads4);
    let wide4 = widths.n_inner4.max(3 * widths.heads4);
    let head_lanes = (workgroup_size / config.n_head).clamp(1, 64);
    let lane_scores = workgroup_size.max(config.n_head * head_lanes);
    let norm_lanes = workgroup_size.min(widths.n_embd4).min(32);
    let all_scores = config.n_head * tuning.capacity;
    let near_scores = if all_scores <= MOST_NEAR_SCORES { all_scores } else { 0 };
    let mut constants = shared_constants(config, request, tuning, Layout::InOut);
    constants.extend(named([
        ("NARROW4", narrow4),
        ("WIDE4", wide4),
        ("HEAD_LANES", head_lanes),
        ("LANE_SCORES", lane_scores),
        ("NORM_LANES", norm_lanes),
        ("NEAR_SCORES", near_scores),
    ]));
    let kernel = Kernel {
        shader: "decode/fused_workgroup.wgsl".into(),
        entry: "decode".into(),
        constants,
        workgroup_size,
        workgroup_bytes: 16 * u64::from(widths.n_embd4 + narrow4 + wide4 + workgroup_size)
            + 4 * u64::from(lane_scores + near_scores.max(1) + 2 * workgroup_size)
            + 8 * u64::from(norm_lanes)
            + 16,
        subgroup_size: 0,
        workgroups_together: 1,
        unchecked: false,
    };
    dispatches(name, kernel, 1, buffers::fused(config, request, tuning, Layout::InOut), 1)
}

/// With subgroup operations, by `tuning.workgroups` workgroups for each request; all requests are greedy, or none is. The
/// kernel's constants say how it deals out the work: see `shaders/decode/fused_subgroup.wgsl`.
pub fn subgroup(name: &str, config: &Config, requests: &[Request], tuning: &Tuning, format: Format) -> Program {
    let layout = Layout::OutIn(format);
    let widths = Widths::of(config);
    // Every workgroup adds to every matrix: who adds nothing to a stage could miss a round of it.
    let workgroups = tuning.workgroups.min(4 * widths.n_embd4);
    let tuning = &Tuning { workgroups, ..*tuning };
    let workgroup_size = tuning.workgroup_size;
    let subgroup = tuning.subgroup_size.clamp(1, workgroup_size);
    let attention_lanes = widths.head4.next_power_of_two();
    let subgroups = workgroup_size / subgroup;
    let teams = config.n_head.div_ceil(workgroups).next_power_of_two().min(subgroups);
    let [embd, heads, inner] = [widths.n_embd4, widths.heads4, widths.n_inner4].map(|in4| layout.chunks(in4));
    let lanes = |chunks: u32, rows: u32| lanes(tuning, rows.div_ceil(workgroups), chunks);
    // A norm's sums are few additions for each subgroup of a narrow model; of a wide one the workgroup shares them.
    let norm_lanes = if widths.n_embd4 <= 2 * subgroup { subgroup } else { workgroup_size };
    let mut constants = shared_constants(config, &requests[0], tuning, layout);
    constants.extend(named([
        ("WORKGROUPS", workgroups),
        ("PATIENCE", tuning.waiting.patience),
        ("ASK_BY_WRITING", u32::from(tuning.waiting.by_writing)),
        ("SUBGROUP", subgroup),
        ("FORMAT", format as u32),
        ("EMBD_CHUNKS", embd),
        ("HEADS_CHUNKS", heads),
        ("INNER_CHUNKS", inner),
        ("QUERY_KEY_VALUE_LANES", lanes(embd, 12 * widths.heads4)),
        ("PROJECTION_LANES", lanes(heads, 4 * widths.n_embd4)),
        ("FC_LANES", lanes(embd, 4 * widths.n_inner4)),
        ("MLP_LANES", lanes(inner, 4 * widths.n_embd4)),
        ("LOGITS_LANES", lanes(embd, config.vocab_size).min(subgroup)),
        ("NORM_LANES", norm_lanes),
        ("ATTENTION_LANES", attention_lanes),
        ("TEAMS", teams),
    ]));
    let even = |count: u32| count.next_multiple_of(2);
    let kernel = Kernel {
        shader: "decode/fused_subgroup.wgsl".into(),
        entry: "decode".into(),
        constants,
        workgroup_size,
        workgroup_bytes: 16 * u64::from(2 * even(widths.n_embd4) + even(widths.n_inner4.max(3 * widths.heads4)))
            + 16 * u64::from(subgroups * attention_lanes)
            + 20 * u64::from(subgroups)
            + 16,
        subgroup_size: attention_lanes.max(subgroup),
        workgroups_together: if workgroups > 1 { workgroups * requests.len() as u32 } else { 1 },
        unchecked: false,
    };
    let buffers = buffers::grid(config, requests, tuning, layout);
    dispatches(name, kernel, workgroups * requests.len() as u32, buffers, requests.len())
}

/// Threads that share a row: a power of two that divides its `chunks`; as many as a workgroup has for each of its rows, but
/// not fewer than `tuning` says.
fn lanes(tuning: &Tuning, workgroup_rows: u32, chunks: u32) -> u32 {
    let most = (tuning.workgroup_size / workgroup_rows).max(tuning.least_lanes).min(tuning.workgroup_size);
    let divisor = 1 << chunks.trailing_zeros();
    divisor.min(1 << most.ilog2())
}

fn named<const N: usize>(constants: [(&str, u32); N]) -> impl Iterator<Item = (String, f64)> {
    constants.map(|(name, value)| (name.to_string(), f64::from(value))).into_iter()
}

/// Constants that every fused kernel has.
fn shared_constants(config: &Config, request: &Request, tuning: &Tuning, layout: Layout) -> BTreeMap<String, f64> {
    let widths = Widths::of(config);
    let mut constants: BTreeMap<String, f64> = named([
        ("WORKGROUP_SIZE", tuning.workgroup_size),
        ("N_LAYER", config.n_layer),
        ("N_HEAD", config.n_head),
        ("N_EMBD", config.n_embd),
        ("N_EMBD4", widths.n_embd4),
        ("HEAD4", widths.head4),
        ("HEADS4", widths.heads4),
        ("N_INNER4", widths.n_inner4),
        ("VOCAB_SIZE", config.vocab_size),
        ("VOCAB4", widths.vocab4),
        ("POSITIONS", tuning.capacity),
    ])
    .collect();
    constants.insert("EPSILON".into(), config.layer_norm_epsilon);
    constants.insert("SCALE".into(), config.attention_scale());
    constants.insert("SAMPLED".into(), f64::from(u8::from(request.sampling != Sampling::Greedy)));
    let map = Map::of(config, layout);
    constants.insert("LAYERS".into(), map.layers as f64);
    constants.insert("LAYER_STRIDE".into(), map.layer_stride as f64);
    constants.extend(map.offsets.iter().map(|(name, &offset)| (name.to_string(), offset as f64)));
    constants
}

/// A program whose dispatches, one for each chunk, bind `buffers` in their order, and of the requests those of the chunk.
fn dispatches(name: &str, kernel: Kernel, workgroups: u32, buffers: Vec<Buffer>, requests: usize) -> Program {
    let is_request = |buffer: &Buffer| [buffers::REQUEST, buffers::REQUESTS].contains(&buffer.name.as_str());
    let place = buffers.iter().position(is_request).expect("a buffer of buffers.rs");
    let dispatch_of = |request: Binding| {
        let whole = |buffer: usize| Binding { buffer, offset: 0, bytes: buffers[buffer].bytes };
        let bindings = (0..buffers.len()).map(|buffer| if buffer == place { request } else { whole(buffer) }).collect();
        Dispatch { kernel: 0, bindings, workgroups }
    };
    let dispatches = buffers::chunk_bindings(place, &buffers[place], requests).into_iter().map(dispatch_of).collect();
    let outputs = ["tokens", "logits", "gave_up"].into_iter();
    let outputs = outputs.filter(|output| buffers.iter().any(|buffer| buffer.name == *output));
    Program {
        name: name.into(),
        outputs: outputs.map(String::from).collect(),
        buffers,
        kernels: vec![kernel],
        phases: vec![Phase { name: "generation".into(), repeat: 1, dispatches }],
    }
}
