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

/// Behind the name of an entry file that imports modules of which there are two: its text with those that are named after subgroups,
/// `modules/lanes_by_subgroup.wgsl` in the place of `modules/lanes.wgsl`.
pub const BY_SUBGROUP: &str = "#by-subgroup";

/// What such a text begins with.
const WITH_SUBGROUPS: &str = "modules/by_subgroup.wgsl";

/// The composed shaders, by the names of their entry files and of what these are besides.
pub fn composed() -> &'static BTreeMap<String, String> {
    static COMPOSED: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    COMPOSED.get_or_init(|| compose_all(false))
}

/// The same texts with counters.
fn counted() -> &'static BTreeMap<String, String> {
    static COUNTED: OnceLock<BTreeMap<String, String>> = OnceLock::new();
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

fn compose_all(counts: bool) -> BTreeMap<String, String> {
    let entries = FILES.iter().filter(|(name, _)| !name.starts_with(MODULES));
    let texts = entries.flat_map(|(name, text)| {
        let plain = Composing { counts, ..Composing::default() }.text(text);
        let begin = format!("{IMPORT}{WITH_SUBGROUPS}\n{text}");
        let mut composing = Composing { counts, by_subgroup: true, ..Composing::default() };
        let by_subgroup = composing.text(&begin);
        let other = composing.is_other.then(|| (format!("{name}{BY_SUBGROUP}"), by_subgroup));
        [(name.to_string(), plain)].into_iter().chain(other)
    });
    texts.collect()
}

/// A text whose imports are being put in their places.
#[derive(Default)]
struct Composing {
    counts: bool,
    by_subgroup: bool,
    /// Modules that are there already.
    brought: Vec<&'static str>,
    /// Whether one of them is there because it is by subgroup.
    is_other: bool,
}

impl Composing {
    fn text(&mut self, text: &str) -> String {
        let mut composed = String::new();
        for line in text.split_inclusive('\n') {
            let line = if self.counts { counting(line) } else { line.to_string() };
            let Some(name) = line.strip_prefix(IMPORT).map(str::trim) else {
                composed.push_str(&line);
                continue;
            };
            let (name, module) = self.module(name);
            if !self.brought.contains(&name) {
                self.brought.push(name);
                composed.push_str(&self.text(module));
            }
        }
        composed
    }

    fn module(&mut self, name: &str) -> (&'static str, &'static str) {
        let named = |name: &str| FILES.iter().find(|(file, _)| *file == name).copied();
        let other = name.strip_suffix(".wgsl").and_then(|stem| named(&format!("{stem}_by_subgroup.wgsl")));
        if let (true, Some(other)) = (self.by_subgroup, other) {
            self.is_other = true;
            return other;
        }
        named(name).unwrap_or_else(|| panic!("a shader imports {name}, which is not there"))
    }
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
