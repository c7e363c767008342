//! What `scripts/new-results.sh` says of a branch that adds results, in a repository of its own.

mod fixture;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fixture::{Temporary, manifest, text};
use onedispatch::record::manifest::Manifest;

fn git(repository: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"];
    let status = Command::new("git").args(identity).args(arguments).current_dir(repository).status().unwrap();
    assert!(status.success(), "git {arguments:?}");
}

/// A repository whose branch `main` has one run, and its checked out branch `results` nothing more; and the run.
fn repository() -> (Temporary, PathBuf) {
    let repository = Temporary::new();
    git(&repository.0, &["init", "--quiet", "--initial-branch=main"]);
    let run = fixture::write(&repository.0.join("data"), manifest(), &fixture::all());
    git(&repository.0, &["add", "."]);
    git(&repository.0, &["commit", "--quiet", "--message=a run"]);
    git(&repository.0, &["checkout", "--quiet", "-b", "results"]);
    (repository, run)
}

fn summary(repository: &Temporary, base: &str) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/new-results.sh");
    let program = env!("CARGO_BIN_EXE_onedispatch");
    Command::new(script).arg(base).env("ONEDISPATCH", program).current_dir(&repository.0).output().unwrap()
}

fn later() -> Manifest {
    Manifest { date: "2026-02-02".into(), ..manifest() }
}

#[test]
fn a_new_run_is_verified_and_stands_beside_its_kin() {
    let (repository, old) = repository();
    let new = fixture::write(&repository.0.join("data"), later(), &fixture::all());
    git(&repository.0, &["add", "."]);
    git(&repository.0, &["commit", "--quiet", "--message=another run"]);
    let output = summary(&repository, "main");
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    let place = |run: &Path| run.strip_prefix(&repository.0).unwrap().display().to_string();
    assert!(said.contains(&format!("## {}\n\nVerified.", place(&new))), "{said}");
    assert!(said.contains(&format!("A  {}\nB  {}\n", place(&old), place(&new))), "{said}");
    assert!(said.contains("other verdict: 0"), "{said}");
    assert!(!said.contains(&format!("## {}\n", place(&old))), "not new: {said}");
}

#[test]
fn a_run_with_faults_or_without_kin_is_named() {
    let (repository, _) = repository();
    let other = Manifest { experiment: "else".into(), ..later() };
    // Not committed yet: what a contributor sees before it is.
    let new = fixture::write(&repository.0.join("data"), other, &fixture::all());
    let results = std::fs::read_to_string(new.join("results.csv")).unwrap();
    std::fs::write(new.join("results.csv"), results.replacen("pass", "PASS", 1)).unwrap();
    let output = summary(&repository, "main");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("**Has faults.**") && said.contains("results.csv"), "{said}");
    assert!(said.contains("Not compared: data has no other run of `else`"), "{said}");
}

#[test]
fn a_run_that_was_there_stays_as_it_is() {
    let (repository, old) = repository();
    let samples = std::fs::read_to_string(old.join("samples.csv")).unwrap();
    std::fs::write(old.join("samples.csv"), samples + "\n").unwrap();
    let output = summary(&repository, "main");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let place = old.join("samples.csv");
    assert!(said.contains(&format!("- {}\n", place.strip_prefix(&repository.0).unwrap().display())), "{said}");
    assert!(said.contains("No new directory of a run."), "{said}");

    let unknown = summary(&repository, "nosuch");
    assert_eq!((unknown.status.code(), text(&unknown.stderr).lines().count()), (Some(2), 1));
}
