//! A fleet under Slurm: two tasks at once, a GPU for each, one of which dies and goes on.
//!
//! It needs Debian's Slurm, root, and a software device. Without them this says so and passes, unless ONEDISPATCH_SLURM_TESTS is
//! `required`, as it is in `.ci/run`.
#![cfg(target_os = "linux")]

mod fixture;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fixture::quick::{SPEC, finished, runs, twins};
use fixture::{Temporary, onedispatch, printed, text};

/// A cluster, stopped at the end.
struct Cluster {
    directory: Temporary,
    drivers: std::ffi::OsString,
}

impl Cluster {
    /// None where something is missing that this may leave out.
    fn start() -> Option<Cluster> {
        let required = std::env::var("ONEDISPATCH_SLURM_TESTS").is_ok_and(|value| value == "required");
        let is_there = |program: &str| Command::new(program).arg("-V").output().is_ok();
        let driver = std::env::var_os("VK_DRIVER_FILES");
        let missing =
            match (["slurmctld", "slurmd", "sbatch", "munged"].iter().find(|program| !is_there(program)), &driver) {
                (Some(program), _) => format!("there is no {program}; scripts/slurm/loopback.sh install"),
                (_, None) => "VK_DRIVER_FILES names no software device".to_owned(),
                _ => String::new(),
            };
        if !missing.is_empty() {
            assert!(!required, "{missing}");
            eprintln!("skipped: {missing}");
            return None;
        }
        let directory = Temporary::new();
        let cluster = Cluster { drivers: twins(&driver?, &directory), directory };
        let output = cluster.loopback("start");
        assert!(output.status.success(), "{}", text(&output.stderr));
        Some(cluster)
    }

    fn loopback(&self, what: &str) -> std::process::Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/slurm/loopback.sh");
        Command::new(script).arg(what).arg(self.directory.0.join("slurm")).output().unwrap()
    }

    /// What a program prints that is run as a user of the cluster.
    fn printed(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> String {
        printed(
            Command::new(program)
                .args(arguments)
                .current_dir(&self.directory.0)
                .env("SLURM_CONF", self.directory.0.join("slurm/slurm.conf"))
                .env("VK_DRIVER_FILES", &self.drivers)
                .env("PROGRAM", env!("CARGO_BIN_EXE_onedispatch")),
        )
    }

    /// Submits the fleet, and gives the number of its array.
    fn measure(&self) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/slurm/measure.sh");
        let said = self.printed(script, &["2", "fleet.toml"]);
        said.split(' ').nth(1).unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(&Cluster) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < Duration::from_secs(240), "{what} after 240 s: {}", self.queue());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A line for each job: its state.
    fn queue(&self) -> String {
        self.printed("squeue", &["--noheader", "--array", "--format=%T"])
    }

    /// What the tasks of an array printed.
    fn outputs(&self, array: &str) -> Vec<String> {
        let output = |task| std::fs::read_to_string(self.directory.0.join(format!("onedispatch-{array}-{task}.out")));
        [1, 2].map(|task| output(task).unwrap_or_default()).into()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.loopback("stop");
    }
}

#[test]
fn a_fleet_of_two_tasks_makes_one_run_though_one_dies() {
    let Some(cluster) = Cluster::start() else { return };
    let place = |name: &str| cluster.directory.0.join(name);
    // Two cases for each of two shards.
    std::fs::write(place("fleet.toml"), SPEC.replace("[4, 5, 6]", "[4, 5, 6, 7]")).unwrap();

    let first = cluster.measure();
    cluster.wait_for("both tasks run", |cluster| cluster.queue().matches("RUNNING").count() == 2);
    cluster.wait_for("both have a GPU", |cluster| cluster.outputs(&first).iter().all(|said| said.contains(" on GPU ")));
    cluster.printed("scancel", &["--signal=KILL", "--full", &format!("{first}_2")]);
    cluster.wait_for("nothing is left to do", |cluster| cluster.queue().is_empty());
    assert!(!place("data").exists(), "what lacks a shard is not merged");
    let said = cluster.outputs(&first).concat();
    assert!(said.contains(" on GPU 0\n") && said.contains(" on GPU 1\n"), "each has its own: {said}");

    let second = cluster.measure();
    cluster.wait_for("nothing is left to do", |cluster| cluster.queue().is_empty());
    let said = cluster.outputs(&second);
    assert!(said[0].contains("shard 1/2 on GPU ") && said[1].contains("shard 2/2 on GPU "), "{said:?}");
    assert!(said[0].contains("going on after 3 finished cases\n"), "the first was finished: {said:?}");
    let runs = runs(&place("data"));
    let [run] = &runs[..] else { panic!("{runs:?}") };
    assert_eq!(finished(run), ["control", "control-2", "d32-l1-t4", "d32-l1-t5", "d32-l1-t6", "d32-l1-t7"]);
    printed(onedispatch(&["verify"]).arg(place("data")));
}
