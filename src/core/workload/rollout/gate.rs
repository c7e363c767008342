//! The check of what an arm made of a population, against the f64 oracle.
//!
//! Rollouts can be chaotic: a rounding error grows from step to step, and turns into another action where two outputs nearly
//! tie. What a correct f32 program has to reproduce is therefore asked of the oracle itself. It follows each individual of a
//! sample once as it is, and a few times with noise of the size of f32 rounding; what those *shadows* agree on is decided,
//! and has to be met. What they do not agree on can only be compared as a distribution, so that is done too. And each
//! single step is checked from states that the oracle was in, where nothing has had time to grow.

use super::environment::{Action, Environment, Transition, Values};
use super::oracle::{self, Episode};
use super::population::Population;
use super::programs::EPISODE_WORDS;

/// Individuals that are followed by the oracle.
const SAMPLE: u32 = 64;
/// States of each of them from which a single step is checked.
const STATES: usize = 16;
/// Noise of the shadows, relative to each component's scale: several roundings of f32, as a step has them.
const NOISE: f64 = 1.0 / (1 << 20) as f64;
const SHADOWS: u64 = 3;
/// How far a shadow may stray on its way, in tolerances.
const STRAYING: f64 = 10.0;
/// Outputs closer than this are a tie: ten times what sums of some f32 terms of size 1 err by.
const TIE: f64 = 1e-4;
/// Standard errors by which the mean returns of chaotic individuals may differ.
const STANDARD_ERRORS: f64 = 4.0;
/// Fewer of them are no distribution: one that ends otherwise has no variance to be judged by.
const FEWEST_CHAOTIC: usize = 16;

/// What a program made, as its buffers hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub episodes: Vec<FoundEpisode>,
    /// `[components][individuals]`
    pub states: Vec<f32>,
}

/// An `Episode` of the shaders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundEpisode {
    pub episode_return: f32,
    pub length: u32,
    pub terminated: bool,
}

impl Found {
    /// From the bytes of the outputs `episodes` and `states`.
    pub fn of_bytes(episodes: &[u8], states: &[u8]) -> Found {
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(episodes);
        let episode = |words: &[u32]| FoundEpisode {
            episode_return: f32::from_bits(words[0]),
            length: words[1],
            terminated: words[2] == 1,
        };
        Found {
            episodes: words.chunks_exact(EPISODE_WORDS).map(episode).collect(),
            states: bytemuck::pod_collect_to_vec(states),
        }
    }

    /// Steps that were made by all individuals together.
    pub fn steps(&self) -> u64 {
        self.episodes.iter().map(|episode| u64::from(episode.length)).sum()
    }

    fn state(&self, individual: usize) -> Values {
        let state: Vec<f32> = self.states.iter().skip(individual).step_by(self.episodes.len()).copied().collect();
        oracle::values(&state)
    }
}

/// Whether an output is right, and how far off it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Largest error of what is decided: of a state's component relative to its scale, of a return relative to the largest
    /// that steps of that number could have. None where something was NaN or nothing could be compared.
    pub error: Option<f64>,
    /// Individuals that were compared one by one.
    pub compared: u32,
    /// Why it fails; empty where it passes.
    pub reason: String,
}

impl Gate {
    /// Passes where both pass; else says why the first of them fails that does.
    pub fn and(self, other: Gate) -> Gate {
        Gate {
            error: self.error.zip(other.error).map(|(a, b)| a.max(b)),
            compared: self.compared + other.compared,
            reason: if self.reason.is_empty() { other.reason } else { self.reason },
        }
    }
}

/// How fitness in f32 ranks individuals, beside the oracle's fitness in f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranking {
    /// Individuals that the oracle followed, and those of them that rounding does not change.
    pub followed: u32,
    pub decided: u32,
    /// Largest difference of a decided individual's fitness, relative to the range that it may have.
    pub error: Option<f64>,
    /// Spearman's, over the decided and over all; none where all of either fitness are equal.
    pub correlation: Option<f64>,
    pub correlation_of_all: Option<f64>,
}

/// What the oracle says of one individual, and which of it does not hang on rounding.
struct Expected {
    individual: u32,
    episode: Episode,
    /// Whether its shadows end as it does, and stay near it all the way: of chaotic episodes a few may end alike by chance.
    decided: bool,
}

impl Expected {
    /// `visited` are the states of the episode, `margin` is its smallest.
    fn of(
        environment: &Environment,
        (genome, steps): (&[f32], u32),
        individual: u32,
        (episode, visited, margin): (Episode, &[Values], f64),
        tolerance: f64,
    ) -> Expected {
        let mut decided = margin > TIE;
        for seed in 0..SHADOWS {
            let mut path = visited.iter();
            let mut strayed: f64 = 0.0;
            let mut visit = |state: &Values, _| {
                let distance = path.next().map_or(f64::INFINITY, |nominal| environment.distance(state, nominal));
                strayed = strayed.max(distance);
            };
            let shadow = oracle::shadow(environment, genome, &visited[0], steps, (NOISE, seed), &mut visit);
            decided &= shadow.length == episode.length && shadow.terminated == episode.terminated;
            decided &= return_error(environment, &shadow, &episode) <= tolerance / 2.0;
            decided &= environment.distance(&shadow.state, &episode.state) <= tolerance / 2.0;
            decided &= strayed <= STRAYING * tolerance;
        }
        Expected { individual, episode, decided }
    }
}

fn return_error(environment: &Environment, found: &Episode, expected: &Episode) -> f64 {
    (found.episode_return - expected.episode_return).abs() / (environment.reward * f64::from(expected.length.max(1)))
}

/// What a single step from a shared state may lead to: one transition, or one for each of the actions that nearly tie.
struct Single {
    alternatives: Vec<Transition>,
    /// Whether noise makes no difference to any of them: no threshold is near.
    decided: bool,
}

impl Single {
    fn of(environment: &Environment, genome: &[f32], state: &Values, tolerance: f64) -> Single {
        let actions = match environment.action {
            Action::Torque | Action::Shares => vec![oracle::decide(environment, genome, state).action],
            Action::Largest => {
                let outputs = oracle::outputs(environment, genome, state);
                let largest = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (0..outputs.len())
                    .filter(|&action| outputs[action] >= largest - TIE)
                    .map(|action| oracle::one(action as f64))
                    .collect()
            }
        };
        let mut single = Single { alternatives: Vec::new(), decided: true };
        for action in actions {
            let nominal = (environment.advance)(environment, state, &action);
            for seed in 0..SHADOWS {
                let moved = oracle::moved(environment, state, 0, NOISE, seed);
                let error = step_error(environment, &(environment.advance)(environment, &moved, &action), &nominal);
                single.decided &= error <= tolerance / 2.0;
            }
            single.alternatives.push(nominal);
        }
        single
    }
}

/// Of a state relative to its range, of a reward relative to the largest; 1 where one ends the episode and the other does not.
fn step_error(environment: &Environment, found: &Transition, expected: &Transition) -> f64 {
    if found.terminated != expected.terminated {
        return 1.0;
    }
    let reward = (found.reward - expected.reward).abs() / environment.reward;
    environment.distance(&found.state, &expected.state).max(reward)
}

/// The oracle's episodes of a sample of a population.
pub struct Reference<'a> {
    environment: &'a Environment,
    steps: u32,
    tolerance: f64,
    expected: Vec<Expected>,
    /// Individuals that start in states which the sample visited, for single steps.
    pub shared: Population,
    /// Of the population, whose genome each of [`Reference::shared`] has.
    pub shared_by: Vec<u32>,
    singles: Vec<Single>,
}

impl<'a> Reference<'a> {
    /// Follows a sample of the population: all of it where it is small, else individuals spread evenly.
    pub fn new(environment: &'a Environment, population: &Population, steps: u32, tolerance: f64) -> Reference<'a> {
        let count = population.individuals.min(SAMPLE);
        let mut expected = Vec::new();
        let mut singles = Vec::new();
        let (mut genomes, mut states, mut shared_by) = (Vec::new(), Vec::new(), Vec::new());
        for nth in 0..count {
            // From the first to the last.
            let last = u64::from(population.individuals - 1);
            let individual = (u64::from(nth) * last / u64::from((count - 1).max(1))) as u32;
            let genome = population.genome(individual);
            let initial = population.state(individual);
            let mut visited = Vec::new();
            let mut smallest = f64::INFINITY;
            let nominal = oracle::episode(environment, &genome, &initial, steps, &mut |state, margin| {
                visited.push(*state);
                smallest = smallest.min(margin);
            });
            let followed = (nominal, visited.as_slice(), smallest);
            expected.push(Expected::of(environment, (&genome, steps), individual, followed, tolerance));
            visited.pop();
            for state in visited.iter().step_by(visited.len().div_ceil(STATES)) {
                // As f32, which the arms start from.
                let shared = environment.components.iter().zip(state).map(|(_, &value)| value as f32);
                let shared: Vec<f32> = shared.collect();
                singles.push(Single::of(environment, &genome, &oracle::values(&shared), tolerance));
                shared_by.push(individual);
                genomes.extend_from_slice(&genome);
                states.extend_from_slice(&shared);
            }
        }
        let shared = Population::of_rows(environment, &genomes, &states);
        Reference { environment, steps, tolerance, expected, shared, shared_by, singles }
    }

    /// The individuals that the oracle follows, how their episodes end, and whether rounding leaves that as it is.
    pub fn followed(&self) -> impl Iterator<Item = (u32, &Episode, bool)> {
        self.expected.iter().map(|expected| (expected.individual, &expected.episode, expected.decided))
    }

    /// What a single step of each individual of [`Reference::shared`] may lead to, and whether rounding leaves that as it is.
    pub fn single_steps(&self) -> impl Iterator<Item = (&[Transition], bool)> {
        self.singles.iter().map(|single| (single.alternatives.as_slice(), single.decided))
    }

    /// Checks what a program made of [`Reference::shared`] in one step.
    pub fn check_single(&self, found: &Found) -> Gate {
        let named = |reason: String| format!("a single step from a shared state: {reason}");
        if let Some(reason) = impossible(self.environment, found, 1) {
            return Gate { error: None, compared: 0, reason: named(reason) };
        }
        let mut gate = Gate { error: Some(0.0), compared: 0, reason: String::new() };
        for (individual, single) in self.singles.iter().enumerate().filter(|(_, single)| single.decided) {
            let episode = found.episodes[individual];
            let there = Transition {
                state: found.state(individual),
                reward: episode.episode_return.into(),
                terminated: episode.terminated,
            };
            let errors = single.alternatives.iter().map(|wanted| step_error(self.environment, &there, wanted));
            let error = errors.fold(f64::INFINITY, f64::min);
            gate.error = gate.error.map(|largest| largest.max(error));
            gate.compared += 1;
            if error > self.tolerance {
                let wanted = &single.alternatives[0];
                gate.reason = named(format!("{there:?}, expected {wanted:?}; off by {error:.1e}"));
                return gate;
            }
        }
        if gate.compared == 0 {
            gate = Gate { error: None, compared: 0, reason: named("nothing could be compared".into()) };
        }
        gate
    }

    /// Checks what a program made of the whole population.
    pub fn check(&self, found: &Found) -> Gate {
        let gate = judge(self.environment, &self.expected, found, self.steps, self.tolerance);
        if !gate.reason.is_empty() {
            return gate;
        }
        let reason = self.distribution_fault(found).unwrap_or_default();
        Gate { reason, ..gate }
    }

    /// Individuals whose episode does not hang on rounding, and that episode.
    pub fn decided(&self) -> impl Iterator<Item = (u32, &Episode)> {
        self.expected
            .iter()
            .filter(|expected| expected.decided)
            .map(|expected| (expected.individual, &expected.episode))
    }

    /// Individuals that the oracle follows.
    pub fn sample(&self) -> usize {
        self.expected.len()
    }

    /// How a program's returns rank the sample, beside how the oracle's do. Chaotic individuals are in the last number alone:
    /// what rounding makes of one of them is as good a return as any.
    pub fn ranking(&self, found: &Found) -> Ranking {
        let there = |expected: &Expected| f64::from(found.episodes[expected.individual as usize].episode_return);
        let correlation = |expected: &[&Expected]| {
            let there: Vec<f64> = expected.iter().map(|expected| there(expected)).collect();
            let wanted: Vec<f64> = expected.iter().map(|expected| expected.episode.episode_return).collect();
            spearman(&there, &wanted)
        };
        let all: Vec<&Expected> = self.expected.iter().collect();
        let decided: Vec<&Expected> = self.expected.iter().filter(|expected| expected.decided).collect();
        let errors = decided.iter().map(|expected| {
            let Expected { individual, episode, .. } = expected;
            let there =
                Episode { episode_return: f64::from(found.episodes[*individual as usize].episode_return), ..*episode };
            return_error(self.environment, &there, episode)
        });
        Ranking {
            followed: all.len() as u32,
            decided: decided.len() as u32,
            error: errors.reduce(f64::max),
            correlation: correlation(&decided),
            correlation_of_all: correlation(&all),
        }
    }

    /// How the mean return of what is not decided differs from the oracle's by more than chance, where it does.
    fn distribution_fault(&self, found: &Found) -> Option<String> {
        let returns = |of: &dyn Fn(&Expected) -> f64| {
            self.expected.iter().filter(|expected| !expected.decided).map(of).collect::<Vec<f64>>()
        };
        let there = returns(&|expected| f64::from(found.episodes[expected.individual as usize].episode_return));
        let wanted = returns(&|expected| expected.episode.episode_return);
        if there.len() < FEWEST_CHAOTIC {
            return None;
        }
        let count = there.len() as f64;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
        let variance = |values: &[f64]| {
            let mean = mean(values);
            values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count
        };
        let chance = STANDARD_ERRORS * ((variance(&there) + variance(&wanted)) / count).sqrt();
        let rounding = self.tolerance * self.environment.reward * f64::from(self.steps);
        let (there, wanted) = (mean(&there), mean(&wanted));
        ((there - wanted).abs() > chance + rounding).then(|| {
            format!("the mean return of {count} chaotic individuals is {there:.3}, the oracle's is {wanted:.3}")
        })
    }
}

/// What no episodes of at most `steps` steps leave behind: numbers that are not finite, an end that is none.
fn impossible(environment: &Environment, found: &Found, steps: u32) -> Option<String> {
    for (individual, episode) in found.episodes.iter().enumerate() {
        let FoundEpisode { episode_return, length, terminated } = *episode;
        if !episode_return.is_finite() {
            return Some(format!("individual {individual}: the return is {episode_return}"));
        }
        if !(1..=steps).contains(&length) || (!terminated && length < steps) {
            let end = if terminated { "terminated" } else { "not terminated" };
            return Some(format!("individual {individual}: {length} of {steps} steps, {end}"));
        }
    }
    let at = found.states.iter().position(|value| !value.is_finite())?;
    let (individual, component) = (at % found.episodes.len(), at / found.episodes.len());
    let name = environment.components[component].name;
    Some(format!("individual {individual}: the last {name} is {}", found.states[at]))
}

/// Spearman's rank correlation: Pearson's of ranks, equal values sharing the mean of theirs. None where all of either are equal.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let ranks = |values: &[f64]| -> Vec<f64> {
        let rank = |value: &f64| {
            let lower = values.iter().filter(|other| *other < value).count();
            let equal = values.iter().filter(|other| *other == value).count();
            lower as f64 + (equal as f64 - 1.0) / 2.0
        };
        values.iter().map(rank).collect()
    };
    let centre = (a.len() as f64 - 1.0) / 2.0;
    let (a, b) = (ranks(a), ranks(b));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - centre) * (b - centre)).sum::<f64>();
    let scale = (product(&a, &a) * product(&b, &b)).sqrt();
    (scale > 0.0).then(|| product(&a, &b) / scale)
}

/// Compares what is decided; everything has to be possible.
fn judge(environment: &Environment, expected: &[Expected], found: &Found, steps: u32, tolerance: f64) -> Gate {
    let fail = |error: Option<f64>, reason: String| Gate { error, compared: 0, reason };
    if let Some(reason) = impossible(environment, found, steps) {
        return fail(None, reason);
    }
    let mut largest: f64 = 0.0;
    let mut compared = 0;
    for expected in expected.iter().filter(|expected| expected.decided) {
        let individual = expected.individual as usize;
        let there = found.episodes[individual];
        let wanted = &expected.episode;
        let there = Episode {
            state: found.state(individual),
            episode_return: there.episode_return.into(),
            length: there.length,
            terminated: there.terminated,
        };
        if (there.length, there.terminated) != (wanted.length, wanted.terminated) {
            let end = |episode: &Episode| if episode.terminated { "terminated" } else { "cut off" };
            let reason = format!(
                "individual {individual}: {} after {} steps, expected {} after {}",
                end(&there),
                there.length,
                end(wanted),
                wanted.length
            );
            return fail(Some(1.0), reason);
        }
        let mut error = return_error(environment, &there, wanted);
        if error > tolerance {
            let (there, wanted) = (there.episode_return, wanted.episode_return);
            return fail(Some(error), format!("individual {individual}: the return is {there}, expected {wanted:.6}"));
        }
        let distance = environment.distance(&there.state, &wanted.state);
        if distance > tolerance {
            let reason = format!(
                "individual {individual}: the last state is {:?}, expected {:?}; off by {distance:.1e} of its range",
                &there.state[..environment.components.len()],
                &wanted.state[..environment.components.len()]
            );
            return fail(Some(distance), reason);
        }
        error = error.max(distance);
        largest = largest.max(error);
        compared += 1;
    }
    let reason = String::new();
    Gate { error: Some(largest), compared, reason }
}

#[cfg(test)]
mod tests {
    use super::spearman;

    #[test]
    fn rank_correlations_by_hand() {
        assert_eq!(spearman(&[1.0, 5.0, 9.0], &[-3.0, -2.0, 40.0]), Some(1.0));
        assert_eq!(spearman(&[1.0, 5.0, 9.0], &[3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!(spearman(&[1.0, 1.0], &[3.0, 2.0]), None);
        // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: 4.5 / sqrt(4.5 * 5).
        let tied = spearman(&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((tied - 4.5 / 22.5f64.sqrt()).abs() < 1e-12, "{tied}");
    }
}
