//! Every change of a data directory is found and named by its place.

mod fixture;

use fixture::{Temporary, change_every_cell, fault_lines, written};
use onedispatch::commands::verify as command;
use onedispatch::paper::survey;
use onedispatch::record::fault::Fault;
use onedispatch::record::rows::{Case, ResultRow, Sample};
use onedispatch::record::run::load_all;
use onedispatch::record::table::{Row, Table};
use onedispatch::record::verify::{root_digest, verify};

const RUN: &str = "nvidia-h200/2026-01-31-decode";

fn faults(data: &Temporary) -> Vec<Fault> {
    verify(&data.0).unwrap().faults
}

#[test]
fn what_was_written_passes() {
    let (data, run) = written();
    assert_eq!(run, data.0.join(RUN));
    std::fs::write(data.0.join("README.md"), "about").unwrap();
    std::fs::create_dir(data.0.join("sources")).unwrap();
    std::fs::write(data.0.join("sources/prices.csv"), "1").unwrap();
    let verification = verify(&data.0).unwrap();
    assert_eq!(verification.faults, []);
    assert_eq!((verification.runs.len(), verification.files, verification.rows), (1, 6, 3 + 13 + 33));
    assert_eq!(verification.partial, [] as [String; 0]);
    // One run alone passes as well.
    assert_eq!(verify(&run).unwrap().faults, []);
}

#[test]
fn the_root_digest_is_that_of_sha256sum() {
    let (data, _) = written();
    let script = "find . -type f ! -name datapackage.json ! -name croissant.json ! -path './schemas/*' -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum";
    let Ok(output) = std::process::Command::new("sh").args(["-c", script]).current_dir(&data.0).output() else {
        return;
    };
    if output.status.success() {
        let expected = String::from_utf8(output.stdout).unwrap();
        assert_eq!(verify(&data.0).unwrap().root_digest, expected[..64]);
    }
}

#[test]
fn every_changed_cell_of_cases_is_named() {
    let (data, run) = written();
    change_every_cell::<Case>(&data.0, &run);
}

#[test]
fn every_changed_cell_of_results_is_named() {
    let (data, run) = written();
    change_every_cell::<ResultRow>(&data.0, &run);
}

#[test]
fn every_changed_cell_of_samples_is_named() {
    let (data, run) = written();
    change_every_cell::<Sample>(&data.0, &run);
}

#[test]
fn every_changed_header_is_named() {
    let (data, run) = written();
    for (name, columns) in
        [(Case::FILE, Case::COLUMNS), (ResultRow::FILE, ResultRow::COLUMNS), (Sample::FILE, Sample::COLUMNS)]
    {
        let path = run.join(name);
        let csv = std::fs::read_to_string(&path).unwrap();
        let (header, rows) = csv.split_once('\n').unwrap();
        for (j, column) in columns.iter().enumerate() {
            let mut changed: Vec<&str> = header.split(',').collect();
            changed[j] = "other";
            std::fs::write(&path, format!("{}\n{rows}", changed.join(","))).unwrap();
            let place = (format!("{RUN}/{name}"), Some(0), Some(column.to_string()));
            let named = |fault: &Fault| (fault.file.clone(), fault.row, fault.column.clone()) == place;
            assert!(faults(&data).iter().any(named), "{column}");
        }
        std::fs::write(&path, csv).unwrap();
    }
}

/// Each line of the manifest with the key that it belongs to and another value of the same type in its place.
fn changed_lines(text: &str) -> Vec<(usize, String, String)> {
    let (mut table, mut open) = (String::new(), None::<(String, &str)>);
    let mut changed = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let other = |value: &str| match value.trim_end_matches(',') {
            "true" => "false".to_owned(),
            "false" => "true".to_owned(),
            text if text.ends_with('"') => format!("{}x\"", &text[..text.len() - 1]),
            "18446744073709551615" => "18446744073709551614".to_owned(),
            number if number.parse::<u64>().is_ok() => (number.parse::<u64>().unwrap() + 1).to_string(),
            number => format!("{number}5"),
        };
        if let Some((key, end)) = &open {
            if line.starts_with(end) {
                open = None;
            } else if *end == "]" {
                let comma = if line.ends_with(',') { "," } else { "" };
                changed.push((index, key.clone(), format!("{}{comma}", other(line))));
            } else {
                changed.push((index, key.clone(), format!("{line} ")));
            }
        } else if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').replace('"', "") + ".";
        } else if let Some((key, value)) = line.split_once(" = ") {
            let prefix = if table == "digests." { "" } else { &table };
            let full = format!("{prefix}{}", key.replace('"', ""));
            match value {
                "[" => open = Some((full, "]")),
                "'''" | "\"\"\"" => open = Some((full, &value[..3])),
                "[]" => changed.push((index, full, format!("{key} = [\"x\"]"))),
                value => changed.push((index, full, format!("{key} = {}", other(value)))),
            }
        }
    }
    changed
}

#[test]
fn every_changed_value_of_the_manifest_is_named() {
    let (data, run) = written();
    let path = run.join("manifest.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let changes = changed_lines(&text);
    let keys: Vec<&str> = changes.iter().map(|(_, key, _)| key.as_str()).collect();
    for key in ["schema", "spec", "device.limits.max_buffer_size", "files.samples.csv.rows", "software.clean"] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    let lines: Vec<&str> = text.lines().collect();
    for (index, key, line) in changes {
        let mut changed = lines.clone();
        changed[index] = &line;
        std::fs::write(&path, changed.join("\n") + "\n").unwrap();
        let faults = faults(&data);
        let in_manifest = |fault: &&Fault| fault.file == format!("{RUN}/manifest.toml");
        let named = |fault: &Fault| fault.column.as_ref().is_some_and(|column| column.starts_with(&key));
        assert!(faults.iter().filter(in_manifest).any(named), "{line}: {faults:#?}");

        changed.remove(index);
        std::fs::write(&path, changed.join("\n") + "\n").unwrap();
        assert!(self::faults(&data).iter().any(|fault| in_manifest(&fault)), "without {line}");
    }
    std::fs::write(&path, text.replace("\n[host]", "\n# a comment\n[host]")).unwrap();
    insta::assert_snapshot!(fault_lines(&data.0), @"nvidia-h200/2026-01-31-decode/manifest.toml: not written as onedispatch writes it; expected no other layout, comment or blank line");
}

#[test]
fn added_removed_and_reordered_rows_are_named() {
    let (data, run) = written();
    let path = run.join("samples.csv");
    let table = Table::parse::<Sample>(&std::fs::read(&path).unwrap(), "").unwrap();
    let digest_faults = |edit: &dyn Fn(&mut Vec<Vec<String>>)| {
        let mut changed = table.clone();
        edit(&mut changed.rows);
        std::fs::write(&path, changed.to_csv(true)).unwrap();
        fault_lines(&data.0)
    };
    insta::assert_snapshot!(digest_faults(&|rows| drop(rows.remove(4))), @"
    nvidia-h200/2026-01-31-decode/samples.csv, row 5: the recorded row is not here: removed or changed; expected its digest 009212b337fbdb14
    nvidia-h200/2026-01-31-decode/results.csv, row 2, samples: `3`; expected `2` by its samples
    ");
    insta::assert_snapshot!(digest_faults(&|rows| rows.insert(2, rows[20].clone())), @"
    nvidia-h200/2026-01-31-decode/samples.csv, row 3: a row that was not recorded (c713de04d9be4b16); expected no such row
    nvidia-h200/2026-01-31-decode/results.csv, row 7, samples: `3`; expected `4` by its samples
    nvidia-h200/2026-01-31-decode/results.csv, row 7, wall_median_ns: `91800000.0`; expected `92700000.0` by its samples
    nvidia-h200/2026-01-31-decode/results.csv, row 7, units_per_s: `87.14596949891067`; expected `86.29989212513485` by its samples
    nvidia-h200/2026-01-31-decode/results.csv, row 7, gpu_median_ns: `45000001.0`; expected `45000002.0` by its samples
    nvidia-h200/2026-01-31-decode/samples.csv, row 22, sample: `2` again; expected each sample of a key once
    ");
    insta::assert_snapshot!(digest_faults(&|rows| rows.swap(1, 7)), @"
    nvidia-h200/2026-01-31-decode/samples.csv, row 2: another of the recorded rows (1afd8439f5e7fdc4); expected the row c3a9aec574ae9e1f
    nvidia-h200/2026-01-31-decode/samples.csv, row 8: another of the recorded rows (c3a9aec574ae9e1f); expected the row 1afd8439f5e7fdc4
    ");
    insta::assert_snapshot!(digest_faults(&|rows| {
        rows[3][6] = "1".into();
        rows[3][5] = "77".into();
        rows[5][5] = "78".into();
    }), @"
    nvidia-h200/2026-01-31-decode/samples.csv, row 4, order or wall_ns: `77`, `1`; expected what was recorded (the row's digest is 794cb640935b6303)
    nvidia-h200/2026-01-31-decode/samples.csv, row 6, order or wall_ns: `78`, `2080000`; expected what was recorded (the row's digest is f7d4fee35f4ed62e)
    nvidia-h200/2026-01-31-decode/results.csv, row 2, wall_low_ns: `2000000.0`; expected `1.0` by its samples
    nvidia-h200/2026-01-31-decode/samples.csv, row 4, gpu_ns: `1000000`; expected from 1 to the wall time, 1; else empty and flagged
    ");
}

#[test]
fn other_bytes_for_the_same_cells_are_named() {
    let (data, run) = written();
    let path = run.join("cases.csv");
    let csv = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, csv.replace('\n', "\r\n")).unwrap();
    assert_eq!(faults(&data).len(), 1);
    std::fs::write(&path, csv.replacen("controls", "\"controls\"", 1)).unwrap();
    insta::assert_snapshot!(fault_lines(&data.0), @"nvidia-h200/2026-01-31-decode/cases.csv, row 1: not written as onedispatch writes it; expected LF at line ends, quotes only where needed, every column present");
    std::fs::write(&path, csv.trim_end()).unwrap();
    assert_eq!(faults(&data).len(), 1);
    std::fs::write(&path, csv.replacen(",decode,", ",decode,9,9,", 1)).unwrap();
    insta::assert_snapshot!(fault_lines(&data.0), @"nvidia-h200/2026-01-31-decode/cases.csv, row 2: found more fields than defined in 'Schema'; expected one cell a column, quoted as CSV");
    std::fs::write(&path, csv.replacen(",decode,32,", ",decode,", 1)).unwrap();
    insta::assert_snapshot!(fault_lines(&data.0), @"nvidia-h200/2026-01-31-decode/cases.csv, row 2: not written as onedispatch writes it; expected LF at line ends, quotes only where needed, every column present");
    std::fs::write(&path, [csv.as_bytes(), b"\xff\xfe"].concat()).unwrap();
    insta::assert_snapshot!(fault_lines(&data.0), @"nvidia-h200/2026-01-31-decode/cases.csv, row 4: no UTF-8 at byte 472; expected UTF-8 text");
}

#[test]
fn stray_and_missing_files_are_named() {
    let (data, run) = written();
    std::fs::write(run.join("notes.txt"), "").unwrap();
    std::fs::write(data.0.join(".gitignore"), "").unwrap();
    std::fs::remove_file(run.join("samples.csv")).unwrap();
    insta::assert_snapshot!(fault_lines(&data.0), @"
    .gitignore: a file that belongs to no run; expected README.md, sources/, what `onedispatch describe` writes and, in <device>/<date>-<experiment>/, manifest.toml and the three tables, and those of peers, and signatures of manifest.toml and peers.toml
    nvidia-h200/2026-01-31-decode/notes.txt: a file that belongs to no run; expected README.md, sources/, what `onedispatch describe` writes and, in <device>/<date>-<experiment>/, manifest.toml and the three tables, and those of peers, and signatures of manifest.toml and peers.toml
    nvidia-h200/2026-01-31-decode/samples.csv: no such file; expected the table that the manifest has digests of
    ");
    std::fs::remove_file(run.join("manifest.toml")).unwrap();
    assert!(fault_lines(&data.0).contains("2026-01-31-decode/manifest.toml: no such file"));
    assert!(verify(&Temporary::new().0).unwrap().faults[0].to_string().contains("no run"));
    assert_eq!(verify(&data.0.join("nowhere")).unwrap_err().exit_code(), 2);
}

#[test]
fn a_moved_directory_is_named() {
    let (data, run) = written();
    std::fs::rename(run, data.0.join("nvidia-h200/2026-02-01-decode")).unwrap();
    std::fs::rename(data.0.join("nvidia-h200"), data.0.join("apple-m2-pro")).unwrap();
    insta::assert_snapshot!(fault_lines(&data.0), @"
    apple-m2-pro/2026-02-01-decode/manifest.toml, device.name: `NVIDIA H200` in the folder of `apple-m2-pro`; expected the device of its folder
    apple-m2-pro/2026-02-01-decode/manifest.toml, date: `2026-01-31`, `decode` in the folder `2026-02-01-decode`; expected a folder <date>-<experiment>
    ");
}

/// What is found in a run whose digests are all right.
fn forged<R: Row>(edit: impl Fn(&mut Vec<R>)) -> String {
    let (data, run) = written();
    fixture::forge(&run, edit);
    fault_lines(&data.0)
}

/// The row of `fused-workgroup` in the case `d32-l1-t64`.
const FUSED: usize = 5;

#[test]
fn a_forged_statistic_is_worked_out_anew() {
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[FUSED].wall_median_ns = Some(1e5)), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, wall_median_ns: `100000.0`; expected `816000.0` by its samples");
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[FUSED].samples = 4), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, samples: `4`; expected `3` by its samples");
    insta::assert_snapshot!(forged::<Sample>(|rows| rows.truncate(32)), @"
    nvidia-h200/2026-01-31-decode/results.csv, row 12, samples: `3`; expected `2` by its samples
    nvidia-h200/2026-01-31-decode/results.csv, row 12, wall_median_ns: `91800000.0`; expected `90900000.0` by its samples
    nvidia-h200/2026-01-31-decode/results.csv, row 12, wall_high_ns: `93600000.0`; expected `91800000.0` by its samples
    nvidia-h200/2026-01-31-decode/results.csv, row 12, units_per_s: `87.14596949891067`; expected `88.008800880088` by its samples
    nvidia-h200/2026-01-31-decode/results.csv, row 12, gpu_median_ns: `45000001.0`; expected `45000000.0` by its samples
    ");
}

#[test]
fn a_gate_that_does_not_hold_is_named() {
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[FUSED].gate = "fail".into()), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, gate: `fail` beside times; expected no times, or `pass`");
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[FUSED].gate = "good".into()), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, gate: `good`; expected `pass` or `fail`");
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[FUSED].gate_error = None), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, gate_error: no error beside `pass`; expected at most the tolerance, 0.001");
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[FUSED].gate_error = Some(f64::NAN)), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, gate_error: `NaN`; expected at most the tolerance, 0.001");
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[FUSED].gate_error = Some(2e-3)), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, gate_error: `0.002`; expected at most the tolerance, 0.001");
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[FUSED].gate_tolerance = f64::INFINITY), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, gate_tolerance: `inf`; expected a finite number, 0 or more");
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[7].reason.clear()), @"nvidia-h200/2026-01-31-decode/results.csv, row 8, reason: nothing, though there are no times; expected why there are none");
}

#[test]
fn rows_that_do_not_belong_together_are_named() {
    insta::assert_snapshot!(forged::<Case>(|rows| drop(rows.remove(2))), @"
    nvidia-h200/2026-01-31-decode/results.csv, row 9, case: `d32-l4-t64`; expected a case of cases.csv
    nvidia-h200/2026-01-31-decode/results.csv, row 10, case: `d32-l4-t64`; expected a case of cases.csv
    nvidia-h200/2026-01-31-decode/results.csv, row 11, case: `d32-l4-t64`; expected a case of cases.csv
    nvidia-h200/2026-01-31-decode/results.csv, row 12, case: `d32-l4-t64`; expected a case of cases.csv
    nvidia-h200/2026-01-31-decode/results.csv, row 13, case: `d32-l4-t64`; expected a case of cases.csv
    ");
    insta::assert_snapshot!(forged::<Case>(|rows| rows.push(rows[1].clone())), @"nvidia-h200/2026-01-31-decode/cases.csv, row 4, case: `d32-l1-t64` again; expected each case once");
    insta::assert_snapshot!(forged::<Sample>(|rows| rows[0].sample = 1), @"nvidia-h200/2026-01-31-decode/samples.csv, row 2, sample: `1` again; expected each sample of a key once");
    insta::assert_snapshot!(forged::<Sample>(|rows| rows[0].gpu_ns = Some(1 << 40)), @"
    nvidia-h200/2026-01-31-decode/results.csv, row 1, gpu_median_ns: `500001.0`; expected `549756063889.0` by its samples
    nvidia-h200/2026-01-31-decode/samples.csv, row 1, gpu_ns: `1099511627776`; expected from 1 to the wall time, 1000000; else empty and flagged
    ");
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[FUSED].multiply_adds += 1), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, multiply_adds: `786433`; expected `786432`, as the other arms of d32-l1-t64");
}

#[test]
fn rollouts_have_the_work_of_their_steps() {
    let forged = |edit: &dyn Fn(&mut ResultRow)| {
        let data = Temporary::new();
        let run = fixture::write(&data.0, fixture::manifest(), &[fixture::controls(), fixture::rollout()]);
        fixture::forge::<ResultRow>(&run, |rows| {
            let fused = rows.iter_mut().find(|row| row.key.arm == "fused").unwrap();
            edit(fused);
            fused.units_per_s = fused.wall_median_ns.map(|wall_ns| fused.units as f64 / wall_ns * 1e9);
        });
        fault_lines(&data.0)
    };
    assert_eq!(forged(&|_| ()), "");
    let lines = forged(&|row| row.multiply_adds += 1);
    assert!(lines.contains("multiply_adds") && lines.contains("for each of 4901 steps"), "{lines}");
    for steps in [99, 5001] {
        let lines = forged(&|row| (row.units, row.multiply_adds) = (steps, 249 * steps));
        assert!(lines.contains("units") && lines.contains("from 100 to 5000"), "{lines}");
    }
}

#[test]
fn impossible_speed_is_named() {
    insta::assert_snapshot!(forged::<ResultRow>(|rows| {
        rows.iter_mut().filter(|row| row.key.case == "d32-l1-t64").for_each(|row| row.multiply_adds *= 10_000);
    }), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, wall_median_ns: `816000.0`, implausible: 9.638e12 multiply-adds per second; expected at most 1.25 times the measured ceiling, 9.804e11 (fma)");
    insta::assert_snapshot!(forged::<ResultRow>(|rows| rows[FUSED].min_bytes *= 10_000), @"nvidia-h200/2026-01-31-decode/results.csv, row 6, wall_median_ns: `816000.0`, implausible: 3.855e13 bytes per second; expected at most 1.25 times the measured ceiling, 9.804e11 (copy or cached-read)");
}

#[test]
fn a_run_without_controls_is_named() {
    let data = Temporary::new();
    fixture::write(&data.0, fixture::manifest(), &[fixture::decode(1)]);
    insta::assert_snapshot!(fault_lines(&data.0), @"
    nvidia-h200/2026-01-31-decode/results.csv: no ceiling for multiply-adds; expected a timed control fma, which bounds the multiply-adds per second of the others
    nvidia-h200/2026-01-31-decode/results.csv: no ceiling for bytes; expected a timed control copy or cached-read, which bounds the bytes per second of the others
    ");
}

#[test]
fn a_partial_run_says_so() {
    let data = Temporary::new();
    let (mut directory, _) = onedispatch::record::directory::RunDirectory::open(&data.0, fixture::manifest()).unwrap();
    let fixture::Measured { case, results, samples } = fixture::decode(1);
    directory.append(&case, &results, &samples).unwrap();
    let verification = verify(&data.0).unwrap();
    assert_eq!(verification.faults, []);
    assert_eq!(verification.partial, [format!("{RUN}/")]);
}

#[test]
fn the_numbers_of_the_paper_are_checked_beside_the_data() {
    let project = Temporary::new();
    let (data, numbers) = (project.0.join("data"), project.0.join("paper/numbers.toml"));
    fixture::write(&data, fixture::manifest(), &fixture::all());
    std::fs::create_dir(project.0.join("paper")).unwrap();
    let digest = root_digest(&data).unwrap();
    assert_eq!(digest, verify(&data).unwrap().root_digest);
    let written = survey::ledger(&load_all(&data).unwrap(), &digest).to_toml();
    let outcome = |text: &str| {
        std::fs::write(&numbers, text).unwrap();
        command::run(command::Args { dir: data.clone(), signers: None })
            .map_err(|error| (error.exit_code(), error.to_string()))
    };
    let faults = |count| Err((1, format!("{}: {count}", data.display())));
    assert_eq!(outcome(&written), Ok(()));
    assert_eq!(outcome(&written.replace(&digest, &"0".repeat(64))), faults("1 fault"));
    assert_eq!(outcome(&written.replacen("printed = \"66", "printed = \"67", 2)), faults("2 faults"));
    assert_eq!(outcome("[number"), faults("1 fault"));
    assert_eq!(outcome(&written.replace('\n', "\r\n")), faults("1 fault"));
}

#[test]
fn without_results_there_is_nothing_to_verify() {
    let project = Temporary::new();
    for dir in [project.0.join("data"), project.0.clone()] {
        let error = command::run(command::Args { dir: dir.clone(), signers: None }).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().ends_with("no results there yet; `onedispatch run` writes some"), "{error}");
    }
}
