//! A run is stopped and started again: no finished row is lost, and none is written over.

mod fixture;

use std::collections::BTreeSet;
use std::path::Path;

use fixture::{Measured, Temporary};
use onedispatch::error::Error;
use onedispatch::record::directory::RunDirectory;
use onedispatch::record::run::{Run, load, load_all};
use onedispatch::record::verify::verify;

const TABLES: [&str; 3] = ["samples.csv", "results.csv", "cases.csv"];

fn append(directory: &mut RunDirectory, measured: &Measured) {
    directory.append(&measured.case, &measured.results, &measured.samples).unwrap();
}

/// Cases of few rows, for the tests that go byte by byte.
fn small() -> Vec<Measured> {
    let mut measured = fixture::all();
    for Measured { results, samples, .. } in &mut measured {
        results.truncate(2);
        samples.retain(|sample| results.iter().any(|row| row.key == sample.key));
    }
    measured
}

fn names(measured: &[Measured]) -> BTreeSet<String> {
    measured.iter().map(|measured| measured.case.case.clone()).collect()
}

fn holds(run: &Run, measured: &[Measured]) {
    assert_eq!(run.cases, measured.iter().map(|m| m.case.clone()).collect::<Vec<_>>());
    assert_eq!(run.results, measured.iter().flat_map(|m| m.results.clone()).collect::<Vec<_>>());
    assert_eq!(run.samples, measured.iter().flat_map(|m| m.samples.clone()).collect::<Vec<_>>());
}

fn read_all(run: &Path) -> Vec<Vec<u8>> {
    TABLES.iter().map(|table| std::fs::read(run.join(table)).unwrap()).collect()
}

#[test]
fn what_was_written_is_read() {
    let data = Temporary::new();
    let run = fixture::write(&data.0, fixture::manifest(), &fixture::all());
    let loaded = load(&run).unwrap();
    holds(&loaded, &fixture::all());
    assert!(loaded.manifest.complete);
    assert_eq!(loaded.manifest.device, fixture::manifest().device);
    assert_eq!(load_all(&data.0).unwrap(), [loaded]);
    assert_eq!(load_all(&data.0.join("nowhere")).unwrap(), []);
}

#[test]
fn a_stopped_run_goes_on() {
    let data = Temporary::new();
    let measured = fixture::all();
    let (mut directory, finished) = RunDirectory::open(&data.0, fixture::manifest()).unwrap();
    assert!(finished.is_empty());
    append(&mut directory, &measured[0]);
    let path = directory.path().to_owned();
    drop(directory);
    // Another day, the same run.
    let mut later = fixture::manifest();
    later.date = "2026-02-01".into();
    later.host.clock_resolution_ns += 1;
    let (mut directory, finished) = RunDirectory::open(&data.0, later).unwrap();
    assert_eq!(directory.path(), path);
    assert_eq!(finished, names(&measured[..1]));
    append(&mut directory, &measured[1]);
    append(&mut directory, &measured[2]);
    let path = directory.finish().unwrap();
    holds(&load(&path).unwrap(), &measured);
    assert_eq!(verify(&data.0).unwrap().faults, []);
}

#[test]
fn nothing_is_written_over() {
    let data = Temporary::new();
    let first = fixture::write(&data.0, fixture::manifest(), &fixture::all());
    let before = read_all(&first);
    let second = fixture::write(&data.0, fixture::manifest(), &fixture::all());
    assert!(second.ends_with("nvidia-h200/2026-01-31-decode-2"));
    assert_eq!(read_all(&first), before);
    assert_eq!(verify(&data.0).unwrap().faults, []);

    // A stopped run of another spec, binary or driver is left alone as well.
    drop(RunDirectory::open(&data.0, fixture::manifest()).unwrap());
    let others: [fn(&mut onedispatch::record::manifest::Manifest); 3] = [
        |manifest| manifest.spec_sha256 = "other".into(),
        |manifest| manifest.software.binary_sha256 = "other".into(),
        |manifest| manifest.device.driver_info = "other".into(),
    ];
    for (n, change) in others.into_iter().enumerate() {
        let mut manifest = fixture::manifest();
        change(&mut manifest);
        let (directory, _) = RunDirectory::open(&data.0, manifest).unwrap();
        assert!(directory.path().ends_with(format!("nvidia-h200/2026-01-31-decode-{}", n + 4)));
    }
}

#[test]
fn two_processes_do_not_write_to_one_run() {
    let data = Temporary::new();
    let _held = RunDirectory::open(&data.0, fixture::manifest()).unwrap();
    let Err(error) = RunDirectory::open(&data.0, fixture::manifest()) else { panic!("opened twice") };
    assert!(error.to_string().contains("another process is writing there"), "{error}");
}

/// A kill at each byte of appending a case: the manifest is still the one before it, files later in the order are
/// untouched.
#[test]
fn a_kill_at_any_byte_loses_no_finished_case() {
    let data = Temporary::new();
    let measured = small();
    let (mut directory, _) = RunDirectory::open(&data.0, fixture::manifest()).unwrap();
    append(&mut directory, &measured[0]);
    append(&mut directory, &measured[1]);
    let path = directory.path().to_owned();
    let (manifest, before) = (std::fs::read(path.join("manifest.toml")).unwrap(), read_all(&path));
    append(&mut directory, &measured[2]);
    let after = read_all(&path);
    drop(directory);
    for (torn, table) in TABLES.iter().enumerate() {
        for length in before[torn].len()..=after[torn].len() {
            for (other, name) in TABLES.iter().enumerate() {
                std::fs::write(path.join(name), if other < torn { &after[other] } else { &before[other] }).unwrap();
            }
            std::fs::write(path.join(table), &after[torn][..length]).unwrap();
            std::fs::write(path.join("manifest.toml"), &manifest).unwrap();
            let whole = *table == "cases.csv" && length == after[torn].len();
            let kept = if whole { 3 } else { 2 };
            holds(&load(&path).unwrap(), &measured[..kept]);
            let (mut directory, finished) = RunDirectory::open(&data.0, fixture::manifest()).unwrap();
            assert_eq!(finished, names(&measured[..kept]), "{table} of {length} bytes");
            assert_eq!(read_all(&path), if whole { after.clone() } else { before.clone() });
            if length % 97 == 0 && !whole {
                append(&mut directory, &measured[2]);
                assert_eq!(read_all(&path), after);
            }
        }
    }
}

/// Files that lost their ends after they were recorded, down to nothing: the cases that are whole in all three are kept.
#[test]
fn a_file_cut_anywhere_keeps_the_cases_before_the_cut() {
    let data = Temporary::new();
    let measured = small();
    let (mut directory, _) = RunDirectory::open(&data.0, fixture::manifest()).unwrap();
    let path = directory.path().to_owned();
    let mut ends = vec![read_all(&path)];
    for measured in &measured {
        append(&mut directory, measured);
        ends.push(read_all(&path));
    }
    drop(directory);
    let (manifest, whole) = (std::fs::read(path.join("manifest.toml")).unwrap(), &ends[3]);
    for (cut, table) in TABLES.iter().enumerate() {
        for length in (0..whole[cut].len()).rev() {
            for (other, name) in TABLES.iter().enumerate() {
                std::fs::write(path.join(name), &whole[other]).unwrap();
            }
            std::fs::write(path.join(table), &whole[cut][..length]).unwrap();
            std::fs::write(path.join("manifest.toml"), &manifest).unwrap();
            let finished: BTreeSet<String> = load(&path).unwrap().cases.into_iter().map(|case| case.case).collect();
            let before_cut = ends[1..].iter().filter(|end| end[cut].len() <= length).count();
            // At the very end of a case, results that were lost after it could have been its own.
            let doubtful = *table == "results.csv" && before_cut > 0 && ends[before_cut + 1][cut].len() > length;
            assert!(finished.is_subset(&names(&measured[..before_cut])), "{table} of {length} bytes: {finished:?}");
            assert!(finished.len() + usize::from(doubtful) >= before_cut, "{table} of {length} bytes: {finished:?}");
            if length % 7 == 0 {
                assert_eq!(RunDirectory::open(&data.0, fixture::manifest()).unwrap().1, finished);
                assert_eq!(read_all(&path), ends[finished.len()]);
            }
        }
    }
}

#[test]
fn a_row_changed_in_a_stopped_run_is_not_signed_anew() {
    let data = Temporary::new();
    let (mut directory, _) = RunDirectory::open(&data.0, fixture::manifest()).unwrap();
    append(&mut directory, &fixture::decode(1));
    let results = directory.path().join("results.csv");
    drop(directory);
    let csv = std::fs::read_to_string(&results).unwrap();
    std::fs::write(&results, csv.replacen("token,64,256", "token,64,128", 1)).unwrap();
    let Err(error) = RunDirectory::open(&data.0, fixture::manifest()) else { panic!("the change was accepted") };
    assert!(error.to_string().contains("results.csv, row 1: changed since it was written"), "{error}");
}

#[test]
fn an_unwritable_place_gives_one_line() {
    let data = Temporary::new();
    let file = data.0.join("file");
    std::fs::write(&file, "").unwrap();
    for place in [file.as_path(), Path::new("/proc/nowhere")] {
        let Err(error) = RunDirectory::open(place, fixture::manifest()) else { panic!("opened {}", place.display()) };
        assert!(matches!(error, Error::Input(_)));
        let line = error.to_string();
        assert!(line.contains(place.to_str().unwrap()) && !line.contains('\n'), "{line}");
    }
    let mut elsewhere = fixture::manifest();
    elsewhere.experiment = "../decode".into();
    let Err(error) = RunDirectory::open(&data.0, elsewhere) else { panic!("left the data directory") };
    assert!(error.to_string().contains("use letters, digits"), "{error}");
}

/// `/dev/full` is a disk with no space left.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_no_finished_case() {
    let data = Temporary::new();
    let measured = fixture::all();
    for file in ["samples.csv", "results.csv", "cases.csv", "manifest.toml.new"] {
        let root = data.0.join(file);
        let (mut directory, _) = RunDirectory::open(&root, fixture::manifest()).unwrap();
        let path = directory.path().to_owned();
        append(&mut directory, &measured[0]);
        let before = read_all(&path);
        let aside = data.0.join("aside");
        let moved = std::fs::rename(path.join(file), &aside).is_ok();
        std::os::unix::fs::symlink("/dev/full", path.join(file)).unwrap();
        let Measured { case, results, samples } = &measured[1];
        let error = directory.append(case, results, samples).unwrap_err();
        assert!(error.to_string().contains("free some space; finished rows are kept"), "{error}");
        if moved {
            std::fs::rename(&aside, path.join(file)).unwrap();
        }
        assert_eq!(read_all(&path), before);
        holds(&load(&path).unwrap(), &measured[..1]);
        append(&mut directory, &measured[1]);
        assert_eq!(verify(&root).unwrap().faults, []);
    }
}
