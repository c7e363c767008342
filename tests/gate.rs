//! The gate passes right outputs and fails each kind of damage, saying what is wrong where.

use onedispatch::workload::decode::gate::{Gate, Reference, check};
use onedispatch::workload::decode::model::{Config, Draw, Request, Sampling, Weights};
use onedispatch::workload::decode::random;
use onedispatch::workload::decode::sampling::{choose, penalised, threshold};

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
        let there = request.prompt.iter().chain(&output.tokens).copied();
        let token = choose(&penalised(&logits, &request.sampling, there), request.sampling, step);
        output.tokens.push(token);
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

const SAMPLED: Sampling = Sampling::top_k(0.8, 5, 77);

const DRAW: Draw = Draw { temperature: 1.5, top_k: 30, top_p: 0.6, min_p: 0.1, seed: 77 };

/// The first position puts large numbers into a few channels, as GPT-2's does, and the one behind it does not.
#[test]
fn a_mean_that_may_be_lost_is_named() {
    let request = request(Sampling::GREEDY);
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
        Sampling::GREEDY,
        SAMPLED,
        Sampling::top_k(1.5, 48, 1),
        Sampling::top_k(1.0, 1, 1),
        Sampling::top_k(1e4, 7, 1),
        Sampling { repetition_penalty: 1.4, draw: None },
        Sampling { repetition_penalty: 0.7, draw: Some(DRAW) },
        Sampling { repetition_penalty: 1.0, draw: Some(Draw { top_k: 48, min_p: 0.0, ..DRAW }) },
        Sampling { repetition_penalty: 1.0, draw: Some(Draw { top_p: 1.0, ..DRAW }) },
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
    for sampling in [Sampling::GREEDY, SAMPLED] {
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
    let wide = request(Sampling::top_k(5.0, 48, 77));
    let tokens = output(&mut reference, &wide).tokens;
    let gate = reference.check(&sampled, &tokens, &[0.0; 48], TOLERANCE);
    assert!(reason(gate).contains("expected one of the top 5"));
}

/// A token below the threshold of top-p or min-p fails; not where p is so near to what the tokens above have that logits within the
/// tolerance have it elsewhere.
#[test]
fn tokens_below_a_threshold_fail_but_for_near_ties() {
    let (config, weights) = model();
    let mut reference = Reference::new(&config, &weights);
    let greedy = Request { new_tokens: 1, ..request(Sampling::GREEDY) };
    let logits = reference.logits(&greedy.prompt, &[0])[0].to_vec();
    let found: Vec<f32> = logits.iter().map(|&logit| logit as f32).collect();
    let mut order: Vec<u32> = (0..48).collect();
    order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
    let base = Draw { top_k: 48, top_p: 1.0, min_p: 0.0, ..DRAW };
    let masses: Vec<f64> = order.iter().map(|&i| (logits[i as usize] / f64::from(base.temperature)).exp()).collect();
    let share = |count: usize| masses[..count].iter().sum::<f64>() / masses.iter().sum::<f64>();
    // A seed that draws the fourth token where it is left and the third where it is not.
    let chosen = |draw| choose(&logits, Sampling { repetition_penalty: 1.0, draw: Some(draw) }, 0);
    let of_three = |seed| Draw { seed, top_k: 3, ..base };
    let of_four = |seed| Draw { seed, top_k: 4, ..base };
    let fits = |&seed: &u64| chosen(of_four(seed)) == order[3] && chosen(of_three(seed)) == order[2];
    let base = Draw { seed: (0..).find(fits).unwrap(), ..base };
    let mut passes = |draw: Draw, token| {
        let request = Request { sampling: Sampling { repetition_penalty: 1.0, draw: Some(draw) }, ..greedy.clone() };
        let gate = reference.check(&request, &[token], &found, TOLERANCE);
        assert_eq!(gate.pass, gate.error.unwrap() <= TOLERANCE, "{gate:?}");
        (gate.pass, gate.reason)
    };
    let by_top_p = |top_p: f64| Draw { top_p: top_p as f32, ..base };
    let by_min_p = |count: usize, factor: f64| Draw { min_p: (masses[count] / masses[0] * factor) as f32, ..base };
    for (three, four) in [(by_top_p(share(3) - 0.02), by_top_p(share(3) + 0.02)), (by_min_p(3, 1.1), by_min_p(3, 0.9))]
    {
        let left = |draw| logits.iter().filter(|&&logit| logit >= threshold(&logits, &draw)).count();
        assert_eq!([left(three), left(four)], [3, 4]);
        assert_eq!([passes(three, order[2]).0, passes(four, order[3]).0], [true; 2]);
        let (passed, reason) = passes(three, order[3]);
        assert!(!passed && reason.contains("expected one of those that are left"), "{reason}");
        assert!(!passes(four, order[2]).0);
    }
    for near in [by_top_p(share(3) - 1e-4), by_top_p(share(3) + 1e-4), by_min_p(3, 1.001), by_min_p(3, 0.999)] {
        assert_eq!([passes(near, order[2]).0, passes(near, order[3]).0], [true; 2], "{near:?}");
        assert!(!passes(near, order[5]).0);
    }
}

#[test]
fn a_near_tie_passes_within_the_tolerance_only() {
    let (config, weights) = model();
    let mut reference = Reference::new(&config, &weights);
    let request = Request { new_tokens: 1, ..request(Sampling::GREEDY) };
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
    let request = request(Sampling::GREEDY);
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
    let open = request(Sampling::GREEDY);
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
    let request = request(Sampling::GREEDY);
    let mut right = output(&mut reference, &request);
    right.tokens[8] = 48;
    let gate = reference.check(&request, &right.tokens, &right.logits[19], TOLERANCE);
    assert_eq!(reason(gate), "step 8: token 48 is outside the vocabulary of 48");
}

#[test]
fn an_impossible_request_fails_without_a_panic() {
    let (config, weights) = model();
    let greedy = request(Sampling::GREEDY);
    let sampled = |temperature, top_k| Sampling::top_k(temperature, top_k, 0);
    let drawn = |draw| Sampling { repetition_penalty: 1.0, draw: Some(draw) };
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
        (
            Request { sampling: Sampling { repetition_penalty: 0.0, draw: None }, ..greedy.clone() },
            "the repetition penalty is 0",
        ),
        (Request { sampling: drawn(Draw { top_p: 0.0, ..DRAW }), ..greedy.clone() }, "top-p is 0"),
        (Request { sampling: drawn(Draw { top_p: 1.5, ..DRAW }), ..greedy.clone() }, "top-p is 1.5"),
        (Request { sampling: drawn(Draw { min_p: f32::NAN, ..DRAW }), ..greedy.clone() }, "min-p is NaN"),
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
    let request = request(Sampling::GREEDY);
    let output = output(&mut Reference::new(&config, &damaged), &request);
    assert!(!check(&config, &weights, &request, &output.tokens, &output.logits[19], TOLERANCE).pass);
}
