//! The gate passes right outputs and fails each kind of damage, saying what is wrong where.

use onedispatch::workload::decode::gate::{Gate, Reference, check};
use onedispatch::workload::decode::model::{Config, Request, Sampling, Weights};
use onedispatch::workload::decode::random;
use onedispatch::workload::decode::sampling::choose;

const TOLERANCE: f64 = 1e-3;

fn config() -> Config {
    Config {
        vocab_size: 48,
        n_positions: 64,
        n_embd: 32,
        n_head: 4,
        n_layer: 2,
        n_inner: 96,
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        block: Default::default(),
        stored: None,
    }
}

fn request(sampling: Sampling) -> Request {
    Request { prompt: random::prompt(&config(), 5, 6), new_tokens: 20, sampling, end_tokens: Vec::new() }
}

/// What a perfect arm would give back, but for rounding to f32.
struct Output {
    tokens: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

fn output(reference: &mut Reference, request: &Request) -> Output {
    let mut output = Output { tokens: Vec::new(), logits: Vec::new() };
    for step in 0..request.new_tokens {
        let upto = [output.tokens.as_slice(), &[0]].concat();
        let logits = reference.logits(&request.prompt, &upto)[step as usize].to_vec();
        output.tokens.push(choose(&logits, request.sampling, step));
        output.logits.push(logits.iter().map(|&logit| logit as f32).collect());
        if output.tokens.last().is_some_and(|token| request.end_tokens.contains(token)) {
            break;
        }
    }
    output
}

fn model() -> (Config, Weights) {
    (config(), random::weights(&config(), 11))
}

/// Why a gate fails, which it must.
fn reason(gate: Gate) -> String {
    assert!(!gate.pass, "{gate:?}");
    gate.reason
}

const SAMPLED: Sampling = Sampling::TopK { temperature: 0.8, top_k: 5, seed: 77 };

/// The first position puts large numbers into a few channels, as GPT-2's does, and the one behind it does not.
#[test]
fn a_mean_that_may_be_lost_is_named() {
    let request = request(Sampling::Greedy);
    for (added, is_named) in [(0.0, false), (3000.0, true)] {
        let (config, mut weights) = model();
        weights.wpe[..3].iter_mut().for_each(|value| *value += added);
        let mut reference = Reference::new(&config, &weights);
        let mut output = output(&mut reference, &request);
        output.logits.last_mut().unwrap()[7] += 1.0;
        let gate = reference.check(&request, &output.tokens, output.logits.last().unwrap(), TOLERANCE);
        let reason = reason(gate);
        assert_eq!(reason.contains("a norm's mean is"), is_named, "{reason}");
    }
}

#[test]
fn right_outputs_pass() {
    let (config, weights) = model();
    let mut reference = Reference::new(&config, &weights);
    for sampling in [
        Sampling::Greedy,
        SAMPLED,
        Sampling::TopK { temperature: 1.5, top_k: 48, seed: 1 },
        Sampling::TopK { temperature: 1.0, top_k: 1, seed: 1 },
        Sampling::TopK { temperature: 1e4, top_k: 7, seed: 1 },
    ] {
        let request = request(sampling);
        let output = output(&mut reference, &request);
        let gate = reference.check(&request, &output.tokens, &output.logits[19], TOLERANCE);
        assert!(gate.pass && gate.tokens_ok == 20 && gate.error.unwrap() < 1e-6, "{sampling:?}: {gate:?}");
        let gate = reference.check_all_logits(&request, &output.tokens, &output.logits.concat(), TOLERANCE);
        assert!(gate.pass, "{sampling:?}: {gate:?}");
        let alone = check(&config, &weights, &request, &output.tokens, &output.logits[19], TOLERANCE);
        assert!(alone.pass, "{sampling:?}: {alone:?}");

        // A capped arm makes the first few tokens only.
        let capped = Request { new_tokens: 7, ..request };
        assert!(reference.check(&capped, &output.tokens[..7], &output.logits[6], TOLERANCE).pass);
    }
}

#[test]
fn a_wrong_token_fails_at_its_step() {
    let (config, weights) = model();
    for sampling in [Sampling::Greedy, SAMPLED] {
        let mut reference = Reference::new(&config, &weights);
        let request = request(sampling);
        let right = output(&mut reference, &request);
        for step in 0..20 {
            let mut tokens = right.tokens.clone();
            tokens[step] = (tokens[step] + 1) % config.vocab_size;
            let gate = reference.check(&request, &tokens, &right.logits[19], TOLERANCE);
            assert_eq!(gate.tokens_ok as usize, step, "{gate:?}");
            let start = format!("step {step}: token {} has ", tokens[step]);
            assert!(reason(gate).starts_with(&start));
        }
    }
}

#[test]
fn a_token_outside_the_top_k_fails() {
    let (config, weights) = model();
    let mut reference = Reference::new(&config, &weights);
    let sampled = request(SAMPLED);
    let wide = request(Sampling::TopK { temperature: 5.0, top_k: 48, seed: 77 });
    let tokens = output(&mut reference, &wide).tokens;
    let gate = reference.check(&sampled, &tokens, &[0.0; 48], TOLERANCE);
    assert!(reason(gate).contains("expected one of the top 5"));
}

#[test]
fn a_near_tie_passes_within_the_tolerance_only() {
    let (config, weights) = model();
    let mut reference = Reference::new(&config, &weights);
    let request = Request { new_tokens: 1, ..request(Sampling::Greedy) };
    let logits = reference.logits(&request.prompt, &[0])[0].to_vec();
    let mut order: Vec<usize> = (0..48).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    let gap = (logits[order[0]] - logits[order[1]]) / (logits[order[0]] - logits[order[47]]);
    let found: Vec<f32> = logits.iter().map(|&logit| logit as f32).collect();
    let second = [order[1] as u32];
    let gate = reference.check(&request, &second, &found, gap * 1.01);
    assert!(gate.pass && (gate.error.unwrap() / gap - 1.0).abs() < 1e-9, "{gate:?}");
    assert!(!reference.check(&request, &second, &found, gap * 0.99).pass);
}

#[test]
fn damaged_logits_fail() {
    let (config, weights) = model();
    let mut reference = Reference::new(&config, &weights);
    let request = request(Sampling::Greedy);
    let right = output(&mut reference, &request);
    let mut failing = |damage: &dyn Fn(&mut Vec<f32>)| {
        let mut logits = right.logits[19].clone();
        damage(&mut logits);
        let gate = reference.check(&request, &right.tokens, &logits, TOLERANCE);
        (gate.error, reason(gate))
    };
    let (error, why) = failing(&|logits| logits[7] = f32::NAN);
    assert_eq!(error, None);
    assert!(why.starts_with("logits of step 19: token 7 has NaN, expected "), "{why}");
    let (error, why) = failing(&|logits| logits[47] = f32::NEG_INFINITY);
    assert_eq!(error, None);
    assert!(why.starts_with("logits of step 19: token 47 has -inf, expected "), "{why}");
    let (error, _) = failing(&|logits| logits.iter_mut().for_each(|logit| *logit += 0.1));
    assert!((TOLERANCE..0.1).contains(&error.unwrap()));
    let (_, why) = failing(&|logits| logits[3] += 0.5);
    assert!(why.starts_with("logits of step 19: token 3 has "), "{why}");
    assert_eq!(failing(&|logits| logits.clear()).1, "logits of step 19: there are 0, expected 48");
    failing(&|logits| logits.fill(0.0));
    failing(&|logits| *logits = right.logits[18].clone());

    let mut all = right.logits.concat();
    all[4 * 48 + 2] = f32::INFINITY;
    let why = reason(reference.check_all_logits(&request, &right.tokens, &all, TOLERANCE));
    assert!(why.starts_with("logits of step 4: token 2 has inf, expected "), "{why}");
    let why = reason(reference.check_all_logits(&request, &right.tokens, &all[1..], TOLERANCE));
    assert_eq!(why, "there are 959 logits; 20 tokens of a vocabulary of 48 have 960");
}

#[test]
fn a_wrong_number_of_tokens_fails() {
    let (config, weights) = model();
    let mut reference = Reference::new(&config, &weights);
    let open = request(Sampling::Greedy);
    let right = output(&mut reference, &open);
    let mut of = |request: &Request, tokens: &[u32]| {
        let logits = &right.logits[tokens.len().clamp(1, 20) - 1];
        reference.check(request, tokens, logits, TOLERANCE)
    };
    assert_eq!(reason(of(&open, &right.tokens[..19])), "there are 19 tokens, expected 20");
    assert_eq!(reason(of(&open, &[])), "there are 0 tokens, expected 20");
    assert_eq!(reason(of(&open, &[right.tokens.clone(), vec![0]].concat())), "there are 21 tokens, expected 20");

    // The first token that was not made before ends the generation.
    let end = (5..20).find(|&step| !right.tokens[..step].contains(&right.tokens[step])).unwrap();
    let token = right.tokens[end];
    let ended = Request { end_tokens: vec![token], ..open.clone() };
    assert!(of(&ended, &right.tokens[..=end]).pass);
    assert_eq!(
        reason(of(&ended, &right.tokens[..end])),
        format!("there are {end} tokens, expected 20 or an end token last")
    );
    assert_eq!(
        reason(of(&ended, &right.tokens)),
        format!("step {}: token {} follows an end token, expected none", end + 1, right.tokens[end + 1])
    );
}

#[test]
fn a_token_outside_the_vocabulary_fails() {
    let (config, weights) = model();
    let mut reference = Reference::new(&config, &weights);
    let request = request(Sampling::Greedy);
    let mut right = output(&mut reference, &request);
    right.tokens[8] = 48;
    let gate = reference.check(&request, &right.tokens, &right.logits[19], TOLERANCE);
    assert_eq!(reason(gate), "step 8: token 48 is outside the vocabulary of 48");
}

#[test]
fn an_impossible_request_fails_without_a_panic() {
    let (config, weights) = model();
    let greedy = request(Sampling::Greedy);
    let sampled = |temperature, top_k| Sampling::TopK { temperature, top_k, seed: 0 };
    for (request, why) in [
        (Request { prompt: vec![], ..greedy.clone() }, "the prompt is empty"),
        (Request { prompt: vec![1, 48], ..greedy.clone() }, "prompt token 1 is 48; the model's vocabulary is 0 to 47"),
        (Request { new_tokens: 60, ..greedy.clone() }, "take 65 positions; the model has 64"),
        (Request { new_tokens: u32::MAX, ..greedy.clone() }, "the model has 64"),
        (Request { new_tokens: 0, ..greedy.clone() }, "no new token is asked for"),
        (Request { end_tokens: vec![48], ..greedy.clone() }, "the end token is 48"),
        (Request { sampling: sampled(0.0, 5), ..greedy.clone() }, "the temperature is 0"),
        (Request { sampling: sampled(f32::NAN, 5), ..greedy.clone() }, "the temperature is NaN"),
        (Request { sampling: sampled(1.0, 0), ..greedy.clone() }, "top-k is 0"),
        (Request { sampling: sampled(1.0, 49), ..greedy.clone() }, "top-k is 49"),
    ] {
        let reason = reason(check(&config, &weights, &request, &[1], &[0.0; 48], TOLERANCE));
        assert!(reason.contains(why), "{reason}");
    }
}

/// A damaged model must not slip through because its logits happen to be comparable.
#[test]
fn another_models_output_fails() {
    let (config, weights) = model();
    let mut damaged = weights.clone();
    damaged.layers[1].attn_c_attn.bias.fill(0.0);
    let request = request(Sampling::Greedy);
    let output = output(&mut Reference::new(&config, &damaged), &request);
    assert!(!check(&config, &weights, &request, &output.tokens, &output.logits[19], TOLERANCE).pass);
}
