//! What a spec may say, apart from its syntax: the keys, and what each accepts.

use super::fault::{Fault, fault, repeated};
use crate::program::Policy;
use crate::spec::{DecodeAxes, MIN_SAMPLES, RolloutAxes, Spec, Workload, sweep_heads};
use crate::workload::decode::arm::{self, checks_of};
use crate::workload::decode::model_shapes;
use crate::workload::rollout::environments::{self, PRICED};
use crate::workload::rollout::{evolution, task};

/// Largest size that a spec may name. Far above what any device holds, and small enough that no product overflows.
const MAX_SIZE: u32 = 65_536;

/// Most individuals that a spec may name.
const MAX_POPULATION: u32 = 1 << 24;

/// Most steps of an episode, or samples of an individual, that a spec may name.
const MAX_STEPS: u32 = 1_000_000;

/// A key of a spec.
pub(super) struct Key {
    /// The table it stands in; empty at the top.
    pub table: &'static str,
    pub name: &'static str,
    pub required: bool,
}

const fn key(table: &'static str, name: &'static str, required: bool) -> Key {
    Key { table, name, required }
}

/// The tables that a spec may have, one for each workload that sweeps something.
pub(super) const TABLES: [&str; 2] = ["decode", "rollout"];

pub(super) const KEYS: [Key; 29] = [
    key("", "name", true),
    key("", "question", true),
    key("", "workload", true),
    key("", "seed", true),
    key("", "samples", true),
    key("", "warmup_s", true),
    key("", "arm_cap_s", true),
    key("", "tolerance", true),
    key("", "tolerance_reason", true),
    key("", "quick", false),
    key("", "arms", false),
    key("", "policies", false),
    key("", "spans", false),
    key("", "decode", false),
    key("", "rollout", false),
    key("decode", "shape", false),
    key("decode", "n_embd", false),
    key("decode", "n_layer", false),
    key("decode", "new_tokens", true),
    key("decode", "vocab_size", false),
    key("decode", "prompt_tokens", true),
    key("decode", "sequences", false),
    key("rollout", "environment", true),
    key("rollout", "population", true),
    key("rollout", "steps", true),
    key("rollout", "prices", false),
    key("rollout", "generations", false),
    key("rollout", "episodes", false),
    key("rollout", "seeds", false),
];

/// What the key `name` accepts, as the end of a sentence.
pub(super) fn accepted(name: &str) -> String {
    match name {
        "name" => "1 to 64 lower-case letters, digits and hyphens, such as \"decode-tokens\"".into(),
        "question" | "tolerance_reason" => "one line of text".into(),
        "workload" => "\"decode\", \"rollout\" or \"control\"".into(),
        "seed" => format!("a whole number from 0 to {}", i64::MAX),
        "samples" => format!("a whole number, at least {MIN_SAMPLES} (at least 1 with quick = true)"),
        "warmup_s" => "seconds, finite, 0 or more".into(),
        "arm_cap_s" => "seconds, finite, more than 0".into(),
        "tolerance" => "a number above 0 and at most 1e-2".into(),
        "quick" => "true or false".into(),
        "arms" => format!(
            "in a decode spec, a list of distinct names out of {}, each also with {}; in a rollout spec, out of {}; \
             where it has generations, out of {}",
            arm::listed(),
            arm::endings(),
            task::Arm::ALL.map(task::Arm::name).join(", "),
            evolution::ARMS.join(", ")
        ),
        "policies" => {
            let names = Policy::ALL.map(Policy::name).join(", ");
            format!("in a decode or rollout spec, a list of distinct names out of {names}")
        }
        "spans" => super::spans::accepted(),
        "decode" | "rollout" => {
            format!("a table [{name}] in a spec whose workload is \"{name}\", and in no other")
        }
        "environment" => format!("a list of distinct names out of {}", environments::names().join(", ")),
        "population" => format!("a list of distinct whole numbers from 1 to {MAX_POPULATION}"),
        "steps" => format!("a list of distinct whole numbers from 1 to {MAX_STEPS}"),
        "prices" => "the path of a CSV of daily closes, with portfolio among the environments".into(),
        "generations" => format!("a whole number from 1 to {MAX_SIZE}"),
        "episodes" => "a whole number from 1 to 256, beside generations".into(),
        "seeds" => "a whole number from 1 to 1000, beside generations".into(),
        "shape" => format!(
            "a list of distinct names out of {}, without n_embd, n_layer and vocab_size",
            model_shapes::names().join(", ")
        ),
        "n_embd" => format!(
            "a list of distinct whole numbers from 2 to {MAX_SIZE}, each divisible by its heads (2 up to n_embd = 128, \
             above that n_embd / 64); with n_layer and vocab_size, or none of the three beside shape"
        ),
        _ => format!("a list of distinct whole numbers from 1 to {MAX_SIZE}"),
    }
}

impl Spec {
    /// The first thing in this spec that cannot be run.
    pub fn fault(&self) -> Option<Fault> {
        self.text_fault()
            .or_else(|| self.protocol_fault())
            .or_else(|| self.arms_fault())
            .or_else(|| self.workload_fault())
            .or_else(|| self.axes_fault())
            .or_else(|| self.spans_fault())
    }

    fn text_fault(&self) -> Option<Fault> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let stem = self.name.strip_suffix("-quick").unwrap_or(&self.name);
        if !(1..=64).contains(&stem.len()) || !self.name.chars().all(plain) {
            return fault("name", format!("is {:?}", self.name));
        }
        [("question", &self.question), ("tolerance_reason", &self.tolerance_reason)].into_iter().find_map(
            |(key, text)| {
                if text.trim().is_empty() {
                    fault(key, "is empty")
                } else if text.contains(char::is_control) {
                    fault(key, "has a line break or another control character")
                } else {
                    None
                }
            },
        )
    }

    fn protocol_fault(&self) -> Option<Fault> {
        if i64::try_from(self.seed).is_err() {
            return fault("seed", format!("is {}", self.seed));
        }
        if self.samples < if self.quick { 1 } else { MIN_SAMPLES } {
            return fault("samples", format!("is {}", self.samples));
        }
        if !(self.warmup_s.is_finite() && self.warmup_s >= 0.0) {
            return fault("warmup_s", format!("is {}", self.warmup_s));
        }
        if !(self.arm_cap_s.is_finite() && self.arm_cap_s > 0.0) {
            return fault("arm_cap_s", format!("is {}", self.arm_cap_s));
        }
        if !(self.tolerance > 0.0 && self.tolerance <= 1e-2) {
            return fault("tolerance", format!("is {:e}", self.tolerance));
        }
        None
    }

    fn arms_fault(&self) -> Option<Fault> {
        let is_rollout = self.workload == Workload::Rollout;
        let is_evolution = self.rollout.as_ref().is_some_and(|axes| axes.generations.is_some());
        let known: Vec<String> = match (is_rollout, is_evolution) {
            (true, true) => evolution::ARMS.map(String::from).to_vec(),
            (true, false) => task::Arm::ALL.map(|arm| arm.name().to_string()).to_vec(),
            (false, _) => arm::names(),
        };
        let is_known = |arm: &String| known.iter().any(|known| known == if is_rollout { arm } else { kernel_of(arm) });
        if let Some(element) = self.arms.iter().position(|arm| !is_known(arm)) {
            let arm = &self.arms[element];
            let hint = nearest(arm, &known).map_or(String::new(), |name| format!(" (did you mean `{name}`?)"));
            let problem = format!("names {arm:?}, which is no arm{hint}");
            return Some(Fault { key: "arms", element: Some(element), problem });
        }
        repeated("arms", &self.arms).or_else(|| repeated("policies", &self.policies))
    }

    fn workload_fault(&self) -> Option<Fault> {
        let for_controls = "stands in a spec whose workload is \"control\"";
        match (self.workload, &self.decode, &self.rollout) {
            (Workload::Decode, None, _) => fault("decode", "is missing"),
            (Workload::Rollout, _, None) => fault("rollout", "is missing"),
            (Workload::Rollout, Some(_), _) => fault("decode", "stands in a spec whose workload is \"rollout\""),
            (Workload::Decode, _, Some(_)) => fault("rollout", "stands in a spec whose workload is \"decode\""),
            (Workload::Control, Some(_), _) => fault("decode", for_controls),
            (Workload::Control, _, Some(_)) => fault("rollout", for_controls),
            (Workload::Control, ..) if !self.arms.is_empty() => fault("arms", for_controls),
            (Workload::Control, ..) if !self.policies.is_empty() => fault("policies", for_controls),
            _ => None,
        }
    }

    fn axes_fault(&self) -> Option<Fault> {
        if let Some(axes) = &self.rollout {
            let names = environments::names();
            let unknown = |name: &String| !names.contains(&name.as_str());
            if let Some(element) = axes.environment.iter().position(unknown) {
                let problem = format!("holds {:?}", axes.environment[element]);
                return Some(Fault { key: "environment", element: Some(element), problem });
            }
            if axes.environment.is_empty() {
                return fault("environment", "is an empty list");
            }
            return repeated("environment", &axes.environment)
                .or_else(|| axis("population", &axes.population, MAX_POPULATION, |_| true))
                .or_else(|| axis("steps", &axes.steps, MAX_STEPS, |_| true))
                .or_else(|| axes.prices_fault())
                .or_else(|| axes.evolution_fault());
        }
        let axes = self.decode.as_ref()?;
        axes.models_fault()
            .or_else(|| axis("new_tokens", &axes.new_tokens, MAX_SIZE, |_| true))
            .or_else(|| axis("prompt_tokens", &axes.prompt_tokens, MAX_SIZE, |_| true))
            .or_else(|| axis("sequences", &axes.sequences, MAX_SIZE, |_| true))
    }
}

impl DecodeAxes {
    fn models_fault(&self) -> Option<Fault> {
        let sizes = [("n_embd", &self.n_embd), ("n_layer", &self.n_layer), ("vocab_size", &self.vocab_size)];
        if self.shape.is_empty() {
            let wide = |n_embd: u32| n_embd >= 2 && n_embd.is_multiple_of(sweep_heads(n_embd));
            return sizes.into_iter().find_map(|(key, sizes)| match sizes.is_empty() {
                true => fault(key, "is missing or empty"),
                false => axis(key, sizes, MAX_SIZE, |size| key != "n_embd" || wide(size)),
            });
        }
        if let Some((key, _)) = sizes.into_iter().find(|(_, sizes)| !sizes.is_empty()) {
            return fault(key, "stands beside shape, which says it");
        }
        if let Some(element) = self.shape.iter().position(|name| model_shapes::named(name).is_none()) {
            return Some(Fault {
                key: "shape",
                element: Some(element),
                problem: format!("holds {:?}", self.shape[element]),
            });
        }
        repeated("shape", &self.shape)
    }
}

impl RolloutAxes {
    fn prices_fault(&self) -> Option<Fault> {
        let path = self.prices.as_ref()?;
        let is_used = self.environment.iter().any(|name| name == PRICED);
        (path.is_empty() || !is_used).then(|| fault("prices", format!("is {path:?}")))?
    }

    fn evolution_fault(&self) -> Option<Fault> {
        let alone = self.generations.is_none();
        let beyond = |key, size: Option<u32>, most: u32, is_alone: bool| {
            size.filter(|size| is_alone || !(1..=most).contains(size)).and_then(|size| fault(key, format!("is {size}")))
        };
        beyond("generations", self.generations, MAX_SIZE, false)
            .or_else(|| beyond("episodes", self.episodes, 256, alone))
            .or_else(|| beyond("seeds", self.seeds, 1000, alone))
    }
}

/// The arm of decoding without what may follow its name: of its checks, and a span behind an `@`.
fn kernel_of(arm: &str) -> &str {
    let kernel = arm.split_once('@').map_or(arm, |(kernel, _)| kernel);
    checks_of(kernel).0
}

fn axis(key: &'static str, sizes: &[u32], largest: u32, possible: impl Fn(u32) -> bool) -> Option<Fault> {
    if sizes.is_empty() {
        return fault(key, "is an empty list");
    }
    let impossible = |&size: &u32| !(1..=largest).contains(&size) || !possible(size);
    match sizes.iter().position(impossible) {
        Some(element) => {
            let problem = format!("holds {}", sizes[element]);
            Some(Fault { key, element: Some(element), problem })
        }
        None => repeated(key, sizes),
    }
}

/// The name that was probably meant: the closest by edit distance, where no more than a third of it is wrong.
pub(super) fn nearest<'a, S: AsRef<str>>(word: &str, names: &'a [S]) -> Option<&'a str> {
    let (distance, name) = names.iter().map(|name| (edits(word, name.as_ref()), name.as_ref())).min()?;
    (distance <= name.len().div_ceil(3)).then_some(name)
}

/// Levenshtein's distance: insertions, deletions and substitutions that turn `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
