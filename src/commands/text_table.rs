//! Text in aligned columns.

use std::ops::Range;

use crate::error::escaped;

/// `rows` under `header`, each column as wide as its widest cell; the columns in `right` end flush.
pub fn aligned<const N: usize>(header: [&str; N], rows: &[[String; N]], right: Range<usize>) -> String {
    let header = header.map(str::to_owned);
    // Cells come from files.
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| escaped(cell))).collect();
    let lines = || std::iter::once(&header).chain(&rows);
    let width = |column: usize| lines().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for line in lines() {
        let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text += "\n";
    }
    text
}
