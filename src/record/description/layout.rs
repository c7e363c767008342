//! Which layouts the files under `data/` have: a table, with the columns that it had from some time on.

use std::collections::BTreeMap;

use crate::record::row::{Column, Row};
use crate::record::rows::{Case, PeerRow, PeerSample, ResultRow, Sample};

/// Contents by path relative to `data/`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A table, with the columns that some of its files have.
pub struct Layout<'a> {
    /// Its file's name without the ending, and a number from 1 on: `results-5`.
    pub name: String,
    pub about: String,
    pub columns: Vec<Column>,
    pub key: &'static [&'static str],
    pub files: Vec<Place<'a>>,
}

/// A table's file in a run: `<device>/<run>/<table>.csv`.
pub struct Place<'a> {
    pub path: &'a str,
    pub device: &'a str,
    pub run: &'a str,
    pub table: &'a str,
}

/// Those that there are files of.
pub fn layouts(data: &Files) -> Vec<Layout<'_>> {
    let mut layouts = Vec::new();
    add_layouts::<Case>(&mut layouts, data);
    add_layouts::<ResultRow>(&mut layouts, data);
    add_layouts::<Sample>(&mut layouts, data);
    add_layouts::<PeerRow>(&mut layouts, data);
    add_layouts::<PeerSample>(&mut layouts, data);
    layouts
}

fn add_layouts<'a, R: Row>(layouts: &mut Vec<Layout<'a>>, data: &'a Files) {
    for (index, width) in R::widths().enumerate() {
        let of_table = data.iter().filter_map(|(path, csv)| Some((place(path, R::FILE)?, csv)));
        let of_width = of_table.filter(|(_, csv)| header_width(csv) == width);
        let files: Vec<Place> = of_width.map(|(place, _)| place).collect();
        if files.is_empty() {
            continue;
        }
        let mut columns = R::described();
        columns.truncate(width);
        let name = format!("{}-{}", R::FILE.trim_end_matches(".csv"), index + 1);
        layouts.push(Layout { name, about: R::about(), columns, key: R::KEY, files });
    }
}

fn header_width(csv: &[u8]) -> usize {
    csv.split(|byte| *byte == b'\n').next().unwrap_or_default().split(|byte| *byte == b',').count()
}

fn place<'a>(path: &'a str, wanted: &str) -> Option<Place<'a>> {
    match path.split('/').collect::<Vec<_>>()[..] {
        [device, run, file] if device != "sources" && file == wanted => {
            Some(Place { path, device, run, table: file.trim_end_matches(".csv") })
        }
        _ => None,
    }
}
