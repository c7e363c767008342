//! Puts a model together from a Hugging Face checkpoint directory: `config.json`, `generation_config.json` where there is one,
//! and the weights as safetensors, in one file or in shards.

use std::collections::BTreeSet;
use std::path::Path;

use super::file_bytes::{FileBytes, Shared};
use super::format::{Format, Formats};
use super::matrix::Matrix;
use super::model::{Config, Weights};
use super::model_files::ModelFiles;
use super::safetensors_file::{INDEX, Safetensors};
use super::tensor_source::{Bare, LISTED, Stored, TensorSource, described, listed, read, read_stored, report};
use super::tensors::{self, EMBEDDINGS, Elements, Entry, Kind, LAST, LAYER, Tensor};
use super::{config, end_tokens, gguf, llama};
use crate::error::{Error, Result, Within};

/// A model as it was read.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub config: Config,
    pub weights: Weights,
    /// `eos_token_id`, as far as it is in the vocabulary: see [`end_tokens`].
    pub end_tokens: Vec<u32>,
    /// What was made of the checkpoint that its reader may not expect, a line each.
    pub notes: Vec<String>,
}

const ONE_FILE: &str = "model.safetensors";
const HEAD: &str = "lm_head.weight";

/// Reads a model. Tensors may be f32, f16, bf16 (widened to f32 exactly) or f64
/// (rounded), and have any prefix before all their names; those of a GGUF file may be packed.
///
/// # Errors
///
/// One line naming every fault (or the first few): a tensor that is missing, extra, misshapen, of another type or not
/// finite; a file that is truncated or no safetensors file; a shard that is not there.
pub fn load(files: &ModelFiles) -> Result<Checkpoint> {
    match files {
        ModelFiles::Directory(dir) => load_directory(dir),
        ModelFiles::Gguf(file) => of_gguf(file.bytes()).within(&file.name),
    }
}

fn load_directory(dir: &Path) -> Result<Checkpoint> {
    let (config, own_end_tokens) = config::read(&dir.join("config.json"))?;
    let end_tokens = end_tokens::read(dir, config.vocab_size)?.unwrap_or(own_end_tokens);
    let one = dir.join(ONE_FILE);
    let (path, file) = if one.exists() {
        let file = Safetensors::open(&one)?;
        (one, file)
    } else if dir.join(INDEX).exists() {
        (dir.join(INDEX), Safetensors::open_shards(dir)?)
    } else {
        return Err(without_weights(dir));
    };
    let (weights, notes) = assemble(&file, &config).within(path.display())?;
    Ok(Checkpoint { config: as_stored(config, &weights), weights, end_tokens, notes })
}

/// With the formats of a model that has several.
fn as_stored(config: Config, weights: &Weights) -> Config {
    let stored = Formats::stored(weights);
    Config { stored: Some(stored).filter(|stored| *stored != Formats::all(stored.fc)), ..config }
}

/// From the bytes of one GGUF file.
pub fn of_gguf(bytes: impl FileBytes) -> Result<Checkpoint> {
    let model = gguf::Model::parse(bytes)?;
    let (config, end_tokens) = config::of_keys(&model.config()?)?;
    let (weights, mut notes) = assemble(&model, &config)?;
    let is_other = |name: &&str| Format::named(&name.to_ascii_lowercase()).is_none();
    let others: Vec<&str> = model.types().into_keys().filter(is_other).collect();
    if !others.is_empty() {
        notes.push(format!("weights in {} are unpacked to f16", others.join(", ")));
    }
    if Formats::differ_by_layer(&weights) {
        notes.push(
            "matrices whose formats differ from layer to layer, or from part to part, are read in f16".to_owned(),
        );
    }
    Ok(Checkpoint { config: as_stored(config, &weights), weights, end_tokens, notes })
}

/// From the text of `config.json`, the bytes of `model.safetensors`, and the text of `generation_config.json` where there is one.
pub fn of_files(config_json: &str, weights: Shared, generation_config_json: Option<&str>) -> Result<Checkpoint> {
    let (config, own_end_tokens) = config::parse(config_json).within("config.json")?;
    let end_tokens = match generation_config_json {
        Some(text) => end_tokens::parse(text, config.vocab_size).within("generation_config.json")?,
        None => own_end_tokens,
    };
    let (weights, notes) = parse(weights, &config).within(ONE_FILE)?;
    Ok(Checkpoint { config: as_stored(config, &weights), weights, end_tokens, notes })
}

/// What to do about a directory without weights that are read, by what it has instead.
fn without_weights(dir: &Path) -> Error {
    const SAVE: &str = "load it in `transformers` and save it with `save_pretrained(dir, safe_serialization=True)`";
    const MERGE: &str = "merge it into its model with `merge_and_unload()` and save that";
    let others = [
        ("pytorch_model.bin", SAVE),
        ("pytorch_model.bin.index.json", SAVE),
        ("tf_model.h5", SAVE),
        ("flax_model.msgpack", SAVE),
        ("adapter_model.safetensors", MERGE),
        ("adapter_model.bin", MERGE),
    ];
    let place = dir.join(ONE_FILE);
    match others.iter().find(|(name, _)| dir.join(name).exists()) {
        Some((name, mend)) => Error::input(format!(
            "{}: there is no such file; there is {name}, which is not read: {mend}",
            place.display()
        )),
        None => Error::input(format!("{}: there is no such file; check the path", place.display())),
    }
}

/// Weights from the bytes of a safetensors file, and notes on them.
pub fn parse(bytes: Shared, config: &Config) -> Result<(Weights, Vec<String>)> {
    assemble(&Safetensors::of_bytes(bytes)?, config)
}

/// Weights from tensors by Hugging Face's names, and notes on them.
///
/// As `transformers` does, leaves out tensors beside the model, which are of other tasks' heads, and takes biases for zeros where
/// there are none at all. A tensor within the model that it has no place for is refused: the function would be another.
pub fn assemble(source: &dyn TensorSource, config: &Config) -> Result<(Weights, Vec<String>)> {
    if config.block.rotary.is_some() {
        return llama::assemble(source, config);
    }
    let source = Bare::of(source, &["wte.weight", "wpe.weight", "ln_f.weight", "h.0.ln_1.weight"])?;
    let found: BTreeSet<String> = source.names().into_iter().filter(|name| !is_causal_mask(name, config)).collect();
    let has_biases = found.iter().any(|name| entry(name, config).is_some_and(|entry| is_bias(entry.kind)));
    let mut notes = Vec::new();
    let mut faults = Vec::new();
    let weights = tensors::build(config, |tensor| {
        // Tied, the two are one, and some tools save it under the head's name.
        let is_tied = tensor.name == "wte.weight" && !found.contains(&tensor.name) && found.contains(HEAD);
        let read = match if is_tied { HEAD } else { &tensor.name } {
            name if found.contains(name) => elements(&source, name, tensor),
            _ if is_bias(tensor.entry.kind) && !has_biases => Ok(Elements::Vector(vec![0.0; tensor.elements()])),
            name => Err(format!("tensor {name} {:?} is missing", tensor.shape)),
        };
        // Stopping at a few faults keeps an absurd n_layer from walking layers that no file can hold.
        read.or_else(|fault| {
            faults.push(fault);
            if faults.len() < LISTED { Ok(Elements::of(tensor, Vec::new())) } else { Err(()) }
        })
    });
    let others: Vec<&String> = found.iter().filter(|name| *name != HEAD && entry(name, config).is_none()).collect();
    let Ok(weights) = weights else { return Err(report(&faults, true, &source, &others)) };

    if found.contains("wte.weight") && found.contains(HEAD) {
        let embedding = tensors::tensors(config).next().expect("every model has an embedding");
        match read(&source, HEAD, &embedding.shape) {
            Err(fault) => faults.push(fault),
            Ok(head) if !weights.wte.is_empty() && *head != *weights.wte.by_outputs() => {
                faults.push(format!("tensor {HEAD} differs from wte.weight; only a head tied to it is supported"))
            }
            Ok(_) => {}
        }
    }
    let (within, beside): (Vec<&String>, Vec<&String>) = others.iter().partition(|name| is_within(name));
    for name in &within {
        faults.push(format!("tensor {} is not part of this model", described(&source, name)));
    }
    if !faults.is_empty() {
        return Err(report(&faults, false, &source, &beside));
    }
    if !has_biases {
        notes.push("there are no biases; zeros stand for them".to_owned());
    }
    if !beside.is_empty() {
        notes.push(format!("left out, as no part of GPT-2 with its own head: {}", listed(&source, &beside)));
    }
    Ok((weights, notes))
}

/// The elements of a tensor: of a matrix as they are stored.
fn elements(source: &dyn TensorSource, name: &str, tensor: &Tensor) -> std::result::Result<Elements, String> {
    match tensor.entry.kind {
        Kind::Matrix { .. } => {
            let Stored { rows, is_transposed } = read_stored(source, name, &tensor.shape)?;
            Ok(Elements::Matrix(if is_transposed { Matrix::by_output(vec![rows]) } else { Matrix::by_input(rows) }))
        }
        Kind::Embedding { .. } => {
            Ok(Elements::Matrix(Matrix::by_output(vec![read_stored(source, name, &tensor.shape)?.rows])))
        }
        _ => Ok(Elements::Vector(read(source, name, &tensor.shape)?)),
    }
}

/// The entry of the table that a tensor's name means in this model.
fn entry(name: &str, config: &Config) -> Option<&'static Entry> {
    let (entries, name) = match layer(name) {
        Some((layer, name)) if layer < config.n_layer => (vec![LAYER], name),
        Some(_) => return None,
        None => (vec![EMBEDDINGS, LAST], name),
    };
    entries.into_iter().flatten().find(|entry| entry.name == name)
}

/// Of a layer's tensor: which layer, and its name within.
fn layer(name: &str) -> Option<(u32, &str)> {
    let (layer, name) = name.strip_prefix("h.")?.split_once('.')?;
    // As the number is written, so that no two names are of one tensor.
    let number: u32 = layer.parse().ok()?;
    (number.to_string() == layer).then_some((number, name))
}

fn is_bias(kind: Kind) -> bool {
    matches!(kind, Kind::Bias(_))
}

/// Buffers that older versions of `transformers` saved beside the weights; they hold the causal mask, which is no
/// parameter.
fn is_causal_mask(name: &str, config: &Config) -> bool {
    layer(name)
        .is_some_and(|(layer, buffer)| layer < config.n_layer && matches!(buffer, "attn.bias" | "attn.masked_bias"))
}

/// Whether a tensor is of a module of the model, and not of one beside it.
fn is_within(name: &str) -> bool {
    ["h.", "wte.", "wpe.", "ln_f."].iter().any(|module| name.starts_with(module))
}
