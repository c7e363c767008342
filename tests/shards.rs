//! A run in shards: each may be killed and started again, and all together are one run whose rows are theirs, byte for byte.

mod fixture;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fixture::quick::{SPEC, kill_after_a_case, lines, runs, twins};
use fixture::{Measured, Temporary, onedispatch, printed, refusal};
use onedispatch::record::directory::RunDirectory;
use onedispatch::record::manifest::Manifest;
use onedispatch::record::row::Row;
use onedispatch::record::rows::{Case, ResultRow, Sample};
use onedispatch::record::verify::verify;

/// Of the quick spec, in the order of a merged run of two shards: the second shard has the second case and its own controls.
const CASES: [(&str, &str); 5] =
    [("control", "1"), ("control-2", "2"), ("d32-l1-t4", "1"), ("d32-l1-t5", "2"), ("d32-l1-t6", "1")];

/// Each case with its part.
fn parts(run: &Path) -> Vec<(String, String)> {
    let lines = lines(run, Case::FILE);
    let cells = |line: &String| line.trim_end().split(',').map(str::to_owned).collect::<Vec<_>>();
    let part = cells(&lines[0]).iter().position(|column| column == "part").unwrap();
    lines.iter().skip(1).map(cells).map(|cells| (cells[0].clone(), cells[part].clone())).collect()
}

fn expected_parts() -> Vec<(String, String)> {
    CASES.iter().map(|(case, part)| ((*case).to_owned(), (*part).to_owned())).collect()
}

#[test]
fn shards_that_died_go_on_and_become_one_run() {
    let directory = Temporary::new();
    let (spec, out, data) = (directory.0.join("small.toml"), directory.0.join("shards"), directory.0.join("data"));
    std::fs::write(&spec, SPEC).unwrap();
    let run = |shard: &str| {
        let mut command = onedispatch(&["run", "--shard", shard]);
        command.arg(&spec).arg("--out").arg(&out);
        command
    };
    let merge = || {
        let mut command = onedispatch(&["merge"]);
        command.args(runs(&out)).arg("--out").arg(&data);
        command
    };
    kill_after_a_case(&mut run("1/2"), &out);
    let said = printed(&mut run("2/2"));
    assert!(said.contains("shard 2/2 is finished; `onedispatch merge` makes one run of all 2\n"), "{said}");
    let line = refusal(&mut merge(), &directory);
    assert!(line.contains("of the 3 cases of shard 1/2; the same run started again goes on with it"), "{line}");
    assert!(runs(&data).is_empty());
    assert!(printed(&mut run("1/2")).contains("going on after"));
    // One that is finished has nothing left to do.
    assert!(printed(&mut run("1/2")).contains("going on after 3 finished cases\n"));
    assert_eq!(runs(&out).len(), 2);
    assert!(printed(onedispatch(&["verify"]).arg(&out)).contains("-small-shard-1-of-2/ has a share of the cases"));

    printed(&mut merge());
    let [merged] = &runs(&data)[..] else { panic!("one run: {:?}", runs(&data)) };
    assert!(merged.display().to_string().ends_with("-small"), "{}", merged.display());
    assert_eq!(parts(merged), expected_parts());
    for file in [Case::FILE, ResultRow::FILE, Sample::FILE] {
        let of_shards: BTreeSet<String> = runs(&out).iter().flat_map(|run| lines(run, file)).collect();
        let rows = lines(merged, file);
        assert_eq!(rows.len(), of_shards.len(), "{file}");
        assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), of_shards, "{file}");
    }
    printed(onedispatch(&["verify"]).arg(&data));
    let manifest = std::fs::read_to_string(merged.join("manifest.toml")).unwrap();
    assert!(printed(&mut merge()).ends_with("-small: these shards were merged before\n"));
    assert_eq!(runs(&data).len(), 1);
    assert_eq!(std::fs::read_to_string(merged.join("manifest.toml")).unwrap(), manifest);
}

#[test]
#[cfg(target_os = "linux")]
fn two_gpus_at_once_share_a_run() {
    let Some(driver) = std::env::var_os("VK_DRIVER_FILES") else { return };
    let directory = Temporary::new();
    let (spec, out) = (directory.0.join("small.toml"), directory.0.join("out"));
    std::fs::write(&spec, SPEC).unwrap();
    let both = twins(&driver, &directory);
    let run = |adapters: &str| {
        let mut command = onedispatch(&["run", "--adapters", adapters]);
        command.arg(&spec).arg("--out").arg(&out).env("VK_DRIVER_FILES", &both);
        command
    };
    let line = refusal(&mut run("0,0"), &directory);
    assert!(
        line.starts_with("onedispatch: adapter 0, `") && line.ends_with("`, is named twice; name each once"),
        "{line}"
    );
    let line = refusal(&mut run("0,7"), &directory);
    assert!(line.starts_with("onedispatch: no adapter's name contains `7`; there are `"), "{line}");
    assert!(runs(&out).is_empty());
    let said = printed(&mut run("all"));
    assert!(said.contains("small on 2 GPUs, each "), "{said}");
    let [run_of_both] = &runs(&out)[..] else { panic!("equal GPUs share one run: {:?}", runs(&out)) };
    let parts = parts(run_of_both);
    let names: BTreeSet<&str> = parts.iter().map(|(case, _)| case.as_str()).collect();
    assert_eq!(names, CASES.iter().map(|(case, _)| *case).collect());
    let of_each = ["1", "2"].map(|part| parts.iter().filter(|(_, of)| of == part).count());
    assert!(of_each[0] + of_each[1] == parts.len() && of_each.iter().all(|&cases| cases > 1), "{parts:?}");
    printed(onedispatch(&["verify"]).arg(&out));
}

/// As a shard of two of the fixture's spec writes them.
fn of_shard(number: u32) -> Vec<Measured> {
    let mut control = fixture::controls();
    let name = if number == 1 { "control".to_owned() } else { format!("control-{number}") };
    control.case.case = name.clone();
    control.results.iter_mut().for_each(|row| row.key.case = name.clone());
    control.samples.iter_mut().for_each(|row| row.key.case = name.clone());
    let mut measured = vec![control, fixture::decode(if number == 1 { 1 } else { 4 })];
    measured.iter_mut().for_each(|measured| measured.case.part = number);
    measured
}

fn set_spec(manifest: &mut Manifest, from: &str, to: &str) {
    manifest.spec = manifest.spec.replace(from, to);
    manifest.spec_sha256 = onedispatch::digest::sha256_hex(manifest.spec.as_bytes());
}

/// Writes a shard with these cases, finished or not.
fn write(out: &Path, shard: &str, edit: impl Fn(&mut Manifest), measured: &[Measured]) -> PathBuf {
    let mut manifest = Manifest { shard: Some(shard.parse().unwrap()), ..fixture::manifest() };
    // So few samples are those of a quick spec.
    set_spec(&mut manifest, "samples = 3", "quick = true\nsamples = 3");
    edit(&mut manifest);
    let (mut directory, _) = RunDirectory::open(out, manifest).unwrap();
    for measured in measured {
        directory.append(&measured.case, &measured.results, &measured.samples).unwrap();
    }
    directory.path().to_owned()
}

#[test]
fn shards_that_do_not_belong_together_are_refused() {
    let directory = Temporary::new();
    let place = |name: &str| directory.0.join(name);
    let data = place("data");
    let same = |_: &mut Manifest| ();
    let first = write(&place("first"), "1/2", same, &of_shard(1));
    let second = |name: &str, edit: &dyn Fn(&mut Manifest)| write(&place(name), "2/2", edit, &of_shard(2));
    let good = second("second", &same);
    let merge = |shards: &[&PathBuf]| {
        let mut command = onedispatch(&["merge"]);
        command.args(shards).arg("--out").arg(&data);
        command
    };
    let refused = |shards: &[&PathBuf]| refusal(&mut merge(shards), &directory);
    let spec = |manifest: &mut Manifest| set_spec(manifest, "samples = 3", "samples = 4");
    let of_three = write(&place("of-three"), "2/3", same, &of_shard(2));
    let unfinished = write(&place("unfinished"), "2/2", same, &of_shard(2)[..1]);
    let alone = fixture::write(&place("alone"), fixture::manifest(), &fixture::all());
    let changed = second("changed", &same);
    let samples = changed.join(Sample::FILE);
    std::fs::write(&samples, std::fs::read_to_string(&samples).unwrap().replacen("1000000", "1000001", 1)).unwrap();
    let refusals = [
        refused(&[&first, &second("spec", &spec)]),
        refused(&[&first, &second("build", &|manifest| manifest.software.binary_sha256 = "0".repeat(64))]),
        refused(&[&first, &second("driver", &|manifest| manifest.device.driver_info = "575.1".into())]),
        refused(&[&first, &second("device", &|manifest| manifest.device.name = "NVIDIA H100".into())]),
        refused(&[&first, &second("host", &|manifest| manifest.host.cpus = 8)]),
        refused(&[&first, &of_three]),
        refused(&[&first, &first]),
        refused(&[&first]),
        refused(&[&first, &unfinished]),
        refused(&[&first, &alone]),
        refused(&[&first, &changed]),
        refused(&[&first, &place("nowhere")]),
    ];
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    onedispatch: DIR/spec/nvidia-h200/2026-01-31-decode-shard-2-of-2: its spec_sha256 is "a26d7fe8c7160768e79261e4d915f6428e0e64db14b2c21c998241dd3aa70c95", that of DIR/first/nvidia-h200/2026-01-31-decode-shard-1-of-2 "2bf12fc39aa76188cb3b0cdc22ab54d98a9053162c370f9bd537aeccbe53c25a"; only shards of one spec, build, driver and device make a run
    onedispatch: DIR/build/nvidia-h200/2026-01-31-decode-shard-2-of-2: its software.binary_sha256 is "0000000000000000000000000000000000000000000000000000000000000000", that of DIR/first/nvidia-h200/2026-01-31-decode-shard-1-of-2 "9a3a45d01531a20e89ac6ae10b0b0beb0492acd7216a368aa062d1a5fecaf9cd"; only shards of one spec, build, driver and device make a run
    onedispatch: DIR/driver/nvidia-h200/2026-01-31-decode-shard-2-of-2: its device.driver_info is "575.1", that of DIR/first/nvidia-h200/2026-01-31-decode-shard-1-of-2 "580.95.05"; only shards of one spec, build, driver and device make a run
    onedispatch: DIR/device/nvidia-h100/2026-01-31-decode-shard-2-of-2: its device.name is "NVIDIA H100", that of DIR/first/nvidia-h200/2026-01-31-decode-shard-1-of-2 "NVIDIA H200"; only shards of one spec, build, driver and device make a run
    onedispatch: DIR/host/nvidia-h200/2026-01-31-decode-shard-2-of-2: its host.cpus is 8, that of DIR/first/nvidia-h200/2026-01-31-decode-shard-1-of-2 16; only shards of one spec, build, driver and device make a run
    onedispatch: DIR/of-three/nvidia-h200/2026-01-31-decode-shard-2-of-3: its number of shards is 3, that of DIR/first/nvidia-h200/2026-01-31-decode-shard-1-of-2 2; only shards of one spec, build, driver and device make a run
    onedispatch: DIR/first/nvidia-h200/2026-01-31-decode-shard-1-of-2: is shard 1/2, as DIR/first/nvidia-h200/2026-01-31-decode-shard-1-of-2 is; name one of them
    onedispatch: shard 2/2 is missing; name its directory, or measure it by `--shard 2/2`
    onedispatch: DIR/unfinished/nvidia-h200/2026-01-31-decode-shard-2-of-2: has 1 of the 2 cases of shard 2/2; the same run started again goes on with it
    onedispatch: DIR/alone/nvidia-h200/2026-01-31-decode: is a run of its own and no shard; `run --shard I/N` measures one
    onedispatch: DIR/changed/nvidia-h200/2026-01-31-decode-shard-2-of-2: has faults, and is not merged with them; `onedispatch verify` names each
    onedispatch: DIR/nowhere: no manifest.toml there; name the directory of a shard
    "#);
    assert!(!data.exists(), "nothing is written");
    // The order in which they are named changes nothing, and neither does a later day.
    let later = second("later", &|manifest| manifest.date = "2026-02-02".into());
    printed(&mut merge(&[&later, &first]));
    let merged = data.join("nvidia-h200/2026-01-31-decode");
    let verification = verify(&data).unwrap();
    assert_eq!((verification.faults, verification.partial), (vec![], vec![]));
    assert_eq!(parts(&merged)[..2], [("control".into(), "1".into()), ("control-2".into(), "2".into())]);
    // Other shards are another run.
    printed(&mut merge(&[&first, &good]));
    assert_eq!(runs(&data).len(), 2);
}

#[test]
fn a_part_that_is_no_shard_of_the_run_is_named() {
    let directory = Temporary::new();
    let shard = write(&directory.0, "2/2", |_| (), &of_shard(2));
    fixture::forge::<Case>(&shard, |rows| rows[1].part = 1);
    let faults = verify(&directory.0).unwrap().faults;
    insta::assert_snapshot!(faults[0], @"nvidia-h200/2026-01-31-decode-shard-2-of-2/cases.csv, row 2, part: `1`; expected `2`, the shard of its manifest");
    assert_eq!(faults.len(), 1);
}
