//! Numbers that know where they come from.

use std::fmt;
use std::sync::{Arc, LazyLock};

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

/// The 95% interval of a number, and how it was found. It is worked out when it is first asked for: of most numbers nobody asks.
#[derive(Clone)]
pub struct Ends {
    pub formula: String,
    ends: Arc<LazyLock<(f64, f64), WorkOut>>,
}

type WorkOut = Box<dyn FnOnce() -> (f64, f64) + Send>;

impl Ends {
    /// The low and the high end.
    pub fn get(&self) -> (f64, f64) {
        **self.ends
    }
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.get();
        f.debug_struct("Ends").field("low", &low).field("high", &high).field("formula", &self.formula).finish()
    }
}

impl PartialEq for Ends {
    fn eq(&self, other: &Ends) -> bool {
        (self.get(), &self.formula) == (other.get(), &other.formula)
    }
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
        self.within_later(formula, move || (low, high))
    }

    /// The same with ends that are still to be worked out.
    pub fn within_later(
        self,
        formula: impl Into<String>,
        ends: impl FnOnce() -> (f64, f64) + Send + 'static,
    ) -> Number {
        let ends = Arc::new(LazyLock::new(Box::new(ends) as WorkOut));
        Number { interval: Some(Ends { formula: formula.into(), ends }), ..self }
    }

    /// The value between the ends of its interval, which are the value itself where it has none.
    pub fn as_interval(&self) -> Interval {
        let (low, high) = self.interval.as_ref().map_or((self.value, self.value), Ends::get);
        Interval { low, mid: self.value, high }
    }
}
