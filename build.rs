//! Records which commit the binary is built from, for the manifests of its results.

use std::process::Command;

fn main() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    // Only what a commit or an edit of the code changes: rendering figures must not rebuild the program.
    let git_path = |name: &str| git(&["rev-parse", "--git-path", name]);
    let watched = ["src", "shaders", "Cargo.toml", "Cargo.lock", "build.rs"].map(|path| Some(path.to_string()));
    for path in watched.into_iter().chain(["HEAD", "refs/heads", "packed-refs"].map(git_path)).flatten() {
        if std::path::Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    // Sources that were unpacked inside another repository are of no commit.
    let own = git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix.is_empty());
    let commit = git(&["rev-parse", "HEAD"]).filter(|_| own).unwrap_or_default();
    let changes = git(&["status", "--porcelain", "--", "src", "shaders", "Cargo.toml", "Cargo.lock", "build.rs"]);
    let clean = !commit.is_empty() && changes.is_some_and(|changes| changes.is_empty());
    println!("cargo:rustc-env=ONEDISPATCH_COMMIT={commit}");
    println!("cargo:rustc-env=ONEDISPATCH_CLEAN={clean}");
}
