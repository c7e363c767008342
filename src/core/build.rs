//! Puts the shaders and the prices of the project into the crate: every file under `shaders/`, so that a new one needs no list.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A folder of the project. A package has a copy of it, for which a link stands in a checkout; a system that knows no links checks out
/// a small file instead.
fn folder(link: &str, of_project: &str) -> PathBuf {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = [link, of_project].map(|path| crate_root.join(path)).into_iter().find(|path| path.is_dir());
    let folder = folder.unwrap_or_else(|| panic!("{of_project} is not there")).canonicalize().expect("it is there");
    println!("cargo:rerun-if-changed={}", folder.display());
    folder
}

fn main() -> std::io::Result<()> {
    let shaders = folder("shaders", "../../shaders");
    let mut list = String::from("[\n");
    for folder in ["control", "decode", "modules", "rollout"] {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(shaders.join(folder))? {
            names.push(entry?.file_name().into_string().expect("a shader's name is UTF-8"));
        }
        names.retain(|name| name.ends_with(".wgsl"));
        names.sort();
        for name in names {
            let path = shaders.join(folder).join(&name);
            writeln!(list, "    ({:?}, include_str!({:?})),", format!("{folder}/{name}"), path)
                .expect("a string takes it");
        }
    }
    list.push(']');
    std::fs::write(Path::new(&std::env::var("OUT_DIR").expect("cargo sets it")).join("shaders.rs"), list)?;
    let prices = folder("sources", "../../data/sources").join("eustockmarkets.csv");
    println!("cargo:rustc-env=ONEDISPATCH_PRICES={}", prices.display());
    Ok(())
}
