//! A rollout case as files that any language reads, and the judgement of what a peer made of it.
//!
//! Most populations have chaotic individuals, whose last states hang on rounding (see [`gate`](crate::workload::rollout::gate)).
//! So a peer hands in what the arms are judged by: how the episode of every individual ended, and how a single step ended
//! from each of some states that the oracle visited.
//!
//! | file | what is in it |
//! |---|---|
//! | `population.safetensors` | `genomes`, f32 `[population, parameters]`; `initial_state`, f32 `[population, components]` |
//! | `shared.safetensors` | the same of the individuals that make a single step |
//! | `market.safetensors` | `market`, f32 `[days, 4]`: three returns and the trend; only where there is one |
//! | `expected.safetensors` | the oracle's, f64; see [`Expectation`] |
//! | `case.json` | everything else, see [`RolloutFile`]; written last, so where it is the others are whole |

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};

use super::case::{FILE, Protocol, pretty, room, unwritable, write};
use super::result::{Made, Outcome, VariantResult};
use crate::cases::rollout::task_of;
use crate::digest::sha256_hex;
use crate::error::{Error, Result, Within};
use crate::spec::{RolloutCase, Spec};
use crate::workload::rollout::environment::{Action, Environment};
use crate::workload::rollout::gate::{Found, FoundEpisode, Reference};
use crate::workload::rollout::population::Population;
use crate::workload::rollout::{Arm, Tuning, cost, file};

/// Version of the layout of `case.json` of a rollout.
pub const FORMAT: &str = "onedispatch-rollout-1";

/// What a peer is told. `case.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutFile {
    pub format: String,
    pub experiment: String,
    /// Of the experiment's TOML.
    pub spec_sha256: String,
    pub case: String,
    /// Of the population, as in `cases.csv`.
    pub weights_sha256: String,
    pub environment: String,
    /// Individuals, and the longest length of an episode.
    pub population: u32,
    pub steps: u32,
    /// The policy 'observations - hidden (tanh) - outputs'. A genome is W1 [hidden][observation], b1, W2 [output][hidden], b2.
    pub observations: u32,
    pub hidden: u32,
    pub outputs: u32,
    /// What becomes of the outputs: `largest`, the index of the first of the largest; `torque`, 2 tanh of the only one;
    /// `shares`, a sigmoid of each.
    pub action: String,
    pub components: Vec<ComponentFile>,
    /// The largest size of a reward: errors of a return are relative to it times the length.
    pub reward: f64,
    pub tolerance: f64,
    pub protocol: Protocol,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentFile {
    pub name: String,
    /// Errors of this component are relative to it.
    pub scale: f64,
    /// An angle, of which a whole turn makes no difference.
    pub is_angle: bool,
}

impl Outcome {
    /// As an arm's buffers hold it; or what is missing of it.
    fn found(&self, individuals: usize, components: usize) -> std::result::Result<Found, String> {
        let words = |name: &str, text: &str, count: usize| {
            let bytes = STANDARD.decode(text).map_err(|error| format!("`{name}` is not base64: {error}"))?;
            let words: Vec<u32> =
                bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
            match bytes.len() == 4 * count {
                true => Ok(words),
                false => Err(format!("`{name}` has {} bytes, expected {}", bytes.len(), 4 * count)),
            }
        };
        let returns = words("episode_return", &self.episode_return, individuals)?;
        let lengths = words("length", &self.length, individuals)?;
        let ends = words("terminated", &self.terminated, individuals)?;
        let rows = words("state", &self.state, individuals * components)?;
        let episodes = returns.into_iter().zip(lengths).zip(ends).map(|((episode_return, length), terminated)| {
            FoundEpisode { episode_return: f32::from_bits(episode_return), length, terminated: terminated == 1 }
        });
        let states = (0..components).flat_map(|at| rows.iter().skip(at).step_by(components));
        Ok(Found { episodes: episodes.collect(), states: states.map(|&word| f32::from_bits(word)).collect() })
    }
}

/// The environment of a case that peers can run.
///
/// # Errors
/// An input error where it has no policy (test functions and bodies are measured in this program alone), evolves, or trades
/// on prices of a file.
pub fn environment_of(spec: &Spec, case: &RolloutCase) -> Result<&'static Environment> {
    let of_file = spec.rollout.as_ref().is_some_and(|axes| axes.prices.is_some());
    let why = match (task_of(case).is_some(), case.generations, of_file) {
        (true, ..) => format!("`{}` has no policy, so there is nothing to export", case.environment),
        (_, 1.., _) => "peers know no evolution; export a spec without `generations`".into(),
        (.., true) => "peers know the prices in the program alone; export a spec without `prices`".into(),
        _ => String::new(),
    };
    if !why.is_empty() {
        return Err(Error::input(format!("{}: {why}", case.name)));
    }
    let environment = Environment::named(&case.environment)?;
    environment.check_steps(case.steps).within(&case.name)?;
    Ok(environment)
}

/// Writes a case as files.
pub fn write_case(spec: &Spec, case: &RolloutCase, directory: &Path) -> Result<()> {
    let environment = environment_of(spec, case)?;
    let population = Population::random(environment, case.population, case.seed);
    let reference = Reference::new(environment, &population, case.steps, spec.tolerance);
    let components = environment.components.iter().map(|component| ComponentFile {
        name: component.name.into(),
        scale: component.scale,
        is_angle: component.is_angle,
    });
    let action = match environment.action {
        Action::Largest => "largest",
        Action::Torque => "torque",
        Action::Shares => "shares",
    };
    let about = RolloutFile {
        format: FORMAT.into(),
        experiment: spec.name.clone(),
        spec_sha256: sha256_hex(spec.text.as_bytes()),
        case: case.name.clone(),
        weights_sha256: population.sha256(),
        environment: environment.name.into(),
        population: case.population,
        steps: case.steps,
        observations: environment.observations,
        hidden: environment.hidden,
        outputs: environment.outputs,
        action: action.into(),
        components: components.collect(),
        reward: environment.reward,
        tolerance: spec.tolerance,
        protocol: Protocol::of(spec),
    };
    room(directory)?;
    write_population(environment, &population, &directory.join("population.safetensors"))?;
    write_population(environment, &reference.shared, &directory.join("shared.safetensors"))?;
    if !environment.market.is_empty() {
        let shape = vec![environment.market.len() / 4, 4];
        file::write(&directory.join("market.safetensors"), &[("market", shape, &environment.market)], &[])?;
    }
    Expectation::of(environment, &reference).write(&directory.join("expected.safetensors"))?;
    write(&directory.join(FILE), &pretty(&about))
}

fn write_population(environment: &Environment, population: &Population, path: &Path) -> Result<()> {
    let individuals = population.individuals as usize;
    let rows = |columns: &[f32]| -> Vec<f32> {
        (0..individuals).flat_map(|at| columns.iter().skip(at).step_by(individuals).copied()).collect()
    };
    let (genomes, initial) = (rows(&population.genomes), rows(&population.initial));
    let shape = |width: usize| vec![individuals, width];
    let tensors = [
        ("genomes", shape(environment.parameters() as usize), genomes.as_slice()),
        ("initial_state", shape(environment.components.len()), initial.as_slice()),
    ];
    file::write(path, &tensors, &[])
}

/// What the oracle says, for the check that a peer makes before it takes times; `expected.safetensors`.
struct Expectation {
    components: usize,
    /// Of the individuals that the oracle follows, `[followed]`: which they are, whether rounding leaves them as they are
    /// (1 or 0), and how their episodes end; `state` is `[followed, components]`.
    individual: Vec<f64>,
    decided: Vec<f64>,
    episode_return: Vec<f64>,
    length: Vec<f64>,
    terminated: Vec<f64>,
    state: Vec<f64>,
    /// Of the single steps, `[shared]`: whether any is decided, and what it may lead to, `[shared, alternatives]`: one
    /// transition for each action that nearly ties, NaN where there are fewer.
    single_decided: Vec<f64>,
    single_reward: Vec<f64>,
    single_terminated: Vec<f64>,
    single_state: Vec<f64>,
    alternatives: usize,
}

impl Expectation {
    fn of(environment: &Environment, reference: &Reference) -> Expectation {
        let components = environment.components.len();
        let alternatives = reference.single_steps().map(|(all, _)| all.len()).max().unwrap_or(1);
        let empty = Vec::new;
        let mut expectation = Expectation {
            components,
            individual: empty(),
            decided: empty(),
            episode_return: empty(),
            length: empty(),
            terminated: empty(),
            state: empty(),
            single_decided: empty(),
            single_reward: empty(),
            single_terminated: empty(),
            single_state: empty(),
            alternatives,
        };
        let flag = |yes: bool| f64::from(u8::from(yes));
        for (individual, episode, decided) in reference.followed() {
            expectation.individual.push(individual.into());
            expectation.decided.push(flag(decided));
            expectation.episode_return.push(episode.episode_return);
            expectation.length.push(episode.length.into());
            expectation.terminated.push(flag(episode.terminated));
            expectation.state.extend(&episode.state[..components]);
        }
        for (all, decided) in reference.single_steps() {
            expectation.single_decided.push(flag(decided));
            for at in 0..alternatives {
                let one = all.get(at);
                expectation.single_reward.push(one.map_or(f64::NAN, |one| one.reward));
                expectation.single_terminated.push(one.map_or(f64::NAN, |one| flag(one.terminated)));
                let state = one.map_or([f64::NAN; 8], |one| one.state);
                expectation.single_state.extend(&state[..components]);
            }
        }
        expectation
    }

    fn write(&self, path: &Path) -> Result<()> {
        let (followed, shared) = (self.individual.len(), self.single_decided.len());
        let view = |(name, shape, numbers): (&'static str, Vec<usize>, &'_ Vec<f64>)| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            (name, shape, bytes)
        };
        let tensors: Vec<_> = [
            ("individual", vec![followed], &self.individual),
            ("decided", vec![followed], &self.decided),
            ("episode_return", vec![followed], &self.episode_return),
            ("length", vec![followed], &self.length),
            ("terminated", vec![followed], &self.terminated),
            ("state", vec![followed, self.components], &self.state),
            ("single_decided", vec![shared], &self.single_decided),
            ("single_reward", vec![shared, self.alternatives], &self.single_reward),
            ("single_terminated", vec![shared, self.alternatives], &self.single_terminated),
            ("single_state", vec![shared, self.alternatives, self.components], &self.single_state),
        ]
        .map(view)
        .into();
        let views = tensors.iter().map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F64, shape.clone(), bytes).map(|view| (*name, view)).map_err(unwritable)
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        write(path, &safetensors::serialize(views, None).map_err(unwritable)?)
    }
}

/// Judges what variants made of a case, as the arms are judged.
pub struct Judge<'a> {
    environment: &'a Environment,
    reference: Reference<'a>,
    pub population_sha256: String,
    individuals: usize,
    multiply_adds_per_step: u64,
    pub min_bytes: u64,
}

impl<'a> Judge<'a> {
    pub fn of(spec: &Spec, case: &RolloutCase, environment: &'a Environment) -> Judge<'a> {
        let population = Population::random(environment, case.population, case.seed);
        // The count does not depend on the workgroup.
        let tuning = Tuning::of(64);
        let program = Arm::WHOLE.program(environment, case.population, case.steps, &tuning);
        Judge {
            environment,
            reference: Reference::new(environment, &population, case.steps, spec.tolerance),
            population_sha256: population.sha256(),
            individuals: case.population as usize,
            multiply_adds_per_step: cost::multiply_adds_per_step(&program, environment),
            min_bytes: cost::min_bytes(environment, case.population),
        }
    }

    /// What a variant made, or why it cannot be judged.
    pub fn judge(&self, variant: &VariantResult) -> std::result::Result<Made, String> {
        let components = self.environment.components.len();
        let outcome = |name: &str, outcome: &Option<Outcome>, individuals: usize| match outcome {
            Some(outcome) => outcome.found(individuals, components).map_err(|why| format!("{name}: {why}")),
            None => Err(format!("has no `{name}`, by which a rollout is judged")),
        };
        let episodes = outcome("episodes", &variant.episodes, self.individuals)?;
        let singles = outcome("single_steps", &variant.single_steps, self.reference.shared.individuals as usize)?;
        let gate = self.reference.check_single(&singles).and(self.reference.check(&episodes));
        let units = episodes.steps();
        let multiply_adds = units * self.multiply_adds_per_step;
        Ok(Made { units, multiply_adds, error: gate.error, wrong: gate.reason })
    }
}
