//! `datapackage.json`: a data package of Frictionless (datapackage.org), a resource for each file.
//!
//! Files of one table are no one resource: their rows do not say which device and run they are of, and older ones have fewer
//! columns. So each is by itself, with its device, its run and its digest, and shares a schema with those of the same layout.

use serde_json::{Value, json};

use super::layout::{Files, Layout, Place};
use super::words::{ABOUT, TITLE, cited, json};
use crate::digest::sha256_hex;
use crate::record::cell::Kind;
use crate::record::row::Column;

pub const FILE: &str = "datapackage.json";
/// The folder of the schemas.
pub const SCHEMAS: &str = "schemas/";

/// The package and its schemas.
pub fn files(layouts: &[Layout], data: &Files) -> Files {
    let mut files: Files = layouts.iter().map(|layout| (schema_path(layout), json(&schema(layout)))).collect();
    let of_layout = |layout| move |place| (place, layout);
    let mut all: Vec<(&Place, &Layout)> =
        layouts.iter().flat_map(|layout| layout.files.iter().map(of_layout(layout))).collect();
    all.sort_by_key(|(place, _)| place.path);
    let package = json!({
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "onedispatch",
        "title": TITLE,
        "description": ABOUT,
        "licenses": [{ "name": cited("license") }],
        "contributors": [{ "title": cited("name"), "roles": ["creator"] }],
        "resources": all.iter().map(|(place, layout)| resource(place, layout, &data[place.path])).collect::<Vec<_>>(),
    });
    files.insert(FILE.to_owned(), json(&package));
    files
}

fn resource(Place { path, device, run, table }: &Place, layout: &Layout, bytes: &[u8]) -> Value {
    json!({
        "name": format!("{device}.{run}.{table}").to_lowercase(),
        "type": "table",
        "path": path,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": bytes.len(),
        "hash": format!("sha256:{}", sha256_hex(bytes)),
        "schema": schema_path(layout),
        "device": device,
        "run": run,
    })
}

fn schema_path(layout: &Layout) -> String {
    format!("{SCHEMAS}{}.json", layout.name)
}

fn schema(layout: &Layout) -> Value {
    json!({
        "$schema": "https://datapackage.org/profiles/2.0/tableschema.json",
        "name": layout.name,
        "description": layout.about,
        "fields": layout.columns.iter().map(field).collect::<Vec<_>>(),
        "primaryKey": layout.key,
        "missingValues": [""],
    })
}

fn field(column: &Column) -> Value {
    let kind = match column.kind {
        Kind::Text => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
    };
    let mut field = json!({ "name": column.name, "type": kind, "description": column.about });
    if let Some(unit) = column.unit {
        field["unit"] = unit.into();
    }
    if !column.is_optional {
        field["constraints"] = json!({ "required": true });
    }
    field
}
