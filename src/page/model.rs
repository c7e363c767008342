//! A checkpoint of the visitor's: its programs, its weights as kernels read them, and the check of its answers.

use js_sys::Float32Array;
use onedispatch_core::cases::decode::weight_blocks;
use onedispatch_core::error::{Error, Within};
use onedispatch_core::workload::decode::gate::Reference;
use onedispatch_core::workload::decode::model::{Request, Sampling};
use onedispatch_core::workload::decode::packing::Layout;
use onedispatch_core::workload::decode::span::Span;
use onedispatch_core::workload::decode::{Arm, Tuning, checkpoint, config, end_tokens, new_tokens, request, tensors};
use serde::Deserialize;
use serde_json::json;
use wasm_bindgen::prelude::*;

use crate::{Answer, from_json, refusal, to_json};

#[wasm_bindgen]
pub struct Model {
    end_tokens: Vec<u32>,
    notes: Vec<String>,
    reference: Reference<'static>,
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
    /// Of the device: its smallest subgroup, and bytes of workgroup memory.
    subgroup_size: u32,
    memory: u32,
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
    pub fn new(config_json: &str, weights: &[u8], generation_config_json: Option<String>) -> Answer<Model> {
        let (config, own_end_tokens) = config::parse(config_json).within("config.json").map_err(refusal)?;
        let end_tokens = match generation_config_json {
            Some(text) => {
                end_tokens::parse(&text, config.vocab_size).within("generation_config.json").map_err(refusal)?
            }
            None => own_end_tokens,
        };
        let (weights, notes) = checkpoint::parse(weights, &config).within("model.safetensors").map_err(refusal)?;
        Ok(Model { end_tokens, notes, reference: Reference::owning(config, weights) })
    }

    /// `{config, end_tokens, notes, parameters, tensors: [{name, shape}]}`.
    pub fn about(&self) -> String {
        let config = self.reference.config();
        let parameters: usize = tensors::tensors(config).map(|tensor| tensor.elements()).sum();
        let tensors: Vec<_> =
            tensors::tensors(config).map(|tensor| json!({ "name": tensor.name, "shape": tensor.shape })).collect();
        to_json(&json!({
            "config": config, "end_tokens": self.end_tokens, "notes": self.notes,
            "parameters": parameters, "tensors": tensors,
        }))
    }

    /// A tensor's elements in f32, by its name without the prefix `transformer.`; nothing where there is none.
    pub fn tensor(&self, name: &str) -> Option<Float32Array> {
        let all = tensors::tensors(self.reference.config()).zip(tensors::values(self.reference.weights()));
        let mut found = all.into_iter().filter(|(tensor, _)| tensor.name == name);
        found.next().map(|(tensor, values)| Float32Array::from(&*values.of(&tensor)))
    }

    /// The name of the constant that an arm's kernels read the weights from.
    #[wasm_bindgen(js_name = blockOf)]
    pub fn block_of(&self, arm: &str) -> Answer<String> {
        Ok(Arm::named(arm).map_err(refusal)?.layout().block())
    }

    /// The weights as the bytes of that constant.
    pub fn block(&self, name: &str) -> Answer<Vec<u8>> {
        let (config, weights) = (self.reference.config(), self.reference.weights());
        let layouts: Vec<Layout> = Layout::all().collect();
        let blocks = weight_blocks(config, weights, &layouts);
        let block = blocks.get(name).ok_or_else(|| refusal(Error::input(format!("no block is called `{name}`"))))?;
        Ok(block.whole())
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
        request::validate(self.reference.config(), &read(request)?).map_err(refusal)
    }

    /// The program that answers a request, as JSON.
    pub fn program(&self, arm: &str, span: &str, request: &str, sizes: &str) -> Answer<String> {
        let request = read(request)?;
        request::validate(self.reference.config(), &request).map_err(refusal)?;
        let arm = Span::named(span).and_then(|span| Arm::named(arm)?.cut(span)).map_err(refusal)?;
        let Sizes { workgroup_size, least_lanes, subgroup_size, memory } = from_json(sizes)?;
        let of_size = Tuning::of(workgroup_size, request.positions());
        let tuning = Tuning { least_lanes, subgroup_size, memory, ..of_size };
        Ok(to_json(&arm.program(self.reference.config(), &request, &tuning)))
    }

    /// The new tokens in the words of the buffer `tokens`: all that a kernel wrote.
    #[wasm_bindgen(js_name = newTokens)]
    pub fn new_tokens(&self, request: &str, words: &[u32]) -> Answer<Vec<u32>> {
        Ok(new_tokens(&read(request)?, words))
    }

    /// Asks the f64 oracle for the logits that choose each of `tokens`, so that a check of more of them is quick.
    pub fn expect(&mut self, prompt: &[u32], tokens: &[u32]) {
        self.reference.logits(prompt, tokens);
    }

    /// Checks new tokens against the f64 oracle, and the logits that chose the last of them where they are given: `{error, reason}`.
    pub fn check(&mut self, request: &str, tokens: &[u32], logits: &[f32], tolerance: f64) -> Answer<String> {
        let request = read(request)?;
        let gate = match logits {
            [] => self.reference.check_tokens(&request, tokens, tolerance),
            logits => self.reference.check(&request, tokens, logits, tolerance),
        };
        Ok(to_json(&json!({ "error": gate.error, "reason": gate.reason })))
    }
}
