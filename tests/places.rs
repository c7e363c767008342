//! Where results and words go: what cannot be written to is one line and exit code 2, and nothing is computed for it.

mod fixture;

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Output, Stdio};

use fixture::{Temporary, onedispatch, text};

const MODEL: &str = "tests/golden/decode/tiny_d32_l1_h2";
const GENOMES: &str = "tests/golden/rollout/cartpole.safetensors";

/// What is printed before a refusal would have been computed.
fn refusal(arguments: &[&str], directory: &Temporary) -> String {
    fixture::refusal(&mut onedispatch(arguments), directory) + "\n"
}

#[test]
fn a_place_that_cannot_be_written_to_is_refused_first() {
    let directory = Temporary::new();
    fs::write(directory.0.join("file"), "kept").unwrap();
    let at = |name: &str| directory.0.join(name).display().to_string();
    let (missing, below, folder) = (at("missing/out"), at("file/out"), at(""));
    let generate = ["generate", "--model", MODEL, "--prompt-ids", "1", "--tokens", "2", "--logits"];
    let rollout = ["rollout", "--env", "cartpole", "--genomes", GENOMES, "--out"];
    let out = at("out.csv");
    let mut said = String::new();
    for place in [&missing, &below, &folder] {
        said += &refusal(&[&generate[..], &[place]].concat(), &directory);
        said += &refusal(&[&rollout[..], &[place]].concat(), &directory);
        said += &refusal(&[&rollout[..], &[&out, "--trajectory", place]].concat(), &directory);
    }
    said += &refusal(&[&rollout[..], &[&out, "--trajectory", &out]].concat(), &directory);
    said += &refusal(&[&rollout[..], &[GENOMES]].concat(), &directory);
    let verbs = [
        &["run", "experiments/decode-quick.toml", "--out"][..],
        &["export", "experiments/decode-quick.toml", "--out"],
        &["evolve", "--env", "cartpole", "--out"],
        &["figures", "--out"],
        &["paper", "--out"],
        &["web", "--out"],
    ];
    for verb in verbs {
        said += &refusal(&[verb, &[&below]].concat(), &directory);
    }
    insta::assert_snapshot!(said, @"
    onedispatch: DIR/missing: there is no such folder; make it, or choose another place
    onedispatch: DIR/missing: there is no such folder; make it, or choose another place
    onedispatch: DIR/missing: there is no such folder; make it, or choose another place
    onedispatch: DIR/file: is no folder; choose another place
    onedispatch: DIR/file: is no folder; choose another place
    onedispatch: DIR/file: is no folder; choose another place
    onedispatch: DIR/: is a folder; name a file
    onedispatch: DIR/: is a folder; name a file
    onedispatch: DIR/: is a folder; name a file
    onedispatch: DIR/out.csv: is named by --out and by --trajectory; give each a file of its own
    onedispatch: tests/golden/rollout/cartpole.safetensors: is named by --genomes and by --out; give each a file of its own
    onedispatch: DIR/file: is no folder; choose another place
    onedispatch: DIR/file: is no folder; choose another place
    onedispatch: DIR/file: is no folder; choose another place
    onedispatch: DIR/file: is no folder; choose another place
    onedispatch: DIR/file: is no folder; choose another place
    onedispatch: DIR/file: is no folder; choose another place
    ");
    let left: Vec<_> = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!((left, fs::read_to_string(at("file")).unwrap()), (vec!["file".into()], "kept".into()));
}

/// A folder that is no page is kept, and known before the page is made.
#[test]
fn a_page_does_not_replace_another_folder() {
    let directory = Temporary::new();
    fs::write(directory.0.join("letter.txt"), "kept").unwrap();
    let said = refusal(&["web", "--from", "no/such/page", "--out", &directory.0.display().to_string()], &directory);
    assert_eq!(said, "onedispatch: DIR: holds something that is no page; choose another place with --out\n");
    assert!(Path::new(&directory.0.join("letter.txt")).exists());
}

/// A device of Linux that takes nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_the_output_is_one_line() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let directory = Temporary::new();
    let at = |name: &str| directory.0.join(name).display().to_string();
    let (csv, cases) = (at("out.csv"), at("cases"));
    let verbs = [
        &["devices"][..],
        &["--help"],
        &["generate", "--model", MODEL, "--prompt-ids", "1", "--tokens", "2", "--arm", "stepwise"],
        &["rollout", "--env", "cartpole", "--genomes", GENOMES, "--steps", "4", "--out", &csv],
        &["export", "experiments/decode-quick.toml", "--out", &cases],
    ];
    for arguments in verbs {
        let Output { status, stderr, .. } = onedispatch(arguments).stdout(full()).output().unwrap();
        let line = "onedispatch: standard output: No space left on device (os error 28); free some space, or send it elsewhere\n";
        assert_eq!((status.code(), text(&stderr).as_str()), (Some(2), line), "{arguments:?}");
        let status = onedispatch(arguments).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}");
    }
    let status = onedispatch(&["verify", "no/such/directory"]).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

/// `onedispatch devices | head -1`
#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let mut command = onedispatch(&["devices"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
}
