//! What `data/` says of itself to other programs: files that are generated from the tables' definitions and from the files that
//! are there, and are right or wrong as a whole.
//!
//! - [`datapackage`]: `datapackage.json` (Frictionless), each file with its digest, and `schemas/`, each layout with its columns;
//! - [`croissant`]: `croissant.json` (Croissant), all files of a layout as one, with the device and the run of each row.
//!
//! A layout is a table with the columns that it had from some time on: older files have fewer.
//!
//! They follow from the rest of `data/`, so the root digest leaves them out.

mod croissant;
mod datapackage;
mod layout;
mod words;

use super::fault::Fault;
use super::line_ends::crlf;
use layout::{Files, layouts};

/// How the files are brought up to date.
pub const MEND: &str = "what `onedispatch describe` writes";

/// Whether a path is one that a description has, whatever is there.
pub fn is_of_description(path: &str) -> bool {
    [datapackage::FILE, croissant::FILE].contains(&path) || path.starts_with(datapackage::SCHEMAS)
}

/// The description of these files.
pub fn of(data: &Files) -> Files {
    let layouts = layouts(data);
    let mut files = datapackage::files(&layouts, data);
    let croissant = croissant::file(&layouts, &files[datapackage::FILE]);
    files.insert(croissant::FILE.to_owned(), croissant);
    files
}

/// A fault for each file of the description that is not what it would be, where there is a description at all.
pub fn faults(data: &Files) -> Vec<Fault> {
    if !data.keys().any(|path| is_of_description(path)) {
        return Vec::new();
    }
    let expected = of(data);
    let mut faults = Vec::new();
    for (path, contents) in &expected {
        match data.get(path) {
            Some(there) if there == contents => {}
            Some(there) => faults.push(
                crlf(there, path)
                    .unwrap_or_else(|| Fault::file(path, "does not describe the tables that are here", MEND)),
            ),
            None => faults.push(Fault::file(path, "no such file", MEND)),
        }
    }
    let left_over = data.keys().filter(|path| is_of_description(path) && !expected.contains_key(*path));
    faults.extend(left_over.map(|path| Fault::file(path, "describes no table that is here", MEND)));
    faults
}
