//! How weights lie in the one buffer that kernels read: padded to vec4f, each tensor at a 256-byte boundary.
//!
//! Every width is padded with zeros to a multiple of 4, and each head by itself, so that kernels read whole vec4f and the
//! padding adds nothing. Tensor names are those of the constants in `shaders/decode/`.
//!
//! Matrices (the embedding among them) may be rounded to two bytes a weight or packed in blocks; biases, norms and positions stay
//! f32.

use std::collections::BTreeMap;
use std::ops::Range;

use super::format::{Format, Formats};
use super::matrix::Matrix;
use super::model::{Config, Weights};
use super::rotary;
use super::tensors::{self, Axis, EMBEDDINGS, Entry, Kind, LAST, LAYER, Values};
use crate::program::{Binding, Block};

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
    pub fn block(self) -> String {
        match self {
            Layout::InOut => "weights-in-out".into(),
            Layout::OutIn(Format::F32) => "weights-out-in".into(),
            Layout::OutIn(format) => format!("weights-out-in-{}", format.name()),
        }
    }

    pub fn format(self) -> Format {
        match self {
            Layout::InOut => Format::F32,
            Layout::OutIn(format) => format,
        }
    }

    /// The format of each matrix in this layout.
    pub fn formats(self, config: &Config) -> Formats {
        match self {
            Layout::InOut => Formats::all(Format::F32),
            Layout::OutIn(format) => Formats::of(config, format),
        }
    }
}

/// 16-byte chunks that hold the weights of a row of `in4` vec4f, neighbours in each.
pub fn chunks(format: Format, in4: u32) -> u32 {
    in4.div_ceil(format.vec4_in_chunk())
}

/// Vec4u in a row of a matrix of `in4` vec4f: its chunks, and behind them the scales of its blocks.
pub fn row_vec4(format: Format, in4: u32) -> u32 {
    let blocks = if format.has_scales() { (4 * in4).div_ceil(format.block() as u32) } else { 0 };
    chunks(format, in4) + (blocks * format.scale_bytes()).div_ceil(VEC4 as u32)
}

/// What may be a buffer of its own, where all weights together are more than a device binds: the matrices of attention, the first
/// and the second of the MLP, and the head. A kernel knows which of them it reads when it is compiled, so that costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Portion {
    /// All that has no buffer of its own: of a split model vectors, positions and the embedding.
    Rest,
    Attention,
    Fc,
    Mlp,
    Head,
}

impl Portion {
    pub const ALL: [Portion; 5] = [Portion::Rest, Portion::Attention, Portion::Fc, Portion::Mlp, Portion::Head];

    fn of(entry: &Entry) -> Portion {
        match entry.constant {
            "ATTN_C_ATTN_WEIGHT" | "ATTN_C_PROJ_WEIGHT" => Portion::Attention,
            "MLP_C_FC_WEIGHT" => Portion::Fc,
            "MLP_C_PROJ_WEIGHT" => Portion::Mlp,
            "LM_HEAD" => Portion::Head,
            _ => Portion::Rest,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Portion::Rest => "-rest",
            Portion::Attention => "-attention",
            Portion::Fc => "-fc",
            Portion::Mlp => "-mlp",
            Portion::Head => "-head",
        }
    }

    /// Name of the block that holds this part of the weights in a layout, or all of them.
    pub fn block(part: Option<Portion>, layout: Layout) -> String {
        layout.block() + part.map_or("", Portion::suffix)
    }
}

/// Where each tensor of a buffer lies, in vec4f. Those of a layer count from the layer's start.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    pub offsets: BTreeMap<&'static str, u64>,
    pub layers: u64,
    pub layer_stride: u64,
    pub total: u64,
}

const VEC4: u64 = 16;

/// A tensor's size in vec4f.
fn size(entry: &Entry, config: &Config, layout: Layout) -> u64 {
    let widths = Widths::of(config);
    let format = layout.formats(config).at(entry);
    let matrix = |inputs: Axis, outputs: Axis| {
        4 * u64::from(widths.along(outputs, config)) * u64::from(row_vec4(format, widths.along(inputs, config)))
    };
    match entry.kind {
        Kind::Matrix { inputs, outputs } => matrix(inputs, outputs),
        Kind::Embedding { rows, inputs } => matrix(inputs, rows),
        Kind::Rows { rows, inputs } => rows.size(config) as u64 * u64::from(widths.along(inputs, config)),
        Kind::Scale(axis) | Kind::Bias(axis) => u64::from(widths.along(axis, config)),
    }
}

impl Map {
    /// Of all weights in one buffer, or of a part that has its own.
    pub fn of(config: &Config, layout: Layout, part: Option<Portion>) -> Map {
        let mut offsets = BTreeMap::new();
        let mut place = |entries: &mut dyn Iterator<Item = &'static Entry>| {
            let mut at = 0;
            for entry in entries.filter(|entry| part.is_none_or(|part| part == Portion::of(entry))) {
                let size = size(entry, config, layout);
                offsets.insert(entry.constant, at);
                at += size.next_multiple_of(Binding::ALIGNMENT / VEC4);
            }
            at
        };
        let layers = place(&mut EMBEDDINGS.iter().chain(LAST));
        let layer_stride = place(&mut LAYER.iter());
        Map { offsets, layers, layer_stride, total: layers + u64::from(config.n_layer) * layer_stride }
    }

    pub fn bytes(&self) -> u64 {
        self.total * VEC4
    }

    /// Byte offset of a tensor, if it is in this buffer; `layer` for those of a layer.
    pub fn at(&self, name: &str, layer: Option<u32>) -> Option<u64> {
        let of_layer = layer.map_or(0, |layer| self.layers + u64::from(layer) * self.layer_stride);
        Some(VEC4 * (self.offsets.get(name)? + of_layer))
    }
}

/// Weights as the bytes of a buffer, packed as they are asked for.
pub struct Packed {
    pub config: Config,
    pub weights: Weights,
    pub layout: Layout,
    pub part: Option<Portion>,
}

/// What is packed at a time of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// By its place in the table.
    tensor: usize,
    /// Of a matrix: these of its rows in memory, padded ones too. A vector is whole.
    rows: Range<usize>,
}

impl Packed {
    /// Everything in the order of the table, in pieces of about `most` bytes.
    pub fn pieces(&self, most: usize) -> Vec<Piece> {
        let Packed { config, layout, part, .. } = self;
        let map = Map::of(config, *layout, *part);
        let (sheet, formats) = (Sheet::of(config, *layout), layout.formats(config));
        let mut pieces = Vec::new();
        for (tensor, described) in tensors::tensors(config).enumerate() {
            let Entry { constant, kind, .. } = *described.entry;
            if map.at(constant, described.layer).is_none() {
                continue;
            }
            match sheet.rows(kind, formats.at(described.entry)) {
                None => pieces.push(Piece { tensor, rows: 0..0 }),
                Some((rows, length)) => {
                    let each = (most / length).max(1);
                    let bands = (0..rows).step_by(each).map(|first| first..rows.min(first + each));
                    pieces.extend(bands.map(|rows| Piece { tensor, rows }));
                }
            }
        }
        pieces
    }

    /// Gives `write` a piece, and where it begins.
    pub fn write_pieces(&self, pieces: &[Piece], write: &mut dyn FnMut(u64, &[u8])) {
        let Packed { config, weights, layout, part } = self;
        let map = Map::of(config, *layout, *part);
        let (sheet, formats) = (Sheet::of(config, *layout), layout.formats(config));
        let mut all = tensors::tensors(config).zip(tensors::values(weights)).enumerate().peekable();
        for Piece { tensor: index, rows } in pieces {
            while all.next_if(|(at, _)| at < index).is_some() {}
            let Some((_, (tensor, values))) = all.peek() else { return };
            let Entry { constant, kind, .. } = *tensor.entry;
            let at = map.at(constant, tensor.layer).expect("pieces are of this part");
            match values {
                Values::Vector(values) => write(at, bytemuck::cast_slice(&sheet.vector_or_rows(kind, values))),
                Values::Matrix(matrix) => {
                    let format = formats.at(tensor.entry);
                    let (_, length) = sheet.rows(kind, format).expect("a matrix has rows");
                    write(at + (rows.start * length) as u64, &sheet.matrix(kind, matrix, format, rows.clone()));
                }
            }
        }
    }
}

impl Block for Packed {
    fn bytes(&self) -> u64 {
        Map::of(&self.config, self.layout, self.part).bytes()
    }

    /// What no tensor covers is zero.
    fn write(&self, write: &mut dyn FnMut(u64, &[u8])) {
        self.write_pieces(&self.pieces(BAND), write);
    }
}

/// Where elements go when a tensor is padded.
struct Sheet<'a> {
    layout: Layout,
    widths: Widths,
    config: &'a Config,
}

impl<'a> Sheet<'a> {
    fn of(config: &'a Config, layout: Layout) -> Sheet<'a> {
        Sheet { layout, widths: Widths::of(config), config }
    }

    fn vector_or_rows(&self, kind: Kind, values: &[f32]) -> Vec<f32> {
        match kind {
            Kind::Rows { inputs, .. } => {
                let padded = |row: &[f32]| self.vector(row, inputs);
                values.chunks_exact(inputs.size(self.config)).flat_map(padded).collect()
            }
            Kind::Scale(axis) | Kind::Bias(axis) => self.vector(values, axis),
            Kind::Matrix { .. } | Kind::Embedding { .. } => unreachable!("a matrix is no vector"),
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

    /// Rows of a matrix in memory, padded ones too, and the bytes of one; nothing of other tensors.
    fn rows(&self, kind: Kind, format: Format) -> Option<(usize, usize)> {
        let [inputs, outputs] = axes(kind)?.map(|axis| self.widths.along(axis, self.config));
        Some(match self.layout {
            Layout::InOut => (4 * inputs as usize, VEC4 as usize * outputs as usize),
            Layout::OutIn(_) => (4 * outputs as usize, VEC4 as usize * row_vec4(format, inputs) as usize),
        })
    }

    fn matrix(&self, kind: Kind, matrix: &Matrix, format: Format, rows: Range<usize>) -> Vec<u8> {
        let [inputs, outputs] = axes(kind).expect("a matrix");
        let places = |axis, count| (0..count).map(|index| self.place(axis, index)).collect::<Vec<_>>();
        let (inputs_at, outputs_at) = (places(inputs, matrix.inputs()), places(outputs, matrix.outputs()));
        match self.layout {
            Layout::InOut => {
                self.in_out(matrix, [&inputs_at, &outputs_at], 4 * self.widths.along(outputs, self.config), rows)
            }
            Layout::OutIn(_) => {
                self.out_in(matrix, [&inputs_at, &outputs_at], 4 * self.widths.along(inputs, self.config), format, rows)
            }
        }
    }

    /// A row of an input after another.
    fn in_out(&self, matrix: &Matrix, [inputs, outputs]: [&[usize]; 2], columns: u32, rows: Range<usize>) -> Vec<u8> {
        let columns = columns as usize;
        let mut bytes = vec![0; 4 * rows.len() * columns];
        let padded: &mut [[u8; 4]] = bytes.as_chunks_mut().0;
        matrix.each_weight(that_lie_in(&rows, inputs), 0..matrix.outputs(), |input, output, weight| {
            if rows.contains(&inputs[input]) {
                padded[(inputs[input] - rows.start) * columns + outputs[output]] = weight.to_le_bytes();
            }
        });
        bytes
    }

    /// A row of an output after another, each its chunks and then its scales.
    fn out_in(
        &self,
        matrix: &Matrix,
        [inputs, outputs]: [&[usize]; 2],
        width: u32,
        format: Format,
        rows: Range<usize>,
    ) -> Vec<u8> {
        let length = VEC4 as usize * row_vec4(format, width / 4) as usize;
        let scales_at = VEC4 as usize * chunks(format, width / 4) as usize;
        let mut bytes = vec![0; rows.len() * length];
        let here = that_lie_in(&rows, outputs);
        let row_of = |output: usize| rows.contains(&outputs[output]).then(|| outputs[output] - rows.start);
        let is_padded = inputs.iter().enumerate().any(|(input, &place)| input != place);
        let is_packed = !is_padded && matrix.format() == Some(format);
        if is_packed && here.clone().all(|output| matrix.packed(output).is_some()) {
            for (output, row) in here.filter_map(|output| Some((output, row_of(output)?))) {
                let packed = matrix.packed(output).expect("all are");
                spread(format, packed, &mut bytes[row * length..][..length], scales_at);
            }
            return bytes;
        }
        let width = width as usize;
        let mut padded = vec![0f32; rows.len() * width];
        matrix.each_weight(0..matrix.inputs(), here.clone(), |input, output, weight| {
            if let Some(row) = row_of(output) {
                padded[row * width + inputs[input]] = weight;
            }
        });
        let mut packed = Vec::new();
        for row in here.filter_map(row_of) {
            packed.clear();
            format.pack(&padded[row * width..][..width], &mut packed);
            spread(format, &packed, &mut bytes[row * length..][..length], scales_at);
        }
        bytes
    }
}

/// A matrix's inputs and outputs.
fn axes(kind: Kind) -> Option<[Axis; 2]> {
    match kind {
        Kind::Matrix { inputs, outputs } => Some([inputs, outputs]),
        Kind::Embedding { rows, inputs } => Some([inputs, rows]),
        Kind::Rows { .. } | Kind::Scale(_) | Kind::Bias(_) => None,
    }
}

/// The least range that has all that are placed within `rows`.
fn that_lie_in(rows: &Range<usize>, places: &[usize]) -> Range<usize> {
    let is_here = |place: &usize| rows.contains(place);
    match (places.iter().position(is_here), places.iter().rposition(is_here)) {
        (Some(first), Some(last)) => first..last + 1,
        _ => 0..0,
    }
}

/// Bytes that are packed at a time, so that a model is never there twice.
const BAND: usize = 16 << 20;

/// Puts the blocks of a packed row where a kernel reads them.
fn spread(format: Format, packed: &[u8], row: &mut [u8], scales_at: usize) {
    if !format.has_scales() {
        row[..packed.len()].copy_from_slice(packed);
        return;
    }
    let scale = format.scale_bytes() as usize;
    for (i, packed) in packed.chunks_exact(format.row_bytes(format.block())).enumerate() {
        let (scales, numbers) = packed.split_at(scale);
        row[scales_at + i * scale..][..scale].copy_from_slice(scales);
        row[i * numbers.len()..][..numbers.len()].copy_from_slice(numbers);
    }
}
