//! Options that would change nothing are refused, or told of in a line.

mod fixture;

use std::process::Output;

use fixture::{Temporary, onedispatch, text};

const MODEL: &str = "tests/golden/decode/tiny_d32_l1_h2";
const ASKED: [&str; 7] = ["generate", "--model", MODEL, "--prompt-ids", "1,2,3", "--tokens", "4"];

/// Exit code and the lines of standard error that name an option.
fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = onedispatch(arguments).output().unwrap();
    (status.code(), text(&stderr).lines().filter(|line| line.contains("--")).map(|line| format!("{line}\n")).collect())
}

#[test]
fn what_can_be_known_at_once_is_refused() {
    let refused =
        [said(&[&ASKED[..], &["--stream"]].concat()), said(&[&ASKED[..], &["--stream", "--format", "json"]].concat())];
    assert!(refused.iter().all(|(code, _)| *code == Some(2)), "{refused:?}");
    insta::assert_snapshot!(refused.map(|(_, line)| line).concat(), @"
    onedispatch: --stream prints text as it is made; give the prompt as text, with --prompt
    onedispatch: --stream prints text as it is made; leave out --format json
    ");
}

#[test]
fn what_turns_out_later_is_told() {
    let told = |rest: &[&str]| {
        let (code, lines) = said(&[&ASKED[..], rest].concat());
        assert_eq!(code, Some(0), "{lines}");
        lines
    };
    let lines = [
        told(&["--arm", "fused-workgroup", "--policy", "wait-each"]),
        told(&["--arm", "stepwise", "--prompt-tile", "8"]),
        // These change something, or are what is done anyway.
        told(&["--arm", "stepwise", "--policy", "wait-each"]),
        told(&["--arm", "fused-workgroup", "--policy", "one-submit", "--prompt-tile", "1"]),
    ];
    insta::assert_snapshot!(lines.concat(), @"
    --policy wait-each changes nothing: all is one dispatch, which --span can cut
    --prompt-tile 8 changes nothing: stepwise feeds each token of this prompt alone
    ");
}

#[test]
fn a_seed_and_a_policy_of_a_rollout_that_change_nothing_are_told() {
    let directory = Temporary::new();
    let out = directory.0.join("out.csv").display().to_string();
    let genomes = "tests/golden/rollout/cartpole.safetensors";
    let (code, lines) = said(&[
        "rollout",
        "--env",
        "cartpole",
        "--genomes",
        genomes,
        "--out",
        &out,
        "--steps",
        "4",
        "--seed",
        "3",
        "--arm",
        "fused",
        "--policy",
        "wait-each",
    ]);
    assert_eq!(code, Some(0), "{lines}");
    insta::assert_snapshot!(lines, @"
    --seed changes nothing: the file has initial states
    --policy wait-each changes nothing: all is one dispatch, which --span can cut
    ");
}
