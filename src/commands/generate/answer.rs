//! What came out, and the oracle's word on it.

use std::path::Path;

use crate::device::executor::Prepared;
use crate::error::{Error, Result};
use crate::measure::decode::{GAVE_UP, gave_up, outputs};
use crate::workload::decode::Arm;
use crate::workload::decode::checkpoint::Checkpoint;
use crate::workload::decode::gate::{self, Gate};
use crate::workload::decode::model::Request;

/// Largest error of a logit, relative to the range of the logits: sums of a few thousand f32 terms in another order than
/// the f64 oracle's.
pub const TOLERANCE: f64 = 1e-3;

/// New tokens, their logits (all where they are kept, else the last ones), and the oracle's word on both.
pub fn checked(
    prepared: &Prepared,
    keep_logits: bool,
    checkpoint: &Checkpoint,
    request: &Request,
    arm: Arm,
) -> Result<(Vec<u32>, Vec<f32>, Gate)> {
    let Checkpoint { config, weights, .. } = checkpoint;
    if gave_up(prepared)? {
        return Err(Error::check(GAVE_UP));
    }
    let rounded = arm.format.rounded(config, weights);
    let mut reference = gate::Reference::new(config, &rounded);
    let (tokens, last_logits) = outputs(prepared, config, std::slice::from_ref(request))?.remove(0);
    if !keep_logits {
        let gate = reference.check(request, &tokens, &last_logits, TOLERANCE);
        return Ok((tokens, last_logits, gate));
    }
    let padded: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("logits")?);
    let vocab = config.vocab_size as usize;
    let rows = padded.chunks_exact(vocab.next_multiple_of(4)).take(tokens.len());
    let logits: Vec<f32> = rows.flat_map(|row| &row[..vocab]).copied().collect();
    let gate = reference.check_all_logits(request, &tokens, &logits, TOLERANCE);
    Ok((tokens, logits, gate))
}

pub fn write_logits(path: &Path, logits: &[f32], vocab_size: u32, rows: usize) -> Result<()> {
    let bytes: &[u8] = bytemuck::cast_slice(logits);
    let shape = vec![rows, vocab_size as usize];
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, bytes)
        .map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
    let file = safetensors::serialize([("logits", view)], None)
        .map_err(|error| Error::input(format!("{}: {error}", path.display())))?;
    std::fs::write(path, file).map_err(|error| Error::io(path, error))
}
