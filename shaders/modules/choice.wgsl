// The next token: the likeliest, or one that is drawn from softmax(logits / temperature) over those that `threshold.wgsl` leaves,
// by the Gumbel-max trick. Each thread considers the logits that it made; then a workgroup, then all workgroups, find the best.

var<workgroup> chosen: u32;

var<private> best_score: f32;  // of this thread's candidates for the next token
var<private> best_token: u32;

const LOWEST: f32 = -3.4028234e38;
const NONE: u32 = 0xffffffffu;   // in place of a token that was not made

fn logits_row() -> u32 {
    return request.first_logits + 4u * (position + 1u - request.prompt_tokens) * request.logits_stride;
}

fn consider_none() {
    best_score = LOWEST;
    best_token = VOCAB_SIZE;
}

// Larger score first, lower token among equals; padding never.
fn consider(score: f32, token: u32) {
    if token < VOCAB_SIZE && (score > best_score || (score == best_score && token < best_token)) {
        best_score = score;
        best_token = token;
    }
}

// Hands on the best candidate of this workgroup.
fn offer() {
    best_of_workgroup();
    if thread == 0u {
        if NEAR {
            chosen = best_token;
        }
        if !NEAR || hands_on() {
            let tag = (position - request.prompt_tokens) & 1u;
            let bits = bitcast<u32>(best_score);
            say(BEST + 2u * workgroup_index, (bits & 0xfffffffeu) | tag);
            say(BEST + 2u * workgroup_index + 1u, (best_token << 2u) | ((bits & 1u) << 1u) | tag);
        }
    }
}

// The best candidate of all workgroups becomes the next token. Of one workgroup it is known, or left by an earlier dispatch.
fn choose(is_known: bool) {
    if !(NEAR && is_known) {
        if !NEAR {
            //+ meets_round();
        }
        let tag = (position - request.prompt_tokens) & 1u;
        for (var other = thread; thread < ASKING && other < WORKGROUPS; other += ASKING) {
            let high = received(BEST + 2u * other, tag);
            let low = received(BEST + 2u * other + 1u, tag);
            consider(bitcast<f32>((high & 0xfffffffeu) | ((low >> 1u) & 1u)), low >> 2u);
        }
        best_of_asking();
        if thread == 0u {
            chosen = best_token;
        }
    }
    if thread == 0u && workgroup_index == 0u {
        tokens[request.first_token + position + 1u] = chosen;
    }
}

// Draws among this thread's logits; or looks for the largest, where a penalty has changed them.
fn consider_draws(m: Matrix) {
    let step = position + 1u - request.prompt_tokens;
    for (var turn = 0u; turn < own_tokens(m); turn++) {
        let token = own_token(m, turn);
        if token >= VOCAB_SIZE {
            continue;
        }
        let logit = logit_of(token);
        if CHOICE_ROUNDS == 0u {
            consider(logit, token);
        } else if is_left(logit) {
            consider(logit / request.temperature - log(exponential(step, token)), token);
        }
    }
}

// -ln(1 - u) for the uniform u = (n + 1/2) / 2^24 of the counter (step, token): exponentially distributed. Small u, where
// the winners are, go through the series, and large ones through the exact 1 - u: neither rounds.
fn exponential(step: u32, token: u32) -> f32 {
    let n = philox(vec4u(step, token, 0u, 0u), vec2u(request.seed_low, request.seed_high)).x >> 8u;
    if n >= 0x800000u {
        return -log((f32(0xffffffu - n) + 0.5) * 0x1p-24);
    }
    let u = (f32(n) + 0.5) * 0x1p-24;
    if u < 0.0625 {
        return u * (1.0 + u * (0.5 + u * (0.33333333 + u * (0.25 + u * (0.2 + u * 0.16666667)))));
    }
    return -log(1.0 - u);
}
