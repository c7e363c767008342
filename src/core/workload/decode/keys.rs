//! Keys of a `config.json`: each is read by one of these, or refused by its name.

use serde_json::{Map, Value};

use super::python_json::brief;
use crate::error::{Error, Result};

pub fn only(keys: &Map<String, Value>, key: &str, supported: &[&str], default: Option<&str>) -> Result<()> {
    let supported_names = || supported.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
    match keys.get(key).filter(|value| !value.is_null()) {
        Some(Value::String(found)) if supported.contains(&found.as_str()) => Ok(()),
        Some(found) => Err(Error::input(format!("{key} is {}; supported: {}", brief(found), supported_names()))),
        None if default.is_some() => Ok(()),
        None => Err(Error::input(format!("{key} is missing; supported: {}", supported_names()))),
    }
}

pub fn expect(keys: &Map<String, Value>, key: &str, supported: bool) -> Result<()> {
    match flag(keys, key)? {
        Some(found) if found != supported => Err(Error::input(format!("{key} is {found}; supported: {supported}"))),
        _ => Ok(()),
    }
}

pub fn flag(keys: &Map<String, Value>, key: &str) -> Result<Option<bool>> {
    match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(found)) => Ok(Some(*found)),
        Some(found) => Err(Error::input(format!("{key} is {}; it must be true or false", brief(found)))),
    }
}

pub fn size(keys: &Map<String, Value>, key: &str) -> Result<Option<u32>> {
    match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(found) => match found.as_u64().and_then(|size| u32::try_from(size).ok()) {
            Some(size) => Ok(Some(size)),
            None => Err(Error::input(format!(
                "{key} is {}; it must be a whole number from 1 to {}",
                brief(found),
                u32::MAX
            ))),
        },
    }
}

pub fn required_size(keys: &Map<String, Value>, key: &str) -> Result<u32> {
    size(keys, key)?.ok_or_else(|| Error::input(format!("{key} is missing; it must be a whole number from 1")))
}

pub fn epsilon(keys: &Map<String, Value>, key: &str, default: f64) -> Result<f64> {
    match keys.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(found) => match found.as_f64() {
            Some(epsilon) if epsilon > 0.0 && epsilon < 1.0 => Ok(epsilon),
            _ => Err(Error::input(format!("{key} is {}; it must be a number between 0 and 1", brief(found)))),
        },
    }
}
