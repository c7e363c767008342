//! A fault: one place in `data/` that is not as it should be.

use std::fmt;

use crate::error::Error;

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
        f.write_str(&self.file)?;
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", {column}")?;
        }
        let line = format!(": {}; expected {}", self.there, self.expected);
        f.write_str(&line.replace('\r', "\\r").replace('\n', "\\n"))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::check(fault.to_string())
    }
}
