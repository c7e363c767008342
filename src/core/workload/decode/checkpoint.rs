//! Loads a Hugging Face GPT-2 checkpoint directory: `config.json` and `model.safetensors`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, SafeTensorError, TensorView};

use super::{config, llama};
use super::model::{Config, Weights};
use super::tensor_source::TensorSource;
use super::tensors::{self, Tensor};
use crate::error::{Error, Result, Within};

/// A model as it was read.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub dir: PathBuf,
    pub config: Config,
    pub weights: Weights,
    /// `eos_token_id` of `config.json`, where it is in the vocabulary.
    pub eos_token: Option<u32>,
}

/// Faults that one message lists before it says that there are more.
const LISTED: usize = 6;

/// Reads `config.json` and `model.safetensors` in `dir`. Tensors may be f32, f16 or bf16 (widened to f32 exactly),
/// named with or without the prefix `transformer.`.
///
/// # Errors
///
/// One line naming every fault (or the first few): a tensor that is missing, extra, misshapen, of another type or not
/// finite; a file that is truncated, sharded, or no safetensors file.
pub fn load(dir: &Path) -> Result<Checkpoint> {
    if !dir.is_dir() {
        return Err(Error::input(format!(
            "{}: no such directory; give one with config.json and model.safetensors",
            dir.display()
        )));
    }
    let (config, eos_token) = config::read(&dir.join("config.json"))?;
    let path = dir.join("model.safetensors");
    let bytes = read(&path, &config)?;
    let weights = parse(&bytes, &config).within(path.display())?;
    Ok(Checkpoint { dir: dir.to_path_buf(), config, weights, eos_token })
}

/// The file's bytes, unless it is larger than any checkpoint of these sizes.
fn read(path: &Path, config: &Config) -> Result<Vec<u8>> {
    if !path.exists() && path.with_extension("safetensors.index.json").exists() {
        return Err(Error::input(format!(
            "{}: there is only a sharded checkpoint (model.safetensors.index.json), which is not read; save the model \
             as one file, with `save_pretrained(dir, max_shard_size=\"100GB\")`",
            path.display()
        )));
    }
    let bytes = fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    let most = largest(config);
    if u128::from(bytes) > most {
        return Err(Error::input(format!(
            "{}: the file has {bytes} bytes, but a model of the sizes in config.json takes at most {most}; the two do \
             not belong together",
            path.display()
        )));
    }
    fs::read(path).map_err(|error| Error::io(path, error))
}

/// Bytes of the longest header, every tensor in f32, an untied head, and causal masks in f32.
fn largest(config: &Config) -> u128 {
    const LONGEST_HEADER: u128 = 100_000_000;
    let [vocab, positions, embd, inner, layers] =
        [config.vocab_size, config.n_positions, config.n_embd, config.n_inner, config.n_layer].map(u128::from);
    let layer = 4 * embd * embd + 2 * embd * inner + 9 * embd + inner + positions * positions + 1;
    8 + LONGEST_HEADER + 4 * ((2 * vocab + positions + 2) * embd + layers * layer)
}

/// Weights from the bytes of a safetensors file.
pub fn parse(bytes: &[u8], config: &Config) -> Result<Weights> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(bytes, &error))?;
    if config.block.rotary.is_some() {
        return llama::weights(config, &file, LISTED).map_err(|faults| report(&faults, false));
    }
    let mut faults = Vec::new();
    let mut found = BTreeMap::new();
    for (name, view) in file.iter() {
        let bare = name.strip_prefix("transformer.").unwrap_or(name);
        if found.insert(bare.to_string(), view).is_some() {
            faults.push(format!("tensor {bare} is there twice, with and without the prefix `transformer.`"));
        }
    }

    let head = found.remove("lm_head.weight");
    found.retain(|name, _| !is_causal_mask(name, config));
    let weights = tensors::build(config, |tensor| {
        let values = match found.remove(&tensor.name) {
            Some(view) => values(tensor, &view),
            None => Err(format!("tensor {} {:?} is missing", tensor.name, tensor.shape)),
        };
        // Stopping at a few faults keeps an absurd n_layer from walking layers that no file can hold.
        values.or_else(|fault| {
            faults.push(fault);
            if faults.len() < LISTED { Ok(Vec::new()) } else { Err(()) }
        })
    });
    // The stop leaves `found` half used: what remains there is no fault by itself.
    let Ok(weights) = weights else { return Err(report(&faults, true)) };

    if let Some(head) = head {
        let embedding = tensors::tensors(config).next().expect("every model has an embedding");
        let tied = Tensor { name: "lm_head.weight".to_string(), ..embedding };
        match values(&tied, &head) {
            Err(fault) => faults.push(fault),
            Ok(head) if !weights.wte.is_empty() && head != weights.wte => {
                faults.push(
                    "tensor lm_head.weight differs from wte.weight; only a head tied to it is supported".to_string(),
                );
            }
            Ok(_) => {}
        }
    }
    for (name, view) in &found {
        faults.push(format!("tensor {} {:?} is not part of this model", printable(name), view.shape()));
    }
    if faults.is_empty() { Ok(weights) } else { Err(report(&faults, false)) }
}

impl TensorSource for SafeTensors<'_> {
    fn names(&self) -> Vec<String> {
        SafeTensors::names(self).into_iter().map(String::from).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensor(name).ok().map(|view| view.shape().to_vec())
    }

    fn values(&self, name: &str) -> std::result::Result<Vec<f32>, String> {
        let view = self.tensor(name).map_err(|error| error.to_string())?;
        elements(name, view.shape(), &view)
    }
}

/// Buffers that older versions of `transformers` saved beside the weights; they hold the causal mask, which is no
/// parameter.
fn is_causal_mask(name: &str, config: &Config) -> bool {
    let Some((layer, buffer)) = name.strip_prefix("h.").and_then(|rest| rest.split_once('.')) else { return false };
    matches!(buffer, "attn.bias" | "attn.masked_bias") && layer.parse().is_ok_and(|layer: u32| layer < config.n_layer)
}

/// A tensor's elements in f32, or what is wrong with it.
fn values(tensor: &Tensor, view: &TensorView) -> std::result::Result<Vec<f32>, String> {
    let Tensor { name, shape, .. } = tensor;
    if view.shape() != shape {
        return Err(format!("tensor {name} has shape {:?}, expected {shape:?}", view.shape()));
    }
    elements(name, shape, view)
}

fn elements(name: &str, shape: &[usize], view: &TensorView) -> std::result::Result<Vec<f32>, String> {
    let bytes = view.data();
    let elements: Vec<f32> = match view.dtype() {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|&element| f32::from_le_bytes(element)).collect(),
        Dtype::F16 => bytes.as_chunks().0.iter().map(|&element| f16::from_le_bytes(element).to_f32()).collect(),
        Dtype::BF16 => bytes.as_chunks().0.iter().map(|&element| bf16::from_le_bytes(element).to_f32()).collect(),
        other => return Err(format!("tensor {name} is of type {other}; F32, F16 and BF16 are read")),
    };
    match elements.iter().position(|element| !element.is_finite()) {
        Some(i) => {
            Err(format!("tensor {name} has {} at {:?}; every element must be finite", elements[i], index(i, shape)))
        }
        None => Ok(elements),
    }
}

/// Row-major index of element `i`, for messages.
fn index(i: usize, shape: &[usize]) -> Vec<usize> {
    match shape {
        [_, columns] => vec![i / columns, i % columns],
        _ => vec![i],
    }
}

fn report(faults: &[String], stopped: bool) -> Error {
    let more = match faults.len().saturating_sub(LISTED) {
        _ if stopped => "; and perhaps more".to_string(),
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let listed = faults.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join("; ");
    Error::input(format!("{listed}{more}; config.json and model.safetensors must be of the same GPT-2 model"))
}

/// What is wrong with a file that is no safetensors file.
fn damaged(bytes: &[u8], error: &SafeTensorError) -> Error {
    let header = bytes.first_chunk().map(|&length| u64::from_le_bytes(length));
    let found = match (error, header) {
        (SafeTensorError::HeaderTooSmall, _) => format!("{} bytes are no safetensors file", bytes.len()).into(),
        (SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength, Some(length)) => {
            format!("its header claims {length} bytes, and the file has {}", bytes.len()).into()
        }
        (SafeTensorError::MetadataIncompleteBuffer, _) => Cow::from("its tensors end elsewhere than the file does"),
        (error, _) => printable(&error.to_string()).into(),
    };
    Error::input(format!("damaged: {found}; copy or download the file again"))
}

/// Text out of a file, fit for one line of a terminal.
fn printable(text: &str) -> String {
    let short: String = text.chars().take(120).flat_map(char::escape_debug).collect();
    if text.chars().nth(120).is_some() { format!("{short}...") } else { short }
}
