//! JSON as Python writes it: with `NaN`, `Infinity` and `-Infinity`, which are no JSON.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use serde_json::{Map, Value};

use crate::error::{Error, Result, printable};

/// The text of a file that has no more than some MiB: what is larger is something else.
pub fn text(path: &Path, most_mib: u64) -> Result<String> {
    let most = most_mib << 20;
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(most + 1).read_to_string(&mut text))
        .map_err(|error| Error::io(path, error))?;
    if text.len() as u64 > most {
        return Err(Error::input(format!("{}: over {most_mib} MiB; give that of a model", path.display())));
    }
    Ok(text)
}

/// A value as one short line of a message.
pub fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", printable(&text[..end])),
        None => printable(&text),
    }
}

/// An object. Numbers that JSON has no word for become their names as strings, so that a key with one reads like any other and is
/// refused by its name where a number has to be finite.
pub fn object(text: &str) -> serde_json::Result<Map<String, Value>> {
    serde_json::from_str(text).or_else(|error| match quoted(text) {
        Some(quoted) => serde_json::from_str(&quoted),
        None => Err(error),
    })
}

/// A value as Python's `json.dumps` writes it, without ASCII's escapes: over several lines where there is an indent.
pub fn written(value: &impl Serialize, indent: Option<usize>) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    match indent {
        None => value.serialize(&mut Serializer::with_formatter(&mut bytes, Spaced))?,
        Some(width) => {
            let indent = " ".repeat(width);
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
        }
    }
    Ok(String::from_utf8(bytes).expect("serde_json writes UTF-8"))
}

/// One line, with a blank behind each comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, is_first: bool) -> std::io::Result<()> {
        if is_first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, is_first: bool) -> std::io::Result<()> {
        if is_first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> std::io::Result<()> {
        to.write_all(b": ")
    }
}

/// The text with those numbers in quotes; nothing where there are none.
fn quoted(text: &str) -> Option<String> {
    const NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    let mut with_quotes = String::with_capacity(text.len() + 16);
    let mut found = false;
    let mut in_string = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let number = NUMBERS.iter().find(|number| !in_string && rest.starts_with(**number));
        let length = match number {
            Some(number) => number.len(),
            // What a backslash escapes ends no string.
            None if in_string && c == '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            None => c.len_utf8(),
        };
        let (taken, after) = rest.split_at(length);
        if number.is_some() {
            found = true;
            with_quotes.extend(["\"", taken, "\""]);
        } else {
            in_string ^= taken == "\"";
            with_quotes.push_str(taken);
        }
        rest = after;
    }
    found.then_some(with_quotes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_of_python_are_read() {
        let text = r#"{"a": Infinity, "b": [-Infinity, NaN,1], "c": "x"}"#;
        let expected = json!({"a": "Infinity", "b": ["-Infinity", "NaN", 1], "c": "x"});
        assert_eq!(Value::from(object(text).unwrap()), expected);
    }

    #[test]
    fn strings_keep_their_words() {
        let text = r#"{"NaN": "say \"NaN\" \\", "é\\\"": "Infinity", "n": NaN}"#;
        let expected = json!({"NaN": "say \"NaN\" \\", "é\\\"": "Infinity", "n": "NaN"});
        assert_eq!(Value::from(object(text).unwrap()), expected);
    }

    #[test]
    fn what_neither_reads_is_refused() {
        for text in
            ["", "NaN", "{\"a\": NaNa}", "{\"a\": --Infinity}", "{\"a\": \"NaN", "{\"a\": NaN, \"\\", "[Infinity]"]
        {
            assert!(object(text).is_err(), "{text}");
        }
    }
}
