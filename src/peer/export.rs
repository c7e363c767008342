//! A case of a spec as files that any language reads. Those of a rollout are in [`rollout`](super::rollout); of a decode:
//!
//! | file | what is in it |
//! |---|---|
//! | `config.json`, `model.safetensors` | the model, as a Hugging Face checkpoint of its family in f32 |
//! | `expected.safetensors` | `logits`, f64 `[new_tokens, vocab_size]` by the oracle: row i chose new token i |
//! | `expected-FORMAT.safetensors` | the same of the weights as they are in another format that the spec's arms have, such as `q8_0` |
//! | `case.json` | everything else, see [`CaseFile`](super::case::CaseFile); written last, so where it is the others are whole |

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::case::{CaseFile, Expected, FILE, FORMAT, Protocol, pretty, room, tolerance, unwritable, write};
use super::{checkpoint, rollout};
use crate::cases::decode::{config_of, request_of};
use crate::digest::sha256_hex;
use crate::error::{Error, Result, Within};
use crate::parallel;
use crate::spec::{DecodeCase, RolloutCase, Spec, Workload};
use crate::workload::decode::format::Format;
use crate::workload::decode::oracle::expected;
use crate::workload::decode::{Arm, random, tensors};

/// Writes every case of `spec`, or those that are named, as `out/<case>/`, and returns the directories. `step` is told
/// of each case before it is made.
///
/// # Errors
/// An input error where the spec has no cases that peers can run, a name is none of them, or `out` cannot be written.
pub fn export(
    spec: &Spec,
    only: &[String],
    out: &Path,
    step: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<Vec<PathBuf>> {
    let cases = chosen(spec, only)?;
    // Impossible sizes are found before anything is written.
    cases.iter().try_for_each(|case| match case {
        Exported::Decode(case) => crate::cases::decode::validate(spec, case),
        Exported::Rollout(case) => rollout::environment_of(spec, case).map(|_| ()),
    })?;
    cases
        .iter()
        .map(|case| {
            let name = case.name();
            step(name)?;
            let directory = out.join(name);
            match case {
                Exported::Decode(case) => write_case(spec, case, &directory),
                Exported::Rollout(case) => rollout::write_case(spec, case, &directory),
            }
            .within(name)?;
            Ok(directory)
        })
        .collect()
}

enum Exported {
    Decode(DecodeCase),
    Rollout(RolloutCase),
}

impl Exported {
    fn name(&self) -> &str {
        match self {
            Exported::Decode(case) => &case.name,
            Exported::Rollout(case) => &case.name,
        }
    }
}

fn chosen(spec: &Spec, only: &[String]) -> Result<Vec<Exported>> {
    let mut cases: Vec<Exported> = match spec.workload {
        Workload::Decode => spec.cases().into_iter().map(Exported::Decode).collect(),
        Workload::Rollout => spec.rollout_cases().into_iter().map(Exported::Rollout).collect(),
        Workload::Control => {
            let why = "only a spec with the workload \"decode\" or \"rollout\" has cases to export";
            return Err(Error::input(format!("{}: {why}", spec.name)));
        }
    };
    if let Some(name) = only.iter().find(|name| cases.iter().all(|case| case.name() != **name)) {
        let names = cases.iter().map(Exported::name).collect::<Vec<_>>().join(", ");
        return Err(Error::input(format!("{}: no case is called `{name}`; there are {names}", spec.name)));
    }
    cases.retain(|case| only.is_empty() || only.iter().any(|name| name == case.name()));
    Ok(cases)
}

fn write_case(spec: &Spec, case: &DecodeCase, directory: &Path) -> Result<()> {
    let config = config_of(case)?;
    let request = request_of(case, &config, 0);
    let weights = random::weights(&config, case.seed);
    let formats = formats(spec)?;
    let mut by_format =
        parallel::map(&formats, |format| expected(&config, &format.rounded(&config, &weights), &request));
    let (expected_tokens, expected_logits) = by_format.remove(0);
    let by_format: Vec<_> = formats.into_iter().skip(1).zip(by_format).collect();
    let file = CaseFile {
        format: FORMAT.into(),
        experiment: spec.name.clone(),
        spec_sha256: sha256_hex(spec.text.as_bytes()),
        case: case.name.clone(),
        weights_sha256: tensors::weights_sha256(&config, &weights),
        prompt: request.prompt.clone(),
        new_tokens: request.new_tokens,
        sampling: "greedy".into(),
        expected_tokens,
        tolerance: spec.tolerance,
        formats: by_format
            .iter()
            .map(|(format, (tokens, _))| {
                let expected = Expected { tokens: tokens.clone(), tolerance: tolerance(spec, *format) };
                (format.name().to_owned(), expected)
            })
            .collect(),
        protocol: Protocol::of(spec),
    };

    room(directory)?;
    write(&directory.join("config.json"), &pretty(&checkpoint::keys(&config)))?;
    write(&directory.join("model.safetensors"), &checkpoint::tensors(&config, &weights)?)?;
    let shape = [request.new_tokens as usize, config.vocab_size as usize];
    write(&directory.join("expected.safetensors"), &logits_file(&expected_logits, &shape)?)?;
    for (format, (_, logits)) in &by_format {
        let name = format!("expected-{}.safetensors", format.name());
        write(&directory.join(name), &logits_file(logits, &shape)?)?;
    }
    write(&directory.join(FILE), &pretty(&file))
}

/// f32, which every case has, and those of the spec's arms beside it.
fn formats(spec: &Spec) -> Result<Vec<Format>> {
    let formats = spec.arms.iter().map(|name| Ok(Arm::named(name)?.format));
    let mut formats = formats.collect::<Result<BTreeSet<_>>>()?;
    formats.remove(&Format::F32);
    Ok([Format::F32].into_iter().chain(formats).collect())
}

fn logits_file(logits: &[f64], shape: &[usize]) -> Result<Vec<u8>> {
    let view = TensorView::new(Dtype::F64, shape.to_vec(), bytemuck::cast_slice(logits)).map_err(unwritable)?;
    safetensors::serialize([("logits", view)], None).map_err(unwritable)
}
