//! What a GGUF file says: its metadata, and where its tensors lie.
//!
//! Read here, not by a crate. `gguf-rs-lib` 0.3 (MIT) is kept and bounds what a file may claim, but reads through `io::Read`,
//! copies each token of a vocabulary into a value of its own, and brings 13,000 lines; `gguf-rs` 0.1 copies too and brings `clap`;
//! `gguf` 0.1 checks no tensor against the file; `ggus` 0.5 panics on a key of another type. None of them unpacks a block.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use super::quantization::{self, Type};
use crate::error::{Error, Result, printable};

/// Arrays within arrays: none is known to need more than two.
const DEEPEST: usize = 4;
/// As in ggml.
const MOST_DIMENSIONS: usize = 4;
const DEFAULT_ALIGNMENT: u64 = 32;

const AGAIN: &str = "copy or download the file again";

/// The file's directory. It holds no borrow, so that its owner may keep the bytes beside it; whatever takes `bytes` wants
/// those that were parsed.
#[derive(Clone, Debug)]
pub struct File {
    pub version: u32,
    pub metadata: BTreeMap<String, Value>,
    pub tensors: BTreeMap<String, Tensor>,
}

/// Where a tensor lies, and what its blocks are.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Row-major: the last dimension lies together. (GGUF itself writes them the other way round.)
    pub shape: Vec<usize>,
    pub kind: &'static Type,
    pub bytes: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Unsigned(u64),
    Signed(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    Text(String),
    Array(Array),
}

/// An array stays where it is in the file: a vocabulary has 100,000 entries, which are read once.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    kind: u32,
    pub count: usize,
    bytes: Range<usize>,
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes of a value by its type number; none for text and arrays, which say it themselves.
fn width(kind: u32) -> Option<usize> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

impl File {
    /// Reads the directory of a whole file.
    ///
    /// # Errors
    ///
    /// One line for what is no GGUF file, is truncated, or claims what its bytes cannot hold.
    pub fn parse(bytes: &[u8]) -> Result<File> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(4, "the magic")? != b"GGUF" {
            return Err(Error::input("not a GGUF file (its first bytes are not `GGUF`); give a model's .gguf"));
        }
        let version = reader.u32("the version")?;
        if version != 0 && version.trailing_zeros() >= 16 {
            return Err(Error::input("a GGUF file in big-endian order; convert the model for little-endian machines"));
        }
        if !(2..=3).contains(&version) {
            return Err(Error::input(format!(
                "GGUF version {version}; versions 2 and 3 are read, convert the model again"
            )));
        }
        let tensors = reader.u64("the number of tensors")?;
        let keys = reader.u64("the number of keys")?;
        let metadata = metadata(&mut reader, keys)?;
        let alignment = alignment(&metadata)?;
        let mut infos = BTreeMap::new();
        // Nothing is allocated for a claimed count: each entry is read from bytes that are there, or the loop ends.
        for _ in 0..tensors {
            let (name, info) = Info::read(&mut reader)?;
            if !info.offset.is_multiple_of(alignment) {
                return Err(tensor_error(&name, &format!("lies at {}, no multiple of {alignment}", info.offset)));
            }
            if let Err(name) = insert(&mut infos, name, info) {
                return Err(tensor_error(&name, "is there twice"));
            }
        }
        let start = (reader.at as u64).next_multiple_of(alignment);
        let tensors = infos
            .into_iter()
            .map(|(name, info)| match info.place(start, bytes.len() as u64) {
                Some(tensor) => Ok((name, tensor)),
                None => Err(tensor_error(&name, "ends beyond the file")),
            })
            .collect::<Result<BTreeMap<_, _>>>()?;
        apart(&tensors)?;
        Ok(File { version, metadata, tensors })
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A whole number from 0, of any width.
    pub fn whole(&self, key: &str) -> Option<u64> {
        match *self.get(key)? {
            Value::Unsigned(number) => Some(number),
            Value::Signed(number) => number.try_into().ok(),
            _ => None,
        }
    }

    /// A number as its writer meant it: 1e-5 in f32 is the decimal 1e-5, not the f32 next to it widened.
    pub fn number(&self, key: &str) -> Option<f64> {
        match *self.get(key)? {
            Value::F32(number) => number.to_string().parse().ok(),
            Value::F64(number) => Some(number),
            Value::Unsigned(number) => Some(number as f64),
            Value::Signed(number) => Some(number as f64),
            _ => None,
        }
    }

    /// The texts of an array of texts.
    pub fn texts<'a>(&self, bytes: &'a [u8], key: &str) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        let Value::Array(array) = self.get(key)? else { return None };
        let mut reader = Reader { bytes: bytes.get(array.bytes.clone())?, at: 0 };
        let count = if array.kind == TEXT { array.count } else { return None };
        // Each was read when the file was parsed.
        Some((0..count).map_while(move |_| reader.text("a text").ok()))
    }

    /// The numbers of an array of numbers.
    pub fn numbers<'a>(&self, bytes: &'a [u8], key: &str) -> Option<impl Iterator<Item = f64> + use<'a>> {
        let Value::Array(array) = self.get(key)? else { return None };
        let mut reader = Reader { bytes: bytes.get(array.bytes.clone())?, at: 0 };
        let (kind, count) = width(array.kind).map(|_| (array.kind, array.count))?;
        Some((0..count).map_while(move |_| match reader.value(kind, "a number", 0).ok()? {
            Value::Unsigned(number) => Some(number as f64),
            Value::Signed(number) => Some(number as f64),
            Value::F32(number) => Some(f64::from(number)),
            Value::F64(number) => Some(number),
            Value::Bool(flag) => Some(f64::from(flag)),
            Value::Text(_) | Value::Array(_) => None,
        }))
    }
}

fn metadata(reader: &mut Reader, keys: u64) -> Result<BTreeMap<String, Value>> {
    let mut metadata = BTreeMap::new();
    for _ in 0..keys {
        let key = reader.text("a key")?.to_string();
        let kind = reader.u32(&key)?;
        let value = reader.value(kind, &key, 0)?;
        if let Err(key) = insert(&mut metadata, key, value) {
            return Err(Error::input(format!("damaged: key {} is there twice; {AGAIN}", printable(&key))));
        }
    }
    Ok(metadata)
}

/// Inserts, or gives the key back that is there already.
fn insert<T>(map: &mut BTreeMap<String, T>, key: String, value: T) -> std::result::Result<(), String> {
    match map.entry(key) {
        Entry::Vacant(place) => {
            place.insert(value);
            Ok(())
        }
        Entry::Occupied(place) => Err(place.key().clone()),
    }
}

fn alignment(metadata: &BTreeMap<String, Value>) -> Result<u64> {
    match metadata.get("general.alignment") {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(Value::Unsigned(alignment)) if alignment.is_power_of_two() && *alignment <= 1 << 31 => Ok(*alignment),
        Some(_) => Err(Error::input(format!("damaged: general.alignment is no power of two; {AGAIN}"))),
    }
}

/// Tensors share no byte: many that do would unpack to far more than the file holds.
fn apart(tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let mut places: Vec<_> =
        tensors.iter().map(|(name, tensor)| (tensor.bytes.start, tensor.bytes.end, name)).collect();
    places.sort_unstable();
    match places.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        Some(pair) => Err(tensor_error(pair[1].2, &format!("overlaps {}", printable(pair[0].2)))),
        None => Ok(()),
    }
}

/// A tensor as the file lists it.
struct Info {
    shape: Vec<usize>,
    kind: &'static Type,
    length: u64,
    offset: u64,
}

impl Info {
    fn read(reader: &mut Reader) -> Result<(String, Info)> {
        let name = reader.text("the name of a tensor")?.to_string();
        let dimensions = reader.u32(&name)? as usize;
        if dimensions > MOST_DIMENSIONS {
            return Err(tensor_error(
                &name,
                &format!("has {dimensions} dimensions, at most {MOST_DIMENSIONS} are read"),
            ));
        }
        let sizes = (0..dimensions).map(|_| reader.u64(&name)).collect::<Result<Vec<u64>>>()?;
        let number = reader.u32(&name)?;
        let offset = reader.u64(&name)?;
        let Some(kind) = quantization::find(number) else {
            return Err(Error::input(format!(
                "tensor {} is of type {number}, which is not known; quantize the model to another type, such as Q8_0",
                printable(&name)
            )));
        };
        let elements = sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
        let Some(elements) = elements.filter(|&elements| elements > 0 && elements <= u64::from(u32::MAX)) else {
            return Err(tensor_error(&name, &format!("has sizes {sizes:?}; it must have 1 to {} elements", u32::MAX)));
        };
        let row = sizes.first().copied().unwrap_or(1);
        if !row.is_multiple_of(kind.elements as u64) {
            let blocks = format!("has rows of {row}, no multiple of the {} of a {} block", kind.elements, kind.name);
            return Err(tensor_error(&name, &blocks));
        }
        let length = elements / kind.elements as u64 * kind.bytes as u64;
        // Each size is below 2^32 now, as their product is.
        let shape = sizes.iter().rev().map(|&size| size as usize).collect();
        Ok((name, Info { shape, kind, length, offset }))
    }

    fn place(self, start: u64, file: u64) -> Option<Tensor> {
        let start = start.checked_add(self.offset)?;
        let end = start.checked_add(self.length).filter(|&end| end <= file)?;
        Some(Tensor { shape: self.shape, kind: self.kind, bytes: start as usize..end as usize })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end =
            end.ok_or_else(|| Error::input(format!("damaged: the file ends within {}; {AGAIN}", printable(what))))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A length that this machine can count; what is longer is not in the file.
    fn length(&mut self, what: &str) -> Result<usize> {
        self.u64(what).map(|length| usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn text(&mut self, what: &str) -> Result<&'a str> {
        let length = self.length(what)?;
        std::str::from_utf8(self.take(length, what)?)
            .map_err(|_| Error::input(format!("damaged: {} is not UTF-8; {AGAIN}", printable(what))))
    }

    fn value(&mut self, kind: u32, what: &str, depth: usize) -> Result<Value> {
        Ok(match kind {
            0 => Value::Unsigned(self.array::<1>(what)?[0].into()),
            1 => Value::Signed(i8::from_le_bytes(self.array(what)?).into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.array(what)?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.array(what)?).into()),
            4 => Value::Unsigned(self.u32(what)?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.array(what)?).into()),
            6 => Value::F32(f32::from_le_bytes(self.array(what)?)),
            7 => Value::Bool(self.array::<1>(what)?[0] != 0),
            TEXT => Value::Text(self.text(what)?.to_string()),
            ARRAY => Value::Array(self.list(what, depth)?),
            10 => Value::Unsigned(self.u64(what)?),
            11 => Value::Signed(i64::from_le_bytes(self.array(what)?)),
            12 => Value::F64(f64::from_le_bytes(self.array(what)?)),
            _ => return Err(Error::input(format!("damaged: {} is of unknown type {kind}; {AGAIN}", printable(what)))),
        })
    }

    fn list(&mut self, what: &str, depth: usize) -> Result<Array> {
        let kind = self.u32(what)?;
        let count = self.length(what)?;
        let start = self.at;
        match (width(kind), kind) {
            (Some(width), _) => drop(self.take(count.saturating_mul(width), what)?),
            // Each has a length before it, so that a count beyond the file ends with the file.
            (None, TEXT) => (0..count).try_for_each(|_| self.text(what).map(drop))?,
            (None, ARRAY) if depth < DEEPEST => (0..count).try_for_each(|_| self.list(what, depth + 1).map(drop))?,
            (None, ARRAY) => {
                return Err(Error::input(format!("damaged: {} nests over {DEEPEST} arrays; {AGAIN}", printable(what))));
            }
            _ => return Err(Error::input(format!("damaged: {} lists unknown type {kind}; {AGAIN}", printable(what)))),
        }
        Ok(Array { kind, count, bytes: start..self.at })
    }
}

fn tensor_error(name: &str, fault: &str) -> Error {
    Error::input(format!("damaged: tensor {} {fault}; {AGAIN}", printable(name)))
}

#[cfg(test)]
mod tests;
