//! A run that is killed loses no finished case and goes on where it was; one that is complete is never written over.

mod fixture;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fixture::quick::{SPEC, finished, kill_after_a_case, lines, runs};
use fixture::{Temporary, onedispatch, printed};

const CASES: [&str; 4] = ["control", "d32-l1-t4", "d32-l1-t5", "d32-l1-t6"];

fn files(run: &Path) -> BTreeMap<PathBuf, String> {
    let entries = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn a_killed_run_goes_on_and_a_complete_one_stays() {
    let directory = Temporary::new();
    let (spec, out) = (directory.0.join("resume.toml"), directory.0.join("out"));
    std::fs::write(&spec, SPEC).unwrap();
    let run = || {
        let mut command = onedispatch(&["run"]);
        command.arg(&spec).arg("--out").arg(&out);
        command
    };

    kill_after_a_case(&mut run(), &out);
    let [killed] = &runs(&out)[..] else { panic!("one run was started") };
    let kept = finished(killed);
    assert!(kept.len() < CASES.len(), "the kill came too late to stop anything");
    let of_kept = |line: &&String| kept.iter().any(|case| line.starts_with(&format!("{case},")));
    let tables = ["cases.csv", "results.csv", "samples.csv"];
    let before = tables.map(|file| {
        let lines = lines(killed, file);
        let rows: String = lines.iter().filter(of_kept).cloned().collect();
        assert!(!rows.is_empty(), "{file} has the finished case");
        format!("{}{rows}", lines[0])
    });

    let said = printed(&mut run());
    assert!(said.contains(&format!("going on after {} finished cases\n", kept.len())), "{said}");
    assert_eq!(runs(&out), std::slice::from_ref(killed), "it goes on in the same directory");
    assert_eq!(finished(killed), CASES);
    for (file, before) in tables.into_iter().zip(before) {
        let after = std::fs::read_to_string(killed.join(file)).unwrap();
        assert!(after.starts_with(&before), "{file}: rows of finished cases are as they were, byte for byte");
        assert!(CASES.iter().all(|case| after.contains(&format!("\n{case},"))), "{file} has every case");
    }
    printed(onedispatch(&["verify"]).arg(&out));

    let complete = files(killed);
    printed(&mut run());
    let both = runs(&out);
    let [first, second] = &both[..] else { panic!("a second run takes a directory of its own: {both:?}") };
    assert_eq!(second.display().to_string(), format!("{}-2", first.display()));
    assert_eq!(files(first), complete, "a complete run is not touched");
    printed(onedispatch(&["verify"]).arg(&out));

    let compared = printed(onedispatch(&["compare"]).arg(first).arg(second));
    for case in CASES {
        let line = compared.lines().find(|line| line.starts_with(case)).unwrap_or_else(|| panic!("{case}: {compared}"));
        assert!(line.contains('[') && line.contains(']'), "{line}");
    }
}

/// 13 GB of weights: no device yet binds as much, and the host is not made to hold it.
#[test]
fn a_case_that_does_not_fit_becomes_rows_that_say_why() {
    let directory = Temporary::new();
    let (spec, out) = (directory.0.join("large.toml"), directory.0.join("out"));
    let large = SPEC.replace("n_embd = [32]", "n_embd = [16384, 32]").replace("[4, 5, 6]", "[4]");
    std::fs::write(&spec, large).unwrap();
    let said = printed(onedispatch(&["run"]).arg(&spec).arg("--out").arg(&out));
    assert!(said.contains("3 rows have no time: see the column `reason` of results.csv"), "{said}");
    let run = &runs(&out)[0];
    assert_eq!(finished(run), ["control", "d16384-l1-t4", "d32-l1-t4"], "the cases after it are measured");
    let results = lines(run, "results.csv");
    let rows: Vec<&String> = results.iter().filter(|line| line.starts_with("d16384-")).collect();
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert!(row.contains("does not run on this device: the buffer `weights` ("), "{row}");
        assert!(
            row.contains("but max_buffer_size is") || row.contains("but max_storage_buffer_binding_size is"),
            "{row}"
        );
    }
    printed(onedispatch(&["verify"]).arg(&out));
}
