//! What a format makes of a model: which of its matrices are in it, what it has no number for, and the model that is left.

use super::format::{Format, Formats};
use super::matrix::Matrix;
use super::model::{Config, Weights};
use super::tensors::{self, Entry, Values};
use crate::error::{Error, Result};

impl Format {
    /// Refuses a model with a weight in a matrix that this format has no number for: it would become infinite.
    pub fn check(self, config: &Config, weights: &Weights) -> Result<()> {
        for (tensor, values) in tensors::tensors(config).zip(tensors::values(weights)) {
            let Values::Matrix(matrix) = values else { continue };
            let format = Formats::of(config, self).at(tensor.entry);
            if let Some((input, output, value)) = matrix.beyond(format) {
                let largest = format.largest();
                let largest = if largest < 1e6 { format!("{largest}") } else { format!("{largest:e}") };
                let mend = if format == Format::Bf16 { "use f32" } else { "use bf16 or f32" };
                let place = if tensor.shape[0] == matrix.inputs() { [input, output] } else { [output, input] };
                return Err(Error::input(format!(
                    "{} {place:?} is {value}, beyond {}'s {largest}; {mend}",
                    tensor.name,
                    format.name(),
                )));
            }
        }
        Ok(())
    }

    /// The model whose matrices (the embedding among them) are rounded: what a kernel in this format computes exactly, and
    /// so what the oracle follows.
    pub fn rounded(self, config: &Config, weights: &Weights) -> Weights {
        let formats = Formats::of(config, self);
        let mut rounded = weights.clone();
        tensors::change_matrices(&mut rounded, |entry, matrix| *matrix = matrix.rounded(formats.at(entry)));
        rounded
    }
}

impl Formats {
    /// What an arm in `format` reads of a model: where that is the format of most of its file, each matrix as the file has it, since
    /// many keep the embedding in a finer one; else all in `format`. Padded heads would cut blocks, so what follows them is in f16.
    pub fn of(config: &Config, format: Format) -> Formats {
        let mut formats = match config.stored {
            Some(stored) if stored.fc == format => stored,
            _ => Formats::all(format),
        };
        if formats.projection.has_scales() && !config.head_dim().is_multiple_of(4) {
            formats.projection = Format::F16;
        }
        formats
    }

    /// As a model's matrices are stored, those of all layers alike; f16 where they differ.
    pub fn stored(weights: &Weights) -> Formats {
        let common = |of: &dyn Fn(&super::model::Layer) -> &Matrix| {
            let mut found = weights.layers.iter().map(|layer| of(layer).format().unwrap_or(Format::F16));
            let first = found.next().unwrap_or_default();
            if found.all(|other| other == first) { first } else { Format::F16 }
        };
        let embedding = weights.wte.format().unwrap_or(Format::F16);
        Formats {
            embedding,
            query_key_value: common(&|layer| &layer.attn_c_attn.weight),
            projection: common(&|layer| &layer.attn_c_proj.weight),
            fc: common(&|layer| &layer.mlp_c_fc.weight),
            mlp: common(&|layer| &layer.mlp_c_proj.weight),
            head: if weights.lm_head.is_empty() { embedding } else { weights.lm_head.format().unwrap_or(Format::F16) },
        }
    }

    /// Whether a matrix is stored otherwise than the same one of another layer, or in several formats.
    pub fn differ_by_layer(weights: &Weights) -> bool {
        let stored = Formats::stored(weights);
        weights.layers.iter().any(|layer| {
            let found = [&layer.attn_c_attn, &layer.attn_c_proj, &layer.mlp_c_fc, &layer.mlp_c_proj];
            let expected = [stored.query_key_value, stored.projection, stored.fc, stored.mlp];
            found.iter().zip(expected).any(|(linear, expected)| linear.weight.format() != Some(expected))
        })
    }

    /// Of a tensor; f32 where that is no matrix.
    pub fn at(&self, entry: &Entry) -> Format {
        match entry.constant {
            "WTE" => self.embedding,
            "ATTN_C_ATTN_WEIGHT" => self.query_key_value,
            "ATTN_C_PROJ_WEIGHT" => self.projection,
            "MLP_C_FC_WEIGHT" => self.fc,
            "MLP_C_PROJ_WEIGHT" => self.mlp,
            "LM_HEAD" => self.head,
            _ => Format::F32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::matrix::Rows;
    use super::super::random;
    use super::*;

    fn change(matrix: &mut Matrix, at: usize, value: f32) {
        let mut values = matrix.by_inputs().into_owned();
        values[at] = value;
        *matrix = Matrix::by_input(Rows::of_f32(values, matrix.outputs()));
    }

    /// What a format cannot hold is found in any matrix, and nowhere else.
    #[test]
    fn weights_beyond_a_format_are_refused() {
        let config = Config {
            vocab_size: 5,
            n_positions: 4,
            n_embd: 4,
            n_head: 2,
            n_layer: 2,
            n_inner: 6,
            layer_norm_epsilon: 1e-5,
            scale_attn_weights: true,
            block: Default::default(),
            stored: None,
        };
        let mut weights = random::weights(&config, 1);
        weights.ln_f.weight[0] = 1e5;
        weights.wpe[0] = 1e39_f64 as f32;
        change(&mut weights.layers[0].mlp_c_fc.weight, 3, -65_519.0);
        assert_eq!(Format::ALL.map(|format| format.check(&config, &weights)), [const { Ok(()) }; Format::ALL.len()]);
        change(&mut weights.layers[1].mlp_c_fc.weight, 7, 70_000.0);
        let line = Format::F16.check(&config, &weights).unwrap_err();
        assert_eq!(line.exit_code(), 2);
        assert_eq!(line.to_string(), "h.1.mlp.c_fc.weight [1, 1] is 70000, beyond f16's 65504; use bf16 or f32");
        assert_eq!(Format::Bf16.check(&config, &weights), Ok(()));
        let mut embedding = weights.wte.by_outputs().into_owned();
        embedding[6] = -f32::MAX;
        weights.wte = Matrix::by_output(vec![Rows::of_f32(embedding, 4)]);
        let line = Format::Bf16.check(&config, &weights).unwrap_err().to_string();
        assert!(
            line.starts_with("wte.weight [1, 2] is -3402823")
                && line.ends_with(", beyond bf16's 3.3895314e38; use f32"),
            "{line}"
        );
    }
}
