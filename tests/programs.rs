//! The programs of every arm, without a GPU: what they say as text, and what must hold of them at any size.

use std::fmt::Write;

use onedispatch::program::{Binding, Contents, Kernel, Policy, Program};
use onedispatch::shaders;
use onedispatch::workload::decode::cost::work;
use onedispatch::workload::decode::model::{Config, Draw, Request, Sampling};
use onedispatch::workload::decode::operations::ALL_KINDS;
use onedispatch::workload::decode::packing::Layout;
use onedispatch::workload::decode::span::Span;
use onedispatch::workload::decode::tuning::LEAST_MEMORY;
use onedispatch::workload::decode::{Algorithm, Arm, Tuning};
use proptest::prelude::*;

fn small() -> (Config, Request, Tuning) {
    let config = Config {
        vocab_size: 37,
        n_positions: 16,
        n_embd: 30,
        n_head: 3,
        n_layer: 2,
        n_inner: 50,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        block: Default::default(),
        stored: None,
    };
    let request = Request { prompt: vec![3, 1, 4], new_tokens: 5, sampling: Sampling::GREEDY, end_tokens: vec![2] };
    let tuning = Tuning { subgroup_size: 8, keep_logits: true, ..Tuning::of(64, request.positions()) };
    (config, request, tuning)
}

/// A program as a person reads it. Bindings that are not a whole buffer are shown with their range.
fn text(program: &Program) -> String {
    let mut text = format!("{}\n", program.name);
    for buffer in &program.buffers {
        let contents = match &buffer.contents {
            Contents::Words(words) => format!("{words:?}"),
            contents => format!("{contents:?}").to_lowercase(),
        };
        writeln!(text, "  buffer {:<16}{:>6}  {contents}", buffer.name, buffer.bytes).unwrap();
    }
    for (index, kernel) in program.kernels.iter().enumerate() {
        let (threads, bytes, subgroup) = (kernel.workgroup_size, kernel.workgroup_bytes, kernel.subgroup_size);
        write!(text, "  kernel {index} {} {}: {threads} threads, {bytes} bytes", kernel.shader, kernel.entry).unwrap();
        if subgroup > 0 {
            write!(text, ", subgroups of {subgroup}").unwrap();
        }
        for (count, (name, value)) in kernel.constants.iter().enumerate() {
            text += if count % 8 == 0 { "\n   " } else { "" };
            write!(text, " {name}={value}").unwrap();
        }
        text += "\n";
    }
    for phase in &program.phases {
        writeln!(text, "  phase {} x {}", phase.name, phase.repeat).unwrap();
        for dispatch in &phase.dispatches {
            let bindings = dispatch.bindings.iter().map(|binding| {
                let buffer = &program.buffers[binding.buffer];
                match (binding.offset, binding.bytes) {
                    (0, bytes) if bytes == buffer.bytes => buffer.name.clone(),
                    (from, bytes) => format!("{}[{from}..{}]", buffer.name, from + bytes),
                }
            });
            let bindings: Vec<String> = bindings.collect();
            writeln!(text, "    {} x {}: {}", dispatch.kernel, dispatch.workgroups, bindings.join(" ")).unwrap();
        }
    }
    writeln!(text, "  outputs {}", program.outputs.join(" ")).unwrap();
    for policy in [Policy::WaitEach, Policy::SubmitEach, Policy::SubmitPerToken, Policy::SubmitAhead, Policy::OneSubmit]
    {
        let traffic = program.traffic(policy);
        let (dispatches, submits, waits) = (traffic.dispatches, traffic.submits, traffic.waits);
        writeln!(text, "  {policy:<16} dispatches {dispatches:>3}  submits {submits:>3}  waits {waits:>3}").unwrap();
    }
    let work = work(program);
    writeln!(text, "  multiply-adds {}, barriers {}", work.multiply_adds, work.barriers).unwrap();
    text
}

/// No more threads than the arm ever has, and two workgroups where it has several.
fn sized_for(arm: Arm, tuning: &Tuning) -> Tuning {
    let largest = arm.workgroup_sizes().last().copied().unwrap_or(1);
    let workgroups = if arm.algorithm.waits() { 2 } else { 1 };
    Tuning { workgroups, workgroup_size: tuning.workgroup_size.min(largest), ..*tuning }
}

/// Arms whose program is written down here: one of each kernel, and each way to deal its work out. What has to hold of every arm is
/// in the tests below.
const WRITTEN: [Algorithm; 6] = [
    Algorithm::Stepwise,
    Algorithm::FusedScalar,
    Algorithm::FusedWorkgroup,
    Algorithm::FusedSubgroup,
    Algorithm::FusedGrid,
    Algorithm::FusedBatch,
];

#[test]
fn these_arms_have_these_programs() {
    let (config, request, tuning) = small();
    for arm in WRITTEN.map(Arm::of) {
        let tuning = sized_for(arm, &tuning);
        insta::assert_snapshot!(arm.name(), text(&arm.program(&config, &request, &tuning)));
    }
}

/// Multiply-adds of matrices and attention by the model's own sizes, each width padded to a multiple of 4 as `packing.rs`
/// says: per token fed, four matrices a layer and two products with all positions so far; per new token the head, of which
/// kernels that take one row after another leave out the padding.
fn closed_formula(config: &Config, request: &Request, layout: Layout) -> u64 {
    let padded = |size: u32| u64::from(size.next_multiple_of(4));
    let (embd, inner, vocab) = (padded(config.n_embd), padded(config.n_inner), padded(config.vocab_size));
    let vocab = if layout == Layout::InOut { vocab } else { u64::from(config.vocab_size) };
    let heads = u64::from(config.n_head) * padded(config.n_embd / config.n_head);
    let (layers, fed) = (u64::from(config.n_layer), u64::from(request.positions()));
    let matrices = embd * 3 * heads + heads * embd + 2 * embd * inner;
    let attention = heads * fed * (fed + 1);
    layers * (fed * matrices + attention) + u64::from(request.new_tokens) * embd * vocab
}

fn sizes() -> impl Strategy<Value = (Config, Request, Tuning)> {
    let model = (1u32..=7, 1u32..=19, 1u32..=3, 1u32..=90, 1u32..=70, any::<bool>());
    let asked = (1u32..=6, 1u32..=9, 0..5, 0u32..=2);
    let tuning = (5u32..=10, 0u32..=6, any::<bool>(), 0u32..=5);
    (model, asked, tuning).prop_map(|(model, asked, tuning)| {
        let (n_head, head_dim, n_layer, n_inner, vocab_size, scale_attn_weights) = model;
        let (prompt_tokens, new_tokens, way, end) = asked;
        let (workgroup, subgroup, keep_logits, spare) = tuning;
        let drawn = Sampling::top_k(0.5, 1 + vocab_size / 2, u64::MAX);
        let draw = drawn.draw.unwrap();
        let sampling = match way {
            0 => Sampling::GREEDY,
            1 => drawn,
            2 => Sampling { repetition_penalty: 1.5, draw: None },
            3 => Sampling { repetition_penalty: 1.0, draw: Some(Draw { min_p: 0.1, ..draw }) },
            _ => Sampling { repetition_penalty: 0.9, draw: Some(Draw { top_p: 0.5, ..draw }) },
        };
        let end_tokens = (0..end).map(|index| (end + index) % vocab_size).collect();
        let request = Request { prompt: vec![0; prompt_tokens as usize], new_tokens, sampling, end_tokens };
        let config = Config {
            vocab_size,
            n_positions: request.positions() + spare,
            n_embd: n_head * head_dim,
            n_head,
            n_layer,
            n_inner,
            layer_norm_epsilon: 1e-5,
            scale_attn_weights,
            block: Default::default(),
            stored: None,
        };
        let capacity = request.positions() + spare;
        (config, request, Tuning { subgroup_size: 1 << subgroup, keep_logits, ..Tuning::of(1 << workgroup, capacity) })
    })
}

fn programs(config: &Config, request: &Request, tuning: &Tuning) -> Vec<(Arm, Program)> {
    Arm::all().into_iter().map(|arm| (arm, arm.program(config, request, &sized_for(arm, tuning)))).collect()
}

/// Vectors that do not fit come in tiles, so that what a kernel takes of workgroup memory does not grow with the model.
#[test]
fn every_width_fits_the_least_workgroup_memory() {
    let request = Request { prompt: vec![0], new_tokens: 64, sampling: Sampling::GREEDY, end_tokens: Vec::new() };
    for n_embd in [768, 1024, 2048, 4096, 8192] {
        let n_head = n_embd / 64;
        let config = Config { n_embd, n_head, n_inner: 4 * n_embd, n_positions: 1024, ..small().0 };
        for arm in Arm::all() {
            for workgroup_size in arm.workgroup_sizes().iter().copied().filter(|&size| size <= 256) {
                let tuning = Tuning { subgroup_size: 32, ..Tuning::of(workgroup_size, request.positions()) };
                for kernel in arm.program(&config, &request, &tuning).kernels {
                    let bytes = kernel.workgroup_bytes;
                    assert!(bytes <= u64::from(LEAST_MEMORY), "{} {n_embd} x {workgroup_size}: {bytes}", arm.name());
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_arm_does_the_work_of_the_model((config, request, tuning) in sizes()) {
        for (arm, program) in programs(&config, &request, &tuning) {
            let expected = closed_formula(&config, &request, arm.layout());
            prop_assert_eq!(work(&program).multiply_adds, expected, "{}", arm.name());
        }
    }

    #[test]
    fn a_span_says_how_many_dispatches_there_are((config, request, tuning) in sizes()) {
        let (prompt, new) = (request.prompt.len() as u64, u64::from(request.new_tokens));
        let layers = u64::from(config.n_layer);
        // Where tokens are drawn, 32 rounds find a threshold; min-p takes one more, top-p 34. Then they are drawn; or the largest
        // of penalised logits is looked for.
        let drawing = match request.sampling {
            Sampling::GREEDY => 0,
            Sampling { draw: None, .. } => 1,
            Sampling { draw: Some(draw), .. } if draw.top_p < 1.0 => 67,
            Sampling { draw: Some(draw), .. } => 33 + u64::from(draw.min_p > 0.0),
        };
        for arm in Arm::all() {
            let dispatches = |span| {
                let cut = arm.cut(span).ok()?;
                Some(cut.program(&config, &request, &sized_for(arm, &tuning)).dispatches())
            };
            // A token of the prompt makes no new one: no final norm, no head, no choice.
            let operations = (prompt - 1) * (1 + 7 * layers) + new * (4 + 7 * layers + drawing);
            let stages = (prompt - 1) * 5 * layers + new * (5 * layers + 1 + drawing) + 1;
            prop_assert_eq!(dispatches(Span::Operation), Some(operations), "{}", arm.name());
            prop_assert_eq!(dispatches(Span::Stage), Some(stages), "{}", arm.name());
            if arm.cut(Span::Layer).is_ok() {
                prop_assert_eq!(dispatches(Span::Layer), Some((prompt - 1) * layers + new * (layers + 1) + 1), "{}", arm.name());
                prop_assert_eq!(dispatches(Span::Token), Some(prompt - 1 + new), "{}", arm.name());
                prop_assert_eq!(dispatches(Span::Generation), Some(1), "{}", arm.name());
            }
        }
    }

    #[test]
    fn only_the_span_differs_between_the_rungs_of_a_ladder((config, request, tuning) in sizes()) {
        for arm in Arm::all() {
            let tuning = sized_for(arm, &tuning);
            let whole = arm.program(&config, &request, &tuning);
            for cut in Span::PLAIN.into_iter().filter_map(|span| arm.cut(span).ok()) {
                let program = cut.program(&config, &request, &tuning);
                let split = |kernel: &Kernel| {
                    let mut constants = kernel.constants.clone();
                    let covers = constants.remove("COVERS").expect("every kernel says what it covers");
                    (covers as u32, constants)
                };
                let (_, of_whole) = split(&whole.kernels[0]);
                let mut covered = 0;
                for (covers, constants) in program.kernels.iter().map(split) {
                    covered |= covers;
                    prop_assert_eq!(&constants, &of_whole, "{}", cut.name());
                }
                prop_assert_eq!(covered, ALL_KINDS, "{}", cut.name());
                prop_assert_eq!(shaders::sha256(&program), shaders::sha256(&whole), "{}", cut.name());
                prop_assert_eq!(work(&program).multiply_adds, work(&whole).multiply_adds, "{}", cut.name());
                if !cut.span.waits() {
                    let together = program.kernels.iter().map(|kernel| kernel.workgroups_together);
                    prop_assert_eq!(together.max(), Some(1), "{}", cut.name());
                }
            }
        }
    }

    #[test]
    fn bindings_lie_within_their_buffers_where_every_device_allows((config, request, tuning) in sizes()) {
        for (arm, program) in programs(&config, &request, &tuning) {
            for buffer in &program.buffers {
                prop_assert!(buffer.bytes > 0 && buffer.bytes.is_multiple_of(4), "{} {}", arm.name(), buffer.name);
                if let Contents::Words(words) = &buffer.contents {
                    prop_assert_eq!(buffer.bytes, 4 * words.len() as u64, "{} {}", arm.name(), &buffer.name);
                }
            }
            prop_assert!(program.outputs.iter().all(|output| program.buffer(output).is_some()));
            for dispatch in program.phases.iter().flat_map(|phase| &phase.dispatches) {
                prop_assert!(dispatch.workgroups > 0, "{} {dispatch:?}", arm.name());
                prop_assert!(dispatch.kernel < program.kernels.len(), "{} {dispatch:?}", arm.name());
                for Binding { buffer, offset, bytes, stride } in &dispatch.bindings {
                    prop_assert!(*bytes > 0 && bytes.is_multiple_of(4), "{} {dispatch:?}", arm.name());
                    prop_assert!(offset.is_multiple_of(Binding::ALIGNMENT), "{} {dispatch:?}", arm.name());
                    prop_assert!(stride.is_multiple_of(Binding::ALIGNMENT), "{} {dispatch:?}", arm.name());
                    prop_assert!(offset + bytes <= program.buffers[*buffer].bytes, "{} {dispatch:?}", arm.name());
                }
            }
        }
    }

    /// As serde's data, and as JSON text, of which only the last bit of a float may differ: serde_json reads floats fast.
    #[test]
    fn a_program_survives_json((config, request, tuning) in sizes()) {
        for (arm, program) in programs(&config, &request, &tuning) {
            let value = serde_json::to_value(&program).unwrap();
            let back: Program = serde_json::from_value(value).unwrap();
            prop_assert_eq!(back.sha256(), program.sha256(), "{}", arm.name());
            prop_assert_eq!(&back, &program, "{}", arm.name());
            let mut read: Program = serde_json::from_str(&serde_json::to_string(&program).unwrap()).unwrap();
            for (read, kernel) in read.kernels.iter_mut().zip(&program.kernels) {
                for (name, value) in &kernel.constants {
                    let read = read.constants.get_mut(name).expect(name);
                    prop_assert!((*read - value).abs() <= 1e-15 * value.abs(), "{name}");
                    *read = *value;
                }
            }
            prop_assert_eq!(read, program, "{}", arm.name());
        }
    }
}

#[test]
fn what_is_asked_for_changes_the_digest() {
    let (config, request, tuning) = small();
    for arm in Arm::all() {
        let digest = |request: &Request, tuning: &Tuning| arm.program(&config, request, tuning).sha256();
        let same = digest(&request, &tuning);
        assert_eq!(digest(&request.clone(), &tuning), same, "{}", arm.name());
        let others = [
            Request { new_tokens: 4, ..request.clone() },
            Request { prompt: vec![3, 1, 5], ..request.clone() },
            Request { end_tokens: Vec::new(), ..request.clone() },
            Request { sampling: Sampling::top_k(1.0, 3, 1), ..request.clone() },
            Request { sampling: Sampling { repetition_penalty: 1.1, draw: None }, ..request.clone() },
        ];
        for other in others {
            assert_ne!(digest(&other, &tuning), same, "{} {other:?}", arm.name());
        }
        assert_ne!(digest(&request, &Tuning { keep_logits: false, ..tuning }), same, "{}", arm.name());
        assert_ne!(digest(&request, &Tuning { workgroup_size: 32, ..tuning }), same, "{}", arm.name());
    }
}
