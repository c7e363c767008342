//! The canonical forms that digests of tables and of all of `data/` are taken over.
//!
//! | of | over |
//! |---|---|
//! | a row | the lines `column=cell\n`, in column order; its first 16 hexadecimal digits are kept |
//! | a column | the lines `cell\n`, in row order |
//! | a value of a manifest | its JSON form; its first 16 hexadecimal digits are kept |
//! | all of `data/` | the lines that `sha256sum` prints for every file, sorted by path relative to `data/`; those of [`description`](super::description), which follow from the others, are left out |
//!
//! A backslash and a line end in a cell are written `\\` and `\n`, so that no two rows have the same lines.
//! Digests find accidents and edits that forgot them, not a forger who rewrites them too: see [`signature`](super::signature).

use super::manifest::FileDigest;
use super::table::Table;
use crate::digest::{sha256_hex, short};

pub fn row(columns: &[&str], cells: &[String]) -> String {
    let mut lines = String::new();
    for (column, cell) in columns.iter().zip(cells) {
        lines += column;
        lines.push('=');
        push_line(&mut lines, cell);
    }
    short(lines.as_bytes())
}

pub fn column<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let mut lines = String::new();
    cells.for_each(|cell| push_line(&mut lines, cell));
    sha256_hex(lines.as_bytes())
}

/// The digests of a file that holds `csv`, which reads as `table`.
pub fn file(csv: &[u8], table: &Table) -> FileDigest {
    let cells_of = |j: usize| table.rows.iter().map(move |cells| cells[j].as_str());
    FileDigest {
        sha256: sha256_hex(csv),
        rows: table.rows.iter().map(|cells| row(table.columns, cells)).collect(),
        columns: table.columns.iter().enumerate().map(|(j, name)| (name.to_string(), column(cells_of(j)))).collect(),
    }
}

/// Over `(path, sha256)` of every file, sorted by path with `/` between its parts. With GNU tools, inside `data/`:
/// `find . -type f ! -name datapackage.json ! -name croissant.json ! -path './schemas/*' -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum`.
pub fn root<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_unstable();
    let lines: String = files.into_iter().map(|(path, sha256)| format!("{sha256}  {path}\n")).collect();
    sha256_hex(lines.as_bytes())
}

/// A cell, escaped, and a line end.
fn push_line(lines: &mut String, cell: &str) {
    if cell.contains(['\\', '\n']) {
        *lines += &cell.replace('\\', "\\\\").replace('\n', "\\n");
    } else {
        *lines += cell;
    }
    lines.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLUMNS: [&str; 3] = ["case", "arm", "wall_ns"];

    #[test]
    fn known_digests() {
        // printf 'case=a\\nb\narm=\nwall_ns=1\n' | sha256sum
        let cells = ["a\nb".to_owned(), String::new(), "1".to_owned()];
        assert_eq!(row(&COLUMNS, &cells), short(b"case=a\\nb\narm=\nwall_ns=1\n"));
        assert_eq!(root([("b", "2"), ("a", "1")]), sha256_hex(b"1  a\n2  b\n"));
    }

    fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
        prop::collection::vec(prop::collection::vec("[a-c=,\"\\\\\n]{0,4}", 3), 1..6)
    }

    proptest! {
        #[test]
        fn a_changed_cell_changes_its_row_and_its_column_alone(
            rows in table(), i: prop::sample::Index, j in 0..3usize, cell in "[a-c=,\"\\\\\n]{0,4}",
        ) {
            let mut changed = rows.clone();
            let i = i.index(rows.len());
            changed[i][j] = cell;
            prop_assume!(changed != rows);
            let before = file(b"", &Table { columns: &COLUMNS, rows });
            let after = file(b"", &Table { columns: &COLUMNS, rows: changed });
            for row in 0..before.rows.len() {
                prop_assert_eq!(before.rows[row] == after.rows[row], row != i);
            }
            for (column, name) in COLUMNS.into_iter().enumerate() {
                prop_assert_eq!(before.columns[name] == after.columns[name], column != j);
            }
        }
    }
}
