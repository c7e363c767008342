//! The arms as programs. Every kernel finds the population's size and the longest length in `request`, so that populations of
//! any size share pipelines.

use std::collections::BTreeMap;

use super::environment::{Action, Environment};
use super::{Arm, Tuning};
use crate::program::{Binding, Buffer, Checks, Contents, Dispatch, Kernel, Phase, Program};
use crate::shaders;

/// Words of an `Episode` of the shaders: return, length, whether it was terminated.
pub const EPISODE_WORDS: usize = 3;

impl Arm {
    /// The program that follows `population` individuals for up to `steps` steps each.
    pub fn program(self, environment: &Environment, population: u32, steps: u32, tuning: &Tuning) -> Program {
        program(self, environment, population, steps, tuning)
    }
}

fn program(arm: Arm, environment: &Environment, population: u32, steps: u32, tuning: &Tuning) -> Program {
    let span = arm.span().steps(steps);
    let mut plan = Plan {
        environment,
        population,
        tuning,
        buffers: buffers(arm, environment, population, (steps, span), tuning),
        kernels: Vec::new(),
    };
    let (repeat, dispatches) = match arm {
        Arm::Fused(_) => (steps.div_ceil(span), vec![plan.environment_dispatch("fused", &["trajectory", "genomes"])]),
        Arm::PerOperation => (steps, plan.operations()),
    };
    Program {
        name: format!("{} {}", environment.name, arm.name()),
        buffers: plan.buffers,
        kernels: plan.kernels,
        phases: vec![Phase { name: "steps".into(), repeat, dispatches }],
        outputs: vec!["episodes".into(), "states".into(), "trajectory".into()],
    }
}

fn buffers(
    arm: Arm,
    environment: &Environment,
    population: u32,
    (steps, span): (u32, u32),
    tuning: &Tuning,
) -> Vec<Buffer> {
    let floats = |name: &str, rows: u32, contents: Contents| Buffer {
        name: name.into(),
        bytes: 4 * u64::from(rows) * u64::from(population),
        contents,
    };
    let components = environment.components.len() as u32;
    let trajectory = if tuning.traced {
        floats("trajectory", components * (steps + 1), Contents::Poison)
    } else {
        // Bound, and not used.
        Buffer { name: "trajectory".into(), bytes: 4, contents: Contents::Poison }
    };
    let mut buffers = vec![
        Buffer { name: "request".into(), bytes: 12, contents: Contents::Words(vec![population, steps, span]) },
        // No step is made yet: the first dispatch begins with the initial states.
        floats("episodes", EPISODE_WORDS as u32, Contents::Zero),
        floats("states", components, Contents::Poison),
        floats("initial", components, Contents::Constant("initial".into())),
        trajectory,
        floats("genomes", environment.parameters(), Contents::Constant("genomes".into())),
    ];
    if !environment.market.is_empty() {
        let bytes = 4 * environment.market.len() as u64;
        buffers.push(Buffer { name: "market".into(), bytes, contents: Contents::Constant("market".into()) });
    }
    if arm == Arm::PerOperation {
        let scratch = |name: &str, rows: u32| floats(name, rows, Contents::Scratch);
        buffers.extend([
            scratch("observations", environment.observations),
            scratch("hidden", environment.hidden),
            scratch("outputs", environment.outputs),
            scratch("actions", if environment.action == Action::Shares { environment.outputs } else { 1 }),
        ]);
    }
    buffers
}

struct Plan<'a> {
    environment: &'a Environment,
    population: u32,
    tuning: &'a Tuning,
    buffers: Vec<Buffer>,
    kernels: Vec<Kernel>,
}

impl Plan<'_> {
    /// A step, operation by operation.
    fn operations(&mut self) -> Vec<Dispatch> {
        let Environment { observations, hidden, outputs, .. } = *self.environment;
        let second = self.environment.second_matrix();
        let act = match self.environment.action {
            Action::Largest => self.operation("choose", &["request", "outputs", "actions"], &[("INPUTS", outputs)], 1),
            Action::Torque => self.operation("squash", &["request", "outputs", "actions"], &[], 1),
            Action::Shares => {
                self.operation("share", &["request", "outputs", "actions"], &[("OUTPUTS", outputs)], outputs)
            }
        };
        vec![
            self.environment_dispatch("observe", &["observations"]),
            self.operation(
                "linear",
                &["request", "observations", "genomes", "hidden"],
                &[("INPUTS", observations), ("OUTPUTS", hidden), ("FIRST_PARAMETER", 0)],
                hidden,
            ),
            self.operation("activate", &["request", "hidden"], &[("OUTPUTS", hidden)], hidden),
            self.operation(
                "linear",
                &["request", "hidden", "genomes", "outputs"],
                &[("INPUTS", hidden), ("OUTPUTS", outputs), ("FIRST_PARAMETER", second)],
                outputs,
            ),
            act,
            self.environment_dispatch("advance", &["trajectory", "actions"]),
        ]
    }

    /// A kernel of the environment's own file: a thread for each individual. Its `own` buffers are bound behind those that all
    /// have.
    fn environment_dispatch(&mut self, entry: &str, own: &[&str]) -> Dispatch {
        // An unused constant would be one pipeline more.
        let traced = u32::from(self.tuning.traced);
        let constants: &[_] = if entry == "observe" { &[] } else { &[("TRACED", traced)] };
        let lanes = if entry == "fused" { self.tuning.lanes } else { 1 };
        let workgroups = (self.population * lanes).div_ceil(self.tuning.workgroup_size);
        let market = if self.environment.market.is_empty() { &[][..] } else { &["market"] };
        let bound = [&["request", "episodes", "states", "initial"], market, own].concat();
        if lanes == 1 {
            return self.dispatch(self.environment.shader, entry, &bound, constants, workgroups);
        }
        let shader = format!("{}{}", self.environment.shader, shaders::BY_SUBGROUP);
        let dispatch = self.dispatch(&shader, entry, &bound, constants, workgroups);
        self.kernels[dispatch.kernel].subgroup_size = lanes;
        dispatch
    }

    /// A kernel of `operations.wgsl` over `rows` elements of each individual.
    fn operation(&mut self, entry: &str, bound: &[&str], constants: &[(&str, u32)], rows: u32) -> Dispatch {
        /// WebGPU's default `maxComputeWorkgroupsPerDimension`; threads make several elements above it.
        const MOST_WORKGROUPS: u64 = 65_535;
        let elements = u64::from(rows) * u64::from(self.population);
        let workgroups = elements.div_ceil(u64::from(self.tuning.workgroup_size)).min(MOST_WORKGROUPS);
        self.dispatch("rollout/operations.wgsl", entry, bound, constants, workgroups as u32)
    }

    fn dispatch(
        &mut self,
        shader: &str,
        entry: &str,
        bound: &[&str],
        constants: &[(&str, u32)],
        workgroups: u32,
    ) -> Dispatch {
        let mut values: BTreeMap<String, f64> =
            constants.iter().map(|&(name, value)| (name.to_string(), f64::from(value))).collect();
        values.insert("WORKGROUP_SIZE".into(), f64::from(self.tuning.workgroup_size));
        self.kernels.push(Kernel {
            shader: shader.into(),
            entry: entry.into(),
            constants: values,
            workgroup_size: self.tuning.workgroup_size,
            workgroup_bytes: 0,
            subgroup_size: 0,
            workgroups_together: 1,
            checks: Checks::Bounds,
        });
        let index = |name: &&str| self.buffers.iter().position(|buffer| buffer.name == **name);
        let bindings =
            bound.iter().filter_map(index).map(|buffer| Binding::whole(buffer, &self.buffers[buffer])).collect();
        Dispatch { kernel: self.kernels.len() - 1, bindings, workgroups }
    }
}
