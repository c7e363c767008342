//! A reviewer's own measurement beside committed rows, through the program.

mod fixture;

use std::path::Path;
use std::process::Output;

use fixture::{Temporary, onedispatch};

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

fn output(arguments: &[&str], places: &[(&str, &Path)]) -> Output {
    let mut command = onedispatch(arguments);
    for (option, path) in places {
        command.arg(option).arg(path);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_page_says_what_is_confirmed() {
    let directory = Temporary::new();
    let (spec, data, out) = (directory.0.join("decode.toml"), directory.0.join("data"), directory.0.join("review"));
    std::fs::write(&spec, SPEC).unwrap();
    let spec = spec.to_str().unwrap();
    let run = output(&["run", spec], &[("--out", &data)]);
    assert!(run.status.success(), "{}", said(&run));

    let review = output(&["review", spec, "--minutes", "1"], &[("--data", &data), ("--out", &out)]);
    assert!(review.status.success(), "{}", said(&review));
    let page = std::fs::read_to_string(out.join("review.md")).unwrap();
    assert!(said(&review).contains("same verdict: 1, other verdict: 0, cannot tell: 0"), "{}", said(&review));
    assert!(page.contains("**What could be told is confirmed.**"), "{page}");
    assert!(page.contains(" rows right.") && !page.contains("no time"), "{page}");
    assert!(page.contains("\n| C12 | numerics"), "{page}");
    assert!(page.contains("| holds | holds | same verdict |"), "{page}");
    // The committed rows stay as they were, and the reviewer's are rows like any others.
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
    for place in [data, out.join("data")] {
        let verified = output(&["verify", place.to_str().unwrap()], &[]);
        assert!(verified.status.success(), "{}", said(&verified));
    }
}

#[test]
fn what_cannot_be_reviewed_is_refused_before_anything_is_measured() {
    let directory = Temporary::new();
    let (spec, data) = (directory.0.join("decode.toml"), directory.0.join("data"));
    std::fs::write(&spec, SPEC).unwrap();
    let spec = spec.to_str().unwrap();
    let refused = |arguments: &[&str], places: &[(&str, &Path)]| {
        let refused = output(arguments, places);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        said(&refused).replace(&directory.0.display().to_string(), "DIR")
    };
    let out = directory.0.join("review");
    let nothing = refused(&["review", spec], &[("--data", &data), ("--out", &out)]);
    assert_eq!(nothing, "onedispatch: DIR/data: no results there yet; `onedispatch run` writes some\n");
    fixture::write(&data, fixture::manifest(), &fixture::all());
    let file = refused(&["review", spec], &[("--data", &data), ("--out", Path::new(spec))]);
    assert_eq!(file, "onedispatch: DIR/decode.toml: is no folder; choose another place\n");
    assert!(!out.exists());
}
