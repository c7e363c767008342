//! `croissant.json`: metadata in Croissant 1.0 (MLCommons), a record set for each layout.
//!
//! All files of a layout are read as one, and two fields out of their paths say which device and run a row is of. The files'
//! digests are those of `datapackage.json`, whose own digest is here.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::datapackage;
use super::layout::Layout;
use super::words::{ABOUT, TITLE, cited, json};
use crate::digest::sha256_hex;
use crate::record::cell::Kind;
use crate::record::manifest::SCHEMA;
use crate::record::row::Column;

pub const FILE: &str = "croissant.json";

pub fn file(layouts: &[Layout], package: &[u8]) -> Vec<u8> {
    let places = layouts.iter().flat_map(|layout| &layout.files);
    let runs: BTreeSet<(&str, &str)> = places.map(|place| (place.device, place.run)).collect();
    // A run's folder begins with its date.
    let newest = runs.iter().filter_map(|(_, run)| run.get(..10)).max();
    let mut distribution = vec![json!({
        "@type": "cr:FileObject",
        "@id": datapackage::FILE,
        "name": datapackage::FILE,
        "description": "The digest of each file.",
        "contentUrl": datapackage::FILE,
        "encodingFormat": "application/json",
        "sha256": sha256_hex(package),
    })];
    distribution.extend(layouts.iter().map(|layout| {
        json!({
            "@type": "cr:FileSet",
            "@id": files_of(layout),
            "name": files_of(layout),
            "description": "The files of this layout, one of each run that has it.",
            "encodingFormat": "text/csv",
            "includes": layout.files.iter().map(|place| place.path).collect::<Vec<_>>(),
        })
    }));
    let context: Value = serde_json::from_str(include_str!("context.json")).expect("the context is JSON");
    json(&json!({
        "@context": context,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "onedispatch",
        "alternateName": TITLE,
        "description": ABOUT,
        "license": format!("https://spdx.org/licenses/{}", cited("license")),
        "creator": { "@type": "sc:Organization", "name": cited("name") },
        "citeAs": format!("{}: {}", cited("name"), cited("title")),
        // The folder that this file lies in.
        "url": "./",
        "datePublished": newest.unwrap_or_default(),
        // The layout of manifests, and runs: rows are only ever added.
        "version": format!("{SCHEMA}.{}.0", runs.len()),
        "distribution": distribution,
        "recordSet": layouts.iter().map(record_set).collect::<Vec<_>>(),
    }))
}

fn files_of(layout: &Layout) -> String {
    format!("{}.csv", layout.name)
}

fn record_set(layout: &Layout) -> Value {
    let name = &layout.name;
    let id = |column: &str| json!({ "@id": format!("{name}/{column}") });
    let of_path = |column: &str, about: &str, regex: &str| {
        json!({
            "@type": "cr:Field",
            "@id": format!("{name}/{column}"),
            "name": column,
            "description": about,
            "dataType": "sc:Text",
            "source": {
                "fileSet": { "@id": files_of(layout) },
                "extract": { "fileProperty": "fullpath" },
                "transform": { "regex": regex },
            },
        })
    };
    let mut fields = vec![
        of_path("device", "The folder of the device.", "^([^/]+)/"),
        of_path("run", "The folder of the run: its date and experiment.", "^[^/]+/([^/]+)/"),
    ];
    fields.extend(layout.columns.iter().map(|column| field(layout, column)));
    let key = ["device", "run"].iter().chain(layout.key).map(|column| id(column));
    json!({
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": layout.about,
        "key": key.collect::<Vec<_>>(),
        "field": fields,
    })
}

fn field(layout: &Layout, column: &Column) -> Value {
    let kind = match column.kind {
        Kind::Text => "sc:Text",
        Kind::Integer => "sc:Integer",
        Kind::Number => "sc:Float",
    };
    let mut field = json!({
        "@type": "cr:Field",
        "@id": format!("{}/{}", layout.name, column.name),
        "name": column.name,
        "description": column.about,
        "dataType": kind,
        "source": { "fileSet": { "@id": files_of(layout) }, "extract": { "column": column.name } },
    });
    if let Some(unit) = column.unit {
        field["unitText"] = unit.into();
    }
    field
}
