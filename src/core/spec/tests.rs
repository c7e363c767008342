use insta::assert_snapshot;
use proptest::prelude::*;

use super::rules::{KEYS, accepted};
use super::*;
use crate::workload::decode::arm;
use crate::workload::rollout::environments;

const GOOD: &str = r#"name = "sweep"
question = "What does one dispatch gain?"
workload = "decode"
seed = 1
samples = 15
warmup_s = 0.5
arm_cap_s = 60
tolerance = 1e-3
tolerance_reason = "f32 sums in another order"
arms = ["stepwise", "fused-scalar"]
policies = ["wait-each"]

[decode]
n_embd = [32, 512]
n_layer = [1, 4]
new_tokens = [64]
vocab_size = [64]
prompt_tokens = [1]
"#;

fn parse(text: &str) -> crate::error::Result<Spec> {
    Spec::parse(text, "sweep.toml")
}

/// The message for the good spec after one replacement, up to what would be accepted.
fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    problem(&GOOD.replacen(from, to, 1))
}

fn problem(text: &str) -> String {
    let error = parse(text).expect_err(text);
    assert_eq!(error.exit_code(), 2);
    let message = error.to_string();
    let (problem, accepted) = message.split_once("; accepted: ").unwrap_or((&message, ""));
    assert!(!accepted.is_empty() || problem.contains("not TOML"), "{message}");
    problem.to_owned()
}

#[test]
fn what_each_key_accepts() {
    let accepted: Vec<_> = KEYS.iter().map(|key| format!("{}: {}", key.name, accepted(key.name))).collect();
    // Names stand in tables of their own, and are theirs to add to.
    let accepted = accepted
        .join("\n")
        .replace(&arm::listed(), "ARMS")
        .replace(&Policy::ALL.map(Policy::name).join(", "), "POLICIES")
        .replace(&environments::names().join(", "), "ENVIRONMENTS");
    assert_snapshot!(accepted, @r#"
    name: 1 to 64 lower-case letters, digits and hyphens, such as "decode-tokens"
    question: one line of text
    workload: "decode", "rollout" or "control"
    seed: a whole number from 0 to 9223372036854775807
    samples: a whole number, at least 15 (at least 1 with quick = true)
    warmup_s: seconds, finite, 0 or more
    arm_cap_s: seconds, finite, more than 0
    tolerance: a number above 0 and at most 1e-2
    tolerance_reason: one line of text
    quick: true or false
    arms: in a decode spec, a list of distinct names out of ARMS, each also with -unchecked or -loops-checked; in a rollout spec, out of per-operation, stepwise, fused; where it has generations, out of evaluation, evolution
    policies: in a decode or rollout spec, a list of distinct names out of POLICIES
    spans: in a decode spec, a list of distinct names out of operation, stage, layer, token, generation and chunk:N; in a rollout spec with the arm fused and environments that have a policy, out of step, steps:N and episode, N at most the steps of each episode
    decode: a table [decode] in a spec whose workload is "decode", and in no other
    rollout: a table [rollout] in a spec whose workload is "rollout", and in no other
    shape: a list of distinct names out of llama-tiny, gpt2-124m, smollm2-135m, llama-3.2-1b, without n_embd, n_layer and vocab_size
    n_embd: a list of distinct whole numbers from 2 to 65536, each divisible by its heads (2 up to n_embd = 128, above that n_embd / 64); with n_layer and vocab_size, or none of the three beside shape
    n_layer: a list of distinct whole numbers from 1 to 65536
    new_tokens: a list of distinct whole numbers from 1 to 65536
    vocab_size: a list of distinct whole numbers from 1 to 65536
    prompt_tokens: a list of distinct whole numbers from 1 to 65536
    sequences: a list of distinct whole numbers from 1 to 65536
    environment: a list of distinct names out of ENVIRONMENTS
    population: a list of distinct whole numbers from 1 to 16777216
    steps: a list of distinct whole numbers from 1 to 1000000
    prices: the path of a CSV of daily closes, with portfolio among the environments
    generations: a whole number from 1 to 65536
    episodes: a whole number from 1 to 256, beside generations
    seeds: a whole number from 1 to 1000, beside generations
    "#);
    let message = parse(&GOOD.replacen("n_embd", "n_embed", 1)).unwrap_err().to_string();
    assert_snapshot!(message, @r#"sweep.toml:14: `n_embed` is not a key here (did you mean `n_embd`?); accepted: shape, n_embd, n_layer, new_tokens, vocab_size, prompt_tokens, sequences"#);
}

#[test]
fn reads_what_is_written() {
    let spec = parse(GOOD).unwrap();
    assert_eq!(spec.text, GOOD);
    assert!(!spec.quick);
    assert_eq!(spec.policies, [Policy::WaitEach]);
    assert_eq!(spec.decode.unwrap().n_embd, [32, 512]);
}

#[test]
fn keys_that_are_not_there() {
    assert_snapshot!(refusal("n_embd", "n_embed"), @r#"sweep.toml:14: `n_embed` is not a key here (did you mean `n_embd`?)"#);
    assert_snapshot!(refusal("seed = 1", "\"se\\ned\\u001b\" = 1"), @r#"sweep.toml:4: `se\ned\u{1b}` is not a key here (did you mean `seed`?)"#);
    assert_snapshot!(refusal("seed = 1", ""), @r#"sweep.toml: `seed` is missing"#);
    assert_snapshot!(refusal("n_layer = [1, 4]", ""), @r#"sweep.toml:13: `n_layer` is missing or empty"#);
    assert_snapshot!(refusal("[decode]\n", ""), @r#"sweep.toml:13: `n_embd` is not a key here (it belongs under [decode])"#);
    assert_snapshot!(refusal("[decode]\n", "[decode]\nquick = true\n"), @r#"sweep.toml:14: `quick` is not a key here (it belongs at the top, before [decode])"#);
    assert_snapshot!(refusal("[decode]", "[decoder]"), @r#"sweep.toml:13: `decoder` is not a key here (did you mean `decode`?)"#);
    assert_snapshot!(refusal("seed = 1", "seed = 1\nseed = 2"), @r#"sweep.toml:5: not TOML: duplicate key (at `seed`)"#);
    assert_snapshot!(refusal("seed = 1", "seed = "), @r#"sweep.toml:4: not TOML: string values must be quoted, expected literal string"#);
}

#[test]
fn values_of_the_wrong_type() {
    assert_snapshot!(refusal("samples = 15", "samples = \"15\""), @r#"sweep.toml:5: `samples` is "15""#);
    assert_snapshot!(refusal("samples = 15", "samples = 15.0"), @r#"sweep.toml:5: `samples` is 15.0"#);
    assert_snapshot!(refusal("[32, 512]", "32"), @r#"sweep.toml:14: `n_embd` is 32"#);
    assert_snapshot!(refusal("[32, 512]", "[\n32,\n5_000_000_000]"), @r#"sweep.toml:16: `n_embd` holds 5_000_000_000"#);
    assert_snapshot!(refusal("\"wait-each\"", "\"wait-all\""), @r#"sweep.toml:11: `policies` holds "wait-all""#);
    assert_snapshot!(refusal("\"decode\"", "\"encode\""), @r#"sweep.toml:3: `workload` is "encode""#);
    assert_snapshot!(refusal("seed = 1", "seed = -1"), @r#"sweep.toml:4: `seed` is -1"#);
    assert_snapshot!(refusal("seed = 1", "seed = { low = 1 }"), @r#"sweep.toml:4: `seed` is a table"#);
    assert_snapshot!(refusal("[decode]", "[[decode]]"), @r#"sweep.toml:13: `decode` is [[decode]]"#);
}

#[test]
fn values_that_cannot_be_run() {
    assert_snapshot!(refusal("\"sweep\"", "\"../sweep\""), @r#"sweep.toml:1: `name` is "../sweep""#);
    assert_snapshot!(refusal("samples = 15", "samples = 14"), @r#"sweep.toml:5: `samples` is 14"#);
    assert_snapshot!(refusal("samples = 15", "quick = true\nsamples = 0"), @r#"sweep.toml:6: `samples` is 0"#);
    assert_snapshot!(refusal("warmup_s = 0.5", "warmup_s = nan"), @r#"sweep.toml:6: `warmup_s` is NaN"#);
    assert_snapshot!(refusal("warmup_s = 0.5", "warmup_s = -1"), @r#"sweep.toml:6: `warmup_s` is -1"#);
    assert_snapshot!(refusal("arm_cap_s = 60", "arm_cap_s = inf"), @r#"sweep.toml:7: `arm_cap_s` is inf"#);
    assert_snapshot!(refusal("tolerance = 1e-3", "tolerance = 0.02"), @r#"sweep.toml:8: `tolerance` is 2e-2"#);
    assert_snapshot!(refusal("\"f32 sums in another order\"", "\" \""), @r#"sweep.toml:9: `tolerance_reason` is empty"#);
    assert_snapshot!(refusal("\"fused-scalar\"", "\"fused-scaler\""), @r#"sweep.toml:10: `arms` names "fused-scaler", which is no arm (did you mean `fused-scalar`?)"#);
    assert_snapshot!(refusal("\"fused-scalar\"", "\"stepwise\""), @r#"sweep.toml:10: `arms` holds stepwise twice"#);
    assert_snapshot!(refusal("[32, 512]", "[32, 0]"), @r#"sweep.toml:14: `n_embd` holds 0"#);
    assert_snapshot!(refusal("[32, 512]", "[33]"), @r#"sweep.toml:14: `n_embd` holds 33"#);
    assert_snapshot!(refusal("[32, 512]", "[\n  32,\n  200\n]"), @r#"sweep.toml:16: `n_embd` holds 200"#);
    assert_snapshot!(refusal("[32, 512]", "[32, 64, 32]"), @r#"sweep.toml:14: `n_embd` holds 32 twice"#);
    assert_snapshot!(refusal("n_embd = [32, 512]", ""), @r#"sweep.toml:13: `n_embd` is missing or empty"#);
    assert_snapshot!(refusal("n_embd = [32, 512]", "shape = [\"gpt2-124m\"]"), @r#"sweep.toml:15: `n_layer` stands beside shape, which says it"#);
    let sizes = "n_embd = [32, 512]\nn_layer = [1, 4]\nnew_tokens = [64]\nvocab_size = [64]\n";
    assert_snapshot!(refusal(sizes, "shape = [\"gpt2\"]\nnew_tokens = [64]\n"), @r#"sweep.toml:14: `shape` holds "gpt2""#);
    assert_snapshot!(refusal("new_tokens = [64]", "new_tokens = []"), @r#"sweep.toml:16: `new_tokens` is an empty list"#);
    assert_snapshot!(refusal("new_tokens = [64]", "new_tokens = [0]"), @r#"sweep.toml:16: `new_tokens` holds 0"#);
    assert_snapshot!(refusal("prompt_tokens = [1]", "prompt_tokens = [0]"), @r#"sweep.toml:18: `prompt_tokens` holds 0"#);
    assert_snapshot!(refusal("\"decode\"", "\"control\""), @r#"sweep.toml:13: `decode` stands in a spec whose workload is "control""#);
    let (top, _) = GOOD.split_once("[decode]").unwrap();
    assert_snapshot!(problem(top), @r#"sweep.toml: `decode` is missing"#);
    assert_snapshot!(problem(&top.replace("\"decode\"", "\"control\"")), @r#"sweep.toml:10: `arms` stands in a spec whose workload is "control""#);
}

#[test]
fn fewer_samples_where_the_spec_says_that_it_is_quick() {
    let quick = parse(&GOOD.replacen("samples = 15", "quick = true\nsamples = 1", 1)).unwrap();
    assert_eq!((quick.quick, quick.samples), (true, 1));
}

#[test]
fn cases_are_the_product_in_a_fixed_order() {
    let mut spec = parse(GOOD).unwrap();
    let names = |spec: &Spec| spec.cases().into_iter().map(|case| case.name).collect::<Vec<_>>();
    assert_eq!(names(&spec), ["d32-l1-t64", "d32-l4-t64", "d512-l1-t64", "d512-l4-t64"]);
    let case = &spec.cases()[3];
    assert_eq!((case.n_head, case.n_inner, case.vocab_size, case.prompt_tokens, case.seed), (8, 2048, 64, 1, 1));
    let axes = spec.decode.as_mut().unwrap();
    (axes.n_embd, axes.n_layer, axes.prompt_tokens) = (vec![32], vec![1], vec![1, 9]);
    assert_eq!(names(&spec), ["d32-l1-t64-p1", "d32-l1-t64-p9"]);
    let axes = spec.decode.as_mut().unwrap();
    axes.n_embd.clear();
    axes.shape = vec!["llama-3.2-1b".into(), "gpt2-124m".into()];
    assert_eq!(names(&spec), ["llama-3.2-1b-t64-p1", "llama-3.2-1b-t64-p9", "gpt2-124m-t64-p1", "gpt2-124m-t64-p9"]);
    let case = &spec.cases()[1];
    assert_eq!((case.n_embd, case.n_head, case.n_inner, case.vocab_size, case.seed), (2048, 32, 8192, 128_256, 1));
}

#[test]
fn quick_is_small_and_says_so() {
    let quick = parse(GOOD).unwrap().quick();
    assert_eq!(parse(&quick.text).unwrap(), quick, "its text is the spec that is run");
    let cases: Vec<_> = quick.cases().into_iter().map(|case| case.name).collect();
    assert_eq!((quick.name.as_str(), quick.samples, cases), ("sweep-quick", 5, vec!["d32-l1-t16".to_owned()]));
}

fn axis() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::btree_set(1..=65_536_u32, 1..5).prop_map(|sizes| sizes.into_iter().collect())
}

fn some_of<T: Clone + std::fmt::Debug + 'static>(all: &[T]) -> impl Strategy<Value = Vec<T>> + use<T> {
    proptest::sample::subsequence(all.to_vec(), 0..=all.len()).prop_shuffle()
}

prop_compose! {
    fn decode_axes()(
        widths in proptest::collection::btree_set(1..=64_u32, 1..5),
        n_layer in axis(),
        new_tokens in axis(),
        vocab_size in axis(),
        prompt_tokens in axis(),
        sequences in axis(),
    ) -> DecodeAxes {
        // Multiples of 64 fit their heads.
        let n_embd = widths.into_iter().map(|width| 64 * width).collect();
        DecodeAxes { shape: Vec::new(), n_embd, n_layer, new_tokens, vocab_size, prompt_tokens, sequences }
    }
}

prop_compose! {
    fn valid_spec()(
        name in "[a-z0-9-]{1,64}",
        question in "[^\\p{C}]*[^\\p{C}\\s][^\\p{C}]*",
        tolerance_reason in "[^\\p{C}]*[^\\p{C}\\s][^\\p{C}]*",
        seed in 0..=i64::MAX as u64,
        samples in MIN_SAMPLES..,
        warmup_s in 0.0..1e9,
        arm_cap_s in 1e-9..1e9,
        tolerance in 1e-12..=1e-2,
        quick: bool,
        arms in some_of(&["stepwise", "fused-scalar", "fused-grid-bf16-unchecked"]),
        policies in some_of(&Policy::ALL),
        spans in some_of(&["operation", "stage", "layer", "token", "chunk:16", "generation"]),
        decode in proptest::option::of(decode_axes()),
    ) -> Spec {
        let decodes = decode.is_some();
        Spec {
            name,
            question,
            workload: if decodes { Workload::Decode } else { Workload::Control },
            seed,
            samples,
            warmup_s,
            arm_cap_s,
            tolerance,
            tolerance_reason,
            quick,
            arms: if decodes { arms.into_iter().map(str::to_owned).collect() } else { Vec::new() },
            policies: if decodes { policies } else { Vec::new() },
            spans: if decodes { spans.into_iter().map(str::to_owned).collect() } else { Vec::new() },
            decode,
            rollout: None,
            text: String::new(),
        }
    }
}

proptest! {
    #[test]
    fn a_valid_spec_comes_back_from_toml(mut spec in valid_spec()) {
        spec.text = toml::to_string(&spec).unwrap();
        prop_assert_eq!(parse(&spec.text).unwrap(), spec);
    }

    #[test]
    fn quick_of_a_valid_spec_is_valid_and_settles(spec in valid_spec()) {
        let quick = spec.quick();
        prop_assert_eq!(parse(&quick.text).unwrap(), quick.clone());
        prop_assert_eq!(quick.quick(), quick);
    }

    #[test]
    fn few_samples_are_of_the_same_cases(spec in valid_spec()) {
        let few = spec.few_samples();
        prop_assert_eq!(parse(&few.text).unwrap(), few.clone());
        prop_assert!(few.quick && few.name.ends_with("-quick") && few.samples <= 5);
        prop_assert_eq!((few.cases(), few.rollout_cases()), (spec.cases(), spec.rollout_cases()));
    }

    #[test]
    fn case_names_are_unique(spec in valid_spec()) {
        let cases = spec.cases();
        let names: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
        prop_assert_eq!(names.len(), cases.len());
    }

    /// One letter of one key is dropped, doubled or changed.
    #[test]
    fn a_misspelt_key_is_named_with_its_line(which in 0..written(), at: prop::sample::Index, edit in 0..3) {
        let good = GOOD.replacen("samples", "quick = false\nspans = []\nsamples", 1).replacen("\nprompt_tokens", "\nsequences = [1]\nprompt_tokens", 1);
        let key = KEYS.iter().filter(is_written).nth(which).unwrap().name;
        let at = at.index(key.len());
        let (head, tail) = (&key[..at], &key[at + 1..]);
        let letter = &key[at..=at];
        let wrong = match edit {
            0 => format!("{head}{tail}"),
            1 => format!("{head}{letter}{letter}{tail}"),
            _ => format!("{head}{}{tail}", if letter == "x" { "y" } else { "x" }),
        };
        let (from, to) = if key == "decode" {
            ("\n[decode]".to_owned(), format!("\n[{wrong}]"))
        } else {
            (format!("\n{key} ="), format!("\n{wrong} ="))
        };
        let good = format!("\n{good}");
        let line = 2 + good[..good.find(&from).unwrap()].matches('\n').count();
        let message = parse(&good.replacen(&from, &to, 1)).unwrap_err().to_string();
        let expected = format!("sweep.toml:{line}: `{wrong}` is not a key here (did you mean `{key}`?); accepted: ");
        prop_assert!(message.starts_with(&expected), "{}", message);
    }

    #[test]
    fn arbitrary_text_gives_one_line(text in "(?s).*") {
        if let Err(error) = parse(&text) {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }

    /// Nearer to a spec than arbitrary text: pieces of one, in any order.
    #[test]
    fn shuffled_pieces_give_one_line(pieces in proptest::collection::vec(piece(), 0..40)) {
        if let Err(error) = parse(&pieces.concat()) {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }
}

/// Whether the good spec has a key: those of rollouts are of another workload.
fn is_written(key: &&super::rules::Key) -> bool {
    key.table != "rollout" && key.name != "rollout" && key.name != "shape"
}

fn written() -> usize {
    KEYS.iter().filter(is_written).count()
}

const ROLLOUT: &str = r#"[rollout]
environment = ["acrobot", "pendulum"]
population = [4096, 64]
steps = [500]
"#;

/// The good spec as one of rollouts, after one replacement.
fn rollout(from: &str, to: &str) -> String {
    let (top, _) = GOOD.split_once("[decode]").unwrap();
    let text = top.replace("\"decode\"", "\"rollout\"").replace("fused-scalar", "fused") + ROLLOUT;
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn rollouts_have_a_table_of_their_own() {
    let spec = parse(&rollout("", "")).unwrap();
    let names: Vec<_> = spec.rollout_cases().into_iter().map(|case| case.name).collect();
    assert_eq!(names, ["acrobot-n4096-t500", "acrobot-n64-t500", "pendulum-n4096-t500", "pendulum-n64-t500"]);
    assert!(spec.cases().is_empty());
    let quick = spec.quick();
    assert_eq!(parse(&quick.text).unwrap(), quick, "its text is the spec that is run");
    let names: Vec<_> = quick.rollout_cases().into_iter().map(|case| case.name).collect();
    assert_eq!(names, ["acrobot-n64-t50", "pendulum-n64-t50"]);
    let refused = |from: &str, to: &str| problem(&rollout(from, to));
    assert_snapshot!(refused("\"acrobot\"", "\"hopper\""), @r#"sweep.toml:14: `environment` holds "hopper""#);
    assert_snapshot!(refused("4096", "0"), @r#"sweep.toml:15: `population` holds 0"#);
    assert_snapshot!(refused("64]", "4096]"), @r#"sweep.toml:15: `population` holds 4096 twice"#);
    assert_snapshot!(refused("500", "1000001"), @r#"sweep.toml:16: `steps` holds 1000001"#);
    assert_snapshot!(refused("500", "\"500\""), @r#"sweep.toml:16: `steps` holds "500""#);
    assert_snapshot!(refused("\"fused\"", "\"fused-scalar\""), @r#"sweep.toml:10: `arms` names "fused-scalar", which is no arm"#);
    assert_snapshot!(refused("steps", "step"), @r#"sweep.toml:16: `step` is not a key here (did you mean `steps`?)"#);
    assert_snapshot!(refused("\"rollout\"", "\"decode\""), @r#"sweep.toml:10: `arms` names "fused", which is no arm"#);
    assert_snapshot!(refused(ROLLOUT, ""), @r#"sweep.toml: `rollout` is missing"#);
}

/// A span has to be one that the arms and the episodes of every case can have.
#[test]
fn spans_of_rollouts_are_rungs_that_every_case_has() {
    let with = |spans: &str| rollout("policies", &format!("spans = {spans}\npolicies"));
    let spec = parse(&with("[\"step\", \"steps:10\", \"steps:100\", \"episode\"]")).unwrap();
    assert_eq!(spec.spans, ["step", "steps:10", "steps:100", "episode"]);
    let quick = spec.quick();
    assert_eq!(quick.spans, ["step", "steps:10", "episode"], "an episode of 50 steps has no 100");
    assert_eq!(parse(&quick.text).unwrap(), quick);
    let refused = |spans: &str| problem(&with(spans));
    assert_snapshot!(refused("[\"layer\"]"), @r#"sweep.toml:11: `spans` holds "layer""#);
    assert_snapshot!(refused("[\"step\", \"steps:0\"]"), @r#"sweep.toml:11: `spans` holds "steps:0""#);
    assert_snapshot!(refused("[\"steps:501\"]"), @r#"sweep.toml:11: `spans` holds "steps:501""#);
    assert_snapshot!(refused("[\"operation\"]"), @r#"sweep.toml:11: `spans` holds "operation""#);
    assert_snapshot!(refused("[\"step\", \"step\"]"), @r#"sweep.toml:11: `spans` holds step twice"#);
    assert_snapshot!(refused("[\"step\", \"steps:1\"]"), @r#"sweep.toml:11: `spans` holds step twice"#);
    assert_snapshot!(refused("\"step\""), @r#"sweep.toml:11: `spans` is "step""#);
    let beside = |from: &str, to: &str| problem(&with("[\"step\"]").replace(from, to));
    assert_snapshot!(beside("\"pendulum\"", "\"nbody\""), @r#"sweep.toml:11: `spans` stands beside environments without a policy"#);
    assert_snapshot!(beside("\"stepwise\", \"fused\"", "\"per-operation\""), @r#"sweep.toml:11: `spans` stands beside arms without fused"#);
    let evolution = with("[\"step\"]").replace("\"stepwise\", \"fused\"", "\"evolution\"") + "generations = 2\n";
    assert_snapshot!(problem(&evolution), @r#"sweep.toml:11: `spans` stands beside generations"#);
    let decode = GOOD.replacen("policies", "spans = [\"episode\"]\npolicies", 1);
    assert_snapshot!(problem(&decode), @r#"sweep.toml:11: `spans` holds "episode""#);
}

/// Generations and seeds are cases; prices are for what trades on them.
#[test]
fn evolutions_and_prices_are_rollouts_too() {
    let evolution = |more: &str| {
        rollout("steps = [500]", &format!("steps = [500]\n{more}")).replace("\"stepwise\", \"fused\"", "\"evolution\"")
    };
    let spec = parse(&evolution("generations = 40\nepisodes = 8\nseeds = 2")).unwrap();
    let cases = spec.rollout_cases();
    let names: Vec<_> = cases.iter().take(2).map(|case| (case.name.as_str(), case.seed)).collect();
    assert_eq!(names, [("acrobot-n4096-t500-e8-g40-s1", 1), ("acrobot-n4096-t500-e8-g40-s2", 2)]);
    assert_eq!((cases.len(), cases[0].episodes, cases[0].generations), (8, 8, 40));
    let quick = spec.quick();
    assert_eq!(parse(&quick.text).unwrap(), quick);
    assert_eq!(quick.rollout_cases()[0].name, "acrobot-n64-t50-e2-g4-s1");
    assert_snapshot!(problem(&evolution("generations = 0")), @r#"sweep.toml:17: `generations` is 0"#);
    assert_snapshot!(problem(&evolution("generations = 2\nseeds = 0")), @r#"sweep.toml:18: `seeds` is 0"#);
    let alone = rollout("steps = [500]", "steps = [500]\nepisodes = 3");
    assert_snapshot!(problem(&alone), @r#"sweep.toml:17: `episodes` is 3"#);
    let arms = rollout("steps = [500]", "steps = [500]\ngenerations = 3");
    assert_snapshot!(problem(&arms), @r#"sweep.toml:10: `arms` names "stepwise", which is no arm"#);
    let prices = rollout("steps = [500]", "steps = [500]\nprices = \"a.csv\"");
    assert_snapshot!(problem(&prices), @r#"sweep.toml:17: `prices` is "a.csv""#);
    let spec = parse(&prices.replace("\"pendulum\"", "\"portfolio\"")).unwrap();
    assert_eq!(spec.rollout.unwrap().prices.as_deref(), Some("a.csv"));
}

fn piece() -> impl Strategy<Value = String> {
    let keys = proptest::sample::select(KEYS.iter().map(|key| key.name.to_owned()).collect::<Vec<_>>());
    let lines = proptest::sample::select(GOOD.lines().map(|line| format!("{line}\n")).collect::<Vec<_>>());
    let marks =
        proptest::sample::select(vec!["=", "[", "]", "{", "}", "\"", ".", ",", "\n", "#", "1", "-", "nan", "'''"]);
    prop_oneof![keys, lines, marks.prop_map(str::to_owned)]
}
