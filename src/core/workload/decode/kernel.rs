//! The one kernel of decoding, in two texts: `shaders/decode/subgroup.wgsl`, and `workgroup.wgsl` for devices without subgroups.
//! Its constants say how it deals out the work.

use std::collections::BTreeMap;

use super::format::Format;
use super::model::{Config, Request, Sampling};
use super::operations::{BITS, LAYER_KINDS, Operations, Part, parts, rounds};
use super::packing::{Layout, Map, Portion, Widths, chunks};
use super::prompt::Reading;
use super::shape::Shape;
use super::tile::{self, Dealt, Tile, spread};
use super::{Arm, Tuning, buffers};
use crate::program::{Binding, Buffer, Checks, Dispatch, Kernel, Phase, Program};

/// Attention scores that are kept in workgroup memory, without subgroups: 4 KiB.
const MOST_NEAR_SCORES: u32 = 1024;

/// A tile has more of its members than one in so many, or the prompt is fed token by token.
const LEAST_FILLED: u32 = 4;

/// Members of a prompt's tile that attention looks at together, which lanes that share a position share out.
const LEAST_ATTENTION_LANES: u32 = tile::TOGETHER;

impl Arm {
    /// The program that answers `request`.
    pub fn program(self, config: &Config, request: &Request, tuning: &Tuning) -> Program {
        self.program_of_all(config, std::slice::from_ref(request), tuning)
    }

    /// The program that answers all requests at once. More than one are for an arm that answers many; another one answers the
    /// first.
    pub fn program_of_all(self, config: &Config, requests: &[Request], tuning: &Tuning) -> Program {
        let answered = if self.algorithm.about().answers_many { requests } else { &requests[..1] };
        program(self, config, answered, tuning, 0)
    }

    /// The program that answers `request` where the buffer `cache` has keys and values of its first `cached` tokens already. At least
    /// the last token of the prompt is fed.
    pub fn program_after(self, config: &Config, request: &Request, tuning: &Tuning, cached: u32) -> Program {
        let most = request.prompt.len() as u32 - 1;
        program(self, config, std::slice::from_ref(request), tuning, cached.min(most))
    }
}

/// The program of an arm that answers `requests`: all are greedy, or none is; and all have one top-p, min-p and penalty.
fn program(arm: Arm, config: &Config, requests: &[Request], tuning: &Tuning, cached: u32) -> Program {
    let layout = arm.layout();
    // Every workgroup adds to every matrix: who adds nothing to a stage could miss a round of it.
    let widths = Widths::of(config);
    let narrowest4 = widths.n_embd4.min(widths.n_inner4).min(widths.query_key_value4());
    let narrowest = narrowest4 * if layout == Layout::InOut { 1 } else { 4 };
    let workgroups = tuning.workgroups.min(narrowest);
    let has_subgroups = layout != Layout::InOut;
    let is_split = has_subgroups && Map::of(config, layout, None).bytes() > tuning.binding_bytes;
    let shared = if has_subgroups && workgroups >= config.n_head { 1 } else { config.group() };
    let mut shape = Shape { has_subgroups, layout, workgroups, shared, tile: 1, is_split };
    // Sequences of a batch have prompts of their own lengths; and of few tokens a tile is no gain.
    let in_tiles = requests[0].prompt.len() as u32 - 1 - cached;
    let sizes = has_subgroups.then(|| Sizes::of(config, tuning, &shape));
    let tile = sizes.as_ref().filter(|_| requests.len() == 1).and_then(|sizes| sizes.tile);
    shape.tile = tile.map(|tile| tile.members).filter(|&members| in_tiles >= members / LEAST_FILLED).unwrap_or(1);
    let reading = Reading { cached, tile: shape.tile };
    let sampling = &requests[0].sampling;
    let mut kernel = match &sizes {
        Some(sizes) => by_subgroup(config, sampling, tuning, &shape, sizes),
        None => by_memory(config, sampling, tuning, &shape),
    };
    let all = workgroups * requests.len() as u32;
    kernel.checks = arm.checks;
    kernel.workgroups_together = if workgroups > 1 && arm.span.waits() { all } else { 1 };
    let parts = parts(arm.span, config.n_layer, requests, reading);
    let buffers = buffers::buffers(config, requests, tuning, &shape, cached, &parts);
    let (covered, kernel_of) = covered(&Operations::of(config.n_layer, rounds(sampling)), &parts);
    let phases = phases(&parts, &kernel_of, &buffers, has_subgroups && !is_split, requests.len(), all);
    let outputs = ["tokens", "logits", "gave_up"].map(String::from).to_vec();
    let that_covers = |&kinds: &u32| {
        let mut kernel = kernel.clone();
        kernel.constants.insert("COVERS".into(), f64::from(kinds));
        kernel
    };
    Program { name: arm.name(), buffers, kernels: covered.iter().map(that_covers).collect(), phases, outputs }
}

/// The kinds of operation that each kernel covers, and the kernel of each dispatch of each part. Dispatches with the same kinds
/// of a layer share one.
fn covered(operations: &Operations, parts: &[Part]) -> (Vec<u32>, Vec<Vec<usize>>) {
    let mut covered: Vec<u32> = Vec::new();
    let mut kernel_of = |kinds: u32| {
        let is_alike = |other: &u32| other & LAYER_KINDS == kinds & LAYER_KINDS;
        let kernel = covered.iter().position(is_alike).unwrap_or_else(|| {
            covered.push(0);
            covered.len() - 1
        });
        covered[kernel] |= kinds;
        kernel
    };
    // A dispatch of a part has the same kernel in each repetition. Its first one may not begin with a choice.
    let kinds = |part: &Part, index: usize| {
        let of_repetitions = part.repetitions.iter().map(|ranges| operations.kinds(&ranges[index]));
        of_repetitions.fold(0, std::ops::BitOr::bitor)
    };
    let of_part = |part: &Part| (0..part.repetitions[0].len()).map(|index| kernel_of(kinds(part, index))).collect();
    let of_parts = parts.iter().map(of_part).collect();
    (covered, of_parts)
}

/// Dispatches that bind all buffers in their order, and of the requests those of the dispatch. Kernels with subgroups read scales
/// word by word, and have the weights a second time for that, where they are one buffer.
fn phases(
    parts: &[Part],
    kernel_of: &[Vec<usize>],
    buffers: &[Buffer],
    has_words: bool,
    sequences: usize,
    workgroups: u32,
) -> Vec<Phase> {
    let place = buffers.iter().position(|buffer| buffer.name == buffers::REQUESTS).expect("a buffer of buffers.rs");
    let bytes = 4 * (buffers::REQUEST_WORDS * sequences) as u64;
    let apart = buffers::requests_stride(sequences);
    let mut offset = 0;
    let mut phases = Vec::new();
    for (part, kernel_of) in parts.iter().zip(kernel_of) {
        let in_each = part.repetitions[0].len() as u64;
        let dispatch = |index: u64| {
            let request = Binding { buffer: place, offset: offset + index * apart, bytes, stride: in_each * apart };
            let bound = |(index, buffer): (usize, &Buffer)| match index == place {
                true => request,
                false => Binding::whole(index, buffer),
            };
            let words = buffers.iter().enumerate().filter(|(_, buffer)| has_words && buffer.name == buffers::WEIGHTS);
            let bindings = buffers.iter().enumerate().chain(words).map(bound).collect();
            Dispatch { kernel: kernel_of[index as usize], bindings, workgroups }
        };
        let dispatches = (0..in_each).map(dispatch).collect();
        let repeat = part.repetitions.len() as u32;
        phases.push(Phase { name: part.name.into(), repeat, dispatches });
        offset += u64::from(repeat) * in_each * apart;
    }
    phases
}

/// Regions of `hidden` where vectors are whole, in vec4f: the stream, its norm, and the longest input of a matrix, which has the
/// norm's place where there are several workgroups.
fn whole4(widths: &Widths, workgroups: u32, gaps: bool) -> u32 {
    let [embd, wide] =
        [widths.n_embd4, widths.n_inner4.max(widths.query_key_value4())].map(|count| spread(count, gaps));
    if workgroups > 1 { embd + wide.max(embd) } else { 2 * embd + wide }
}

/// What lies in the workgroup memory of a kernel with subgroups.
struct Sizes {
    subgroup: u32,
    attention_lanes: u32,
    /// Bytes of sums, of candidates, and of what attention merges.
    others: u32,
    gaps: bool,
    whole: bool,
    tile4: u32,
    teams: u32,
    /// Vec4f of `hidden`.
    hidden4: u32,
    /// For prompts in tiles, where there is place.
    tile: Option<Tile>,
}

impl Sizes {
    fn of(config: &Config, tuning: &Tuning, shape: &Shape) -> Sizes {
        let widths = Widths::of(config);
        let workgroups = shape.workgroups;
        let subgroup = tuning.subgroup_size.clamp(1, tuning.workgroup_size);
        let attention_lanes = widths.head4.next_power_of_two().max(LEAST_ATTENTION_LANES);
        let subgroups = tuning.workgroup_size / subgroup;
        let others = 16 * subgroups * attention_lanes + 20 * subgroups + 16;
        let left4 = tuning.memory.saturating_sub(others) / 16;
        let gaps = !shape.layout.formats(config).is_f32();
        let whole = whole4(&widths, workgroups, gaps) <= left4;
        // A tile is a power of two, so that the steps of a row end where it does, those of every format.
        let left_without_gaps = if gaps { left4 / 9 * 8 } else { left4 };
        let step4 = |format: Format| format.step_chunks() * format.vec4_in_chunk();
        let least4 = if gaps { Format::ALL.map(step4).into_iter().max().unwrap_or(1) } else { step4(Format::F32) };
        let tile4 = left_without_gaps.checked_ilog2().map_or(least4, |log| (1u32 << log).max(least4));
        let mut teams = (config.n_head / shape.shared).div_ceil(workgroups).next_power_of_two().min(subgroups);
        let team4 = (shape.shared + 2) * widths.head4;
        while !whole && teams > 1 && teams * team4 > left4 {
            teams /= 2;
        }
        let hidden4 = if whole { whole4(&widths, workgroups, gaps) } else { spread(tile4, gaps).max(teams * team4) };
        let attention =
            tile::Attention { teams, shared: shape.shared, head4: widths.head4, lanes: attention_lanes, subgroups };
        let tile = Tile::fitting(tuning.tile, left4, tuning.workgroup_size, gaps, &attention);
        Sizes { subgroup, attention_lanes, others, gaps, whole, tile4, teams, hidden4, tile }
    }
}

fn by_subgroup(config: &Config, sampling: &Sampling, tuning: &Tuning, shape: &Shape, sizes: &Sizes) -> Kernel {
    let widths = Widths::of(config);
    let workgroups = shape.workgroups;
    let workgroup_size = tuning.workgroup_size;
    let Sizes { subgroup, attention_lanes, others, gaps, whole, tile4, teams, .. } = *sizes;
    let tile = sizes.tile.filter(|_| shape.tile > 1);
    let hidden4 = tile.map_or(0, |tile| tile.hidden4).max(sizes.hidden4);
    let formats = shape.layout.formats(config);
    let lanes = |format: Format, in4: u32, rows: u32| {
        let most = if whole { workgroup_size } else { tile4 / (format.vec4_in_chunk() * format.step_chunks()) };
        lanes(tuning, rows.div_ceil(workgroups), chunks(format, in4)).min(most)
    };
    let query_key_value = lanes(formats.query_key_value, widths.n_embd4, 4 * widths.query_key_value4());
    // A norm's sums are few additions for each subgroup of a narrow model; of a wide one the workgroup shares them.
    let norm_lanes = if whole && widths.n_embd4 <= 2 * subgroup { subgroup } else { workgroup_size };
    let mut constants = shared_constants(config, sampling, tuning, shape, whole);
    constants.extend(named([
        ("SUBGROUP", subgroup),
        ("GAPS", u32::from(gaps)),
        ("EMBEDDING_FORMAT", formats.embedding as u32),
        ("QUERY_KEY_VALUE_FORMAT", formats.query_key_value as u32),
        ("PROJECTION_FORMAT", formats.projection as u32),
        ("FC_FORMAT", formats.fc as u32),
        ("MLP_FORMAT", formats.mlp as u32),
        ("LOGITS_FORMAT", formats.head as u32),
        ("TILE4", tile4),
        ("HIDDEN4", hidden4),
        ("QUERY_KEY_VALUE_LANES", query_key_value),
        ("PROJECTION_LANES", lanes(formats.projection, widths.heads4, 4 * widths.n_embd4)),
        ("FC_LANES", lanes(formats.fc, widths.n_embd4, 4 * widths.n_inner4)),
        ("MLP_LANES", lanes(formats.mlp, widths.n_inner4, 4 * widths.n_embd4)),
        ("LOGITS_LANES", lanes(formats.head, widths.n_embd4, config.vocab_size).min(subgroup)),
        ("NORM_LANES", norm_lanes),
        ("ATTENTION_LANES", attention_lanes),
        ("TEAMS", teams),
    ]));
    if let Some(tile) = tile {
        let split = tile.split(workgroups);
        constants.extend(named([
            ("TILE", tile.members),
            ("INPUT4", tile.input4),
            ("BROUGHT", tile.brought),
            ("SPLIT", split),
        ]));
        for (name, format, in4, outputs, gates, split) in [
            ("QUERY_KEY_VALUE", formats.query_key_value, widths.n_embd4, 4 * widths.query_key_value4(), 1, 1),
            ("PROJECTION", formats.projection, widths.heads4, 4 * widths.n_embd4, 1, split),
            ("FC", formats.fc, widths.n_embd4, 4 * widths.n_inner4, config.block.gates(), 1),
            ("MLP", formats.mlp, widths.n_inner4, 4 * widths.n_embd4, 1, split),
        ] {
            let rows = outputs.div_ceil(workgroups / split) * gates;
            let dealt = Dealt { rows, chunks: chunks(format, in4), in_chunk: format.vec4_in_chunk(), split };
            let (lanes, slices) = tile.lanes(&dealt, workgroup_size, subgroup);
            constants.insert(format!("TILE_{name}_LANES"), f64::from(lanes));
            constants.insert(format!("TILE_{name}_SLICES"), f64::from(slices));
        }
    }
    Kernel {
        shader: format!("decode/subgroup{}.wgsl", if shape.is_split { "_in_parts" } else { "" }),
        entry: "decode".into(),
        constants,
        workgroup_size,
        workgroup_bytes: u64::from(16 * hidden4 + others),
        subgroup_size: attention_lanes.max(subgroup),
        workgroups_together: 1,
        checks: Checks::Bounds,
    }
}

fn by_memory(config: &Config, sampling: &Sampling, tuning: &Tuning, shape: &Shape) -> Kernel {
    let widths = Widths::of(config);
    let workgroup_size = tuning.workgroup_size;
    // Threads that share the sums of a norm: in tiles all of them.
    let norm_lanes = |whole: bool| if whole { workgroup_size.min(widths.n_embd4).min(32) } else { workgroup_size };
    // Partial sums, their weights, candidates; then of attention, which may take fewer heads at a time.
    let others = |whole: bool| 28 * workgroup_size + 8 * norm_lanes(whole) + 16;
    let group = config.group();
    let own_groups = config.n_key_head().div_ceil(shape.workgroups);
    let head_lanes = |heads: u32| (workgroup_size / heads).clamp(1, 64);
    let lane_scores = |heads: u32| workgroup_size.max(heads * head_lanes(heads));
    let near_scores = |heads: u32| Some(heads * tuning.capacity).filter(|&all| all <= MOST_NEAR_SCORES).unwrap_or(0);
    let of_scores = |heads: u32| 4 * (lane_scores(heads) + near_scores(heads).max(1));
    let left4 = |groups: u32, whole: bool| tuning.memory.saturating_sub(others(whole) + of_scores(groups * group)) / 16;
    let whole = whole4(&widths, shape.workgroups, false) <= left4(own_groups, true);
    let group4 = (group + 2) * widths.head4;
    let mut groups = own_groups;
    while !whole && groups > 1 && groups * group4 > left4(groups, false) {
        groups = groups.div_ceil(2);
    }
    let heads = groups * group;
    let tile4 = left4(groups, whole).max(1);
    let hidden4 = if whole { whole4(&widths, shape.workgroups, false) } else { tile4.max(groups * group4) };
    let mut constants = shared_constants(config, sampling, tuning, shape, whole);
    constants.extend(named([
        ("TILE4", tile4),
        ("HIDDEN4", hidden4),
        ("GROUPS", groups),
        ("HEAD_LANES", head_lanes(heads)),
        ("LANE_SCORES", lane_scores(heads)),
        ("NEAR_SCORES", near_scores(heads)),
        ("NORM_LANES", norm_lanes(whole)),
    ]));
    let bytes = 16 * hidden4 + others(whole) + of_scores(heads);
    Kernel {
        shader: "decode/workgroup.wgsl".into(),
        entry: "decode".into(),
        constants,
        workgroup_size,
        workgroup_bytes: u64::from(bytes),
        subgroup_size: 0,
        workgroups_together: 1,
        checks: Checks::Bounds,
    }
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

/// Constants of both texts.
fn shared_constants(
    config: &Config,
    sampling: &Sampling,
    tuning: &Tuning,
    shape: &Shape,
    whole: bool,
) -> BTreeMap<String, f64> {
    let widths = Widths::of(config);
    let mut constants: BTreeMap<String, f64> = named([
        ("WORKGROUPS", shape.workgroups),
        ("WORKGROUP_SIZE", tuning.workgroup_size),
        ("WHOLE", u32::from(whole)),
        ("NEAR", u32::from(whole && shape.workgroups == 1)),
        ("PATIENCE", tuning.waiting.patience),
        ("ASK_BY_WRITING", u32::from(tuning.waiting.by_writing)),
        ("N_LAYER", config.n_layer),
        ("N_HEAD", config.n_head),
        ("N_EMBD", config.n_embd),
        ("N_EMBD4", widths.n_embd4),
        ("HEAD4", widths.head4),
        ("HEADS4", widths.heads4),
        ("GROUP", config.group()),
        ("KEYS4", widths.keys4),
        ("SHARED", shape.shared),
        ("CACHE4", widths.heads4 / shape.shared),
        ("N_INNER4", widths.n_inner4),
        ("VOCAB_SIZE", config.vocab_size),
        ("VOCAB4", widths.vocab4),
        ("POSITIONS", tuning.capacity),
        ("SAMPLED", u32::from(*sampling != Sampling::GREEDY)),
    ])
    .collect();
    constants.extend(family_constants(config));
    constants.extend(sampling_constants(sampling));
    constants.insert("EPSILON".into(), config.layer_norm_epsilon);
    constants.insert("SCALE".into(), config.attention_scale());
    let map = |part: Portion| Map::of(config, shape.layout, Some(part).filter(|_| shape.is_split));
    for part in Portion::ALL {
        constants.extend(map(part).offsets.iter().map(|(name, &offset)| (name.to_string(), offset as f64)));
    }
    constants.insert("LAYERS".into(), map(Portion::Rest).layers as f64);
    constants.insert("LAYER_STRIDE".into(), map(Portion::Rest).layer_stride as f64);
    constants.insert("MATRICES".into(), if shape.is_split { 0.0 } else { map(Portion::Rest).layers as f64 });
    for (name, part) in [("ATTENTION", Portion::Attention), ("FC", Portion::Fc), ("MLP", Portion::Mlp)] {
        constants.insert(format!("{name}_STRIDE"), map(part).layer_stride as f64);
    }
    if !config.block.untied {
        constants.insert("LM_HEAD".into(), constants["WTE"]);
    }
    constants.insert("TIED".into(), f64::from(!config.block.untied));
    constants
}

/// What is asked for beyond top-k: constants, so that who asks for none of it has no more to do.
fn sampling_constants(sampling: &Sampling) -> impl Iterator<Item = (String, f64)> {
    let draw = sampling.draw.as_ref();
    let constants = [
        ("CHOICE_ROUNDS", rounds(sampling).filter(|&rounds| rounds != BITS).map(f64::from)),
        ("TOP_P", draw.map(|draw| draw.top_p).filter(|&top_p| top_p < 1.0).map(f64::from)),
        ("LN_MIN_P", draw.map(|draw| draw.min_p).filter(|&min_p| min_p > 0.0).map(|min_p| f64::from(min_p).ln())),
        ("REPETITION_PENALTY", Some(sampling.repetition_penalty).filter(|&penalty| penalty != 1.0).map(f64::from)),
    ];
    constants.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?)))
}

/// How families of models differ.
fn family_constants(config: &Config) -> impl Iterator<Item = (String, f64)> {
    let block = &config.block;
    named([
        ("SCALE_BY_LAYER", u32::from(block.scale_by_layer)),
        ("ROOT_MEAN_SQUARE", u32::from(block.root_mean_square)),
        ("ROTARY", u32::from(block.rotary.is_some())),
        ("QUERY_KEY_NORM", u32::from(block.query_key_norm)),
        ("HEAD_DIM", config.head_dim()),
        ("ACTIVATION", block.activation as u32),
        ("GATES", block.gates()),
    ])
}
