//! The page in a real browser: runs `node --test` over `web/tests/`, with this build's program.
//!
//! Without node, or without what `scripts/software-browser.sh` installs, this says so and passes, unless
//! ONEDISPATCH_BROWSER_TESTS is `required`, as it is in `.ci/run`.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_page_in_chromium() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let required = std::env::var("ONEDISPATCH_BROWSER_TESTS").is_ok_and(|value| value == "required");
    if let Some(missing) = missing(root) {
        assert!(!required, "{missing}; run scripts/software-browser.sh");
        eprintln!("skipped: {missing}; scripts/software-browser.sh installs it");
        return;
    }
    let mut tests: Vec<PathBuf> =
        std::fs::read_dir(root.join("web/tests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    tests.retain(|path| path.to_string_lossy().ends_with(".test.js"));
    tests.sort();
    assert!(!tests.is_empty());
    let output = Command::new("node")
        // One browser at a time: a software GPU has the cores to itself.
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(&tests)
        .env("ONEDISPATCH", env!("CARGO_BIN_EXE_onedispatch"))
        .env("ONEDISPATCH_BROWSER_TESTS", "required")
        .current_dir(root)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{text}");
}

/// What the tests need and is not there.
fn missing(root: &Path) -> Option<&'static str> {
    let chromium = std::env::var("ONEDISPATCH_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    if Command::new("node").arg("--version").output().is_err() {
        return Some("there is no node");
    }
    if !Path::new(&chromium).exists() {
        return Some("there is no Chromium");
    }
    (!root.join("web/node_modules/playwright-core").exists()).then_some("the npm packages of web/ are not installed")
}
