//! What `data/` says of itself to other programs: that it is right, that `verify` holds it, and that others can read it.

mod fixture;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use fixture::{Temporary, onedispatch, printed, refusal};
use onedispatch::record::row::Row;
use onedispatch::record::rows::ResultRow;
use serde_json::Value;

fn described() -> Temporary {
    let (data, _) = fixture::written();
    describe(&data);
    data
}

fn describe(data: &Temporary) {
    printed(onedispatch(&["describe"]).arg(&data.0));
}

/// Exit code, what is wrong, and the line of the root digest.
fn verified(data: &Temporary) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = onedispatch(&["verify"]).arg(&data.0).output().unwrap();
    let said = String::from_utf8(stderr).unwrap().replace(&data.0.display().to_string(), "DIR");
    (status.code(), said, String::from_utf8(stdout).unwrap().lines().last().unwrap().to_owned())
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Those of this repository.
fn committed() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data"))
}

#[test]
fn a_description_is_held_to_the_data() {
    let data = described();
    let (code, said, digest) = verified(&data);
    assert_eq!((code, said.as_str()), (Some(0), ""));

    // Another run, which is not described yet.
    let mut manifest = fixture::manifest();
    manifest.date = "2026-02-01".to_owned();
    fixture::write(&data.0, manifest, &[fixture::controls(), fixture::decode(1)]);
    insta::assert_snapshot!(verified(&data).1, @r"
    croissant.json: does not describe the tables that are here; expected what `onedispatch describe` writes
    datapackage.json: does not describe the tables that are here; expected what `onedispatch describe` writes
    onedispatch: DIR: 2 faults
    ");
    describe(&data);
    assert_eq!(verified(&data).0, Some(0));

    let newest = format!("results-{}", ResultRow::VERSIONS.len());
    let schema = data.0.join(format!("schemas/{newest}.json"));
    let text = std::fs::read_to_string(&schema).unwrap();
    std::fs::write(&schema, text.replace("\"unit\": \"ns\"", "\"unit\": \"ms\"")).unwrap();
    std::fs::remove_file(data.0.join("croissant.json")).unwrap();
    std::fs::write(data.0.join("schemas/results-99.json"), "{}").unwrap();
    insta::assert_snapshot!(verified(&data).1.replace(&newest, "NEWEST"), @r"
    croissant.json: no such file; expected what `onedispatch describe` writes
    schemas/NEWEST.json: does not describe the tables that are here; expected what `onedispatch describe` writes
    schemas/results-99.json: describes no table that is here; expected what `onedispatch describe` writes
    onedispatch: DIR: 3 faults
    ");
    describe(&data);
    assert_eq!(verified(&data).0, Some(0));

    let text = std::fs::read_to_string(data.0.join("datapackage.json")).unwrap();
    std::fs::write(data.0.join("datapackage.json"), text.replace('\n', "\r\n")).unwrap();
    let (code, said, _) = verified(&data);
    assert!(code == Some(1) && said.starts_with("datapackage.json: CRLF at the end of line 1; expected LF"), "{said}");
    describe(&data);

    // It follows from the rest, so that the root digest is the same without it.
    let (_, _, whole) = verified(&data);
    assert_ne!(whole, digest);
    for name in ["croissant.json", "datapackage.json"] {
        std::fs::remove_file(data.0.join(name)).unwrap();
    }
    std::fs::remove_dir_all(data.0.join("schemas")).unwrap();
    assert_eq!(verified(&data), (Some(0), String::new(), whole));
}

#[test]
fn nothing_is_described_where_nothing_is() {
    let data = Temporary::new();
    std::fs::create_dir_all(&data.0).unwrap();
    for place in [data.0.clone(), data.0.join("missing")] {
        let line = refusal(onedispatch(&["describe"]).arg(place), &data);
        assert!(line.contains("`onedispatch run` writes some"), "{line}");
    }
    assert_eq!(std::fs::read_dir(&data.0).unwrap().count(), 0);
}

/// Every table is there by its path and digest, and every column by its type, its unit and a sentence.
#[test]
fn the_committed_data_are_described() {
    let package = read(&committed().join("datapackage.json"));
    let resources = package["resources"].as_array().unwrap();
    assert!(resources.len() > 100);
    let mut fields = 0;
    for resource in resources {
        let path = resource["path"].as_str().unwrap();
        let csv = std::fs::read(committed().join(path)).unwrap();
        assert_eq!(resource["hash"], format!("sha256:{}", onedispatch::digest::sha256_hex(&csv)), "{path}");
        let schema = read(&committed().join(resource["schema"].as_str().unwrap()));
        let names: Vec<&str> =
            schema["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
        assert!(csv.starts_with(format!("{}\n", names.join(",")).as_bytes()), "{path}");
        for field in schema["fields"].as_array().unwrap() {
            fields += 1;
            let (name, text) = (field["name"].as_str().unwrap(), field["description"].as_str().unwrap());
            assert!(text.len() > 10 && field["type"].is_string(), "{name}: {text}");
            assert!(!name.ends_with("_ns") || field["unit"] == "ns", "{name}");
        }
    }
    assert!(fields > 1000);
    let croissant = read(&committed().join("croissant.json"));
    let package = std::fs::read(committed().join("datapackage.json")).unwrap();
    assert_eq!(croissant["distribution"][0]["sha256"], onedispatch::digest::sha256_hex(&package));
    let records = croissant["recordSet"].as_array().unwrap();
    assert!(records.iter().any(|set| set["@id"] == "results-5"), "{records:?}");
}

/// Frictionless reads every row by the schemas, and mlcroissant the first of each table. REQUIRE_VALIDATORS, as `.ci/run` has it,
/// says that they must be there.
#[test]
fn the_validators_of_both_formats_accept_the_committed_data() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let validate = |data: &Path| {
        Command::new("bash").current_dir(root).arg("scripts/data-validators.sh").arg(data).output().unwrap()
    };
    let Output { status, stdout, stderr } = validate(committed());
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    if status.code() == Some(2) {
        let required = std::env::var("REQUIRE_VALIDATORS").is_ok_and(|value| !value.is_empty());
        assert!(!required, "{said}");
        // Not by a macro: what is printed by those is shown of failing tests alone.
        let _ = writeln!(std::io::stderr(), "skipped: {}", said.trim_end());
        return;
    }
    assert!(status.success(), "{said}");
    // A table that is not as it is described.
    let data = described();
    assert!(validate(&data.0).status.success());
    let samples = data.0.join("nvidia-h200/2026-01-31-decode/samples.csv");
    let text = std::fs::read_to_string(&samples).unwrap();
    std::fs::write(&samples, text.replacen(",0,", ",none,", 1)).unwrap();
    let Output { status, stderr, .. } = validate(&data.0);
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("samples.csv: hash-count") && said.contains("samples.csv: type-error"), "{said}");
}
