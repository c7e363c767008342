//! Where a model lies: in a Hugging Face directory, or in one GGUF file.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

pub enum ModelFiles {
    Directory(PathBuf),
    Gguf(GgufFile),
}

/// A GGUF file, opened once for its weights, its tokenizer and its chat template.
pub struct GgufFile {
    /// What messages call it.
    pub name: String,
    bytes: Box<dyn AsRef<[u8]>>,
}

impl GgufFile {
    /// Of bytes that are there already.
    pub fn of_bytes(name: impl Into<String>, bytes: impl AsRef<[u8]> + 'static) -> GgufFile {
        GgufFile { name: name.into(), bytes: Box::new(bytes) }
    }

    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }
}

impl ModelFiles {
    /// The model at `path`. A GGUF file is mapped into memory, so that only what is read of it is held.
    ///
    /// # Errors
    /// One line where there is neither a directory nor a file, or where the file cannot be read.
    pub fn open(path: &Path) -> Result<ModelFiles> {
        if path.is_file() {
            let bytes = mapped(path).map_err(|error| Error::io(path, error))?;
            return Ok(ModelFiles::Gguf(GgufFile::of_bytes(path.display().to_string(), bytes)));
        }
        if path.is_dir() {
            return Ok(ModelFiles::Directory(path.to_owned()));
        }
        Err(Error::input(format!(
            "{}: no such directory; give one with config.json and model.safetensors, or a GGUF file",
            path.display()
        )))
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        match self {
            ModelFiles::Directory(path) => path.display().to_string(),
            ModelFiles::Gguf(file) => file.name.clone(),
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn mapped(path: &Path) -> std::io::Result<memmap2::Mmap> {
    let file = std::fs::File::open(path)?;
    // SAFETY: the map is read alone. As with every program that maps its models, a file must not be cut short while it is read.
    unsafe { memmap2::Mmap::map(&file) }
}

#[cfg(target_arch = "wasm32")]
fn mapped(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}
