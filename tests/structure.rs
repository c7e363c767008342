//! How the source is laid out: imports run downwards, and in no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Modules of `src/core/`, from the bottom: each may import what stands before it.
const CORE: [&str; 12] = [
    "error",
    "pause",
    "digest",
    "philox",
    "statistics",
    "program",
    "device_info",
    "shaders",
    "workload",
    "spec",
    "protocol",
    "cases",
];

/// Modules of `src/`, likewise; all may import the core.
const PROGRAM: [&str; 12] = [
    "parallel",
    "output",
    "shipped_model",
    "record",
    "device",
    "measure",
    "peer",
    "analysis",
    "figures",
    "paper",
    "web",
    "commands",
];

/// Modules that know nothing of each other, though one has to stand before the other.
const APART: [(&str, &str); 2] = [("figures", "paper"), ("paper", "web")];

type Module = Vec<String>;

/// The files below a crate's root by their modules; `src/core` and `src/page` are crates of their own.
fn modules(root: &Path) -> BTreeMap<Module, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_crate = path.join("Cargo.toml").exists();
            if path.is_dir() && !is_crate {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root).unwrap().with_extension("");
                let mut module: Module = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                module.pop_if(|last| ["mod", "lib", "main", "build"].contains(&last.as_str()));
                found.insert(module, path);
            }
        }
    }
    found
}

/// The text without comments, and without the tests at its end.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The paths of a `use`: `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn expanded(tree: &str) -> Vec<String> {
    let Some((before, rest)) = tree.split_once('{') else { return vec![tree.trim().to_string()] };
    let inner = &rest[..rest.rfind('}').unwrap_or(rest.len())];
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for letter in inner.chars() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        match letter {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().expect("there is one").push(letter),
        }
    }
    let prefixed = |part: &String| expanded(part).into_iter().map(|path| format!("{}{path}", before.trim()));
    parts.iter().filter(|part| !part.trim().is_empty()).flat_map(prefixed).collect()
}

/// The modules that a file imports from its own crate, in a `use` or by a path within the code.
fn imports(module: &Module, path: &Path, all: &BTreeMap<Module, PathBuf>) -> BTreeSet<Module> {
    let text = code(path);
    let mut paths: Vec<String> = Vec::new();
    for (index, _) in text.match_indices("use ") {
        let statement = &text[index + 4..];
        paths.extend(expanded(&statement[..statement.find(';').unwrap_or(statement.len())]));
    }
    let is_of_path = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    paths.extend(
        text.split(|letter| !is_of_path(letter))
            .filter(|word| word.contains("::") && !word.ends_with("::"))
            .map(String::from),
    );
    let mut found = BTreeSet::new();
    for path in paths {
        let mut parts: Vec<&str> = path.split("::").map(|part| part.split(" as ").next().unwrap().trim()).collect();
        let mut base = module.clone();
        match parts.first().copied() {
            Some("crate") => base = Module::new(),
            Some("super") => {
                while parts.first() == Some(&"super") {
                    base.pop();
                    parts.remove(0);
                }
                parts.insert(0, "super");
            }
            Some("self") => {}
            // A module below this one, or something else's path.
            _ => parts.insert(0, "self"),
        }
        base.extend(parts.into_iter().skip(1).map(String::from));
        while !base.is_empty() && !all.contains_key(&base) {
            base.pop();
        }
        // What leads to the crate's own root is another crate's path, or a name that is brought in already.
        if base != *module && !base.is_empty() {
            found.insert(base);
        }
    }
    found
}

fn check(root: &str, order: &[&str]) {
    let all = modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join(root));
    let graph: BTreeMap<&Module, BTreeSet<Module>> =
        all.iter().map(|(module, path)| (module, imports(module, path, &all))).collect();
    assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 20, "imports are found at all");
    let place = |name: &str| {
        order
            .iter()
            .position(|known| *known == name)
            .unwrap_or_else(|| panic!("{root}/{name} has no place in the order"))
    };
    for (module, imported) in &graph {
        let Some(own) = module.first() else { continue };
        for other in imported {
            let (from, to) = (place(own), place(&other[0]));
            assert!(to <= from, "{root}/{} imports upwards: {}", module.join("/"), other.join("::"));
            let is_apart = APART.iter().any(|(a, b)| (*a, *b) == (other[0].as_str(), own.as_str()));
            assert!(!is_apart, "{root}/{} imports {}", module.join("/"), other.join("::"));
        }
    }
    let reaches_itself = |module: &Module| {
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        let mut next: Vec<&Module> = graph[module].iter().collect();
        while let Some(other) = next.pop() {
            if seen.insert(other) {
                next.extend(&graph[other]);
            }
        }
        seen.contains(module)
    };
    let circle: Vec<String> =
        graph.keys().filter(|module| reaches_itself(module)).map(|module| module.join("::")).collect();
    assert!(circle.is_empty(), "these import each other in a circle: {circle:?}");
}

#[test]
fn the_core_imports_downwards() {
    check("src/core", &CORE);
}

#[test]
fn the_program_imports_downwards() {
    check("src", &PROGRAM);
}

/// `println!` and its like panic where standard output or error is full or closed; `output` gives an error.
#[test]
fn only_one_file_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in modules(&root).into_values() {
        let words = code(&path);
        let prints = ["println!(", "eprintln!(", "print!(", "eprint!("].iter().any(|name| words.contains(name));
        assert!(!prints, "{}: print by crate::output", path.display());
    }
}

#[test]
fn an_upward_import_is_seen() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("structure");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("lib.rs"), "pub mod low;\npub mod high;\n").unwrap();
    std::fs::write(folder.join("low.rs"), "use std::fmt;\nuse crate::{high::{self, Top}};\n").unwrap();
    std::fs::write(folder.join("high.rs"), "pub struct Top;\npub fn top() -> super::low::Under {}\n").unwrap();
    let all = modules(&folder);
    let of = |name: &str| imports(&vec![name.to_string()], &folder.join(format!("{name}.rs")), &all);
    assert_eq!(of("low"), BTreeSet::from([vec!["high".to_string()]]));
    assert_eq!(of("high"), BTreeSet::from([vec!["low".to_string()]]));
}
