//! The WGSL under `shaders/`, within the binary: entry files, and the modules that they import.
//!
//! A line `#import modules/philox.wgsl` stands for the text of that file, where no line before it has brought it already. What
//! comes out, the *composed* text, is what is compiled, hashed, tested and shipped to the page.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::digest::sha256_hex;
use crate::program::Program;

/// Every file as it stands: its path under `shaders/`, and its text.
pub const FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// Where files lie that are no shaders of their own.
const MODULES: &str = "modules/";

const IMPORT: &str = "#import ";

/// In front of a line that only a build which counts has: see `modules/counters.wgsl`.
const COUNTING: &str = "//+ ";

/// Behind the name of an entry file: its text as it counts.
pub const COUNTED: &str = "#counted";

/// The composed shaders, by the names of their entry files.
pub fn composed() -> &'static BTreeMap<&'static str, String> {
    static COMPOSED: OnceLock<BTreeMap<&'static str, String>> = OnceLock::new();
    COMPOSED.get_or_init(|| compose_all(false))
}

/// The same texts with counters.
fn counted() -> &'static BTreeMap<&'static str, String> {
    static COUNTED: OnceLock<BTreeMap<&'static str, String>> = OnceLock::new();
    COUNTED.get_or_init(|| compose_all(true))
}

/// The composed text of an entry file, or, with [`COUNTED`] behind its name, the one that counts.
pub fn source(name: &str) -> Option<&'static str> {
    let text = match name.strip_suffix(COUNTED) {
        Some(file) => counted().get(file),
        None => composed().get(name),
    };
    text.map(String::as_str)
}

fn compose_all(counts: bool) -> BTreeMap<&'static str, String> {
    let entries = FILES.iter().filter(|(name, _)| !name.starts_with(MODULES));
    entries.map(|(name, text)| (*name, compose(text, counts, &mut Vec::new()))).collect()
}

/// `text` with each import in the place of its line; `brought` are the modules that are there already.
fn compose(text: &str, counts: bool, brought: &mut Vec<&'static str>) -> String {
    let mut composed = String::new();
    for line in text.split_inclusive('\n') {
        let line = if counts { counting(line) } else { line.to_string() };
        let Some(name) = line.strip_prefix(IMPORT).map(str::trim) else {
            composed.push_str(&line);
            continue;
        };
        let module = FILES.iter().find(|(file, _)| *file == name);
        let (name, module) = module.unwrap_or_else(|| panic!("a shader imports {name}, which is not there"));
        if !brought.contains(name) {
            brought.push(name);
            composed.push_str(&compose(module, counts, brought));
        }
    }
    composed
}

/// A line as it counts: what is for counting alone is no comment, and every barrier is counted ahead of it. WGSL defines a
/// uniform load as two barriers around a load.
fn counting(line: &str) -> String {
    const BARRIER: &str = "meets_barrier(); ";
    if line.contains("workgroupUniformLoad(") {
        return format!("{BARRIER}{BARRIER}{line}");
    }
    let line = line.replacen(COUNTING, "", 1);
    ["workgroupBarrier();", "storageBarrier();"]
        .iter()
        .fold(line, |line, barrier| line.replace(barrier, &format!("{BARRIER}{barrier}")))
}

/// SHA-256 over the composed shaders that a program uses, by name.
pub fn sha256(program: &Program) -> String {
    let used: std::collections::BTreeSet<&str> = program.kernels.iter().map(|kernel| kernel.shader.as_str()).collect();
    let digest = |name| sha256_hex(source(name).unwrap_or_default().as_bytes());
    let listing: String = used.into_iter().map(|name| format!("{}  {name}\n", digest(name))).collect();
    sha256_hex(listing.as_bytes())
}
