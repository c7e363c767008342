//! What `cargo package` puts into the packages is all that their code takes, and little more.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// The packages that are published, each with its folder in the project.
const PACKAGES: [(&str, &str); 2] = [("onedispatch-core", "src/core"), ("onedispatch", "")];

/// Bytes that a registry takes, compressed; here they are not.
const LARGEST: u64 = 10_000_000;

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// The files of a package, those that cargo makes itself left out.
fn files(package: &str, folder: &str) -> BTreeSet<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root(""))
        .args(["package", "--list", "--allow-dirty", "--offline", "--package", package])
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let list = String::from_utf8(output.stdout).expect("names are text");
    list.lines().map(PathBuf::from).filter(|file| root(folder).join(file).exists()).collect()
}

/// A path without its `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{} lies outside of the package", path.display()),
            part => plain.push(part),
        }
        plain
    })
}

/// The files that a source takes into the program, tests at its end left out.
fn taken(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let words = ["include_str!(\"", "include_bytes!(\""];
    words
        .into_iter()
        .flat_map(|word| code.split(word).skip(1))
        .filter_map(|rest| rest.split_once('"').map(|(path, _)| path))
        .collect()
}

#[test]
fn what_the_code_takes_is_in_its_package() {
    let mut found = 0;
    for (package, folder) in PACKAGES {
        let files = files(package, folder);
        for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs")) {
            let source = std::fs::read_to_string(root(folder).join(file)).unwrap();
            for path in taken(&source) {
                let path = plain(&file.parent().unwrap().join(path));
                assert!(files.contains(&path), "{package}: {} takes {}", file.display(), path.display());
                found += 1;
            }
        }
    }
    assert!(found >= 6, "the model, the font, experiments, the lock file: {found}");
}

/// `src/core/build.rs` takes these by their folders.
#[test]
fn shaders_and_prices_are_in_the_package_of_the_core() {
    let (package, folder) = PACKAGES[0];
    let files = files(package, folder);
    for kind in ["control", "decode", "modules", "rollout"] {
        for shader in std::fs::read_dir(root("shaders").join(kind)).unwrap() {
            let path = Path::new("shaders").join(kind).join(shader.unwrap().file_name());
            assert!(files.contains(&path), "{}", path.display());
        }
    }
    assert!(files.contains(Path::new("sources/eustockmarkets.csv")));
}

#[test]
fn a_package_is_small_and_has_its_licence() {
    for (package, folder) in PACKAGES {
        let files = files(package, folder);
        let bytes: u64 = files.iter().map(|file| std::fs::metadata(root(folder).join(file)).unwrap().len()).sum();
        assert!(bytes < LARGEST, "{package} has {bytes} bytes");
        assert!(files.contains(Path::new("LICENSE")), "{package}");
        let strange = ["data", "figures", "paper", "peers", "target", "tests", "web"];
        assert_eq!(files.iter().find(|file| strange.iter().any(|folder| file.starts_with(folder))), None, "{package}");
    }
}
