//! Puts every file under `shaders/` into the crate, so that a new one needs no list.

use std::fmt::Write;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let shaders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shaders");
    println!("cargo:rerun-if-changed={}", shaders.display());
    let mut list = String::from("[\n");
    for folder in ["control", "decode", "modules", "rollout"] {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(shaders.join(folder))? {
            names.push(entry?.file_name().into_string().expect("a shader's name is UTF-8"));
        }
        names.retain(|name| name.ends_with(".wgsl"));
        names.sort();
        for name in names {
            let path = shaders.join(folder).join(&name).canonicalize()?;
            writeln!(list, "    ({:?}, include_str!({:?})),", format!("{folder}/{name}"), path)
                .expect("a string takes it");
        }
    }
    list.push(']');
    std::fs::write(Path::new(&std::env::var("OUT_DIR").expect("cargo sets it")).join("shaders.rs"), list)
}
