//! Every program that a browser may run for a case: the page picks among them, and an import finds what was run by digest.

use crate::cases::decode::{config_of, entries, request_of};
use crate::error::{Error, Result};
use crate::program::{Checks, Contents, Policy, Program};
use crate::shaders;
use crate::spec::{DecodeCase, RolloutCase, Spec};
use crate::workload::control::{Control, Scale, controls};
use crate::workload::decode::{self, Tuning, cost};
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::{self, cost as rollout_cost};

/// Smallest subgroups that devices have; a program for one of these is right for a device of exactly that one.
const SUBGROUP_SIZES: [u32; 6] = [4, 8, 16, 32, 64, 128];

/// Threads of a rollout's workgroup that the page tries.
const ROLLOUT_WORKGROUPS: [u32; 3] = [64, 128, 256];

/// Controls of the page: what a dispatch costs, and what no row may exceed.
const CONTROLS: [&str; 5] = ["empty", "workgroup-barrier", "storage-barrier", "cached-read", "fma"];

/// A program with what a row says of it before it has run.
#[derive(Clone, Debug, PartialEq)]
pub struct PageProgram {
    pub arm: String,
    /// Of a control: the one policy that it runs under.
    pub policy: Option<Policy>,
    pub program: Program,
    pub sha256: String,
    pub shaders_sha256: String,
    pub unit: &'static str,
    /// That one run makes; of a rollout it is known only afterwards.
    pub units: Option<u64>,
    /// Threads of the largest kernel, and the smallest subgroup that the program is for (0: it needs none).
    pub workgroup_size: u32,
    pub subgroup_size: u32,
    /// As [`Tuning::least_lanes`]; 0 where no kernel deals out rows so.
    pub least_lanes: u32,
    /// Of the device that it is for; none where it is for any.
    pub for_subgroup: Option<u32>,
    pub for_software: Option<bool>,
    /// Of one run; where `units` is none, of one unit.
    pub multiply_adds: u64,
    pub min_bytes: u64,
    pub barriers: u64,
    pub rounds: u64,
}

impl PageProgram {
    fn of(arm: String, unit: &'static str, program: Program) -> PageProgram {
        let kernels = || program.kernels.iter();
        PageProgram {
            arm,
            policy: None,
            sha256: program.sha256(),
            shaders_sha256: shaders::sha256(&program),
            unit,
            units: None,
            workgroup_size: kernels().map(|kernel| kernel.workgroup_size).max().unwrap_or(0),
            subgroup_size: kernels().map(|kernel| kernel.subgroup_size).max().unwrap_or(0),
            least_lanes: 0,
            for_subgroup: None,
            for_software: None,
            multiply_adds: 0,
            min_bytes: 0,
            barriers: 0,
            rounds: 0,
            program,
        }
    }

    /// What it is for and what it takes, without what it does.
    pub fn about(&self) -> serde_json::Value {
        serde_json::json!({
            "arm": self.arm,
            "policy": self.policy,
            "sha256": self.sha256,
            "shaders_sha256": self.shaders_sha256,
            "unit": self.unit,
            "units": self.units,
            "workgroup_size": self.workgroup_size,
            "subgroup_size": self.subgroup_size,
            "least_lanes": self.least_lanes,
            "for_subgroup": self.for_subgroup,
            "for_software": self.for_software,
            "multiply_adds": self.multiply_adds,
            "min_bytes": self.min_bytes,
            "barriers": self.barriers,
        })
    }

    /// Whether a buffer of the program is the block of this name.
    pub fn names(&self, block: &str) -> bool {
        let is_it = |contents: &Contents| matches!(contents, Contents::Constant(name) if name == block);
        self.program.buffers.iter().any(|buffer| is_it(&buffer.contents))
    }

    pub fn workgroups(&self) -> u32 {
        let dispatches = self.program.phases.iter().flat_map(|phase| &phase.dispatches);
        dispatches.map(|dispatch| dispatch.workgroups).max().unwrap_or(0)
    }
}

/// Of a decode case, for each arm of the spec.
///
/// # Errors
/// An input error where an arm cannot run in a browser.
pub fn of_decode(spec: &Spec, case: &DecodeCase) -> Result<Vec<PageProgram>> {
    let config = config_of(case)?;
    let request = request_of(case, &config, 0);
    let mut arms: Vec<decode::Arm> = Vec::new();
    for (arm, ..) in entries(spec)? {
        if arm.checks != Checks::Bounds || !arm.algorithm.about().is_common {
            return Err(Error::input(format!(
                "the arm {} cannot run in a browser; leave it out of the spec",
                arm.name()
            )));
        }
        if !arms.contains(&arm) {
            arms.push(arm);
        }
    }
    let mut programs: Vec<PageProgram> = Vec::new();
    for arm in arms {
        let has_subgroups = arm.algorithm.has_formats();
        let subgroups = if has_subgroups { &SUBGROUP_SIZES[..] } else { &[0][..] };
        let deals = if has_subgroups { &Tuning::LEAST_LANES[..] } else { &Tuning::LEAST_LANES[..1] };
        let counts = arm.workgroup_counts(&config);
        let sizes = subgroups.iter().flat_map(|&size| counts.iter().map(move |&count| (size, count)));
        for (subgroup_size, workgroups) in sizes {
            for &workgroup_size in arm.workgroup_sizes().iter().filter(|&&size| size >= subgroup_size) {
                for &least_lanes in deals {
                    let size = Tuning::of(workgroup_size, request.positions());
                    let tuning = Tuning { workgroups, subgroup_size, least_lanes, ..size };
                    let program = arm.program(&config, &request, &tuning);
                    let work = cost::work(&program);
                    let program = PageProgram {
                        units: Some(u64::from(request.new_tokens)),
                        least_lanes: if has_subgroups { least_lanes } else { 0 },
                        for_subgroup: has_subgroups.then_some(subgroup_size),
                        // Of several counts, the least is the one for software.
                        for_software: (counts.len() > 1).then_some(workgroups == counts[0]),
                        multiply_adds: work.multiply_adds,
                        min_bytes: cost::min_bytes(&config, std::slice::from_ref(&request), arm.format, 1),
                        barriers: work.barriers,
                        rounds: work.rounds,
                        ..PageProgram::of(arm.name(), "token", program)
                    };
                    // A small workgroup has fewer threads than that for a row anyhow, and a wide one more.
                    let is_there = |other: &PageProgram| {
                        other.sha256 == program.sha256
                            && other.for_subgroup == program.for_subgroup
                            && other.for_software == program.for_software
                    };
                    if !programs.iter().any(is_there) {
                        programs.push(program);
                    }
                }
            }
        }
    }
    Ok(programs)
}

/// Of rollouts of an environment that has a policy.
///
/// # Errors
/// An input error where the spec names an arm that there is not.
pub fn of_rollout(spec: &Spec, environment: &Environment, case: &RolloutCase) -> Result<Vec<PageProgram>> {
    let arms = rollout_arms(spec, case)?;
    Ok(rollouts(&arms, environment, case.population, case.steps))
}

/// The same arms, making single steps of other individuals.
///
/// # Errors
/// As [`of_rollout`].
pub fn of_single_steps(
    spec: &Spec,
    environment: &Environment,
    case: &RolloutCase,
    individuals: u32,
) -> Result<Vec<PageProgram>> {
    let arms = rollout_arms(spec, case)?;
    Ok(rollouts(&arms, environment, individuals, 1))
}

fn rollout_arms(spec: &Spec, case: &RolloutCase) -> Result<Vec<rollout::Arm>> {
    let mut arms: Vec<rollout::Arm> =
        crate::cases::rollout::entries(spec, case)?.iter().map(|(arm, ..)| *arm).collect();
    arms.dedup();
    Ok(arms)
}

fn rollouts(arms: &[rollout::Arm], environment: &Environment, population: u32, steps: u32) -> Vec<PageProgram> {
    let program = |arm: rollout::Arm, workgroup_size: u32, lanes: u32| {
        let tuning = rollout::Tuning { lanes, ..rollout::Tuning::of(workgroup_size) };
        let program = arm.program(environment, population, steps, &tuning);
        PageProgram {
            multiply_adds: rollout_cost::multiply_adds_per_step(&program, environment),
            min_bytes: rollout_cost::min_bytes(environment, population),
            ..PageProgram::of(arm.name(), "environment step", program)
        }
    };
    let of_arm = |&arm: &rollout::Arm| {
        let tunings = arm.lanes(environment).into_iter().flat_map(|lanes| ROLLOUT_WORKGROUPS.map(|size| (size, lanes)));
        tunings.map(|(size, lanes)| program(arm, size, lanes)).collect::<Vec<_>>()
    };
    arms.iter().flat_map(of_arm).collect()
}

/// The controls of a browser, for software devices and for hardware. They are smaller than the native ones, since a page may
/// be on a phone, and without the copy, which would be half a gigabyte to make.
pub fn of_controls() -> Vec<(Control, PageProgram)> {
    let scales = [
        (true, Scale { workgroups: 32, rounds: 4096, ..Scale::of(true, 0, 1) }),
        (false, Scale { workgroups: 256, rounds: 8192, ..Scale::of(false, 0, 1) }),
    ];
    let mut all = Vec::new();
    for (is_software, scale) in scales {
        for control in controls(&scale).into_iter().filter(|control| CONTROLS.contains(&control.arm)) {
            let program = PageProgram {
                policy: Some(control.policy),
                units: Some(control.units),
                for_software: Some(is_software),
                multiply_adds: control.multiply_adds,
                min_bytes: control.min_bytes,
                barriers: control.barriers_and_rounds().0,
                rounds: control.barriers_and_rounds().1,
                ..PageProgram::of(control.arm.into(), control.unit, control.program.clone())
            };
            all.push((control, program));
        }
    }
    all
}
