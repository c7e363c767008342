//! A case as a page measures it: its rows, every program that may be run for it, and what judges their outputs. An import
//! of a page's results asks the same.

pub mod programs;

use programs::PageProgram;
use serde::Serialize;

use super::decode::{config_of, request_of, weight_blocks};
use super::verdict::Verdict;
use super::{decode, rollout};
use crate::error::{Error, Result, Within};
use crate::program::{Blocks, Policy};
use crate::spec::{DecodeCase, RolloutCase, Spec, Workload};
use crate::workload::control::{CASE as CONTROL, Control};
use crate::workload::decode::model::{Config, Request};
use crate::workload::decode::packing::Layout;
use crate::workload::decode::{self as decoding, random, request, tensors};
use crate::workload::rollout as rolling;
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::gate::{Found, Reference};
use crate::workload::rollout::population::Population;
use crate::workload::rollout::programs::EPISODE_WORDS;

/// A row of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PageEntry {
    pub arm: String,
    pub policy: Policy,
    pub replica: u32,
    /// What a dispatch of the arm covers; empty of a control.
    pub span: String,
}

/// Reads the bytes of an output of a program's last run by its name.
pub type Outputs<'a> = dyn Fn(&str) -> Result<Vec<u8>> + 'a;

pub struct PageCase {
    pub name: String,
    pub workload: Workload,
    pub seed: u64,
    /// Of the weights or the population; empty of controls.
    pub weights_sha256: String,
    pub entries: Vec<PageEntry>,
    pub programs: Vec<PageProgram>,
    /// Of rollouts: for each of `programs` the one that makes single steps from states which the oracle visited.
    pub singles: Vec<PageProgram>,
    tolerance: f64,
    judge: Judge,
}

enum Judge {
    /// For each program.
    Controls(Vec<Control>),
    Decode {
        reference: Box<decoding::gate::Reference<'static>>,
        request: Request,
    },
    Rollout {
        reference: Box<Reference<'static>>,
        population: Population,
        environment: &'static Environment,
    },
}

/// What a page lists of a case before it is measured.
#[derive(Clone, Debug, Serialize)]
pub struct Outline {
    pub case: String,
    pub workload: Workload,
    /// Largest error that passes.
    pub tolerance: f64,
    pub entries: Vec<PageEntry>,
    /// Of a decode case.
    pub config: Option<Config>,
    pub new_tokens: Option<u32>,
    /// Of a rollout.
    pub environment: Option<String>,
    pub population: Option<u32>,
    pub steps: Option<u32>,
}

/// The cases of a spec, the controls first.
///
/// # Errors
/// An input error where an arm cannot run in a browser, or a case has what a page has not.
pub fn outlines(spec: &Spec) -> Result<Vec<Outline>> {
    let outline = |case: &str, workload, entries| Outline {
        case: case.into(),
        workload,
        tolerance: spec.tolerance,
        entries,
        config: None,
        new_tokens: None,
        environment: None,
        population: None,
        steps: None,
    };
    let mut outlines = vec![outline(CONTROL, Workload::Control, entries_of_controls())];
    for case in spec.cases() {
        programs::of_decode(spec, &case).within(&case.name)?;
        outlines.push(Outline {
            config: Some(config_of(&case)?),
            new_tokens: Some(case.new_tokens),
            ..outline(&case.name, Workload::Decode, entries_of_decode(spec)?)
        });
    }
    for case in spec.rollout_cases() {
        programs::of_rollout(spec, environment_of(spec, &case)?, &case)?;
        outlines.push(Outline {
            environment: Some(case.environment.clone()),
            population: Some(case.population),
            steps: Some(case.steps),
            ..outline(&case.name, Workload::Rollout, entries_of_rollout(spec, &case)?)
        });
    }
    Ok(outlines)
}

fn entries_of_controls() -> Vec<PageEntry> {
    let mut entries: Vec<PageEntry> = Vec::new();
    for (control, _) in programs::of_controls() {
        let entry = PageEntry { arm: control.arm.into(), policy: control.policy, replica: 0, span: String::new() };
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    // As natively: the last one once more, as A/A.
    entries.extend(entries.last().cloned().map(|last| PageEntry { replica: 1, ..last }));
    entries
}

fn entries_of_decode(spec: &Spec) -> Result<Vec<PageEntry>> {
    let entry = |(arm, policy, replica): (decoding::Arm, Policy, u32)| PageEntry {
        arm: arm.name(),
        policy,
        replica,
        span: arm.span.name(),
    };
    Ok(decode::entries(spec)?.into_iter().map(entry).collect())
}

fn entries_of_rollout(spec: &Spec, case: &RolloutCase) -> Result<Vec<PageEntry>> {
    let entry = |(arm, policy, replica): (rolling::Arm, Policy, u32)| PageEntry {
        arm: arm.name(),
        policy,
        replica,
        span: arm.span().name(),
    };
    Ok(rollout::entries(spec, case)?.into_iter().map(entry).collect())
}

impl PageCase {
    /// The case of this name.
    ///
    /// # Errors
    /// An input error where there is no such case, and as [`names`].
    pub fn of(spec: &Spec, name: &str) -> Result<PageCase> {
        if name == CONTROL {
            return Ok(PageCase::of_controls(spec));
        }
        if let Some(case) = spec.cases().iter().find(|case| case.name == name) {
            return PageCase::of_decode(spec, case);
        }
        if let Some(case) = spec.rollout_cases().iter().find(|case| case.name == name) {
            return PageCase::of_rollout(spec, case);
        }
        Err(Error::input(format!("{}: no case is called `{name}`", spec.name)))
    }

    fn of_controls(spec: &Spec) -> PageCase {
        let (controls, programs): (Vec<Control>, Vec<PageProgram>) = programs::of_controls().into_iter().unzip();
        PageCase {
            name: CONTROL.into(),
            workload: Workload::Control,
            seed: spec.seed,
            weights_sha256: String::new(),
            entries: entries_of_controls(),
            programs,
            singles: Vec::new(),
            tolerance: spec.tolerance,
            judge: Judge::Controls(controls),
        }
    }

    fn of_decode(spec: &Spec, case: &DecodeCase) -> Result<PageCase> {
        let programs = programs::of_decode(spec, case)?;
        let config = config_of(case)?;
        let request = request_of(case, &config, 0);
        request::validate(&config, &request)?;
        let weights = random::weights(&config, case.seed);
        Ok(PageCase {
            name: case.name.clone(),
            workload: Workload::Decode,
            seed: case.seed,
            weights_sha256: tensors::weights_sha256(&config, &weights),
            entries: entries_of_decode(spec)?,
            programs,
            singles: Vec::new(),
            tolerance: spec.tolerance,
            judge: Judge::Decode { reference: Box::new(decoding::gate::Reference::owning(config, weights)), request },
        })
    }

    fn of_rollout(spec: &Spec, case: &RolloutCase) -> Result<PageCase> {
        let environment = environment_of(spec, case)?;
        let population = Population::random(environment, case.population, case.seed);
        let reference = Reference::new(environment, &population, case.steps, spec.tolerance);
        Ok(PageCase {
            name: case.name.clone(),
            workload: Workload::Rollout,
            seed: case.seed,
            weights_sha256: population.sha256(),
            entries: entries_of_rollout(spec, case)?,
            programs: programs::of_rollout(spec, environment, case)?,
            singles: programs::of_single_steps(spec, environment, case, reference.shared.individuals)?,
            tolerance: spec.tolerance,
            judge: Judge::Rollout { reference: Box::new(reference), population, environment },
        })
    }

    /// The constants of a program, by name.
    pub fn blocks(&self, program: usize) -> Blocks {
        match &self.judge {
            Judge::Controls(controls) => controls[program].blocks.clone(),
            Judge::Decode { reference, .. } => {
                let named = |layout: &Layout| self.programs[program].names(&layout.block());
                let layouts: Vec<Layout> = Layout::all().filter(named).collect();
                let mut blocks = weight_blocks(reference.config(), reference.weights(), &layouts);
                blocks.retain(|name, _| self.programs[program].names(name));
                blocks
            }
            Judge::Rollout { population, environment, .. } => population.blocks(environment),
        }
    }

    /// The constants of `singles`; empty where there are none.
    pub fn single_blocks(&self) -> Blocks {
        match &self.judge {
            Judge::Rollout { reference, environment, .. } => reference.shared.blocks(environment),
            _ => Blocks::new(),
        }
    }

    /// Judges what a run of a program left; of rollouts the outputs of its single steps are asked for behind `single_`.
    ///
    /// # Errors
    /// A check error where an output is missing or has another length.
    pub fn judge(&mut self, program: usize, outputs: &Outputs) -> Result<Verdict> {
        let program = &self.programs[program];
        let sized = |name: &str, words: usize| match outputs(name)? {
            bytes if bytes.len() == 4 * words => Ok(bytes),
            bytes => Err(Error::check(format!("its output `{name}` has {} bytes", bytes.len()))),
        };
        match &mut self.judge {
            Judge::Controls(controls) => {
                let of = |control: &&Control| control.program == program.program && control.arm == program.arm;
                let control = controls.iter().find(of).expect("each program is a control's");
                let error = control.error(&outputs(&program.program.outputs[0])?);
                let reason = match error {
                    Some(error) if error <= self.tolerance => String::new(),
                    Some(error) => format!("off by {error:.1e} of what was expected"),
                    None => "it is not finite or not whole".into(),
                };
                Ok(Verdict::of(error, reason, control.units))
            }
            Judge::Decode { reference, request } => {
                let units = u64::from(request.new_tokens);
                if outputs("gave_up").is_ok_and(|bytes| bytes.iter().any(|byte| *byte != 0)) {
                    let reason = "a workgroup gave up waiting for another".into();
                    return Ok(Verdict::of(None, reason, units));
                }
                let vocab_size = reference.config().vocab_size as usize;
                let tokens = sized("tokens", request.prompt.len() + request.new_tokens as usize)?;
                let tokens: Vec<u32> = bytemuck::pod_collect_to_vec(&tokens);
                let logits = sized("logits", vocab_size.next_multiple_of(4))?;
                let mut logits: Vec<f32> = bytemuck::pod_collect_to_vec(&logits);
                logits.truncate(vocab_size);
                if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
                    let reason = format!("logit {at} of the last token is NaN or infinite");
                    return Ok(Verdict::of(None, reason, units));
                }
                let new = decoding::new_tokens(request, &tokens);
                let gate = reference.check(request, &new, &logits, self.tolerance);
                Ok(Verdict::of(gate.error, gate.reason, units))
            }
            Judge::Rollout { reference, population, environment } => {
                let found = |prefix: &str, individuals: u32| {
                    let named =
                        |name: &str, words: usize| sized(&format!("{prefix}{name}"), words * individuals as usize);
                    let episodes = named("episodes", EPISODE_WORDS)?;
                    Ok::<_, Error>(Found::of_bytes(&episodes, &named("states", environment.components.len())?))
                };
                let made = found("", population.individuals)?;
                let single = found("single_", reference.shared.individuals)?;
                let gate = reference.check_single(&single).and(reference.check(&made));
                Ok(Verdict::of(gate.error, gate.reason, made.steps()))
            }
        }
    }

    /// About how many environment steps a rollout makes; none of other work.
    pub fn expected_steps(&self, steps: u32) -> Option<u64> {
        match &self.judge {
            Judge::Rollout { population, environment, .. } => Some(population.expected_steps(environment, steps)),
            _ => None,
        }
    }
}

/// The environment of a case that a page can follow.
fn environment_of(spec: &Spec, case: &RolloutCase) -> Result<&'static Environment> {
    if case.generations > 0 || spec.rollout.as_ref().is_some_and(|axes| axes.prices.is_some()) {
        return Err(Error::input(format!(
            "{}: a page has neither evolutions nor other prices; leave them out",
            case.name
        )));
    }
    let environment = Environment::named(&case.environment)?;
    environment.check_steps(case.steps)?;
    Ok(environment)
}
