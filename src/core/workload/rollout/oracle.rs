//! The policy and its episode in f64: what every arm is checked against.

use super::environment::{Action, Environment, Transition, Values};
use crate::philox;

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    pub state: Values,
    pub episode_return: f64,
    /// Steps that were made, at least 1.
    pub length: u32,
    /// Whether the environment ended it, rather than its longest length.
    pub terminated: bool,
}

/// What a policy does in a state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// An index, a torque, or shares.
    pub action: Values,
    /// By how much the largest output exceeds the next; infinite where there is nothing to choose.
    pub margin: f64,
}

/// Outputs of the network of `genome` ([`Environment::parameters`] numbers) in a state.
pub fn outputs(environment: &Environment, genome: &[f32], state: &Values) -> Vec<f64> {
    let observed = (environment.observe)(environment, state);
    let [observations, hidden, outputs] =
        [environment.observations, environment.hidden, environment.outputs].map(|size| size as usize);
    let (first, second) = genome.split_at(environment.second_matrix() as usize);
    let seen = layer(first, &observed[..observations], hidden).map(f64::tanh);
    let activations: Vec<f64> = seen.collect();
    layer(second, &activations, outputs).collect()
}

/// What the policy of `genome` does in a state.
pub fn decide(environment: &Environment, genome: &[f32], state: &Values) -> Decision {
    let outputs = outputs(environment, genome, state);
    match environment.action {
        Action::Torque => Decision { action: one(2.0 * outputs[0].tanh()), margin: f64::INFINITY },
        Action::Shares => {
            let share = |output: &f64| 1.0 / (1.0 + (-output).exp());
            let action = std::array::from_fn(|index| outputs.get(index).map_or(0.0, share));
            Decision { action, margin: f64::INFINITY }
        }
        Action::Largest => {
            let larger = |best: usize, other: usize| if outputs[other] > outputs[best] { other } else { best };
            let best = (1..outputs.len()).fold(0, larger);
            let others = (0..outputs.len()).filter(|&other| other != best);
            let margin = others.map(|other| outputs[best] - outputs[other]).fold(f64::INFINITY, f64::min);
            Decision { action: one(best as f64), margin }
        }
    }
}

/// An action of one number.
pub fn one(action: f64) -> Values {
    std::array::from_fn(|index| if index == 0 { action } else { 0.0 })
}

/// W x + b: `parameters` holds W [outputs][inputs], then b [outputs].
fn layer<'a>(parameters: &'a [f32], inputs: &'a [f64], outputs: usize) -> impl Iterator<Item = f64> + 'a {
    let (weights, biases) = parameters.split_at(outputs * inputs.len());
    weights.chunks_exact(inputs.len()).zip(biases).map(move |(row, &bias)| {
        f64::from(bias) + row.iter().zip(inputs).map(|(&weight, input)| f64::from(weight) * input).sum::<f64>()
    })
}

/// One step from a state, and the margin of the decision in it.
pub fn step(environment: &Environment, genome: &[f32], state: &Values) -> (Transition, f64) {
    let decision = decide(environment, genome, state);
    ((environment.advance)(environment, state, &decision.action), decision.margin)
}

/// An f32 state `[components]` as values.
pub fn values(state: &[f32]) -> Values {
    std::array::from_fn(|component| state.get(component).map_or(0.0, |&value| f64::from(value)))
}

/// An episode of at most `steps` steps; `visit` sees every state, the initial one too, and the margin of the decision
/// that led to it.
pub fn episode(
    environment: &Environment,
    genome: &[f32],
    initial: &Values,
    steps: u32,
    visit: &mut dyn FnMut(&Values, f64),
) -> Episode {
    follow(environment, genome, initial, steps, |state, _| *state, visit)
}

/// The same, where every state is moved by up to `noise` of each component's scale before it is left: uniform, from
/// Philox counters [step, component, 0, 0] under the seed.
pub fn shadow(
    environment: &Environment,
    genome: &[f32],
    initial: &Values,
    steps: u32,
    (noise, seed): (f64, u64),
    visit: &mut dyn FnMut(&Values, f64),
) -> Episode {
    let moved = |state: &Values, step: u32| moved(environment, state, step, noise, seed);
    follow(environment, genome, initial, steps, moved, visit)
}

/// A state as a [`shadow`] leaves it at a step.
pub fn moved(environment: &Environment, state: &Values, step: u32, noise: f64, seed: u64) -> Values {
    let mut moved = *state;
    for (index, component) in environment.components.iter().enumerate() {
        let word = philox::philox4x32([step, index as u32, 0, 0], philox::key(seed))[0];
        let uniform = f64::from(word) / f64::from(u32::MAX) * 2.0 - 1.0;
        moved[index] += noise * component.scale * uniform;
    }
    moved
}

fn follow(
    environment: &Environment,
    genome: &[f32],
    initial: &Values,
    steps: u32,
    moved: impl Fn(&Values, u32) -> Values,
    visit: &mut dyn FnMut(&Values, f64),
) -> Episode {
    let mut episode = Episode { state: *initial, episode_return: 0.0, length: 0, terminated: false };
    visit(&episode.state, f64::INFINITY);
    while episode.length < steps && !episode.terminated {
        let (transition, margin) = step(environment, genome, &moved(&episode.state, episode.length));
        episode = Episode {
            state: transition.state,
            episode_return: episode.episode_return + transition.reward,
            length: episode.length + 1,
            terminated: transition.terminated,
        };
        visit(&episode.state, margin);
    }
    episode
}
