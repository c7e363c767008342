//! A reviewer's own measurement beside committed rows, through the program.

mod fixture;

use std::path::Path;
use std::process::Command;

use fixture::{Temporary, onedispatch, printed, refusal};

/// One case that a software device answers soon. C12, about errors, is judged on any case.
const SPEC: &str = r#"name = "decode-quick"
question = "Is a review told?"
workload = "decode"
seed = 1
quick = true
samples = 3
warmup_s = 0.01
arm_cap_s = 0.1
tolerance = 1e-3
tolerance_reason = "f32"
arms = ["fused-workgroup"]

[decode]
n_embd = [32]
n_layer = [1]
new_tokens = [4]
vocab_size = [64]
prompt_tokens = [1]
"#;

fn command(arguments: &[&str], places: &[(&str, &Path)]) -> Command {
    let mut command = onedispatch(arguments);
    for (option, path) in places {
        command.arg(option).arg(path);
    }
    command
}

#[test]
fn a_page_says_what_is_confirmed() {
    let directory = Temporary::new();
    let (spec, data, out) = (directory.0.join("decode.toml"), directory.0.join("data"), directory.0.join("review"));
    std::fs::write(&spec, SPEC).unwrap();
    let spec = spec.to_str().unwrap();
    printed(&mut command(&["run", spec], &[("--out", &data)]));

    let said = printed(&mut command(&["review", spec, "--minutes", "1"], &[("--data", &data), ("--out", &out)]));
    let page = std::fs::read_to_string(out.join("review.md")).unwrap();
    assert!(said.contains("same verdict: 1, other verdict: 0, cannot tell: 0"), "{said}");
    assert!(page.contains("**What could be told is confirmed.**"), "{page}");
    assert!(page.contains(" rows right.") && !page.contains("no time"), "{page}");
    assert!(page.contains("\n| C12 | numerics"), "{page}");
    assert!(page.contains("| holds | holds | same verdict |"), "{page}");
    // The committed rows stay as they were, and the reviewer's are rows like any others.
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
    for place in [data, out.join("data")] {
        printed(onedispatch(&["verify"]).arg(place));
    }
}

#[test]
fn what_cannot_be_reviewed_is_refused_before_anything_is_measured() {
    let directory = Temporary::new();
    let (spec, data) = (directory.0.join("decode.toml"), directory.0.join("data"));
    std::fs::write(&spec, SPEC).unwrap();
    let spec = spec.to_str().unwrap();
    let refused =
        |out: &Path| refusal(&mut command(&["review", spec], &[("--data", &data), ("--out", out)]), &directory);
    let out = directory.0.join("review");
    assert_eq!(refused(&out), "onedispatch: DIR/data: no results there yet; `onedispatch run` writes some");
    fixture::write(&data, fixture::manifest(), &fixture::all());
    assert_eq!(refused(Path::new(spec)), "onedispatch: DIR/decode.toml: is no folder; choose another place");
    assert!(!out.exists());
}
