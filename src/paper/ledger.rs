//! The ledger: each number that the paper prints, with the cells and the formula it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::print::Print;
use crate::analysis::number::{Cell, Number};
use crate::error::{Error, Result};
use crate::record::line_ends::crlf;

/// One number of the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// As it stands in the text.
    pub printed: String,
    /// In full precision; none where the entry is a word (a device's name, a verdict).
    pub value: Option<f64>,
    pub formula: String,
    pub cells: Vec<Cell>,
}

/// Numbers by key, and lists of names that the paper's tables run over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    #[serde(default)]
    pub lists: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub number: BTreeMap<String, Entry>,
    /// Keys of the numbers that rest on intervals and are worked out, where not all are: others are there, and have no digits.
    #[serde(skip)]
    pub wanted: Option<BTreeSet<String>>,
}

impl Ledger {
    /// Adds `key`, and `key.low` and `key.high` where the number has an interval.
    pub fn add(&mut self, key: &str, number: &Number, print: Print) {
        let entry = |value: f64, formula: &str| Entry {
            printed: print.show(value),
            value: Some(value),
            formula: formula.to_owned(),
            cells: number.cells.clone(),
        };
        self.number.insert(key.to_owned(), entry(number.value, &number.formula));
        if let Some(interval) = &number.interval {
            let [low, high] = ["low", "high"].map(|end| format!("{key}.{end}"));
            if self.leaves_out(&low) && self.leaves_out(&high) {
                self.add_pending(&low);
                self.add_pending(&high);
                return;
            }
            let ends = interval.get();
            self.number.insert(low, entry(ends.0, &format!("low end of {}", interval.formula)));
            self.number.insert(high, entry(ends.1, &format!("high end of {}", interval.formula)));
        }
    }

    /// Whether nobody asks for the digits of this number.
    pub fn leaves_out(&self, key: &str) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| !wanted.contains(key))
    }

    /// A number that is there, and whose digits nobody asks for.
    pub fn add_pending(&mut self, key: &str) {
        let entry = Entry { printed: String::new(), value: None, formula: String::new(), cells: Vec::new() };
        self.number.insert(key.to_owned(), entry);
    }

    /// A cell printed otherwise than our own numbers are.
    pub fn add_value(&mut self, key: &str, printed: String, value: f64, cell: Cell) {
        let formula = cell.column.clone();
        self.number.insert(key.to_owned(), Entry { printed, value: Some(value), formula, cells: vec![cell] });
    }

    /// Words, with no value behind them.
    pub fn add_words(&mut self, key: &str, printed: impl Into<String>, formula: impl Into<String>, cells: Vec<Cell>) {
        let entry = Entry { printed: printed.into(), value: None, formula: formula.into(), cells };
        self.number.insert(key.to_owned(), entry);
    }

    /// A cell that is a word.
    pub fn add_cell(&mut self, key: &str, printed: impl Into<String>, cell: Cell) {
        self.add_words(key, printed, cell.column.clone(), vec![cell]);
    }

    /// Keeps the numbers that the paper prints.
    pub fn keep(&mut self, used: &BTreeSet<String>) {
        self.number.retain(|key, _| used.contains(key));
    }

    /// Takes in the numbers and lists of another ledger; a list that both have goes on with its names.
    pub fn join(&mut self, other: Ledger) {
        self.number.extend(other.number);
        for (name, list) in other.lists {
            self.lists.entry(name).or_default().extend(list);
        }
    }

    /// `paper/numbers.toml`, one number a paragraph, in the order of the keys.
    pub fn to_toml(&self) -> String {
        self.write(true)
    }

    /// The same without the cells that numbers come from: what the paper's text asks for.
    pub fn to_printed_toml(&self) -> String {
        self.write(false)
    }

    fn write(&self, with_cells: bool) -> String {
        let mut text = String::from(
            "# Every number that the paper prints, where it comes from and how. Written by `onedispatch paper` from data/.\n\n[lists]\n",
        );
        for (name, list) in &self.lists {
            let names: Vec<String> = list.iter().map(|name| quoted(name)).collect();
            let _ = writeln!(text, "{} = [{}]", quoted(name), names.join(", "));
        }
        for (key, entry) in &self.number {
            let _ = writeln!(text, "\n[number.{}]\nprinted = {}", quoted(key), quoted(&entry.printed));
            if let Some(value) = entry.value {
                let _ = writeln!(text, "value = {value:?}");
            }
            let _ = writeln!(text, "formula = {}", quoted(&entry.formula));
            if !with_cells {
                continue;
            }
            text += "cells = [\n";
            for cell in &entry.cells {
                let name =
                    if cell.name.is_empty() { String::new() } else { format!("name = {}, ", quoted(&cell.name)) };
                let [file, row, column] = [&cell.file, &cell.row, &cell.column].map(|part| quoted(part));
                let _ = writeln!(text, "    {{ {name}file = {file}, row = {row}, column = {column} }},");
            }
            text += "]\n";
        }
        text
    }

    /// # Errors
    /// An input error where `text` is not a ledger; `file` is only for the message.
    pub fn parse(text: &str, file: &str) -> Result<Ledger> {
        if let Some(fault) = crlf(text.as_bytes(), file) {
            return Err(Error::input(fault.to_string()));
        }
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let message = error.message().replace('\n', " ");
            Error::input(format!("{file}:{line}: {message}; write it again with `onedispatch paper`"))
        })
    }

    /// What stands in a committed ledger and is not what the data say: a line for each key and field.
    ///
    /// A committed ledger holds only the numbers that the paper prints, so keys that are only in `self` are no fault.
    pub fn faults(&self, committed: &Ledger, file: &str) -> Vec<String> {
        let mut faults = Vec::new();
        for (key, found) in &committed.number {
            let Some(expected) = self.number.get(key) else {
                faults.push(format!("{file}: {key}: the data give no such number"));
                continue;
            };
            let mut compare = |field: &str, found: String, expected: String| {
                if found != expected {
                    faults.push(format!("{file}: {key}: {field} is {found}, expected {expected}"));
                }
            };
            compare("printed", quoted(&found.printed), quoted(&expected.printed));
            compare("value", number(found.value), number(expected.value));
            compare("formula", quoted(&found.formula), quoted(&expected.formula));
            compare("cells", describe(&found.cells), describe(&expected.cells));
        }
        for (name, found) in &committed.lists {
            match self.lists.get(name) {
                Some(expected) if expected == found => {}
                Some(expected) => faults.push(format!("{file}: list {name} is {found:?}, expected {expected:?}")),
                None => faults.push(format!("{file}: list {name}: the data give no such list")),
            }
        }
        faults
    }
}

/// A TOML string, escaped where it has to be.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
}

fn describe(cells: &[Cell]) -> String {
    let cells = cells.iter().map(|cell| format!("{} {}, {}, {}", cell.name, cell.file, cell.row, cell.column));
    format!("[{}]", cells.map(|cell| cell.trim_start().to_owned()).collect::<Vec<_>>().join("; "))
}
