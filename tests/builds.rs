//! The program with a GPU's part and the one without, which `make reproduce` builds first.

use std::collections::BTreeSet;
use std::process::Command;

/// Each crate that a build compiles, with its version and features.
fn compiled(options: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--package", "onedispatch", "--locked", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p} [{f}]", "--no-dedupe"])
        .args(options)
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("names are text").lines().map(str::to_owned).collect()
}

#[test]
fn what_both_builds_need_is_compiled_once() {
    let (whole, part) = (compiled(&[]), compiled(&["--no-default-features"]));
    let anew: Vec<&String> = part.difference(&whole).filter(|name| !name.starts_with("onedispatch")).collect();
    assert!(
        anew.is_empty(),
        "these have other features without a GPU, so all that stands on them is compiled twice: {anew:?}"
    );
}

#[test]
fn reproducing_builds_nothing_for_a_gpu_or_for_models() {
    let part = compiled(&["--no-default-features"]);
    for name in ["naga ", "tokenizers ", "wgpu "] {
        assert!(!part.iter().any(|compiled| compiled.starts_with(name)), "{name}is built for reproducing");
        assert!(compiled(&[]).iter().any(|compiled| compiled.starts_with(name)), "{name}is not known");
    }
}
