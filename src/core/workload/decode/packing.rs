//! How weights lie in the one buffer that kernels read: padded to vec4f, each tensor at a 256-byte boundary.
//!
//! Every width is padded with zeros to a multiple of 4, and each head by itself, so that kernels read whole vec4f and the
//! padding adds nothing. Tensor names are those of the constants in `shaders/decode/`.
//!
//! Matrices (the embedding among them) may be rounded to two bytes a weight; biases, norms and positions stay f32.

use std::collections::BTreeMap;

use super::format::Format;
use super::model::{Config, Weights};
use super::rotary;
use super::tensors::{self, Axis, EMBEDDINGS, Entry, Kind, LAST, LAYER};
use crate::program::Binding;

/// Widths of a model in vec4f.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Widths {
    pub n_embd4: u32,
    /// Of one head.
    pub head4: u32,
    /// Of all heads together.
    pub heads4: u32,
    /// Of the keys of all heads together.
    pub keys4: u32,
    pub n_inner4: u32,
    pub vocab4: u32,
}

impl Widths {
    pub fn of(config: &Config) -> Widths {
        let head4 = config.head_dim().div_ceil(4);
        Widths {
            n_embd4: config.n_embd.div_ceil(4),
            head4,
            heads4: config.n_head * head4,
            keys4: config.n_key_head() * head4,
            n_inner4: config.n_inner.div_ceil(4),
            vocab4: config.vocab_size.div_ceil(4),
        }
    }

    /// Query, key and value.
    pub fn query_key_value4(&self) -> u32 {
        self.heads4 + 2 * self.keys4
    }

    /// Of an axis that is padded.
    fn along(&self, axis: Axis, config: &Config) -> u32 {
        match axis {
            Axis::Head | Axis::Untied if axis.size(config) == 0 => 0,
            Axis::Vocabulary | Axis::Untied => self.vocab4,
            Axis::Position if config.block.rotary.is_some() => self.head4,
            Axis::Channels | Axis::Position => self.n_embd4,
            Axis::Heads => self.heads4,
            Axis::QueryKeyValue => self.query_key_value4(),
            Axis::Head => self.head4,
            Axis::Inner => self.n_inner4,
            Axis::GatedInner => config.block.gates() * self.n_inner4,
            Axis::Positions => unreachable!("positions are rows, which are not padded"),
        }
    }
}

/// Which index of a matrix runs fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[in][out]`, f32: neighbouring outputs are neighbours in memory.
    InOut,
    /// `[out][in]`: an output's inputs are neighbours in memory.
    OutIn(Format),
}

impl Layout {
    /// Every layout.
    pub fn all() -> impl Iterator<Item = Layout> {
        std::iter::once(Layout::InOut).chain(Format::ALL.map(Layout::OutIn))
    }

    /// Name of the block that holds weights in this layout.
    pub fn block(self) -> &'static str {
        match self {
            Layout::InOut => "weights-in-out",
            Layout::OutIn(format) => format.block(),
        }
    }

    pub fn format(self) -> Format {
        match self {
            Layout::InOut => Format::F32,
            Layout::OutIn(format) => format,
        }
    }

    /// 16-byte chunks that `in4` vec4f of a matrix's row take. Of two-byte formats, chunk i of n holds vec4f i and i + n.
    pub fn chunks(self, in4: u32) -> u32 {
        if self.format() == Format::F32 { in4 } else { in4.div_ceil(2) }
    }
}

/// Where each tensor lies, in vec4f. Those of a layer count from the layer's start.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    pub offsets: BTreeMap<&'static str, u64>,
    sizes: BTreeMap<&'static str, u64>,
    pub layers: u64,
    pub layer_stride: u64,
    pub total: u64,
}

const VEC4: u64 = 16;

/// A tensor's size in vec4f.
fn size(kind: Kind, config: &Config, layout: Layout) -> u64 {
    let widths = Widths::of(config);
    let matrix = |inputs: Axis, outputs: Axis| {
        4 * u64::from(widths.along(outputs, config)) * u64::from(layout.chunks(widths.along(inputs, config)))
    };
    match kind {
        Kind::Matrix { inputs, outputs } => matrix(inputs, outputs),
        Kind::Embedding { rows, inputs } => matrix(inputs, rows),
        Kind::Rows { rows, inputs } => rows.size(config) as u64 * u64::from(widths.along(inputs, config)),
        Kind::Scale(axis) | Kind::Bias(axis) => u64::from(widths.along(axis, config)),
    }
}

impl Map {
    pub fn of(config: &Config, layout: Layout) -> Map {
        let (mut offsets, mut sizes) = (BTreeMap::new(), BTreeMap::new());
        let mut place = |entries: &mut dyn Iterator<Item = &'static Entry>| {
            let mut at = 0;
            for entry in entries {
                let size = size(entry.kind, config, layout);
                offsets.insert(entry.constant, at);
                sizes.insert(entry.constant, size);
                at += size.next_multiple_of(Binding::ALIGNMENT / VEC4);
            }
            at
        };
        let layers = place(&mut EMBEDDINGS.iter().chain(LAST));
        let layer_stride = place(&mut LAYER.iter());
        Map { offsets, sizes, layers, layer_stride, total: layers + u64::from(config.n_layer) * layer_stride }
    }

    pub fn bytes(&self) -> u64 {
        self.total * VEC4
    }

    pub fn tensor_bytes(&self, name: &str) -> u64 {
        VEC4 * self.sizes[name]
    }

    /// Byte offset of a tensor; `layer` for those of a layer.
    pub fn at(&self, name: &str, layer: Option<u32>) -> u64 {
        VEC4 * (self.offsets[name] + layer.map_or(0, |layer| self.layers + u64::from(layer) * self.layer_stride))
    }
}

/// The weights of a model as the bytes of one buffer, `Map::bytes` long.
pub fn pack(config: &Config, weights: &Weights, layout: Layout) -> Vec<u8> {
    let map = Map::of(config, layout);
    let mut buffer = vec![0f32; 4 * map.total as usize];
    let sheet = Sheet { layout, widths: Widths::of(config), config };
    for (tensor, values) in tensors::tensors(config).zip(tensors::values(weights)) {
        let packed = sheet.pack(tensor.entry.kind, values);
        let start = map.at(tensor.entry.constant, tensor.layer) as usize / 4;
        buffer[start..start + packed.len()].copy_from_slice(&packed);
    }
    bytemuck::cast_slice(&buffer).to_vec()
}

/// Where elements go when a tensor is padded.
struct Sheet<'a> {
    layout: Layout,
    widths: Widths,
    config: &'a Config,
}

impl Sheet<'_> {
    fn pack(&self, kind: Kind, values: &[f32]) -> Vec<f32> {
        match kind {
            Kind::Matrix { inputs, outputs } => {
                let columns = outputs.size(self.config);
                self.matrix([inputs, outputs], |input, output| values[input * columns + output])
            }
            Kind::Embedding { rows, inputs } => {
                let width = inputs.size(self.config);
                self.matrix([inputs, rows], |input, row| values[row * width + input])
            }
            Kind::Rows { inputs, .. } => {
                let padded = |row: &[f32]| self.vector(row, inputs);
                values.chunks_exact(inputs.size(self.config)).flat_map(padded).collect()
            }
            Kind::Scale(axis) | Kind::Bias(axis) => self.vector(values, axis),
        }
    }

    /// Padded place of an element: at the end of an axis, or of heads at the end of each. Elements of queries and keys that are
    /// turned as a pair are neighbours, as are a gate and what it is multiplied with.
    fn place(&self, axis: Axis, index: usize) -> usize {
        let config = self.config;
        let head_dim = config.head_dim() as usize;
        let in_head = |turns: bool| {
            let i = index % head_dim;
            let i = if turns && config.block.rotary.is_some() { rotary::beside(i, head_dim) } else { i };
            index / head_dim * 4 * self.widths.head4 as usize + i
        };
        match axis {
            Axis::Heads => in_head(false),
            Axis::QueryKeyValue => in_head(index / head_dim < (config.n_head + config.n_key_head()) as usize),
            Axis::Head => in_head(true),
            Axis::GatedInner if config.block.gated => {
                let n_inner = config.n_inner as usize;
                2 * (index % n_inner) + index / n_inner
            }
            _ => index,
        }
    }

    fn vector(&self, values: &[f32], axis: Axis) -> Vec<f32> {
        let mut padded = vec![0f32; 4 * self.widths.along(axis, self.config) as usize];
        for (index, &value) in values.iter().enumerate() {
            padded[self.place(axis, index)] = value;
        }
        padded
    }

    /// `value` gives the element of an input and an output.
    fn matrix(&self, [inputs, outputs]: [Axis; 2], value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let [rows, columns] = [inputs, outputs].map(|axis| 4 * self.widths.along(axis, self.config) as usize);
        let mut padded = vec![0f32; rows * columns];
        for input in 0..inputs.size(self.config) {
            let i = self.place(inputs, input);
            for output in 0..outputs.size(self.config) {
                let j = self.place(outputs, output);
                padded[match self.layout {
                    Layout::InOut => i * columns + j,
                    Layout::OutIn(_) => j * rows + i,
                }] = value(input, output);
            }
        }
        self.in_format(padded, rows)
    }

    /// Rows of `width` weights, as the 32-bit words that kernels read.
    fn in_format(&self, padded: Vec<f32>, width: usize) -> Vec<f32> {
        let format = self.layout.format();
        if format == Format::F32 {
            return padded;
        }
        let chunks = self.layout.chunks(width as u32 / 4) as usize;
        let pair = |row: &[f32], at: usize| {
            let bits = |at: usize| u32::from(format.bits(row.get(at).copied().unwrap_or_default()));
            f32::from_bits(bits(at) | bits(at + 1) << 16)
        };
        let words = |row: &'_ [f32]| -> Vec<f32> {
            let halves = |chunk: usize| [4 * chunk, 4 * (chunk + chunks)];
            let starts = (0..chunks).flat_map(halves).flat_map(|at| [at, at + 2]);
            starts.map(|at| pair(row, at)).collect()
        };
        padded.chunks_exact(width).flat_map(words).collect()
    }
}
