//! `LlamaForCausalLM` and its relatives, as Hugging Face stores them: a matrix for each of query, key, value, gate and what it is
//! multiplied with, all `[out, in]`.

use std::collections::BTreeSet;

use super::matrix::Matrix;
use super::model::{Config, Weights};
use super::tensor_source::{self, Bare, LISTED, TensorSource, described, listed, report};
use super::tensors::{self, Elements, Entry, Kind, Tensor, Values};
use crate::error::Result;

/// Where a tensor of [`tensors`] comes from: matrices whose outputs stand side by side in it, or vectors.
struct Parts {
    stored: &'static [&'static str],
    kind: Stored,
}

#[derive(Clone, Copy, PartialEq)]
enum Stored {
    /// As it is.
    Whole,
    /// Each `[out, in]`.
    Matrices,
    /// Zeros where a model has none.
    Biases,
    /// Norms have none: zeros.
    Nothing,
}

fn parts(entry: &Entry) -> Parts {
    use Stored::{Biases, Matrices, Nothing, Whole};
    const QUERY_KEY_VALUE: [&str; 3] = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];
    let (stored, kind): (&'static [&'static str], Stored) = match entry.name {
        "wte.weight" => (&["model.embed_tokens.weight"], Whole),
        "ln_1.weight" => (&["input_layernorm.weight"], Whole),
        "attn.c_attn.weight" => (&QUERY_KEY_VALUE, Matrices),
        "attn.c_attn.bias" => (&QUERY_KEY_VALUE, Biases),
        "attn.q_norm.weight" => (&["self_attn.q_norm.weight"], Whole),
        "attn.k_norm.weight" => (&["self_attn.k_norm.weight"], Whole),
        "attn.c_proj.weight" => (&["self_attn.o_proj"], Matrices),
        "attn.c_proj.bias" => (&["self_attn.o_proj"], Biases),
        "ln_2.weight" => (&["post_attention_layernorm.weight"], Whole),
        "mlp.c_fc.weight" => (&["mlp.gate_proj", "mlp.up_proj"], Matrices),
        "mlp.c_fc.bias" => (&["mlp.gate_proj", "mlp.up_proj"], Biases),
        "mlp.c_proj.weight" => (&["mlp.down_proj"], Matrices),
        "mlp.c_proj.bias" => (&["mlp.down_proj"], Biases),
        "ln_f.weight" => (&["model.norm.weight"], Whole),
        "lm_head.weight" => (&["lm_head.weight"], Whole),
        _ => (&[], Nothing),
    };
    Parts { stored, kind }
}

/// Outputs of each part of a tensor.
fn outputs(config: &Config, entry: &Entry, all: usize) -> Vec<usize> {
    let head_dim = config.head_dim() as usize;
    match entry.name {
        "attn.c_attn.weight" | "attn.c_attn.bias" => {
            let [heads, keys] = [config.n_head, config.n_key_head()].map(|heads| heads as usize * head_dim);
            vec![heads, keys, keys]
        }
        "mlp.c_fc.weight" | "mlp.c_fc.bias" => vec![config.n_inner as usize; config.block.gates() as usize],
        _ => vec![all],
    }
}

/// The name in the file of a part of a tensor.
fn full(tensor: &Tensor, part: &str) -> String {
    match tensor.layer {
        Some(layer) => format!("model.layers.{layer}.{part}"),
        None => part.to_string(),
    }
}

/// The tensors of a model without biases as its file has them: names, shapes and elements in f32.
pub fn stored(config: &Config, weights: &Weights) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let mut stored = Vec::new();
    for (tensor, values) in tensors::tensors(config).zip(tensors::values(weights)) {
        let parts = parts(tensor.entry);
        match (parts.kind, values) {
            _ if tensors::computed(config, &tensor).is_some() => {}
            (Stored::Nothing | Stored::Biases, values) => {
                assert!(values.of(&tensor).iter().all(|bias| *bias == 0.0), "{}: a bias has no place", tensor.name);
            }
            (Stored::Matrices, Values::Matrix(matrix)) => {
                let [inputs, all] = [tensor.shape[0], tensor.shape[1]];
                let rows = matrix.by_outputs();
                let mut first = 0;
                for (part, outputs) in parts.stored.iter().zip(outputs(config, tensor.entry, all)) {
                    let name = full(&tensor, &format!("{part}.weight"));
                    stored.push((name, vec![outputs, inputs], rows[first * inputs..][..outputs * inputs].to_vec()));
                    first += outputs;
                }
            }
            (_, values) => {
                stored.push((full(&tensor, parts.stored[0]), tensor.shape.clone(), values.of(&tensor).into_owned()));
            }
        }
    }
    stored
}

/// Weights and notes on them, as [`super::checkpoint::assemble`] says.
pub fn assemble(source: &dyn TensorSource, config: &Config) -> Result<(Weights, Vec<String>)> {
    let source = Bare::of(source, &["model.embed_tokens.weight", "model.norm.weight"])?;
    let mut left: BTreeSet<String> = source.names().into_iter().filter(|name| !is_table(name)).collect();
    let mut faults = Vec::new();
    let built = tensors::build(config, |tensor| {
        values(config, &source, tensor, &mut left).or_else(|fault| {
            faults.push(fault);
            // An absurd number of layers is not walked when no file can hold them.
            if faults.len() < LISTED { Ok(Elements::of(tensor, Vec::new())) } else { Err(()) }
        })
    });
    if !config.block.untied {
        left.remove("lm_head.weight");
    }
    let (within, beside): (Vec<&String>, Vec<&String>) = left.iter().partition(|name| name.starts_with("model."));
    let Ok(weights) = built else { return Err(report(&faults, true, &source, &within)) };
    faults.extend(within.iter().map(|name| format!("tensor {} is not part of this model", described(&source, name))));
    if !faults.is_empty() {
        return Err(report(&faults, false, &source, &beside));
    }
    let mut notes = Vec::new();
    if !beside.is_empty() {
        notes.push(format!("left out, as no part of the model with its own head: {}", listed(&source, &beside)));
    }
    Ok((weights, notes))
}

/// Frequencies that older versions of `transformers` saved beside the weights; `config.json` says them all.
fn is_table(name: &str) -> bool {
    name.ends_with("rotary_emb.inv_freq")
}

/// The elements of a tensor; takes the names that it reads from those that are `left`.
fn values(
    config: &Config,
    source: &dyn TensorSource,
    tensor: &Tensor,
    left: &mut BTreeSet<String>,
) -> std::result::Result<Elements, String> {
    if let Some(values) = tensors::computed(config, tensor) {
        return Ok(Elements::Vector(values));
    }
    let parts = parts(tensor.entry);
    let full = |part: &str| full(tensor, part);
    let mut take = |name: &str, shape: &[usize]| match left.remove(name) {
        true => Ok(()),
        false => Err(format!("tensor {name} {shape:?} is missing")),
    };
    let outputs = outputs(config, tensor.entry, *tensor.shape.last().expect("one or two axes"));
    match parts.kind {
        Stored::Nothing => Ok(Elements::Vector(vec![0.0; tensor.elements()])),
        Stored::Whole => {
            let (name, shape) = (full(parts.stored[0]), &tensor.shape);
            take(&name, shape)?;
            match tensor.entry.kind {
                Kind::Embedding { .. } => {
                    let rows = tensor_source::read_stored(source, &name, shape)?.rows;
                    Ok(Elements::Matrix(Matrix::by_output(vec![rows])))
                }
                _ => Ok(Elements::Vector(tensor_source::read(source, &name, shape)?)),
            }
        }
        Stored::Biases => {
            let mut biases = Vec::with_capacity(tensor.elements());
            for (part, &outputs) in parts.stored.iter().zip(&outputs) {
                let name = full(&format!("{part}.bias"));
                match source.shape(&name) {
                    None => biases.resize(biases.len() + outputs, 0.0),
                    Some(_) => {
                        take(&name, &[outputs])?;
                        biases.extend(tensor_source::read(source, &name, &[outputs])?);
                    }
                }
            }
            Ok(Elements::Vector(biases))
        }
        Stored::Matrices => {
            let mut rows = Vec::new();
            for (part, &outputs) in parts.stored.iter().zip(&outputs) {
                let (name, shape) = (full(&format!("{part}.weight")), [outputs, tensor.shape[0]]);
                take(&name, &shape)?;
                rows.push(tensor_source::read_stored(source, &name, &shape)?.rows);
            }
            Ok(Elements::Matrix(Matrix::by_output(rows)))
        }
    }
}
