//! Tensors of safetensors files: of one, or of shards that an index names. A file is read tensor by tensor, so that no more of it is
//! held than what is asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;

use super::file_bytes::{FileBytes, Shared};
use super::format::Format;
use super::matrix::Rows;
use super::python_json;
use super::tensor_source::{Stored, TensorSource};
use crate::error::{Error, Result, Within, printable};

/// As the format's own library has it.
const LONGEST_HEADER: u64 = 100_000_000;

/// Models with many experts have an index of some MiB.
const MOST_INDEX_MIB: u64 = 64;

/// What names the shards of a model.
pub const INDEX: &str = "model.safetensors.index.json";

/// Where a file's bytes are.
enum Bytes {
    Here(Shared),
    At(PathBuf),
}

impl Bytes {
    fn len(&self) -> Result<u64> {
        match self {
            Bytes::Here(bytes) => Ok(bytes.as_ref().len() as u64),
            Bytes::At(path) => Ok(std::fs::metadata(path).map_err(|error| Error::io(path, error))?.len()),
        }
    }

    /// `length` bytes from `start` on, which are there.
    fn read(&self, start: u64, length: usize) -> Result<Cow<'_, [u8]>> {
        match self {
            Bytes::Here(bytes) => Ok(Cow::Borrowed(&bytes.as_ref()[start as usize..][..length])),
            Bytes::At(path) => {
                let mut bytes = vec![0; length];
                File::open(path)
                    .and_then(|mut file| {
                        file.seek(SeekFrom::Start(start))?;
                        file.read_exact(&mut bytes)
                    })
                    .map_err(|error| Error::io(path, error))?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// The same, to be kept.
    fn part(&self, start: u64, length: usize) -> Result<Shared> {
        match self {
            Bytes::Here(bytes) => Ok(bytes.part(start as usize..start as usize + length)),
            Bytes::At(_) => Ok(self.read(start, length)?.into_owned().into()),
        }
    }
}

/// Where a tensor is.
struct Place {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    /// From the beginning of the file.
    start: u64,
    bytes: usize,
}

pub struct Safetensors {
    files: Vec<Bytes>,
    places: BTreeMap<String, Place>,
}

impl Safetensors {
    /// From the bytes of one file.
    pub fn of_bytes(bytes: Shared) -> Result<Safetensors> {
        let bytes = Bytes::Here(bytes);
        let places = places(&bytes, 0)?.into_iter().collect();
        Ok(Safetensors { files: vec![bytes], places })
    }

    /// Of one file.
    pub fn open(path: &Path) -> Result<Safetensors> {
        let bytes = Bytes::At(path.to_owned());
        let places = places(&bytes, 0).map_err(|error| named(error, path))?.into_iter().collect();
        Ok(Safetensors { files: vec![bytes], places })
    }

    /// Of the shards that the index in `dir` names.
    pub fn open_shards(dir: &Path) -> Result<Safetensors> {
        let index = dir.join(INDEX);
        let weight_map = weight_map(&python_json::text(&index, MOST_INDEX_MIB)?).within(index.display())?;
        let shards: Vec<&String> = weight_map.values().collect::<BTreeSet<_>>().into_iter().collect();
        let mut files = Vec::new();
        let mut all: BTreeMap<String, Place> = BTreeMap::new();
        for (number, shard) in shards.iter().enumerate() {
            let path = dir.join(shard);
            if !path.is_file() {
                let mend = "copy or download it to its place beside the others";
                return Err(Error::input(format!(
                    "{}: {INDEX} names this file, which is not there; {mend}",
                    path.display()
                )));
            }
            let bytes = Bytes::At(path.clone());
            for (name, place) in places(&bytes, number).map_err(|error| named(error, &path))? {
                if let Some(other) = all.get(&name) {
                    let (name, other) = (printable(&name), shards[other.file]);
                    let mend = "the shards are not of one model; copy or download them again";
                    return Err(Error::input(format!(
                        "{}: tensor {name} is in {other} as well; {mend}",
                        path.display()
                    )));
                }
                all.insert(name, place);
            }
            files.push(bytes);
        }
        let is_there = |name: &str, shard: &str| all.get(name).is_some_and(|place| shards[place.file] == shard);
        if let Some((name, shard)) = weight_map.iter().find(|(name, shard)| !is_there(name, shard)) {
            return Err(Error::input(format!(
                "{}: tensor {} is said to be in {shard}, which has none of that name; copy or download the shards again",
                index.display(),
                printable(name)
            )));
        }
        Ok(Safetensors { files, places: all })
    }
}

/// Errors of files name them already.
fn named(error: Error, path: &Path) -> Error {
    let place = path.display().to_string();
    if error.to_string().starts_with(&place) { error } else { Err::<(), _>(error).within(place).unwrap_err() }
}

/// File names by tensors, each of a file beside the index.
fn weight_map(text: &str) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let mend = "copy or download it again";
    let Index { weight_map } = serde_json::from_str(text)
        .map_err(|error| Error::input(format!("no index of shards ({}); {mend}", printable(&error.to_string()))))?;
    let is_plain = |name: &str| {
        name.ends_with(".safetensors") && !name.contains(['/', '\\', ':', '\0']) && !name.chars().any(char::is_control)
    };
    if let Some((tensor, file)) = weight_map.iter().find(|(_, file)| !is_plain(file)) {
        let [tensor, file] = [tensor, file].map(|name| printable(name));
        return Err(Error::input(format!(
            "weight_map puts {tensor} in `{file}`, which is no name of a safetensors file beside the index; {mend}"
        )));
    }
    if weight_map.is_empty() {
        return Err(Error::input(format!("its weight_map names no tensor; {mend}")));
    }
    Ok(weight_map)
}

/// The tensors of file `number`, by its header.
fn places(file: &Bytes, number: usize) -> Result<Vec<(String, Place)>> {
    let length = file.len()?;
    if length < 8 {
        return Err(damaged(&format!("{length} bytes are no safetensors file")));
    }
    let claimed = file.read(0, 8)?.first_chunk().map_or(0, |&bytes| u64::from_le_bytes(bytes));
    if claimed > LONGEST_HEADER || claimed > length - 8 {
        return Err(damaged(&format!("its header claims {claimed} bytes, and the file has {length}")));
    }
    let header = file.read(8, claimed as usize)?;
    // The library checks that tensors follow each other without a gap, and that sizes fit types and shapes.
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| damaged(&format!("invalid header: {}", printable(&error.to_string()))))?;
    let start = 8 + claimed;
    if u64::try_from(metadata.data_len()).ok().and_then(|data| data.checked_add(start)) != Some(length) {
        return Err(damaged("its tensors end elsewhere than the file does"));
    }
    let place = |name: String| {
        let info = metadata.info(&name)?;
        let (from, to) = info.data_offsets;
        let (dtype, shape, bytes) = (info.dtype, info.shape.clone(), to - from);
        Some((name, Place { file: number, dtype, shape, start: start + from as u64, bytes }))
    };
    Ok(metadata.offset_keys().into_iter().filter_map(place).collect())
}

fn damaged(what: &str) -> Error {
    Error::input(format!("damaged: {what}; copy or download the file again"))
}

impl TensorSource for Safetensors {
    fn names(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.places.get(name).map(|place| place.shape.clone())
    }

    fn values(&self, name: &str) -> std::result::Result<Vec<f32>, String> {
        let place = self.place(name)?;
        let bytes = || self.bytes(place);
        match place.dtype {
            Dtype::F32 => Ok(each(&bytes()?, f32::from_le_bytes)),
            Dtype::F16 => Ok(each(&bytes()?, |element| f16::from_le_bytes(element).to_f32())),
            Dtype::BF16 => Ok(each(&bytes()?, |element| bf16::from_le_bytes(element).to_f32())),
            Dtype::F64 => Ok(each(&bytes()?, |element| f64::from_le_bytes(element) as f32)),
            other => Err(format!("tensor {} is of type {other}; F32, F16, BF16 and F64 are read", printable(name))),
        }
    }

    fn stored(&self, name: &str) -> std::result::Result<Stored, String> {
        let place = self.place(name)?;
        let width = place.shape.last().copied().unwrap_or(0);
        let format = match place.dtype {
            Dtype::F32 => Format::F32,
            Dtype::F16 => Format::F16,
            Dtype::BF16 => Format::Bf16,
            _ => return Ok(Stored::rows(Rows::of_f32(self.values(name)?, width))),
        };
        let bytes = self.files[place.file].part(place.start, place.bytes).map_err(|error| error.to_string())?;
        Ok(Stored::rows(Rows::packed(format, bytes, width)))
    }
}

impl Safetensors {
    fn place(&self, name: &str) -> std::result::Result<&Place, String> {
        self.places.get(name).ok_or_else(|| format!("tensor {} is missing", printable(name)))
    }

    fn bytes(&self, place: &Place) -> std::result::Result<Cow<'_, [u8]>, String> {
        self.files[place.file].read(place.start, place.bytes).map_err(|error| error.to_string())
    }
}

fn each<const N: usize>(bytes: &[u8], of: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&element| of(element)).collect()
}
