//! A fault: one place in `data/` that is not as it should be.

use std::fmt;

use crate::error::{Error, escaped};

/// Where something is wrong, what is there, and what was expected. Prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Relative to the data directory.
    pub file: String,
    /// Counts data rows from 1; the header is row 0.
    pub row: Option<usize>,
    /// A column of a table, or a key of a manifest.
    pub column: Option<String>,
    pub there: String,
    pub expected: String,
}

impl Fault {
    pub fn file(file: &str, there: impl Into<String>, expected: impl Into<String>) -> Fault {
        Fault { file: file.to_owned(), row: None, column: None, there: there.into(), expected: expected.into() }
    }

    pub fn at_row(self, row: usize) -> Fault {
        Fault { row: Some(row), ..self }
    }

    pub fn at_column(self, column: impl Into<String>) -> Fault {
        Fault { column: Some(column.into()), ..self }
    }

    /// File, row and column, by which two faults in one place are told to be the same.
    pub fn place(&self) -> (&str, Option<usize>, Option<&str>) {
        (&self.file, self.row, self.column.as_deref())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.row.map_or(String::new(), |row| format!(", row {row}"));
        let column = self.column.as_ref().map_or(String::new(), |column| format!(", {column}"));
        f.write_str(&escaped(&format!("{}{row}{column}: {}; expected {}", self.file, self.there, self.expected)))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::check(fault.to_string())
    }
}
