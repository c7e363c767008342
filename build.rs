//! Records which commit the binary is built from, for the manifests of its results.

use std::process::Command;

fn main() {
    // Only what a commit or an edit of the code changes: rendering figures must not rebuild the program.
    for path in ["src", "shaders", "Cargo.toml", "Cargo.lock", "build.rs", ".git/HEAD", ".git/refs/heads"] {
        if std::path::Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_default();
    let changes = git(&["status", "--porcelain", "--", "src", "shaders", "Cargo.toml", "Cargo.lock", "build.rs"]);
    let clean = !commit.is_empty() && changes.is_some_and(|changes| changes.is_empty());
    println!("cargo:rustc-env=ONEDISPATCH_COMMIT={commit}");
    println!("cargo:rustc-env=ONEDISPATCH_CLEAN={clean}");
}
