//! Tables against the digests in their manifest: which cell, row or digest was changed.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::signatures::Signed;
use crate::record::digest;
use crate::record::fault::Fault;
use crate::record::manifest::FileDigest;
use crate::record::table::{Row, Table};

/// What was found in one run.
#[derive(Default)]
pub struct CheckedRun {
    pub faults: Vec<Fault>,
    pub is_partial: bool,
    pub is_shard: bool,
    pub signed: Vec<Signed>,
    pub rows: usize,
    pub cells: usize,
}

/// A run whose tables are being checked.
pub struct Checked<'a> {
    /// By file name, as `manifest_file` has them.
    pub digests: &'a BTreeMap<String, FileDigest>,
    pub manifest_file: &'a str,
    pub files: &'a BTreeMap<String, Vec<u8>>,
    pub folder: &'a str,
    pub all: &'a mut CheckedRun,
    pub faults: Vec<Fault>,
}

impl Checked<'_> {
    /// Reads a table and compares it with its digests. `None` where it cannot be read as rows.
    pub fn table<R: Row>(&mut self) -> Option<Vec<R>> {
        let file = format!("{}{}", self.folder, R::FILE);
        let Some(csv) = self.files.get(&file) else {
            self.faults.push(Fault::file(&file, "no such file", "the table that the manifest has digests of"));
            return None;
        };
        let table = match Table::parse::<R>(csv, &file) {
            Ok(table) => table,
            Err(fault) => {
                self.faults.push(fault);
                return None;
            }
        };
        self.all.rows += table.rows.len();
        self.all.cells += table.rows.len() * table.columns.len();
        let Some(recorded) = self.digests.get(R::FILE) else {
            let key = format!("files.{}", R::FILE);
            self.faults.push(Fault::file(self.manifest_file, "no such key", "the digests of the table").at_column(key));
            return None;
        };
        let actual = digest::file(csv, &table);
        let mut faults = if actual.sha256 == recorded.sha256 {
            wrong_digests(self.manifest_file, R::FILE, recorded, &actual)
        } else {
            let changed = changed_rows(&file, &table, recorded, &actual);
            // Nothing is changed but digests in the manifest: the file's own, or it and others.
            if changed.is_empty() { wrong_digests(self.manifest_file, R::FILE, recorded, &actual) } else { changed }
        };
        let rows = table.rows::<R>(&file).map_err(|unreadable| {
            let known: HashSet<_> = unreadable.iter().map(Fault::place).collect();
            faults.retain(|fault| !known.contains(&fault.place()));
            faults.extend(unreadable);
        });
        self.faults.extend(faults);
        rows.ok()
    }
}

/// The digests in a manifest that are not those of the file beside it, by key.
fn wrong_digests(manifest_file: &str, table: &str, recorded: &FileDigest, actual: &FileDigest) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut compare = |key: String, there: Option<&String>, expected: Option<&String>| {
        if there != expected {
            let text =
                |digest: Option<&String>| digest.map_or("no such key".to_owned(), |digest| format!("`{digest}`"));
            let key = format!("files.{table}.{key}");
            faults.push(Fault::file(manifest_file, text(there), text(expected)).at_column(key));
        }
    };
    compare("sha256".into(), Some(&recorded.sha256), Some(&actual.sha256));
    for row in 0..recorded.rows.len().max(actual.rows.len()) {
        compare(format!("rows[{}]", row + 1), recorded.rows.get(row), actual.rows.get(row));
    }
    for column in recorded.columns.keys().chain(actual.columns.keys().filter(|c| !recorded.columns.contains_key(*c))) {
        compare(format!("columns.{column}"), recorded.columns.get(column), actual.columns.get(column));
    }
    faults
}

/// The cells that were changed, or the rows that were added, removed or put elsewhere.
fn changed_rows(file: &str, table: &Table, recorded: &FileDigest, actual: &FileDigest) -> Vec<Fault> {
    let (there, expected) = (&actual.rows, &recorded.rows);
    let start = there.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let end = there[start..].iter().rev().zip(expected[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (there, expected) = (&there[start..there.len() - end], &expected[start..expected.len() - end]);

    // Rows that are here more often than they were recorded, and the other way round.
    let mut surplus = HashMap::<&str, i64>::new();
    there.iter().for_each(|row| *surplus.entry(row).or_default() += 1);
    expected.iter().for_each(|row| *surplus.entry(row).or_default() -= 1);

    let mut faults = Vec::new();
    if there.len() != expected.len() {
        for (index, row) in there.iter().enumerate().filter(|(_, row)| surplus[row.as_str()] > 0) {
            let fault = Fault::file(file, format!("a row that was not recorded ({row})"), "no such row");
            faults.push(fault.at_row(start + index + 1));
        }
        for (index, row) in expected.iter().enumerate().filter(|(_, row)| surplus[row.as_str()] < 0) {
            let fault =
                Fault::file(file, "the recorded row is not here: removed or changed", format!("its digest {row}"));
            faults.push(fault.at_row(start + index + 1));
        }
        return faults;
    }
    let columns: Vec<usize> = (0..table.columns.len())
        .filter(|column| recorded.columns.get(table.columns[*column]) != actual.columns.get(table.columns[*column]))
        .collect();
    let reordered = surplus.values().all(|surplus| *surplus == 0);
    for (index, (row, expected)) in there.iter().zip(expected).enumerate().filter(|(_, (a, b))| a != b) {
        let at = start + index;
        if reordered {
            let fault =
                Fault::file(file, format!("another of the recorded rows ({row})"), format!("the row {expected}"));
            faults.push(fault.at_row(at + 1));
        } else if let Some((first, _)) = columns.split_first() {
            // One row or one column: exactly these cells. Several of both: each cell where they cross may be one.
            let names = columns.iter().map(|column| table.columns[*column]).collect::<Vec<_>>().join(" or ");
            let cells = columns.iter().map(|column| format!("`{}`", table.rows[at][*column])).collect::<Vec<_>>();
            let column = if columns.len() == 1 { table.columns[*first].to_owned() } else { names };
            let fault =
                Fault::file(file, cells.join(", "), format!("what was recorded (the row's digest is {expected})"));
            faults.push(fault.at_row(at + 1).at_column(column));
        }
    }
    faults
}
