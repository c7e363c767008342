//! The stepwise arm: one dispatch per operation, 4 + 7 n_layer for each new token.
//!
//! Operations that any framework fuses (bias, residual, GELU behind a matrix; softmax within attention) are fused here
//! too: the baseline is to be a good one.

use std::collections::BTreeMap;

use super::model::{Config, Request, Sampling};
use super::packing::{Layout, Map, Widths};
use super::{Tuning, buffers};
use crate::program::{Binding, Dispatch, Kernel, Phase, Program};

/// What a matrix's output becomes: the constant STAGE of `linear.wgsl`.
#[derive(Clone, Copy)]
enum Stage {
    Plain = 0,
    Residual = 1,
    Gelu = 2,
    Head = 3,
}

pub fn program(config: &Config, request: &Request, tuning: &Tuning) -> Program {
    let mut steps = Steps::new(config, request, tuning);
    let prompt = steps.token(false);
    let decode = steps.token(true);
    Program {
        name: "stepwise".into(),
        buffers: steps.program_buffers,
        kernels: steps.kernels,
        phases: vec![
            Phase { name: "prompt".into(), repeat: request.prompt.len() as u32 - 1, dispatches: prompt },
            Phase { name: "decode".into(), repeat: request.new_tokens, dispatches: decode },
        ],
        outputs: vec!["tokens".into(), "logits".into()],
    }
}

struct Steps<'a> {
    config: &'a Config,
    request: &'a Request,
    tuning: &'a Tuning,
    widths: Widths,
    map: Map,
    program_buffers: Vec<crate::program::Buffer>,
    kernels: Vec<Kernel>,
}

impl<'a> Steps<'a> {
    fn new(config: &'a Config, request: &'a Request, tuning: &'a Tuning) -> Self {
        Steps {
            config,
            request,
            tuning,
            widths: Widths::of(config),
            map: Map::of(config, Layout::InOut),
            program_buffers: buffers::stepwise(config, request, tuning),
            kernels: Vec::new(),
        }
    }

    /// The dispatches of one token: through the layers, then to the next token where `chooses`.
    fn token(&mut self, chooses: bool) -> Vec<Dispatch> {
        let Widths { n_embd4, heads4, n_inner4, vocab4, .. } = self.widths;
        let mut dispatches = vec![self.embed()];
        for layer in 0..self.config.n_layer {
            let at = Some(layer);
            dispatches.extend([
                self.norm("LN_1", at),
                self.linear(Stage::Plain, "ATTN_C_ATTN", at, ("normed", n_embd4), ("query_key_value", 3 * heads4)),
                self.attention(layer),
                self.linear(Stage::Residual, "ATTN_C_PROJ", at, ("attended", heads4), ("stream", n_embd4)),
                self.norm("LN_2", at),
                self.linear(Stage::Gelu, "MLP_C_FC", at, ("normed", n_embd4), ("inner", n_inner4)),
                self.linear(Stage::Residual, "MLP_C_PROJ", at, ("inner", n_inner4), ("stream", n_embd4)),
            ]);
        }
        if chooses {
            dispatches.extend([
                self.norm("LN_F", None),
                self.linear(Stage::Head, "WTE", None, ("normed", n_embd4), ("logits", vocab4)),
                self.sample(),
            ]);
        } else {
            dispatches.push(self.advance());
        }
        dispatches
    }

    fn embed(&mut self) -> Dispatch {
        let size = self.tuning.workgroup_size;
        let kernel =
            self.kernel("embed", "embed", &[("N_EMBD4", self.widths.n_embd4), ("VOCAB4", self.widths.vocab4)], size, 0);
        let bindings = vec![
            self.whole("state"),
            self.whole("tokens"),
            self.tensor("WTE", None),
            self.tensor("WPE", None),
            self.whole("stream"),
        ];
        Dispatch { kernel, bindings, workgroups: self.widths.n_embd4.div_ceil(size) }
    }

    fn norm(&mut self, name: &str, layer: Option<u32>) -> Dispatch {
        let size = self.tuning.workgroup_size;
        let sizes = [("N_EMBD", self.config.n_embd), ("N_EMBD4", self.widths.n_embd4)];
        let kernel = self.kernel("norm", "norm", &sizes, size, 4 * u64::from(size));
        self.kernels[kernel].constants.insert("EPSILON".into(), self.config.layer_norm_epsilon);
        let bindings = vec![
            self.whole("state"),
            self.whole("stream"),
            self.tensor(&format!("{name}_WEIGHT"), layer),
            self.tensor(&format!("{name}_BIAS"), layer),
            self.whole("normed"),
        ];
        Dispatch { kernel, bindings, workgroups: 1 }
    }

    fn linear(
        &mut self,
        stage: Stage,
        name: &str,
        layer: Option<u32>,
        (input, in4): (&str, u32),
        (output, out4): (&str, u32),
    ) -> Dispatch {
        // Sixteen columns are 256 contiguous bytes of a row: whole cache lines for any GPU.
        let columns = out4.min(16).min(self.tuning.workgroup_size);
        let slices = (self.tuning.workgroup_size / columns).clamp(1, in4);
        let sizes = [("COLUMNS", columns), ("SLICES", slices), ("IN4", in4), ("OUT4", out4), ("STAGE", stage as u32)];
        let threads = columns * slices;
        let kernel = self.kernel("linear", "linear", &sizes, threads, 16 * u64::from(threads));
        let (weight, bias) = match stage {
            // The tied head has no bias; the shader does not read what is bound in its place.
            Stage::Head => (self.tensor(name, layer), self.tensor("LN_F_BIAS", None)),
            _ => (self.tensor(&format!("{name}_WEIGHT"), layer), self.tensor(&format!("{name}_BIAS"), layer)),
        };
        let bindings = vec![self.whole("state"), self.whole(input), weight, bias, self.whole(output)];
        Dispatch { kernel, bindings, workgroups: out4.div_ceil(columns) }
    }

    fn attention(&mut self, layer: u32) -> Dispatch {
        let size = self.tuning.workgroup_size.max(self.widths.head4);
        let positions = self.tuning.capacity;
        let sizes = [("HEAD4", self.widths.head4), ("HEADS4", self.widths.heads4), ("POSITIONS", positions)];
        let kernel = self.kernel("attention", "attention", &sizes, size, 24 * u64::from(size));
        self.kernels[kernel].constants.insert("SCALE".into(), self.config.attention_scale());
        let bindings = vec![
            self.whole("state"),
            self.whole("query_key_value"),
            self.whole(&format!("cache-{layer}")),
            self.whole("scores"),
            self.whole("attended"),
        ];
        Dispatch { kernel, bindings, workgroups: self.config.n_head }
    }

    fn sample(&mut self) -> Dispatch {
        let size = self.tuning.workgroup_size;
        let sizes = [("VOCAB_SIZE", self.config.vocab_size), ("VOCAB4", self.widths.vocab4)];
        let kernel = self.kernel("sample", "sample", &sizes, size, 8 * u64::from(size) + 16);
        let sampled = self.request.sampling != Sampling::Greedy;
        self.kernels[kernel].constants.insert("SAMPLED".into(), f64::from(u8::from(sampled)));
        let names = ["state", "logits", "tokens", "request"];
        let bindings = names.map(|name| self.whole(name)).to_vec();
        Dispatch { kernel, bindings, workgroups: 1 }
    }

    fn advance(&mut self) -> Dispatch {
        let kernel = self.kernel("sample", "advance", &[], 1, 0);
        let bindings = vec![self.whole("state")];
        Dispatch { kernel, bindings, workgroups: 1 }
    }

    /// Index of the kernel with these constants, added where it is new.
    fn kernel(&mut self, file: &str, entry: &str, sizes: &[(&str, u32)], workgroup_size: u32, bytes: u64) -> usize {
        let mut constants: BTreeMap<String, f64> =
            sizes.iter().map(|&(name, value)| (name.to_string(), f64::from(value))).collect();
        if entry != "advance" {
            constants.insert("WORKGROUP_SIZE".into(), f64::from(workgroup_size));
        }
        let shader = format!("decode/{file}.wgsl");
        let same = |kernel: &Kernel| {
            kernel.shader == shader
                && kernel.entry == entry
                && constants.iter().all(|(name, value)| kernel.constants.get(name) == Some(value))
        };
        self.kernels.iter().position(same).unwrap_or_else(|| {
            self.kernels.push(Kernel {
                shader: shader.clone(),
                entry: entry.into(),
                constants: constants.clone(),
                workgroup_size,
                workgroup_bytes: bytes,
                subgroup_size: 0,
                workgroups_together: 1,
                unchecked: false,
            });
            self.kernels.len() - 1
        })
    }

    fn whole(&self, name: &str) -> Binding {
        let buffer =
            self.program_buffers.iter().position(|buffer| buffer.name == name).expect("a buffer of buffers.rs");
        Binding { buffer, offset: 0, bytes: self.program_buffers[buffer].bytes }
    }

    /// The range of the weights from a tensor's start: as much as the tensor has.
    fn tensor(&self, name: &str, layer: Option<u32>) -> Binding {
        Binding { offset: self.map.at(name, layer), bytes: self.map.tensor_bytes(name), ..self.whole("weights") }
    }
}
