//! A checkpoint of the visitor's: its programs, its weights as kernels read them, and the check of its answers.

use js_sys::Float32Array;
use onedispatch_core::error::{Error, Result, Within};
use onedispatch_core::workload::decode::checkpoint::{self, Checkpoint};
use onedispatch_core::workload::decode::file_bytes::Shared;
use onedispatch_core::workload::decode::format::{Format, Formats};
use onedispatch_core::workload::decode::gate::Reference;
use onedispatch_core::workload::decode::model::{Config, Request, Sampling, Weights};
use onedispatch_core::workload::decode::model_files::GgufFile;
use onedispatch_core::workload::decode::packing::{Layout, Packed};
use onedispatch_core::workload::decode::span::Span;
use onedispatch_core::workload::decode::tensors::{Kind, Tensor, Values};
use onedispatch_core::workload::decode::{Algorithm, Arm, Tuning, new_tokens, request, tensors, text};
use serde::Deserialize;
use serde_json::json;
use wasm_bindgen::prelude::*;

use crate::block::Block;
use crate::chat::ChatTemplate;
use crate::check::Check;
use crate::file::FileBytes;
use crate::tokenizer::Tokenizer;
use crate::{Answer, from_json, refusal, to_json};

/// Requests of fewer positions share the pipelines of this many: a page is asked for another length all the time.
const LEAST_CAPACITY: u32 = 256;

#[wasm_bindgen]
pub struct Model {
    checkpoint: Checkpoint,
    /// As most of its matrices are stored, which is how kernels read them: see [`Formats::of`].
    format: Format,
    /// As the arm in use reads them; before one is, as they are.
    read: Weights,
    /// Of a file that has one: its name and bytes, until it is asked for.
    tokenizer: Option<(String, Shared)>,
}

/// What is asked of a model, as the page has it.
#[derive(Deserialize)]
struct PageRequest {
    prompt: Vec<u32>,
    new_tokens: u32,
    /// Null for greedy.
    sampling: Option<PageSampling>,
    end_tokens: Vec<u32>,
}

#[derive(Deserialize)]
struct PageSampling {
    temperature: f32,
    top_k: u32,
    /// In decimal digits: JavaScript's numbers have 53 bits.
    seed: String,
}

/// How a program is made for a device.
#[derive(Deserialize)]
struct Sizes {
    workgroup_size: u32,
    least_lanes: u32,
    /// Of the device: its smallest subgroup, bytes of workgroup memory, and whether it is software.
    subgroup_size: u32,
    memory: u32,
    is_software: bool,
}

impl Model {
    fn of(checkpoint: Checkpoint, tokenizer: Option<(String, Shared)>) -> Result<Model> {
        let format = Formats::stored(&checkpoint.weights).fc;
        format.check(&checkpoint.config, &checkpoint.weights)?;
        let read = checkpoint.weights.clone();
        Ok(Model { checkpoint, format, read, tokenizer })
    }
}

/// Whether a tensor was learned: tables of rotary positions are reckoned, and zeros stand for biases that a model does not have.
fn is_of_the_file(config: &Config, tensor: &Tensor, values: &Values) -> bool {
    match (tensor.entry.kind, values) {
        (Kind::Rows { .. }, _) => config.block.rotary.is_none(),
        (Kind::Bias(_), Values::Vector(values)) => values.iter().any(|&value| value != 0.0),
        _ => true,
    }
}

fn read(json: &str) -> Answer<Request> {
    let PageRequest { prompt, new_tokens, sampling, end_tokens } = from_json(json)?;
    let sampling = match sampling {
        None => Sampling::GREEDY,
        Some(PageSampling { temperature, top_k, seed }) => {
            let no_seed = || refusal(Error::input("the seed must be a whole number from 0 to 18446744073709551615"));
            Sampling::top_k(temperature, top_k, seed.parse().map_err(|_| no_seed())?)
        }
    };
    Ok(Request { prompt, new_tokens, sampling, end_tokens })
}

#[wasm_bindgen]
impl Model {
    /// From the text of `config.json`, the bytes of `model.safetensors`, and the text of `generation_config.json` where there is one.
    #[wasm_bindgen(constructor)]
    pub fn new(config_json: &str, weights: FileBytes, generation_config_json: Option<String>) -> Answer<Model> {
        let checkpoint = checkpoint::of_files(config_json, weights.into(), generation_config_json.as_deref());
        checkpoint.and_then(|checkpoint| Model::of(checkpoint, None)).map_err(refusal)
    }

    /// From the bytes of a GGUF file, which messages name.
    #[wasm_bindgen(js_name = ofGguf)]
    pub fn of_gguf(file: FileBytes, name: &str) -> Answer<Model> {
        let bytes = Shared::from(file);
        let checkpoint = checkpoint::of_gguf(bytes.clone());
        let tokenizer = Some((name.to_owned(), bytes));
        checkpoint.and_then(|checkpoint| Model::of(checkpoint, tokenizer)).within(name).map_err(refusal)
    }

    /// The chat template of a file that has one, until its tokenizer is taken.
    pub fn template(&self) -> Answer<Option<ChatTemplate>> {
        let file = |(name, bytes): &(String, Shared)| GgufFile::of_bytes(name.clone(), bytes.clone());
        self.tokenizer.as_ref().map_or(Ok(None), |parts| ChatTemplate::of_gguf(&file(parts)))
    }

    /// The tokenizer of a file that has one, or why it cannot be read. It is given once.
    #[wasm_bindgen(js_name = takeTokenizer)]
    pub fn take_tokenizer(&mut self) -> Answer<Option<Tokenizer>> {
        let read = |(name, bytes): (String, Shared)| text::Tokenizer::of_gguf(&name, bytes.as_ref());
        let tokenizer = self.tokenizer.take().map(read).transpose().map_err(refusal)?;
        Ok(tokenizer.map(Tokenizer))
    }

    /// `{config, end_tokens, notes, parameters, arms, tensors: [{name, shape}]}`; of `arms` the one that comes first is the one to
    /// be tried first.
    pub fn about(&self) -> String {
        let Checkpoint { config, weights, end_tokens, notes } = &self.checkpoint;
        let parameters: usize = tensors::tensors(config)
            .zip(tensors::values(weights))
            .filter(|(tensor, values)| is_of_the_file(config, tensor, values))
            .map(|(tensor, _)| tensor.elements())
            .sum();
        let tensors: Vec<_> =
            tensors::tensors(config).map(|tensor| json!({ "name": tensor.name, "shape": tensor.shape })).collect();
        let fastest = Arm { format: self.format, ..Arm::of(Algorithm::FusedSubgroup) };
        let arms = [fastest, Arm::of(Algorithm::FusedWorkgroup)].map(Arm::name);
        to_json(&json!({
            "config": config, "end_tokens": end_tokens, "notes": notes,
            "parameters": parameters, "arms": arms, "tensors": tensors,
        }))
    }

    /// A tensor's elements in f32, by its name without the prefix `transformer.`; nothing where there is none.
    pub fn tensor(&self, name: &str) -> Option<Float32Array> {
        let Checkpoint { config, weights, .. } = &self.checkpoint;
        let mut all = tensors::tensors(config).zip(tensors::values(weights));
        let (tensor, values) = all.find(|(tensor, _)| tensor.name == name)?;
        Some(Float32Array::from(&*values.of(&tensor)))
    }

    /// The name of the constant that an arm's kernels read the weights from.
    #[wasm_bindgen(js_name = blockOf)]
    pub fn block_of(&self, arm: &str) -> Answer<String> {
        Ok(Arm::named(arm).map_err(refusal)?.layout().block())
    }

    /// The weights as that constant.
    pub fn block(&self, name: &str) -> Answer<Block> {
        let Checkpoint { config, weights, .. } = &self.checkpoint;
        let layout = Layout::all().find(|layout| layout.block() == name);
        let layout = layout.ok_or_else(|| refusal(Error::input(format!("no block is called `{name}`"))))?;
        Ok(Block::of(Packed { config: config.clone(), weights: weights.clone(), layout, part: None }))
    }

    /// Threads of a workgroup that may be tried for an arm.
    #[wasm_bindgen(js_name = workgroupSizes)]
    pub fn workgroup_sizes(arm: &str) -> Answer<Vec<u32>> {
        Ok(Arm::named(arm).map_err(refusal)?.workgroup_sizes().to_vec())
    }

    /// How rows may be dealt out to threads by an arm.
    #[wasm_bindgen(js_name = leastLanes)]
    pub fn least_lanes(arm: &str) -> Answer<Vec<u32>> {
        let deals = Arm::named(arm).map_err(refusal)?.algorithm.has_formats();
        Ok(if deals { Tuning::LEAST_LANES.to_vec() } else { Tuning::LEAST_LANES[..1].to_vec() })
    }

    /// Refuses a request that the model cannot carry out.
    pub fn validate(&self, request: &str) -> Answer<()> {
        request::validate(&self.checkpoint.config, &read(request)?).map_err(refusal)
    }

    /// The program that answers a request, as JSON.
    pub fn program(&self, arm: &str, span: &str, request: &str, sizes: &str) -> Answer<String> {
        let request = read(request)?;
        request::validate(&self.checkpoint.config, &request).map_err(refusal)?;
        let arm = Span::named(span).and_then(|span| Arm::named(arm)?.cut(span)).map_err(refusal)?;
        let config = &self.checkpoint.config;
        let Sizes { workgroup_size, least_lanes, subgroup_size, memory, is_software } = from_json(sizes)?;
        let capacity = request.positions().next_power_of_two().max(LEAST_CAPACITY).min(config.n_positions);
        let tile = Tuning::tile_for(is_software);
        let tuning = Tuning { least_lanes, subgroup_size, memory, tile, ..Tuning::of(workgroup_size, capacity) };
        Ok(to_json(&arm.program(config, &request, &tuning)))
    }

    /// The new tokens in the words of the buffer `tokens`: all that a kernel wrote.
    #[wasm_bindgen(js_name = newTokens)]
    pub fn new_tokens(&self, request: &str, words: &[u32]) -> Answer<Vec<u32>> {
        Ok(new_tokens(&read(request)?, words))
    }

    /// Has the f64 oracle read the weights as an arm does from now on; before, it reads them as they are.
    pub fn follow(&mut self, arm: &str) -> Answer<()> {
        let Checkpoint { config, weights, .. } = &self.checkpoint;
        let Arm { format, .. } = Arm::named(arm).map_err(refusal)?;
        self.read = format.rounded(config, weights);
        Ok(())
    }

    /// The check of new tokens against the f64 oracle, and of the logits that chose the last of them where they are given.
    pub fn check(&self, request: &str, tokens: Vec<u32>, logits: Vec<f32>, tolerance: f64) -> Answer<Check> {
        let reference = Reference::owning(self.checkpoint.config.clone(), self.read.clone());
        Ok(Check::of(reference, read(request)?, tokens, logits, tolerance))
    }
}
