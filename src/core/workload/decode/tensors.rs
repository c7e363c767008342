//! The tensors of a model, as one table in one fixed order: what checkpoints are read and written by, random weights are
//! numbered by, packing and rounding go by, and digests are taken over.
//!
//! `wte`, `wpe`, then per layer `ln_1`, `attn.c_attn`, `attn.c_proj`, `ln_2`, `mlp.c_fc`, `mlp.c_proj` (each weight,
//! then bias), then `ln_f` (weight, bias). Families that have them have norms of query and key after `attn.c_attn`, and `lm_head` at
//! the end; where a family has none, the tensor is left out.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::matrix::{self, Rows as MatrixRows};
use super::model::{Config, Layer, Weights};

/// What a tensor's index runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Vocabulary,
    Positions,
    /// What a position adds to the stream, or cosines and sines by which it turns pairs of a head.
    Position,
    /// The channels of the stream.
    Channels,
    /// The same as heads, each of which kernels pad by itself.
    Heads,
    /// Query, key and value, each all of its heads.
    QueryKeyValue,
    /// One head, where queries and keys are normed; else nothing.
    Head,
    Inner,
    /// Gates, then inner values, where they are gated; else the same as inner.
    GatedInner,
    /// The vocabulary, where the head has a matrix of its own; else nothing.
    Untied,
}

impl Axis {
    pub fn size(self, config: &Config) -> usize {
        let size = match self {
            Axis::Vocabulary => config.vocab_size,
            Axis::Positions => config.n_positions,
            Axis::Position if config.block.rotary.is_some() => config.head_dim(),
            Axis::Channels | Axis::Position => config.n_embd,
            Axis::Heads => config.n_head * config.head_dim(),
            Axis::QueryKeyValue => config.query_key_value(),
            Axis::Head if config.block.query_key_norm => config.head_dim(),
            Axis::Inner => config.n_inner,
            Axis::GatedInner => config.block.gates() * config.n_inner,
            Axis::Untied if config.block.untied => config.vocab_size,
            Axis::Head | Axis::Untied => 0,
        };
        size as usize
    }
}

/// What a tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[in, out]`
    Matrix {
        inputs: Axis,
        outputs: Axis,
    },
    /// `[out, in]`: rows that tokens are looked up in, and the matrix of the output head.
    Embedding {
        rows: Axis,
        inputs: Axis,
    },
    /// Rows that positions are looked up in.
    Rows {
        rows: Axis,
        inputs: Axis,
    },
    /// What a norm is multiplied by.
    Scale(Axis),
    Bias(Axis),
}

impl Kind {
    /// One or two axes, the last of which runs fastest.
    pub fn axes(self) -> Vec<Axis> {
        match self {
            Kind::Matrix { inputs, outputs } => vec![inputs, outputs],
            Kind::Embedding { rows, inputs } | Kind::Rows { rows, inputs } => vec![rows, inputs],
            Kind::Scale(axis) | Kind::Bias(axis) => vec![axis],
        }
    }
}

/// An entry of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// In Hugging Face's layout, without the prefix `transformer.`; of a layer's without `h.0.` as well.
    pub name: &'static str,
    /// The shaders' constant that says where it lies.
    pub constant: &'static str,
    pub kind: Kind,
}

/// The elements of a tensor in a model.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    Vector(&'a Vec<f32>),
    Matrix(&'a matrix::Matrix),
}

enum ValuesMut<'a> {
    Vector(&'a mut Vec<f32>),
    Matrix(&'a mut matrix::Matrix),
}

impl<'a> From<&'a Vec<f32>> for Values<'a> {
    fn from(vector: &'a Vec<f32>) -> Self {
        Values::Vector(vector)
    }
}

impl<'a> From<&'a matrix::Matrix> for Values<'a> {
    fn from(matrix: &'a matrix::Matrix) -> Self {
        Values::Matrix(matrix)
    }
}

impl<'a> From<&'a mut Vec<f32>> for ValuesMut<'a> {
    fn from(vector: &'a mut Vec<f32>) -> Self {
        ValuesMut::Vector(vector)
    }
}

impl<'a> From<&'a mut matrix::Matrix> for ValuesMut<'a> {
    fn from(matrix: &'a mut matrix::Matrix) -> Self {
        ValuesMut::Matrix(matrix)
    }
}

impl<'a> Values<'a> {
    fn is_empty(&self) -> bool {
        match self {
            Values::Vector(vector) => vector.is_empty(),
            Values::Matrix(matrix) => matrix.is_empty(),
        }
    }

    /// In f32, row-major in the order of the tensor's shape.
    pub fn of(self, tensor: &Tensor) -> Cow<'a, [f32]> {
        match self {
            Values::Vector(vector) => Cow::Borrowed(vector),
            Values::Matrix(matrix) if matches!(tensor.entry.kind, Embedding { .. }) => matrix.by_outputs(),
            Values::Matrix(matrix) => matrix.by_inputs(),
        }
    }
}

/// The elements of a tensor that is to be part of a model.
pub enum Elements {
    Vector(Vec<f32>),
    Matrix(matrix::Matrix),
}

impl Elements {
    /// Of a tensor, row-major in the order of its shape.
    pub fn of(tensor: &Tensor, values: Vec<f32>) -> Elements {
        let rows = |values| MatrixRows::of_f32(values, *tensor.shape.last().expect("one or two axes"));
        match tensor.entry.kind {
            Matrix { .. } => Elements::Matrix(matrix::Matrix::by_input(rows(values))),
            Embedding { .. } => Elements::Matrix(matrix::Matrix::by_output(vec![rows(values)])),
            Rows { .. } | Scale(_) | Bias(_) => Elements::Vector(values),
        }
    }
}

impl ValuesMut<'_> {
    fn put(self, elements: Elements) {
        match (self, elements) {
            (ValuesMut::Vector(vector), Elements::Vector(values)) => *vector = values,
            (ValuesMut::Matrix(matrix), Elements::Matrix(values)) => *matrix = values,
            _ => unreachable!("an entry's kind says which of the two it is"),
        }
    }
}

/// A list of entries, and the values of each in a struct, to be read and to be written.
macro_rules! entries {
    ($list:ident of $struct:ty, $values:ident, $values_mut:ident:
     $($name:literal $constant:literal $kind:expr => $($field:ident).+;)*) => {
        pub const $list: &[Entry] = &[$(Entry { name: $name, constant: $constant, kind: $kind }),*];

        fn $values(of: &$struct) -> Vec<Values<'_>> {
            vec![$(Values::from(&of.$($field).+)),*]
        }

        fn $values_mut(of: &mut $struct) -> Vec<ValuesMut<'_>> {
            vec![$(ValuesMut::from(&mut of.$($field).+)),*]
        }
    };
}

use Axis::{Channels, GatedInner, Head, Heads, Inner, Position, Positions, QueryKeyValue, Untied, Vocabulary};
use Kind::{Bias, Embedding, Matrix, Rows, Scale};

entries! { EMBEDDINGS of Weights, embeddings, embeddings_mut:
    "wte.weight" "WTE" Embedding { rows: Vocabulary, inputs: Channels } => wte;
    "wpe.weight" "WPE" Rows { rows: Positions, inputs: Position } => wpe;
}

entries! { LAYER of Layer, layer, layer_mut:
    "ln_1.weight" "LN_1_WEIGHT" Scale(Channels) => ln_1.weight;
    "ln_1.bias" "LN_1_BIAS" Bias(Channels) => ln_1.bias;
    "attn.c_attn.weight" "ATTN_C_ATTN_WEIGHT" Matrix { inputs: Channels, outputs: QueryKeyValue } => attn_c_attn.weight;
    "attn.c_attn.bias" "ATTN_C_ATTN_BIAS" Bias(QueryKeyValue) => attn_c_attn.bias;
    "attn.q_norm.weight" "Q_NORM_WEIGHT" Scale(Head) => q_norm;
    "attn.k_norm.weight" "K_NORM_WEIGHT" Scale(Head) => k_norm;
    "attn.c_proj.weight" "ATTN_C_PROJ_WEIGHT" Matrix { inputs: Heads, outputs: Channels } => attn_c_proj.weight;
    "attn.c_proj.bias" "ATTN_C_PROJ_BIAS" Bias(Channels) => attn_c_proj.bias;
    "ln_2.weight" "LN_2_WEIGHT" Scale(Channels) => ln_2.weight;
    "ln_2.bias" "LN_2_BIAS" Bias(Channels) => ln_2.bias;
    "mlp.c_fc.weight" "MLP_C_FC_WEIGHT" Matrix { inputs: Channels, outputs: GatedInner } => mlp_c_fc.weight;
    "mlp.c_fc.bias" "MLP_C_FC_BIAS" Bias(GatedInner) => mlp_c_fc.bias;
    "mlp.c_proj.weight" "MLP_C_PROJ_WEIGHT" Matrix { inputs: Inner, outputs: Channels } => mlp_c_proj.weight;
    "mlp.c_proj.bias" "MLP_C_PROJ_BIAS" Bias(Channels) => mlp_c_proj.bias;
}

entries! { LAST of Weights, last, last_mut:
    "ln_f.weight" "LN_F_WEIGHT" Scale(Channels) => ln_f.weight;
    "ln_f.bias" "LN_F_BIAS" Bias(Channels) => ln_f.bias;
    "lm_head.weight" "LM_HEAD" Embedding { rows: Untied, inputs: Channels } => lm_head;
}

/// A tensor of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    pub entry: &'static Entry,
    /// Of which layer it is, where it is of one.
    pub layer: Option<u32>,
    /// In Hugging Face's layout, without the `transformer.` prefix.
    pub name: String,
    /// One or two sizes; matrices are `[in, out]`, embeddings `[rows, n_embd]`.
    pub shape: Vec<usize>,
}

impl Tensor {
    fn of(entry: &'static Entry, layer: Option<u32>, config: &Config) -> Tensor {
        let name = layer.map_or_else(|| entry.name.into(), |layer| format!("h.{layer}.{}", entry.name));
        Tensor { entry, layer, name, shape: entry.kind.axes().iter().map(|axis| axis.size(config)).collect() }
    }

    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Every tensor of the model in the fixed order. Lazy, so that an absurd `n_layer` costs nothing until it is walked.
pub fn tensors(config: &Config) -> impl Iterator<Item = Tensor> {
    let outer = |entries: &'static [Entry]| entries.iter().map(|entry| Tensor::of(entry, None, config));
    let of_layer = move |layer| LAYER.iter().map(move |entry| Tensor::of(entry, Some(layer), config));
    let all = outer(EMBEDDINGS).chain((0..config.n_layer).flat_map(of_layer)).chain(outer(LAST));
    all.filter(|tensor| tensor.elements() > 0)
}

/// The elements of a tensor that no file holds: cosines and sines of positions.
pub fn computed(config: &Config, tensor: &Tensor) -> Option<Vec<f32>> {
    let rotary = config.block.rotary.as_ref().filter(|_| matches!(tensor.entry.kind, Rows { .. }))?;
    Some(rotary.table(config.n_positions, config.head_dim()))
}

/// Weights from the elements that `value` gives for each tensor, asked for in the fixed order.
pub fn build<E>(config: &Config, mut value: impl FnMut(&Tensor) -> Result<Elements, E>) -> Result<Weights, E> {
    let mut weights = Weights::default();
    let mut fill = |entries: &'static [Entry], layer, values: Vec<ValuesMut>| {
        let tensors = entries.iter().map(|entry| Tensor::of(entry, layer, config));
        tensors.zip(values).filter(|(tensor, _)| tensor.elements() > 0).try_for_each(|(tensor, values)| {
            values.put(value(&tensor)?);
            Ok(())
        })
    };
    fill(EMBEDDINGS, None, embeddings_mut(&mut weights))?;
    for index in 0..config.n_layer {
        let mut layer = Layer::default();
        fill(LAYER, Some(index), layer_mut(&mut layer))?;
        weights.layers.push(layer);
    }
    fill(LAST, None, last_mut(&mut weights))?;
    Ok(weights)
}

/// Every tensor's elements in the fixed order.
pub fn values(weights: &Weights) -> impl Iterator<Item = Values<'_>> {
    let layers = weights.layers.iter().flat_map(layer);
    let all = embeddings(weights).into_iter().chain(layers).chain(last(weights));
    all.filter(|values| !values.is_empty())
}

/// Changes each matrix that is there.
pub fn change_matrices(weights: &mut Weights, mut change: impl FnMut(&Entry, &mut matrix::Matrix)) {
    let mut each = |entries: &[Entry], values: Vec<ValuesMut>| {
        for (entry, values) in entries.iter().zip(values) {
            match values {
                ValuesMut::Matrix(matrix) if !matrix.is_empty() => change(entry, matrix),
                _ => {}
            }
        }
    };
    each(EMBEDDINGS, embeddings_mut(weights));
    weights.layers.iter_mut().for_each(|layer| each(LAYER, layer_mut(layer)));
    each(LAST, last_mut(weights));
}

/// SHA-256, in lower-case hexadecimal, of the model: `vocab_size`, `n_positions`, `n_embd`, `n_head`, `n_layer`,
/// `n_inner` and `scale_attn_weights` (0 or 1) as little-endian u32, `layer_norm_epsilon` as little-endian f64, of a family other
/// than GPT-2 its `Block` as JSON, then every tensor's elements in the fixed order as little-endian f32.
pub fn weights_sha256(config: &Config, weights: &Weights) -> String {
    let mut digest = Sha256::new();
    for size in [
        config.vocab_size,
        config.n_positions,
        config.n_embd,
        config.n_head,
        config.n_layer,
        config.n_inner,
        u32::from(config.scale_attn_weights),
    ] {
        digest.update(size.to_le_bytes());
    }
    digest.update(config.layer_norm_epsilon.to_le_bytes());
    if !config.block.is_gpt2() {
        digest.update(serde_json::to_vec(&config.block).expect("plain data"));
    }
    for (tensor, values) in tensors(config).zip(values(weights)) {
        for chunk in values.of(&tensor).chunks(4096) {
            digest.update(chunk.iter().flat_map(|element| element.to_le_bytes()).collect::<Vec<u8>>());
        }
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
