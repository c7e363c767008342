//! The static site: what lies under `web/`, the experiments, committed devices, and the list by which the page works offline.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::devices;
use crate::cases::page;
use crate::digest::sha256_hex;
use crate::error::{Error, Result, Within};
use crate::measure::provenance::build;
use crate::record::run::Run;
use crate::shipped_model;
use crate::spec::{Spec, Workload};
use crate::workload::decode::checkpoint;

/// Says that a folder is a site that was made here, and so may be made anew.
const LIST: &str = "files.js";

/// What lies under `web/` for other purposes than the page.
const NOT_OF_THE_PAGE: [&str; 7] =
    ["dist", "node_modules", "tests", "native", "package.json", "package-lock.json", "README.md"];

/// The page's own part in Rust, which `make web` builds from `src/page/`.
const CORE: &str = "js/vendor/onedispatch_page_bg.wasm";

/// Where the model that answers at once lies in the site.
const MODELS: &str = "models";

/// What was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    pub files: usize,
    pub bytes: u64,
}

/// Makes the site of `specs` in `out` from the folder `web`, the results of `runs`, and a model: a GGUF file, or the one
/// that comes with the program.
///
/// # Errors
/// An input error where `out` is something else, a file cannot be read or written, the model is none, or a case cannot be one of
/// the page.
pub fn make(web: &Path, specs: &[Spec], runs: &[Run], model: Option<&Path>, out: &Path) -> Result<Site> {
    let is_there = holds_a_site(out)?;
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    read_page(web, "", &mut files)?;
    if !files.contains_key(CORE) {
        let there = web.display();
        return Err(Error::input(format!("{there}: there is no {CORE}; `make web` builds it and makes the page")));
    }
    let mut experiments = Vec::new();
    for spec in specs {
        if spec.workload == Workload::Control {
            return Err(Error::input(format!(
                "{}: a page has controls beside decode or rollout cases only",
                spec.name
            )));
        }
        experiments.push(json!({
            "experiment": spec.name,
            "question": spec.question,
            "workload": spec.workload,
            "quick": spec.quick,
            "spec": spec.text,
            "spec_sha256": sha256_hex(spec.text.as_bytes()),
            "cases": page::outlines(spec).within(&spec.name)?,
        }));
    }
    let (name, bytes) = model_of(model)?;
    let model = format!("{MODELS}/{name}");
    files.insert(model.clone(), bytes);
    let build = build();
    let about = json!({
        "onedispatch": build.version, "commit": build.commit, "clean": build.clean, "model": model,
        "experiments": experiments,
    });
    files.insert("experiments.json".into(), compact(&about));
    files.insert("devices.json".into(), compact(&devices::rows(runs, specs)));
    files.insert(LIST.into(), list(&files).into_bytes());

    if is_there {
        fs::remove_dir_all(out).map_err(|error| Error::io(out, error))?;
    }
    for (name, bytes) in &files {
        let path = out.join(name);
        let folder = path.parent().unwrap_or(out);
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        fs::write(&path, bytes).map_err(|error| Error::io(&path, error))?;
    }
    Ok(Site { files: files.len(), bytes: files.values().map(|bytes| bytes.len() as u64).sum() })
}

/// A model's name and bytes.
fn model_of(path: Option<&Path>) -> Result<(String, Vec<u8>)> {
    let Some(path) = path else { return Ok((shipped_model::NAME.to_owned(), shipped_model::BYTES.to_vec())) };
    let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
    // What the page could not show is found here.
    checkpoint::of_gguf(bytes.as_slice()).within(path.display())?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("model.gguf");
    Ok((name.to_owned(), bytes))
}

/// The files of the page by their paths below the site.
fn read_page(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    for entry in entries {
        let path = entry.map_err(|error| Error::io(folder, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.')) else {
            continue;
        };
        if NOT_OF_THE_PAGE.contains(&name) {
            continue;
        }
        if path.is_dir() {
            read_page(&path, &format!("{prefix}{name}/"), files)?;
        } else {
            let bytes = fs::read(&path).map_err(|error| Error::io(&path, error))?;
            files.insert(format!("{prefix}{name}"), bytes);
        }
    }
    Ok(())
}

/// What the service worker keeps: each file with its digest. The digest of the list itself tells one site from another.
fn list(files: &BTreeMap<String, Vec<u8>>) -> String {
    // The worker is looked up by the browser itself.
    let kept = files.iter().filter(|(name, _)| name.as_str() != "sw.js");
    let digests: BTreeMap<&String, String> = kept.map(|(name, bytes)| (name, sha256_hex(bytes))).collect();
    let json = serde_json::to_string_pretty(&digests).expect("plain data");
    let version = sha256_hex(json.as_bytes());
    format!(
        "// Made by `onedispatch web`: every file of the page with its SHA-256.\nself.VERSION = \"{version}\";\nself.FILES = {json};\n"
    )
}

fn compact(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).expect("plain data");
    text.push(b'\n');
    text
}

/// Whether a folder holds a site; one that holds something else is refused.
fn holds_a_site(out: &Path) -> Result<bool> {
    let entries: Vec<PathBuf> = match fs::read_dir(out) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(_) => return Ok(false),
    };
    if !entries.is_empty() && !out.join(LIST).exists() {
        let place = out.display();
        return Err(Error::input(format!("{place}: holds something that is no page; choose another place with --out")));
    }
    Ok(!entries.is_empty())
}
