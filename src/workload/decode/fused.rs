//! The fused arms: the whole generation as a program of one dispatch of one workgroup.

use std::collections::BTreeMap;

use super::model::{Config, Request, Sampling};
use super::packing::{Layout, Map, Widths};
use super::{Tuning, buffers};
use crate::program::{Binding, Dispatch, Kernel, Phase, Program};

/// One workgroup, workgroup memory, no optional feature. With a workgroup of one thread: the arm `fused-scalar`.
pub fn workgroup(name: &str, config: &Config, request: &Request, tuning: &Tuning) -> Program {
    let norm_lanes = tuning.workgroup_size.min(config.n_embd.div_ceil(4)).min(32);
    program(name, "decode/fused_workgroup.wgsl", config, request, tuning, Layout::InOut, ("NORM_LANES", norm_lanes), 0)
}

/// The same with subgroup shuffles in place of sums through workgroup memory.
pub fn subgroup(name: &str, config: &Config, request: &Request, tuning: &Tuning) -> Program {
    let lanes = lanes(config, tuning);
    program(name, "decode/fused_subgroup.wgsl", config, request, tuning, Layout::OutIn, ("LANES", lanes), lanes)
}

/// Threads that share four outputs: as many as the narrowest matrix gives a vec4f each, in a power of two.
fn lanes(config: &Config, tuning: &Tuning) -> u32 {
    let most = tuning.subgroup_size.min(tuning.workgroup_size).min(config.n_embd.div_ceil(4)).max(1);
    1 << most.ilog2()
}

#[allow(clippy::too_many_arguments)]
fn program(
    name: &str,
    shader: &str,
    config: &Config,
    request: &Request,
    tuning: &Tuning,
    layout: Layout,
    own: (&str, u32),
    subgroup_size: u32,
) -> Program {
    let widths = Widths::of(config);
    let workgroup_size = tuning.workgroup_size;
    let narrow4 = widths.n_embd4.max(widths.heads4);
    let wide4 = widths.n_inner4.max(widths.heads4);
    let head_lanes = (workgroup_size / config.n_head).clamp(1, 64);
    let lane_scores = workgroup_size.max(config.n_head * head_lanes);
    let mut constants: BTreeMap<String, f64> = [
        ("WORKGROUP_SIZE", workgroup_size),
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
        ("NARROW4", narrow4),
        ("WIDE4", wide4),
        ("HEAD_LANES", head_lanes),
        ("LANE_SCORES", lane_scores),
        own,
    ]
    .into_iter()
    .map(|(name, value)| (name.to_string(), f64::from(value)))
    .collect();
    constants.insert("EPSILON".into(), config.layer_norm_epsilon);
    constants.insert("SCALE".into(), config.attention_scale());
    constants.insert("SAMPLED".into(), f64::from(u8::from(request.sampling != Sampling::Greedy)));
    let map = Map::of(config);
    constants.insert("LAYERS".into(), map.layers as f64);
    constants.insert("LAYER_STRIDE".into(), map.layer_stride as f64);
    constants.extend(map.offsets.iter().map(|(name, &offset)| (name.to_string(), offset as f64)));

    let kernel = Kernel {
        shader: shader.into(),
        entry: "decode".into(),
        constants,
        workgroup_size,
        workgroup_bytes: 16 * u64::from(widths.n_embd4 + narrow4 + wide4 + workgroup_size)
            + 4 * u64::from(lane_scores + 2 * workgroup_size)
            + 16,
        subgroup_size,
    };
    let buffers = buffers::fused(config, request, tuning, layout);
    let bindings =
        (0..buffers.len()).map(|buffer| Binding { buffer, offset: 0, bytes: buffers[buffer].bytes }).collect();
    Program {
        name: name.into(),
        buffers,
        kernels: vec![kernel],
        phases: vec![Phase {
            name: "generation".into(),
            repeat: 1,
            dispatches: vec![Dispatch { kernel: 0, bindings, workgroups: 1 }],
        }],
        outputs: vec!["tokens".into(), "logits".into()],
    }
}
