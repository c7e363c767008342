//! How weights lie in the one buffer that kernels read: padded to vec4f, each tensor at a 256-byte boundary.
//!
//! Every width is padded with zeros to a multiple of 4, and each head by itself, so that kernels read whole vec4f and the
//! padding adds nothing. Tensor names are those of the constants in `shaders/decode/`.
//!
//! Matrices (the embedding among them) may be rounded to two bytes a weight; biases, norms and positions stay f32.

use std::collections::BTreeMap;

use super::format::Format;
use super::model::{Config, Layer, Weights};
use crate::program::Binding;

/// Widths of a model in vec4f.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Widths {
    pub n_embd4: u32,
    /// Of one head.
    pub head4: u32,
    /// Of all heads together.
    pub heads4: u32,
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
            n_inner4: config.n_inner.div_ceil(4),
            vocab4: config.vocab_size.div_ceil(4),
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
    pub const ALL: [Layout; 4] =
        [Layout::InOut, Layout::OutIn(Format::F32), Layout::OutIn(Format::F16), Layout::OutIn(Format::Bf16)];

    /// Name of the block that holds weights in this layout.
    pub fn block(self) -> &'static str {
        match self {
            Layout::InOut => "weights-in-out",
            Layout::OutIn(Format::F32) => "weights-out-in",
            Layout::OutIn(Format::F16) => "weights-out-in-f16",
            Layout::OutIn(Format::Bf16) => "weights-out-in-bf16",
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

/// Tensors with their sizes in vec4f.
type Sizes<const N: usize> = [(&'static str, u64); N];

/// Of the tensors of one layer and of those outside the layers.
fn sizes(config: &Config, layout: Layout) -> (Sizes<12>, Sizes<4>) {
    let widths = Widths::of(config);
    let [embd, heads, inner, vocab] = [widths.n_embd4, widths.heads4, widths.n_inner4, widths.vocab4].map(u64::from);
    let matrix = |in4: u32, out4: u64| 4 * out4 * u64::from(layout.chunks(in4));
    let layer = [
        ("LN_1_WEIGHT", embd),
        ("LN_1_BIAS", embd),
        ("ATTN_C_ATTN_WEIGHT", matrix(widths.n_embd4, 3 * heads)),
        ("ATTN_C_ATTN_BIAS", 3 * heads),
        ("ATTN_C_PROJ_WEIGHT", matrix(widths.heads4, embd)),
        ("ATTN_C_PROJ_BIAS", embd),
        ("LN_2_WEIGHT", embd),
        ("LN_2_BIAS", embd),
        ("MLP_C_FC_WEIGHT", matrix(widths.n_embd4, inner)),
        ("MLP_C_FC_BIAS", inner),
        ("MLP_C_PROJ_WEIGHT", matrix(widths.n_inner4, embd)),
        ("MLP_C_PROJ_BIAS", embd),
    ];
    let outer = [
        ("WTE", matrix(widths.n_embd4, vocab)),
        ("WPE", u64::from(config.n_positions) * embd),
        ("LN_F_WEIGHT", embd),
        ("LN_F_BIAS", embd),
    ];
    (layer, outer)
}

impl Map {
    pub fn of(config: &Config, layout: Layout) -> Map {
        let (layer, outer) = sizes(config, layout);
        let mut offsets = BTreeMap::new();
        let mut place = |tensors: &[(&'static str, u64)]| {
            let mut at = 0;
            for &(name, size) in tensors {
                offsets.insert(name, at);
                at += size.next_multiple_of(Binding::ALIGNMENT / VEC4);
            }
            at
        };
        let layers = place(&outer);
        let layer_stride = place(&layer);
        let sizes = layer.into_iter().chain(outer).collect();
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
    let mut put = |name: &str, layer: Option<u32>, values: Vec<f32>| {
        let start = map.at(name, layer) as usize / 4;
        buffer[start..start + values.len()].copy_from_slice(&values);
    };
    put("WTE", None, sheet.head(&weights.wte));
    let embd4 = sheet.widths.n_embd4 as usize;
    put("WPE", None, {
        let mut rows = vec![0f32; config.n_positions as usize * 4 * embd4];
        let n_embd = config.n_embd as usize;
        for (padded, row) in rows.chunks_exact_mut(4 * embd4).zip(weights.wpe.chunks_exact(n_embd)) {
            padded[..n_embd].copy_from_slice(row);
        }
        rows
    });
    put("LN_F_WEIGHT", None, weights.ln_f.weight.clone());
    put("LN_F_BIAS", None, weights.ln_f.bias.clone());
    for (index, layer) in weights.layers.iter().enumerate() {
        let Layer { ln_1, attn_c_attn, attn_c_proj, ln_2, mlp_c_fc, mlp_c_proj } = layer;
        let at = Some(index as u32);
        let [embd, inner] = [config.n_embd as usize, config.n_inner as usize];
        put("LN_1_WEIGHT", at, ln_1.weight.clone());
        put("LN_1_BIAS", at, ln_1.bias.clone());
        put("ATTN_C_ATTN_WEIGHT", at, sheet.matrix(&attn_c_attn.weight, [embd, 3 * embd], Sheet::plain, Sheet::heads));
        put("ATTN_C_ATTN_BIAS", at, sheet.vector(&attn_c_attn.bias, Sheet::heads));
        put("ATTN_C_PROJ_WEIGHT", at, sheet.matrix(&attn_c_proj.weight, [embd, embd], Sheet::heads, Sheet::plain));
        put("ATTN_C_PROJ_BIAS", at, attn_c_proj.bias.clone());
        put("LN_2_WEIGHT", at, ln_2.weight.clone());
        put("LN_2_BIAS", at, ln_2.bias.clone());
        put("MLP_C_FC_WEIGHT", at, sheet.matrix(&mlp_c_fc.weight, [embd, inner], Sheet::plain, Sheet::plain));
        put("MLP_C_FC_BIAS", at, mlp_c_fc.bias.clone());
        put("MLP_C_PROJ_WEIGHT", at, sheet.matrix(&mlp_c_proj.weight, [inner, embd], Sheet::plain, Sheet::plain));
        put("MLP_C_PROJ_BIAS", at, mlp_c_proj.bias.clone());
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
    /// Padded place of an element whose padding is all at the end.
    fn plain(&self, index: usize) -> usize {
        index
    }

    /// Padded place of an element of a vector of heads (or of query, key and value, each a vector of heads).
    fn heads(&self, index: usize) -> usize {
        let head_dim = self.config.head_dim() as usize;
        index / head_dim * 4 * self.widths.head4 as usize + index % head_dim
    }

    fn vector(&self, values: &[f32], place: fn(&Self, usize) -> usize) -> Vec<f32> {
        let mut padded = vec![0f32; place(self, values.len() - 1) + 1];
        for (index, &value) in values.iter().enumerate() {
            padded[place(self, index)] = value;
        }
        padded
    }

    /// `values` is `[rows, columns]` = `[in, out]`.
    fn matrix(
        &self,
        values: &[f32],
        [rows, columns]: [usize; 2],
        place_in: fn(&Self, usize) -> usize,
        place_out: fn(&Self, usize) -> usize,
    ) -> Vec<f32> {
        let padded_rows = (place_in(self, rows - 1) + 1).next_multiple_of(4);
        let padded_columns = (place_out(self, columns - 1) + 1).next_multiple_of(4);
        let mut padded = vec![0f32; padded_rows * padded_columns];
        for (row, line) in values.chunks_exact(columns).enumerate() {
            for (column, &value) in line.iter().enumerate() {
                let (i, j) = (place_in(self, row), place_out(self, column));
                padded[match self.layout {
                    Layout::InOut => i * padded_columns + j,
                    Layout::OutIn(_) => j * padded_rows + i,
                }] = value;
            }
        }
        self.in_format(padded, padded_rows)
    }

    /// The output head: `wte` is `[vocab, n_embd]`, that is `[out, in]`.
    fn head(&self, wte: &[f32]) -> Vec<f32> {
        let [embd, vocab] = [self.config.n_embd as usize, self.config.vocab_size as usize];
        let [rows, columns] = [4 * self.widths.n_embd4 as usize, 4 * self.widths.vocab4 as usize];
        let mut padded = vec![0f32; rows * columns];
        for token in 0..vocab {
            for i in 0..embd {
                padded[match self.layout {
                    Layout::InOut => i * columns + token,
                    Layout::OutIn(_) => token * rows + i,
                }] = wte[token * embd + i];
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
