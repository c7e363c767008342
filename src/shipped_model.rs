//! The small model that comes with the program: `models/README.md` says what it is and cannot do.

use crate::workload::decode::model_files::{GgufFile, ModelFiles};

/// Its file's name, in `models/` and on the page.
pub const NAME: &str = "prose-3m.gguf";

pub static BYTES: &[u8] = include_bytes!("../models/prose-3m.gguf");

pub fn files() -> ModelFiles {
    ModelFiles::Gguf(GgufFile::of_bytes(NAME, BYTES))
}
