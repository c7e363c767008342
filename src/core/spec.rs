//! An experiment, as a TOML file: what is swept, how it is run, how it is checked.

mod fault;
mod reading;
mod rules;
mod spans;

use serde::{Deserialize, Serialize};

use crate::program::Policy;
use crate::workload::decode::model::Config;
use crate::workload::decode::model_shapes::{self, ModelShape};
use crate::workload::rollout::Span;

pub use fault::Fault;

/// Fewest samples that a spec may ask for unless it says that it is quick.
pub const MIN_SAMPLES: u32 = 15;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Lower-case letters, digits and hyphens: it becomes part of a directory's name.
    pub name: String,
    /// One sentence: the question this experiment answers.
    pub question: String,
    /// `decode`, `rollout` or `control`.
    pub workload: Workload,
    /// Seed of weights, prompts, order and bootstrap.
    pub seed: u64,
    /// Timed runs of each arm; at least [`MIN_SAMPLES`] unless `quick`.
    pub samples: u32,
    /// Shortest warm-up of an arm, in seconds; it goes on until it settles.
    pub warmup_s: f64,
    /// An arm whose samples would together take longer is cut (first in samples, then in tokens), and its row says so.
    pub arm_cap_s: f64,
    /// Largest error the gate lets pass, relative to the range of the values, and why.
    pub tolerance: f64,
    pub tolerance_reason: String,
    /// For trying things out: few samples are allowed, and no claim may rest on the rows.
    #[serde(default)]
    pub quick: bool,
    /// Names of arms; empty for every arm of the workload.
    #[serde(default)]
    pub arms: Vec<String>,
    /// Policies of the arms that have more than one dispatch; empty for all.
    #[serde(default)]
    pub policies: Vec<Policy>,
    /// How much a dispatch of an arm covers, each a rung of a ladder of one kernel: of decoding by the names of
    /// [`crate::workload::decode::span::Span`], of a rollout by those of [`crate::workload::rollout::Span`]. Empty for all
    /// that there is in one dispatch.
    #[serde(default)]
    pub spans: Vec<String>,
    /// Present for the workload `decode`.
    pub decode: Option<DecodeAxes>,
    /// Present for the workload `rollout`.
    pub rollout: Option<RolloutAxes>,
    /// The TOML that this spec was read from, byte for byte; the manifest keeps it.
    #[serde(skip)]
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    Decode,
    Rollout,
    Control,
}

/// Swept as a product. Models have either a shape by name, or the sizes of three axes in the layout of GPT-2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecodeAxes {
    /// Out of [`crate::workload::decode::model_shapes::SHAPES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shape: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub n_embd: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub n_layer: Vec<u32>,
    pub new_tokens: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vocab_size: Vec<u32>,
    pub prompt_tokens: Vec<u32>,
    /// Sequences that are decoded at once; one where the spec does not say.
    #[serde(default = "one")]
    pub sequences: Vec<u32>,
}

fn one() -> Vec<u32> {
    vec![1]
}

/// Swept as a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutAxes {
    /// Out of [`crate::workload::rollout::environments::names`].
    pub environment: Vec<String>,
    /// Individuals.
    pub population: Vec<u32>,
    /// Longest length of an episode.
    pub steps: Vec<u32>,
    /// A CSV of prices that `portfolio` trades on, as a path from where the program is started; those in the binary where the
    /// spec does not say.
    pub prices: Option<String>,
    /// Of an evolution: generations of one run, initial states that each individual starts from, and how many seeds, the
    /// spec's and those after it, are cases of their own. Nothing is evolved where the spec does not say.
    pub generations: Option<u32>,
    pub episodes: Option<u32>,
    pub seeds: Option<u32>,
}

/// One point of a rollout sweep: a random population is followed through an episode each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloutCase {
    /// `acrobot-n4096-t500`: environment, population and steps; of an evolution `-e8-g40-s1` follows, with episodes, generations
    /// and the seed. Unique within a spec.
    pub name: String,
    pub environment: String,
    pub population: u32,
    pub steps: u32,
    /// The spec's seed, or one after it.
    pub seed: u64,
    /// Initial states of an individual, and generations; 0 where nothing is evolved.
    pub episodes: u32,
    pub generations: u32,
}

/// One point of the decode sweep: a model of these sizes continues a prompt by `new_tokens` tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecodeCase {
    /// `d32-l1-t64`: n_embd, n_layer and new_tokens, or `llama-3.2-1b-t64`, of a shape by name; `-v64`, `-p1` and `-s1` follow
    /// where the spec sweeps several vocabulary sizes, prompt lengths or numbers of sequences. Unique within a spec.
    pub name: String,
    /// Whose sizes the next ones are; empty for those of a sweep, in the layout of GPT-2.
    pub shape: String,
    pub n_embd: u32,
    /// In a sweep [`sweep_heads`] of `n_embd`.
    pub n_head: u32,
    pub n_layer: u32,
    /// In a sweep `4 n_embd`.
    pub n_inner: u32,
    pub vocab_size: u32,
    pub prompt_tokens: u32,
    pub new_tokens: u32,
    /// Decoded at once.
    pub sequences: u32,
    /// The spec's seed.
    pub seed: u64,
}

/// Heads of a model in a sweep: 2 up to `n_embd` = 128, above that one for every 64 channels, as in GPT-2.
pub fn sweep_heads(n_embd: u32) -> u32 {
    if n_embd <= 128 { 2 } else { n_embd / 64 }
}

impl DecodeAxes {
    /// The models, each as a case that asks nothing of it yet.
    fn models(&self) -> Vec<DecodeCase> {
        let of_shape = |shape: &ModelShape| {
            let Config { vocab_size, n_embd, n_head, n_layer, n_inner, .. } = (shape.config)(1);
            let (name, shape) = (shape.name.into(), shape.name.into());
            DecodeCase { name, shape, vocab_size, n_embd, n_head, n_layer, n_inner, ..DecodeCase::default() }
        };
        let of_sizes = |n_embd: u32, n_layer: u32| {
            let (name, n_head, n_inner) = (format!("d{n_embd}-l{n_layer}"), sweep_heads(n_embd), 4 * n_embd);
            DecodeCase { name, n_embd, n_head, n_layer, n_inner, ..DecodeCase::default() }
        };
        let shapes = self.shape.iter().filter_map(|name| model_shapes::named(name)).map(of_shape);
        let with_width = |&n_embd: &u32| self.n_layer.iter().map(move |&n_layer| of_sizes(n_embd, n_layer));
        shapes.chain(self.n_embd.iter().flat_map(with_width)).collect()
    }
}

impl Spec {
    /// The cases of a decode spec, the last axis running fastest: shape, or n_embd and n_layer, then new_tokens, vocab_size,
    /// prompt_tokens, sequences, each in the order written. Empty for other workloads.
    pub fn cases(&self) -> Vec<DecodeCase> {
        let Some(axes) = &self.decode else { return Vec::new() };
        let mut cases = Vec::new();
        for model in axes.models() {
            let vocabularies = if model.shape.is_empty() { axes.vocab_size.clone() } else { vec![model.vocab_size] };
            for &new_tokens in &axes.new_tokens {
                for &vocab_size in &vocabularies {
                    for &prompt_tokens in &axes.prompt_tokens {
                        for &sequences in &axes.sequences {
                            let mut name = format!("{}-t{new_tokens}", model.name);
                            let swept = [
                                (&vocabularies, "v", vocab_size),
                                (&axes.prompt_tokens, "p", prompt_tokens),
                                (&axes.sequences, "s", sequences),
                            ];
                            for (axis, letter, size) in swept {
                                if axis.len() > 1 {
                                    name += &format!("-{letter}{size}");
                                }
                            }
                            let model = model.clone();
                            let seed = self.seed;
                            cases.push(DecodeCase {
                                name,
                                vocab_size,
                                prompt_tokens,
                                new_tokens,
                                sequences,
                                seed,
                                ..model
                            });
                        }
                    }
                }
            }
        }
        cases
    }

    /// The names of all its cases, in the order in which they are measured.
    pub fn case_names(&self) -> Vec<String> {
        let decode = self.cases().into_iter().map(|case| case.name);
        decode.chain(self.rollout_cases().into_iter().map(|case| case.name)).collect()
    }

    /// The cases of a rollout spec, the last axis running fastest: environment, population, steps. Empty for other workloads.
    pub fn rollout_cases(&self) -> Vec<RolloutCase> {
        let Some(axes) = &self.rollout else { return Vec::new() };
        let mut cases = Vec::new();
        for environment in &axes.environment {
            for &population in &axes.population {
                for &steps in &axes.steps {
                    let name = format!("{environment}-n{population}-t{steps}");
                    let case = RolloutCase { name, population, steps, seed: self.seed, ..RolloutCase::default() };
                    let case = RolloutCase { environment: environment.clone(), ..case };
                    let Some(generations) = axes.generations else {
                        cases.push(case);
                        continue;
                    };
                    let episodes = axes.episodes.unwrap_or(1);
                    for seed in (self.seed..).take(axes.seeds.unwrap_or(1) as usize) {
                        let name = format!("{}-e{episodes}-g{generations}-s{seed}", case.name);
                        cases.push(RolloutCase { name, seed, episodes, generations, ..case.clone() });
                    }
                }
            }
        }
        cases
    }

    /// The same question at sizes that a software device answers within minutes: in place of shapes by name the least, the two
    /// smallest widths up to 64 (or the smallest there is), the smallest of every other axis, at most 16 tokens, 5 samples, short warm-up and cap; of a
    /// rollout every environment, with at most 256 individuals and 50 steps.
    /// It is named `NAME-quick`, so that its rows never join those of the whole experiment.
    pub fn quick(&self) -> Spec {
        let mut spec = self.with_few_samples(0.2, 5.0);
        if let Some(axes) = &mut spec.decode {
            let smallest = |axis: &mut Vec<u32>, at_most: u32| {
                let least = axis.iter().min().copied();
                *axis = least.into_iter().map(|size| size.min(at_most)).collect();
            };
            axes.shape = axes.shape.first().map(|_| model_shapes::LEAST.into()).into_iter().collect();
            axes.n_embd.sort_unstable();
            let narrow = axes.n_embd.iter().take(2).filter(|&&n_embd| n_embd <= 64).count();
            axes.n_embd.truncate(narrow.max(1));
            smallest(&mut axes.n_layer, u32::MAX);
            smallest(&mut axes.new_tokens, 16);
            smallest(&mut axes.vocab_size, u32::MAX);
            smallest(&mut axes.prompt_tokens, u32::MAX);
            smallest(&mut axes.sequences, u32::MAX);
        }
        if let Some(axes) = &mut spec.rollout {
            let smallest = |axis: &[u32], at_most: u32| axis.iter().min().map(|&size| size.min(at_most));
            axes.population = smallest(&axes.population, 256).into_iter().collect();
            axes.steps = smallest(&axes.steps, 50).into_iter().collect();
            axes.generations = axes.generations.map(|generations| generations.min(4));
            axes.episodes = axes.episodes.map(|episodes| episodes.min(2));
            axes.seeds = axes.seeds.map(|seeds| seeds.min(1));
            let fits = |name: &String| {
                Span::named(name).is_ok_and(|span| axes.steps.iter().all(|&steps| span.check(steps).is_ok()))
            };
            spec.spans.retain(fits);
        }
        spec.text = toml::to_string(&spec).expect("a spec is plain data");
        spec
    }

    /// The same cases with as few samples and as little time as show whether outputs are right. It is named as by [`Spec::quick`].
    pub fn few_samples(&self) -> Spec {
        let mut spec = self.with_few_samples(0.01, 2.0);
        spec.text = toml::to_string(&spec).expect("a spec is plain data");
        spec
    }

    fn with_few_samples(&self, warmup_s: f64, arm_cap_s: f64) -> Spec {
        let mut spec = self.clone();
        spec.quick = true;
        if !spec.name.ends_with("-quick") {
            spec.name += "-quick";
        }
        spec.samples = spec.samples.min(5);
        spec.warmup_s = spec.warmup_s.min(warmup_s);
        spec.arm_cap_s = spec.arm_cap_s.min(arm_cap_s);
        spec
    }
}

#[cfg(test)]
mod tests;
