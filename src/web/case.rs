//! A case as one JSON file for the page: its programs, what they are given, what has to come out (computed here in f64), and
//! how they are timed. `web/js/site.js` reads it.

use base64::Engine;
use serde_json::{Map, Value, json};

use super::programs::{self, PageProgram};
use crate::error::{Error, Result};
use crate::measure::control;
use crate::measure::decode::{config_of, request_of, weight_blocks};
use crate::measure::protocol::FEWEST_SAMPLES;
use crate::program::Policy;
use crate::record::digest::sha256_hex;
use crate::spec::{DecodeCase, RolloutCase, Spec};
use crate::workload::control::Expected;
use crate::workload::decode::oracle::expected;
use crate::workload::decode::{Arm, random, tensors};
use crate::workload::rollout::environment::{Environment, Transition};
use crate::workload::rollout::gate::Reference;
use crate::workload::rollout::population::Population;

/// Version of the layout.
pub const FORMAT: &str = "onedispatch-page-case-2";

/// The controls, which every experiment has first, as one case of `spec`.
pub fn of_controls(spec: &Spec) -> Value {
    let mut entries = Vec::new();
    let mut all = Vec::new();
    let mut blocks = Map::new();
    for (control, program) in programs::of_controls() {
        let expected = match &control.expected {
            Expected::Count(count) => json!({ "count": count }),
            Expected::Floats(values) => json!({ "floats": values }),
            Expected::Words(words) => json!({ "words": words }),
            // The page has no copy.
            Expected::Bytes(_) => continue,
        };
        for (name, bytes) in &control.blocks {
            blocks.insert(name.clone(), block(bytes));
        }
        let entry = json!({ "arm": control.arm, "policy": control.policy, "replica": 0 });
        if !entries.contains(&entry) {
            entries.push(entry);
        }
        let mut described = describe(&program);
        described["expected"] = expected;
        all.push(described);
    }
    // As natively: the last one once more, as A/A.
    if let Some(last) = entries.last().cloned() {
        entries.push(json!({ "arm": last["arm"], "policy": last["policy"], "replica": 1 }));
    }
    let mut case = common(spec, control::CASE, "control", spec.seed, "");
    case["blocks"] = blocks.into();
    case["entries"] = entries.into();
    case["programs"] = all.into();
    case
}

/// A decode case. Weights are not in it: the page makes them from the seed.
///
/// # Errors
/// An input error where a size is impossible, an arm cannot run in a browser, or two tokens nearly tie: the page compares
/// tokens, and could not tell such a tie from a fault.
pub fn of_decode(spec: &Spec, case: &DecodeCase) -> Result<Value> {
    let config = config_of(case)?;
    let request = request_of(case, &config, 0);
    let weights = random::weights(&config, case.seed);
    let (tokens, logits) = expected(&config, &weights, &request);
    for (step, row) in logits.chunks_exact(config.vocab_size as usize).enumerate() {
        let mut sorted = row.to_vec();
        sorted.sort_by(f64::total_cmp);
        let range = sorted[sorted.len() - 1] - sorted[0];
        let gap = sorted.iter().rev().nth(1).map_or(f64::INFINITY, |second| sorted[sorted.len() - 1] - second);
        if gap <= spec.tolerance / 10.0 * range {
            return Err(Error::input(format!(
                "{}: two tokens nearly tie at step {step}; choose another seed",
                case.name
            )));
        }
    }
    let programs = programs::of_decode(spec, case)?;
    let mut arms: Vec<Arm> = Vec::new();
    let mut entries = Vec::new();
    for (arm, policy, replica) in crate::measure::decode::entries(spec)? {
        arms.push(arm);
        entries.push(entry(&arm.name(), policy, replica));
    }
    let blocks = weight_blocks(&config, &weights, &arms.iter().map(|arm| arm.layout()).collect::<Vec<_>>());
    let blocks: Map<String, Value> = blocks
        .iter()
        .map(|(name, bytes)| {
            (name.clone(), json!({ "seeded": true, "bytes": bytes.len(), "sha256": sha256_hex(bytes) }))
        })
        .collect();
    let mut file = common(spec, &case.name, "decode", case.seed, &tensors::weights_sha256(&config, &weights));
    file["config"] = json!({
        "vocab_size": config.vocab_size,
        "n_positions": config.n_positions,
        "n_embd": config.n_embd,
        "n_head": config.n_head,
        "n_layer": config.n_layer,
        "n_inner": config.n_inner,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "scale_attn_weights": config.scale_attn_weights,
    });
    file["request"] = json!({
        "prompt": request.prompt, "new_tokens": request.new_tokens, "sampling": null, "end_token": null,
    });
    let last = &logits[logits.len() - config.vocab_size as usize..];
    file["expected"] = json!({ "tokens": tokens, "last_logits": last });
    file["blocks"] = blocks.into();
    file["entries"] = entries.into();
    let (programs, words) = share_words(programs.iter().map(describe).collect());
    file["words"] = words.into();
    file["programs"] = programs.into();
    Ok(file)
}

/// A rollout case, with its population.
///
/// # Errors
/// An input error where the environment has no policy or no such length.
pub fn of_rollout(spec: &Spec, case: &RolloutCase) -> Result<Value> {
    let environment = Environment::named(&case.environment)?;
    environment.check_steps(case.steps)?;
    if case.generations > 0 || spec.rollout.as_ref().is_some_and(|axes| axes.prices.is_some()) {
        return Err(Error::input(format!(
            "{}: a page has neither evolutions nor other prices; leave them out",
            case.name
        )));
    }
    let population = Population::random(environment, case.population, case.seed);
    let reference = Reference::new(environment, &population, case.steps, spec.tolerance);
    let components = environment.components.len();
    let individuals: Vec<Value> = reference
        .decided()
        .map(|(individual, episode)| {
            json!({
                "individual": individual,
                "episode_return": episode.episode_return,
                "length": episode.length,
                "terminated": episode.terminated,
                "state": episode.state[..components],
            })
        })
        .collect();
    let blocks: Map<String, Value> =
        population.blocks(environment).iter().map(|(name, bytes)| (name.clone(), block(bytes))).collect();
    let mut file = common(spec, &case.name, "rollout", case.seed, &population.sha256());
    file["rollout"] = json!({ "environment": case.environment, "population": case.population, "steps": case.steps });
    file["expected"] = json!({
        "reward": environment.reward,
        "components": environment.components.iter().map(|component| {
            json!({ "name": component.name, "scale": component.scale, "is_angle": component.is_angle })
        }).collect::<Vec<_>>(),
        "individuals": individuals,
    });
    file["blocks"] = blocks.into();
    file["single"] = single_steps(spec, case, environment, &reference)?;
    let entries = crate::measure::rollout_rows::entries(spec, case)?;
    file["entries"] = entries.into_iter().map(|(arm, policy, replica)| entry(&arm.name(), policy, replica)).collect();
    file["programs"] = programs::of_rollout(spec, environment, case)?.iter().map(describe).collect();
    Ok(file)
}

/// What a single step has to make of states that the oracle visited. Genomes are not in it: `of` says whose each state was.
fn single_steps(spec: &Spec, case: &RolloutCase, environment: &Environment, reference: &Reference) -> Result<Value> {
    let components = environment.components.len();
    let expected: Vec<Value> = reference
        .single_steps()
        .map(|(alternatives, decided)| {
            match decided {
            false => Value::Null,
            true => alternatives
                .iter()
                .map(|Transition { state, reward, terminated }| {
                    json!({ "state": state[..components], "reward": reward, "terminated": terminated })
                })
                .collect(),
        }
        })
        .collect();
    let programs: Vec<Value> = programs::of_single_steps(spec, environment, case, reference.shared.individuals)?
        .into_iter()
        .map(|PageProgram { arm, workgroup_size, program, .. }| {
            json!({ "arm": arm, "workgroup_size": workgroup_size, "program": program })
        })
        .collect();
    let initial = block(&reference.shared.blocks(environment)["initial"]);
    Ok(json!({ "of": reference.shared_by, "initial": initial, "programs": programs, "expected": expected }))
}

fn common(spec: &Spec, case: &str, workload: &str, seed: u64, weights_sha256: &str) -> Value {
    json!({
        "format": FORMAT,
        "experiment": spec.name,
        "spec_sha256": sha256_hex(spec.text.as_bytes()),
        "case": case,
        "workload": workload,
        "seed": seed,
        "weights_sha256": weights_sha256,
        "tolerance": spec.tolerance,
        "protocol": {
            "samples": spec.samples,
            "fewest_samples": FEWEST_SAMPLES.min(spec.samples),
            "warmup_s": spec.warmup_s,
            "arm_cap_s": spec.arm_cap_s,
            "seed": spec.seed,
        },
    })
}

fn entry(arm: &str, policy: Policy, replica: u32) -> Value {
    json!({ "arm": arm, "policy": policy, "replica": replica })
}

fn block(bytes: &[u8]) -> Value {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    json!({ "base64": text, "bytes": bytes.len(), "sha256": sha256_hex(bytes) })
}

/// Words of a buffer, as many as these or more, stand once in a case: programs that have the same ones say where.
const SHARED_WORDS: usize = 64;

/// The programs, and the words that their buffers begin with: `{"shared": 0}` in place of `{"words": [..]}`.
fn share_words(mut programs: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    let mut shared: Vec<Value> = Vec::new();
    let buffers = programs.iter_mut().filter_map(|program| program["program"]["buffers"].as_array_mut()).flatten();
    for buffer in buffers {
        let contents = &mut buffer["contents"];
        let Some(words) = contents
            .get_mut("words")
            .filter(|words| words.as_array().is_some_and(|words| words.len() >= SHARED_WORDS))
            .map(Value::take)
        else {
            continue;
        };
        let index = shared.iter().position(|other| *other == words).unwrap_or(shared.len());
        if index == shared.len() {
            shared.push(words);
        }
        *contents = json!({ "shared": index });
    }
    (programs, shared)
}

fn describe(program: &PageProgram) -> Value {
    json!({
        "arm": program.arm,
        "policy": program.policy,
        "sha256": program.sha256,
        "shaders_sha256": program.shaders_sha256,
        "unit": program.unit,
        "units": program.units,
        "workgroup_size": program.workgroup_size,
        "subgroup_size": program.subgroup_size,
        "least_lanes": program.least_lanes,
        "for_subgroup": program.for_subgroup,
        "for_software": program.for_software,
        "multiply_adds": program.multiply_adds,
        "min_bytes": program.min_bytes,
        "barriers": program.barriers,
        "program": program.program,
    })
}
