//! A program is tried once: what it took is known to later calibrations, through a file or, where there is none, within one.

mod fixture;

use std::path::Path;

use fixture::Temporary;
use onedispatch::cases::rollout::task_of;
use onedispatch::device::Gpu;
use onedispatch::measure::calibration::{Calibrator, Turns};
use onedispatch::measure::trials::Trials;
use onedispatch::program::Program;
use onedispatch::spec::RolloutCase;
use onedispatch::workload::rollout::task::{Arm, Task};

fn task() -> Task {
    let case =
        RolloutCase { environment: "sphere".into(), population: 64, steps: 4, seed: 1, ..RolloutCase::default() };
    task_of(&case).unwrap()
}

/// Programs in these workgroup sizes.
fn choices(task: &Task, sizes: &[u32]) -> Vec<(u32, Program)> {
    sizes.iter().map(|&size| (size, (task.program)(Arm::Fused, size))).collect()
}

fn lines(file: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_was_tried_is_remembered_in_the_file() {
    let (gpu, task, folder) = (Gpu::open(None).unwrap(), task(), Temporary::new());
    let file = folder.0.join("cache/calibration.jsonl");
    let rank = |sizes: &[u32], turns| {
        let mut calibrator = Calibrator::knowing(&gpu, Trials::in_file(Some(file.clone())));
        calibrator.rank("fused", choices(&task, sizes), &task.blocks, turns).unwrap()
    };
    let first = rank(&[32, 64, 64], Turns::Interleaved);
    assert!(first.iter().all(|(_, ns)| *ns > 0.0) && first.is_sorted_by(|a, b| a.1 <= b.1), "{first:?}");
    let tried = lines(&file);
    let sizes: Vec<u64> = tried.iter().map(|trial| trial["workgroup_size"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [32, 64], "the same program is tried once");
    assert_eq!(rank(&[32, 64, 64], Turns::Interleaved), first);
    assert_eq!(lines(&file), tried, "nothing is tried again");
    rank(&[128, 64], Turns::OneByOne);
    assert_eq!(lines(&file).len(), 3, "what is new is tried, and nothing else");

    // The line that was written last counts, and one of another driver does not.
    let mut fast = tried[1].clone();
    fast["ns"] = 1.0.into();
    let mut other = tried[0].clone();
    (other["ns"], other["driver"]) = (0.5.into(), "another".into());
    // As a version wrote it that knew another word for how rows are dealt out.
    other.as_object_mut().unwrap().remove("row_lanes");
    std::fs::write(&file, format!("{}\nno trial\n{}\n{fast}\n{other}\n", tried[0], tried[1])).unwrap();
    assert_eq!(rank(&[32, 64], Turns::Interleaved)[0], (64, 1.0));
}

#[test]
fn without_a_file_nothing_is_tried_twice_either() {
    let (gpu, task) = (Gpu::open(None).unwrap(), task());
    let mut calibrator = Calibrator::knowing(&gpu, Trials::in_file(None));
    let mut rank = |sizes| calibrator.rank("fused", choices(&task, sizes), &task.blocks, Turns::Interleaved).unwrap();
    let first = rank(&[32, 64]);
    // A time that is measured again is another one.
    assert_eq!(rank(&[32, 64]), first);
}

#[test]
fn what_has_no_other_is_not_tried() {
    let (gpu, task, folder) = (Gpu::open(None).unwrap(), task(), Temporary::new());
    let file = folder.0.join("calibration.jsonl");
    let mut calibrator = Calibrator::knowing(&gpu, Trials::in_file(Some(file.clone())));
    let mut fastest =
        |sizes| calibrator.fastest("fused", choices(&task, sizes), &task.blocks, Turns::OneByOne).unwrap();
    assert_eq!(fastest(&[]), None);
    assert_eq!(fastest(&[64]), Some(64));
    assert!(lines(&file).is_empty());
    assert!([32, 64].contains(&fastest(&[32, 64]).unwrap()));
    assert_eq!(lines(&file).len(), 2);
}
