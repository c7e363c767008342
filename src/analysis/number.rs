//! Numbers that know where they come from.

use serde::{Deserialize, Serialize};

use crate::statistics::Interval;

/// A cell of `data/`, or of another source: `file`, from `data/`; `row`, by its key; `column`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// What the formula calls it, where the column's name would be ambiguous; else empty.
    #[serde(default)]
    pub name: String,
    pub file: String,
    pub row: String,
    pub column: String,
}

impl Cell {
    pub fn new(file: impl Into<String>, row: impl Into<String>, column: impl Into<String>) -> Cell {
        Cell { name: String::new(), file: file.into(), row: row.into(), column: column.into() }
    }

    pub fn called(self, name: &str) -> Cell {
        Cell { name: name.to_owned(), ..self }
    }
}

/// A value with where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    pub value: f64,
    pub formula: String,
    pub cells: Vec<Cell>,
    pub interval: Option<Ends>,
}

/// The 95% interval of a number, and how it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends {
    pub low: f64,
    pub high: f64,
    pub formula: String,
}

impl Number {
    /// A cell as it stands.
    pub fn cell(value: f64, cell: Cell) -> Number {
        Number { value, formula: cell.column.clone(), cells: vec![cell], interval: None }
    }

    pub fn derived(value: f64, formula: impl Into<String>, cells: Vec<Cell>) -> Number {
        Number { value, formula: formula.into(), cells, interval: None }
    }

    pub fn within(self, low: f64, high: f64, formula: impl Into<String>) -> Number {
        Number { interval: Some(Ends { low, high, formula: formula.into() }), ..self }
    }

    /// The value between the ends of its interval, which are the value itself where it has none.
    pub fn as_interval(&self) -> Interval {
        let (low, high) = self.interval.as_ref().map_or((self.value, self.value), |ends| (ends.low, ends.high));
        Interval { low, mid: self.value, high }
    }
}
