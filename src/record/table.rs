//! A table of a result directory: rows as structs, as text cells, and as CSV.
//!
//! CSV is written by polars, every column as text: [`Cell`](super::cell::Cell) turns text into numbers and back, so that no schema is
//! inferred, no digest is taken for a number, and no float loses a digit. Only the exact bytes that this module would
//! write are read: LF, quotes where they are needed and nowhere else, each row of full length. [`csv`] reads these;
//! whatever it refuses, polars reads once more, to say what is wrong.

use polars::prelude::*;

use super::csv;
use super::fault::Fault;
use super::line_ends;
use super::row::Cells;
pub use super::row::Row;

/// A table as text: `rows[i][j]` is the cell of row `i` in column `columns[j]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub columns: &'static [&'static str],
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn of<R: Row>(rows: &[R]) -> Table {
        Table { columns: R::COLUMNS, rows: rows.iter().map(Row::cells).collect() }
    }

    /// Reads CSV that has exactly the columns of `R` and is written exactly as [`Table::to_csv`] writes it. `file` is
    /// only for messages.
    pub fn parse<R: Row>(csv: &[u8], file: &str) -> Result<Table, Fault> {
        match Table::as_written::<R>(csv) {
            Some(table) => Ok(table),
            None => Table::parse_by_polars::<R>(csv, file),
        }
    }

    /// The table whose [`Table::to_csv`] is `csv`; `None` where there is none.
    fn as_written<R: Row>(csv: &[u8]) -> Option<Table> {
        let mut records = csv::read(std::str::from_utf8(csv).ok()?)?;
        let header = records.remove(0);
        let columns = R::COLUMNS.get(..header.len()).filter(|columns| *columns == header)?;
        R::widths().any(|width| width == header.len()).then_some(Table { columns, rows: records })
    }

    fn parse_by_polars<R: Row>(csv: &[u8], file: &str) -> Result<Table, Fault> {
        let fault = |there: String, expected: &str| Fault::file(file, there, expected);
        std::str::from_utf8(csv).map_err(|error| {
            fault(format!("no UTF-8 at byte {}", error.valid_up_to()), "UTF-8 text")
                .at_row(row_at(csv, error.valid_up_to()))
        })?;
        // A cell that holds a line end is in quotes.
        if let Some(row) = record_ends(csv).iter().position(|&end| csv[..end].ends_with(b"\r\n")) {
            return Err(fault("CRLF at the end of the line".into(), line_ends::EXPECTED).at_row(row));
        }
        let frame = read_csv(csv).map_err(|reason| {
            let row = first_unreadable_row(csv);
            fault(reason, "one cell a column, quoted as CSV").at_row(row)
        })?;
        let wanted = columns_of::<R>(&frame);
        check_columns(wanted, &frame, file)?;
        let columns: Vec<&StringChunked> = frame
            .columns()
            .iter()
            .map(|column| column.str())
            .collect::<PolarsResult<_>>()
            .map_err(|error| fault(first_line(&error), "columns of text"))?;
        let rows = (0..frame.height())
            .map(|row| columns.iter().map(|column| column.get(row).unwrap_or_default().to_owned()).collect())
            .collect();
        let table = Table { columns: wanted, rows };
        let canonical = table.to_csv(true);
        if canonical != csv {
            let same = canonical.iter().zip(csv).take_while(|(a, b)| a == b).count();
            let row = row_at(csv, same);
            return Err(fault(
                "not written as onedispatch writes it".to_owned(),
                "LF at line ends, quotes only where needed, every column present",
            )
            .at_row(row));
        }
        Ok(table)
    }

    /// The rows as structs; else each row's first cell that has no such value.
    pub fn rows<R: Row>(&self, file: &str) -> Result<Vec<R>, Vec<Fault>> {
        let mut rows = Vec::new();
        let mut faults = Vec::new();
        for (index, cells) in self.rows.iter().enumerate() {
            let mut cells = Cells::of(self.columns, cells, file, index + 1);
            match R::from_cells(&mut cells) {
                Ok(row) => rows.push(row),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(rows) } else { Err(faults) }
    }

    /// LF line ends; quotes where a cell holds a comma, a quote or a line end. Without the header these are lines to
    /// append.
    pub fn to_csv(&self, header: bool) -> Vec<u8> {
        let columns = self.columns.iter().enumerate().map(|(j, name)| {
            // A null is written as nothing; an empty text would be written as two quotes.
            let cells = self.rows.iter().map(|row| Some(row[j].as_str()).filter(|cell| !cell.is_empty()));
            StringChunked::from_iter_options((*name).into(), cells).into_series().into_column()
        });
        let mut frame = DataFrame::new(self.rows.len(), columns.collect()).expect("columns of one length");
        let mut csv = Vec::new();
        CsvWriter::new(&mut csv)
            .include_header(header)
            .with_line_terminator("\n".into())
            .finish(&mut frame)
            .expect("writing to memory");
        csv
    }
}

/// Bytes up to the end of each whole record, the header's first. A line end within quotes ends no record, and what
/// follows the last end is half-written.
pub fn record_ends(csv: &[u8]) -> Vec<usize> {
    let mut quoted = false;
    let mut ends = Vec::new();
    for (at, byte) in csv.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => ends.push(at + 1),
            _ => {}
        }
    }
    ends
}

fn row_at(csv: &[u8], byte: usize) -> usize {
    record_ends(csv).iter().filter(|end| **end <= byte).count()
}

/// Every column as text, named by the header.
fn read_csv(csv: &[u8]) -> Result<DataFrame, String> {
    CsvReadOptions::default()
        .with_infer_schema_length(Some(0))
        .into_reader_with_file_handle(std::io::Cursor::new(csv))
        .finish()
        .map_err(|error| first_line(&error))
}

fn first_line(error: &PolarsError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The row that polars cannot read, found by reading each alone under the header; the header where it is none of them.
fn first_unreadable_row(csv: &[u8]) -> usize {
    let ends = record_ends(csv);
    let Some(&header) = ends.first() else { return 0 };
    let unreadable = |pair: &[usize]| read_csv(&[&csv[..header], &csv[pair[0]..pair[1]]].concat()).is_err();
    ends.windows(2).position(unreadable).map_or(0, |index| index + 1)
}

/// The columns of the first version, and of those after it up to the last that any column of is in the header, or that has as
/// many columns.
fn columns_of<R: Row>(frame: &DataFrame) -> &'static [&'static str] {
    let there = |column: &&str| frame.get_column_names().iter().any(|name| name.as_str() == *column);
    let mut wanted = R::VERSIONS[0];
    let mut end = wanted;
    for added in &R::VERSIONS[1..] {
        if R::COLUMNS[end..end + added].iter().any(there) || frame.width() >= end + added {
            wanted = end + added;
        }
        end += added;
    }
    &R::COLUMNS[..wanted]
}

fn check_columns(wanted: &[&str], frame: &DataFrame, file: &str) -> Result<(), Fault> {
    let there: Vec<&str> = frame.get_column_names().into_iter().map(|name| name.as_str()).collect();
    let header = |there: &str, column: &str, expected: String| {
        Err(Fault::file(file, there, expected).at_row(0).at_column(column))
    };
    let all = wanted.join(",");
    if let Some(missing) = wanted.iter().find(|column| !there.contains(column)) {
        return header("no such column", missing, format!("the columns {all}"));
    }
    if let Some(extra) = there.iter().find(|column| !wanted.contains(column)) {
        return header("an unknown column", extra, format!("the columns {all}"));
    }
    match there.iter().zip(wanted).find(|(there, expected)| there != expected) {
        Some((there, expected)) => header("a column out of order", there, format!("`{expected}` in its place")),
        None => Ok(()),
    }
}
