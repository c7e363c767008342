//! A GGUF file as the Hugging Face model that it was made of: its configuration, and its tensors by name.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::config::{self, DIVISORS};
use super::file::{File, Tensor};
use super::names::{Family, Layout};
use crate::error::{Error, Result, printable};
use crate::workload::decode::file_bytes::FileBytes;
use crate::workload::decode::format::Format;
use crate::workload::decode::matrix::{Order, Rows};
use crate::workload::decode::tensor_source::{Stored, TensorSource};

/// A model and the bytes that it is read from, which may be a memory map: tensors are unpacked as they are asked for.
#[derive(Clone, Debug)]
pub struct Model<B> {
    bytes: B,
    file: File,
    family: Family,
    /// Hugging Face's name, GGUF's name, and how the two lay it out.
    names: BTreeMap<String, (String, Layout)>,
}

impl<B: FileBytes> Model<B> {
    /// Reads what the file holds, but no weight.
    ///
    /// # Errors
    ///
    /// One line for a file that is damaged, of a family that is not read, or one part of a model.
    pub fn parse(bytes: B) -> Result<Model<B>> {
        let file = File::parse(bytes.as_ref())?;
        if let Some(parts) = file.whole("split.count").filter(|&parts| parts > 1) {
            return Err(Error::input(format!(
                "one of the {parts} parts of a model; join them with `llama-gguf-split --merge`"
            )));
        }
        let family = family(&file)?;
        let tied = is_repeated(&file, bytes.as_ref(), family);
        let mut names = BTreeMap::new();
        for name in file.tensors.keys().filter(|name| !(is_derived(name) || tied && *name == "output.weight")) {
            // What the family does not have keeps its name, so that who builds the model can refuse it.
            let (named, layout) = family.name(name).unwrap_or_else(|| (name.clone(), Layout::Same));
            if let Some((other, _)) = names.insert(named, (name.clone(), layout)) {
                let (name, other) = (printable(name), printable(&other));
                return Err(Error::input(format!("tensors {name} and {other} are the same; convert the model again")));
            }
        }
        Ok(Model { bytes, file, family, names })
    }

    /// The metadata, for the tokenizer and the chat template.
    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// The keys of Hugging Face's `config.json`. Beside them, `rope_frequency_divisors` lists what each rotary frequency is
    /// divided by, where the file has it (Llama 3 from 3.1 on).
    pub fn config(&self) -> Result<Map<String, Value>> {
        let tied = !self.names.contains_key("lm_head.weight");
        config::config(&self.file, self.bytes(), self.family, tied)
    }

    /// How many tensors there are of each of ggml's types.
    pub fn types(&self) -> BTreeMap<&'static str, usize> {
        self.file.tensors.values().fold(BTreeMap::new(), |mut types, tensor| {
            *types.entry(tensor.kind.name).or_default() += 1;
            types
        })
    }

    fn find(&self, name: &str) -> Option<(&Tensor, Layout)> {
        let (name, layout) = self.names.get(name)?;
        Some((self.file.tensors.get(name)?, *layout))
    }

    /// A tensor that is asked for, how the two lay it out, and its bytes.
    fn found(&self, name: &str) -> std::result::Result<(&Tensor, Layout, &[u8]), String> {
        let (tensor, layout) = self.find(name).ok_or_else(|| format!("tensor {} is missing", printable(name)))?;
        let bytes = self.bytes().get(tensor.bytes.clone()).ok_or_else(|| format!("tensor {name} is cut short"))?;
        Ok((tensor, layout, bytes))
    }

    /// The order in which Hugging Face has the rows.
    fn order(&self, name: &str, tensor: &Tensor, layout: Layout) -> std::result::Result<Order, String> {
        let heads = match layout {
            Layout::Same | Layout::Transposed => return Ok(Order::Same),
            Layout::Query => self.heads(&["attention.head_count"]),
            Layout::Key => self.heads(&["attention.head_count_kv", "attention.head_count"]),
        };
        let (shape, rows) = (&tensor.shape, tensor.shape.first().copied().unwrap_or(0));
        let head = rows.checked_div(heads).unwrap_or(0);
        if head == 0 || head * heads != rows || !head.is_multiple_of(2) {
            return Err(format!(
                "tensor {name} has shape {shape:?}, whose rows do not fit {heads} heads of an even size"
            ));
        }
        Ok(Order::Paired { head })
    }

    /// The first of these numbers that is there.
    fn heads(&self, keys: &[&str]) -> usize {
        let heads = keys.iter().find_map(|key| self.file.whole(&format!("llama.{key}")));
        heads.and_then(|heads| heads.try_into().ok()).unwrap_or(0)
    }
}

impl<B: FileBytes> TensorSource for Model<B> {
    /// The tensors' names in Hugging Face's model.
    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// The shape in Hugging Face's model, row-major.
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let (tensor, layout) = self.find(name)?;
        let mut shape = tensor.shape.clone();
        if layout == Layout::Transposed {
            shape.reverse();
        }
        Some(shape)
    }

    /// The elements in Hugging Face's order. They may be infinite or NaN, as the file has them.
    ///
    /// # Errors
    ///
    /// One line where there is no such tensor, its type is not unpacked, or its shape does not fit the heads.
    fn values(&self, name: &str) -> std::result::Result<Vec<f32>, String> {
        let (tensor, layout, bytes) = self.found(name)?;
        let values = unpacked(name, tensor, bytes)?;
        match layout {
            Layout::Same => Ok(values),
            Layout::Transposed => transposed(name, &values, &tensor.shape),
            Layout::Query | Layout::Key => {
                let order = self.order(name, tensor, layout)?;
                Ok(Rows::of_f32(values, tensor.shape.last().copied().unwrap_or(1)).in_order(order).all())
            }
        }
    }

    /// What is packed in a format of this project stays so; what is packed otherwise is rounded to f16.
    fn stored(&self, name: &str) -> std::result::Result<Stored, String> {
        let (tensor, layout, bytes) = self.found(name)?;
        let width = tensor.shape.last().copied().unwrap_or(0);
        let rows = match Format::named(&tensor.kind.name.to_ascii_lowercase()) {
            Some(format) => Rows::packed(format, self.bytes.part(tensor.bytes.clone()), width),
            None => {
                let values = unpacked(name, tensor, bytes)?;
                let mut halves = Vec::with_capacity(2 * values.len());
                Format::F16.pack(&values, &mut halves);
                Rows::packed(Format::F16, halves, width)
            }
        };
        let order = self.order(name, tensor, layout)?;
        Ok(Stored { rows: rows.in_order(order), is_transposed: layout == Layout::Transposed })
    }
}

fn unpacked(name: &str, tensor: &Tensor, bytes: &[u8]) -> std::result::Result<Vec<f32>, String> {
    tensor.kind.unpack(bytes).map_err(|error| format!("tensor {} {error}", printable(name)))
}

fn family(file: &File) -> Result<Family> {
    let known = || Family::ALL.map(|(name, _)| name).join(", ");
    match file.text("general.architecture") {
        Some(arch) => Family::ALL.iter().find(|(name, _)| *name == arch).map(|(_, family)| *family).ok_or_else(|| {
            Error::input(format!("the architecture is {}; models of {} are read", printable(arch), known()))
        }),
        None => Err(Error::input(format!("general.architecture is missing; models of {} are read", known()))),
    }
}

/// What holds no weight of the model: tables that follow from the configuration, or are part of it.
fn is_derived(name: &str) -> bool {
    name == DIVISORS || name.ends_with(".attn_rot_embd.weight") || name.ends_with(".attn_rot_embd")
}

/// Files of GPT-2 often write the embedding a second time as the output head, where Hugging Face's model has but one.
fn is_repeated(file: &File, bytes: &[u8], family: Family) -> bool {
    let place = |name| file.tensors.get(name).map(|tensor| (tensor.kind.number, &tensor.shape, &tensor.bytes));
    let (Some(embedding), Some(head)) = (place("token_embd.weight"), place("output.weight")) else { return false };
    family == Family::Gpt2
        && (embedding.0, embedding.1) == (head.0, head.1)
        && bytes.get(embedding.2.clone()) == bytes.get(head.2.clone())
}

/// A matrix with its axes exchanged.
fn transposed(name: &str, values: &[f32], shape: &[usize]) -> std::result::Result<Vec<f32>, String> {
    let &[rows, columns] = shape else { return Err(format!("tensor {name} has shape {shape:?}, expected two axes")) };
    Ok((0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect())
}

#[cfg(test)]
pub(super) mod tests;
