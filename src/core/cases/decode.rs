//! The cases of a decode spec: its arms under policies, and what each case asks of its model.

use std::sync::Arc;

use super::entries::{Entry, rungs, under_policies, with_control};
use crate::error::{Result, Within};
use crate::program::Blocks;
use crate::spec::{DecodeCase, Spec};
use crate::workload::decode::model::{Config, Request, Sampling, Weights};
use crate::workload::decode::packing::{Layout, Packed, Portion};
use crate::workload::decode::span::Span;
use crate::workload::decode::{Algorithm, Arm, config, model_shapes, random};

/// The arms of a spec: where it names none, every arm of one sequence that needs no workgroups that wait for each other; each
/// in every span that the spec names, unless the arm's own name says its span.
pub fn arms(spec: &Spec) -> Result<Vec<Arm>> {
    let named: Vec<Arm> = match spec.arms.as_slice() {
        [] => Arm::all().into_iter().filter(|arm| arm.algorithm.about().is_common).collect(),
        names => names.iter().map(|name| Arm::named(name)).collect::<Result<_>>()?,
    };
    let spans: Vec<Span> = spec.spans.iter().map(|name| Span::named(name)).collect::<Result<_>>()?;
    rungs(named, &spans, |arm| arm.span == Span::Generation, Arm::cut)
}

/// The arms of a spec with the policies that each runs under.
pub fn entries(spec: &Spec) -> Result<Vec<Entry<Arm>>> {
    let entries = under_policies(spec, &arms(spec)?, |arm| arm.is_fused());
    let chosen = entries.iter().find(|(arm, ..)| *arm == Arm::of(Algorithm::FusedWorkgroup)).copied();
    Ok(with_control(entries, chosen))
}

/// Refuses a case whose sizes no model can have, or which is shorter than a chunk of an arm.
pub fn validate(spec: &Spec, case: &DecodeCase) -> Result<()> {
    let positions = config_of(case).within(&case.name)?.n_positions;
    arms(spec)?.into_iter().try_for_each(|arm| arm.span.check(positions)).within(&case.name)
}

/// The model of a case.
pub fn config_of(case: &DecodeCase) -> Result<Config> {
    let n_positions = case.prompt_tokens + case.new_tokens - 1;
    let config = match model_shapes::named(&case.shape) {
        Some(shape) => (shape.config)(n_positions),
        None => Config {
            vocab_size: case.vocab_size,
            n_positions,
            n_embd: case.n_embd,
            n_head: case.n_head,
            n_layer: case.n_layer,
            n_inner: case.n_inner,
            ..Config::default()
        },
    };
    config::validate(&config)?;
    Ok(config)
}

/// What a case asks of its model, for each of its sequences: greedy tokens after a seeded prompt.
pub fn request_of(case: &DecodeCase, config: &Config, sequence: u32) -> Request {
    Request {
        prompt: random::prompt(config, case.seed + u64::from(sequence), case.prompt_tokens),
        new_tokens: case.new_tokens,
        sampling: Sampling::GREEDY,
        end_tokens: Vec::new(),
    }
}

/// The weights in each layout, whole and in parts: each block is packed when a device is given it.
pub fn weight_blocks(config: &Config, weights: &Weights, layouts: &[Layout]) -> Blocks {
    let mut blocks = Blocks::new();
    for &layout in layouts {
        for part in std::iter::once(None).chain(Portion::ALL.map(Some)) {
            let packed = || Packed { config: config.clone(), weights: weights.clone(), layout, part };
            blocks.entry(Portion::block(part, layout)).or_insert_with(|| Arc::new(packed()));
        }
    }
    blocks
}
