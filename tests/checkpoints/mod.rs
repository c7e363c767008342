//! Checkpoints as tests write them: a small GPT-2 with random weights, tensor by tensor.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use half::{bf16, f16};
use onedispatch::workload::decode::checkpoint::{self, Checkpoint};
use onedispatch::workload::decode::model::{Config, Weights};
use onedispatch::workload::decode::model_files::ModelFiles;
use onedispatch::workload::decode::{random, tensors};
use safetensors::tensor::{Dtype, TensorView, serialize};

pub fn config() -> Config {
    Config {
        vocab_size: 10,
        n_positions: 6,
        n_embd: 8,
        n_head: 2,
        n_layer: 2,
        n_inner: 12,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        block: Default::default(),
        stored: None,
    }
}

pub const CONFIG_JSON: &str = r#"{"model_type": "gpt2", "vocab_size": 10, "n_positions": 6, "n_embd": 8, "n_head": 2,
    "n_layer": 2, "n_inner": 12, "eos_token_id": 3}"#;

/// A tensor as it is in a file.
#[derive(Clone)]
pub struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

pub type File = BTreeMap<String, Stored>;

pub fn stored(values: &[f32], shape: &[usize], dtype: Dtype) -> Stored {
    let bytes = values
        .iter()
        .flat_map(|&value| match dtype {
            Dtype::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
            Dtype::BF16 => bf16::from_f32(value).to_le_bytes().to_vec(),
            Dtype::F64 => f64::from(value).to_le_bytes().to_vec(),
            _ => value.to_le_bytes().to_vec(),
        })
        .collect();
    Stored { dtype, shape: shape.to_vec(), bytes }
}

pub fn weights() -> Weights {
    random::weights(&config(), 1)
}

pub fn file(dtype: Dtype, prefix: &str) -> File {
    let weights = weights();
    tensors::tensors(&config())
        .zip(tensors::values(&weights))
        .map(|(tensor, values)| (format!("{prefix}{}", tensor.name), stored(&values.of(&tensor), &tensor.shape, dtype)))
        .collect()
}

pub fn bytes(file: &File) -> Vec<u8> {
    let views = file.iter().map(|(name, tensor)| {
        (name.clone(), TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).unwrap())
    });
    serialize(views, None).unwrap()
}

/// A directory under the build directory, removed when dropped.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("checkpoint-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }

    pub fn with(self, name: &str, contents: impl AsRef<[u8]>) -> Dir {
        std::fs::write(self.0.join(name), contents).unwrap();
        self
    }

    pub fn load(&self) -> onedispatch::error::Result<Checkpoint> {
        checkpoint::load(&ModelFiles::open(&self.0)?)
    }

    /// The one line that loading fails with, without the directory's path.
    pub fn refusal(&self) -> String {
        let error = self.load().expect_err("the checkpoint is faulty");
        assert_eq!(error.exit_code(), 2);
        let line = error.to_string().replace(&format!("{}/", self.0.display()), "");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.len() < 800, "{line}");
        line
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn dir(model: impl AsRef<[u8]>) -> Dir {
    Dir::new().with("config.json", CONFIG_JSON).with("model.safetensors", model)
}
