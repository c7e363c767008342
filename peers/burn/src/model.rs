//! GPT-2, one token at a time, with a static KV cache. Nothing is read back between two tokens.

use std::path::Path;

use burn::tensor::activation::{gelu_approximate, softmax};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Deserialize)]
struct Config {
    n_embd: usize,
    n_head: usize,
    n_layer: usize,
    layer_norm_epsilon: f32,
    scale_attn_weights: bool,
}

#[derive(Deserialize)]
struct Case {
    prompt: Vec<i32>,
    new_tokens: usize,
}

struct Norm<B: Backend> {
    weight: Tensor<B, 2>,
    bias: Tensor<B, 2>,
    epsilon: f32,
}

impl<B: Backend> Norm<B> {
    /// `x`: [1, n_embd]
    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let centred = x.clone() - x.mean_dim(1);
        let variance = (centred.clone() * centred.clone()).mean_dim(1);
        centred / (variance + self.epsilon).sqrt() * self.weight.clone() + self.bias.clone()
    }
}

/// `weight`: [in, out], `bias`: [1, out]
struct Linear<B: Backend> {
    weight: Tensor<B, 2>,
    bias: Tensor<B, 2>,
}

impl<B: Backend> Linear<B> {
    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        x.matmul(self.weight.clone()) + self.bias.clone()
    }
}

struct Layer<B: Backend> {
    ln_1: Norm<B>,
    c_attn: Linear<B>,
    c_proj: Linear<B>,
    ln_2: Norm<B>,
    c_fc: Linear<B>,
    mlp_c_proj: Linear<B>,
}

/// Keys and values of a layer, each [head, position, head_dim].
struct Cache<B: Backend> {
    keys: Tensor<B, 3>,
    values: Tensor<B, 3>,
}

pub struct Model<B: Backend> {
    config: Config,
    case: Case,
    wte: Tensor<B, 2>,
    head: Tensor<B, 2>,
    wpe: Tensor<B, 2>,
    ln_f: Norm<B>,
    layers: Vec<Layer<B>>,
    /// Row i is added to the scores of position i: 0 for what it sees, -inf for what comes after it.
    causal: Tensor<B, 2>,
}

/// What a generation leaves on the device.
pub struct Generation<B: Backend> {
    tokens: Vec<Tensor<B, 1, Int>>,
    logits: Tensor<B, 2>,
}

impl<B: Backend> Generation<B> {
    pub fn tokens(&self) -> Vec<u32> {
        let tokens = Tensor::cat(self.tokens.clone(), 0).into_data();
        tokens.iter::<i64>().map(|token| token as u32).collect()
    }

    pub fn logits(&self) -> Vec<f32> {
        self.logits.clone().into_data().iter::<f32>().collect()
    }
}

impl<B: Backend> Model<B> {
    pub fn read(directory: &Path, device: &B::Device) -> Result<Model<B>, String> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let config: Config = serde_json::from_slice(&read("config.json")?).map_err(|error| error.to_string())?;
        let case: Case = serde_json::from_slice(&read("case.json")?).map_err(|error| error.to_string())?;
        let bytes = read("model.safetensors")?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| error.to_string())?;
        // Vectors become matrices of one row.
        let tensor = |name: &str| {
            let full = format!("transformer.{name}");
            let view = file.tensor(&full).or_else(|_| file.tensor(name)).map_err(|error| format!("{name}: {error}"))?;
            let values: Vec<f32> =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let shape = match *view.shape() {
                [columns] => [1, columns],
                [rows, columns] => [rows, columns],
                _ => return Err(format!("{name} has {} dimensions", view.shape().len())),
            };
            Ok(Tensor::<B, 2>::from_data(TensorData::new(values, shape), device))
        };
        let epsilon = config.layer_norm_epsilon;
        let norm = |name: &str| {
            let [weight, bias] = [tensor(&format!("{name}.weight"))?, tensor(&format!("{name}.bias"))?];
            Ok::<_, String>(Norm { weight, bias, epsilon })
        };
        let linear = |name: &str| {
            let [weight, bias] = [tensor(&format!("{name}.weight"))?, tensor(&format!("{name}.bias"))?];
            Ok::<_, String>(Linear { weight, bias })
        };
        let layer = |index: usize| {
            Ok::<_, String>(Layer {
                ln_1: norm(&format!("h.{index}.ln_1"))?,
                c_attn: linear(&format!("h.{index}.attn.c_attn"))?,
                c_proj: linear(&format!("h.{index}.attn.c_proj"))?,
                ln_2: norm(&format!("h.{index}.ln_2"))?,
                c_fc: linear(&format!("h.{index}.mlp.c_fc"))?,
                mlp_c_proj: linear(&format!("h.{index}.mlp.c_proj"))?,
            })
        };
        let layers = (0..config.n_layer).map(layer).collect::<Result<_, _>>()?;
        let positions = case.prompt.len() + case.new_tokens - 1;
        let causal = (0..positions * positions).map(|i| match i % positions <= i / positions {
            true => 0.0,
            false => f32::NEG_INFINITY,
        });
        let causal = TensorData::new(causal.collect::<Vec<f32>>(), [positions, positions]);
        let wte = tensor("wte.weight")?;
        Ok(Model {
            // A view of the same memory, as [n_embd, vocab_size].
            head: wte.clone().transpose(),
            wte,
            wpe: tensor("wpe.weight")?,
            ln_f: norm("ln_f")?,
            layers,
            causal: Tensor::from_data(causal, device),
            config,
            case,
        })
    }

    /// Starts the whole generation on the device; whoever reads from it waits for its end.
    pub fn generate(&self, device: &B::Device) -> Generation<B> {
        let head_dim = self.config.n_embd / self.config.n_head;
        let prompt = &self.case.prompt;
        let positions = prompt.len() + self.case.new_tokens - 1;
        let empty = || Tensor::zeros([self.config.n_head, positions, head_dim], device);
        let mut caches: Vec<Cache<B>> =
            self.layers.iter().map(|_| Cache { keys: empty(), values: empty() }).collect();
        let mut tokens: Vec<Tensor<B, 1, Int>> = Vec::with_capacity(self.case.new_tokens);
        let mut logits = None;
        for position in 0..positions {
            let token = match prompt.get(position) {
                Some(&token) => Tensor::from_data([token], device),
                None => tokens[position - prompt.len()].clone(),
            };
            let x = self.feed(token, position, &mut caches);
            if position + 1 >= prompt.len() {
                let scores = self.ln_f.forward(x).matmul(self.head.clone());
                tokens.push(scores.clone().argmax(1).reshape([1]));
                logits = Some(scores);
            }
        }
        Generation { tokens, logits: logits.expect("a case makes at least one token") }
    }

    /// The residual stream after the last layer, [1, n_embd].
    fn feed(&self, token: Tensor<B, 1, Int>, position: usize, caches: &mut [Cache<B>]) -> Tensor<B, 2> {
        let (width, heads) = (self.config.n_embd, self.config.n_head);
        let head_dim = width / heads;
        let scale = if self.config.scale_attn_weights { 1.0 / (head_dim as f32).sqrt() } else { 1.0 };
        let here = position..position + 1;
        let mut x = self.wte.clone().select(0, token) + self.wpe.clone().slice([here.clone()]);
        let causal = self.causal.clone().slice([here.clone()]).unsqueeze::<3>();
        for (layer, cache) in self.layers.iter().zip(caches) {
            let qkv = layer.c_attn.forward(layer.ln_1.forward(x.clone())).reshape([3 * heads, 1, head_dim]);
            let query = qkv.clone().slice([0..heads]);
            let place = [0..heads, here.clone(), 0..head_dim];
            // Taken out, so that burn may change them in place.
            let keys = std::mem::replace(&mut cache.keys, query.clone());
            let values = std::mem::replace(&mut cache.values, query.clone());
            cache.keys = keys.slice_assign(place.clone(), qkv.clone().slice([heads..2 * heads]));
            cache.values = values.slice_assign(place, qkv.slice([2 * heads..3 * heads]));
            let scores = query.matmul(cache.keys.clone().swap_dims(1, 2)) * scale + causal.clone();
            let attended = softmax(scores, 2).matmul(cache.values.clone()).reshape([1, width]);
            x = x + layer.c_proj.forward(attended);
            let inner = gelu_approximate(layer.c_fc.forward(layer.ln_2.forward(x.clone())));
            x = x + layer.mlp_c_proj.forward(inner);
        }
        x
    }
}
