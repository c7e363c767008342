// The next token from the logits, by one workgroup, and the step to the next position.
//
// Greedy: the largest logit. Where SAMPLED: a draw from the top_k largest. Each thread keeps the best of its share of the
// vocabulary; each level of a tree then gathers eight threads' candidates into one.

override WORKGROUP_SIZE: u32 = 64;
override VOCAB_SIZE: u32 = 64;
override VOCAB4: u32 = 16;
override SAMPLED: bool = false;      // whether tokens are drawn; else the likeliest is taken

@group(0) @binding(0) var<storage, read_write> state: array<u32>;  // position, whether generation has ended, logits' row
@group(0) @binding(1) var<storage, read> logits: array<vec4f>;     // [row][VOCAB4]
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(3) var<storage, read> request: Request;

struct Request {
    prompt_tokens: u32,
    steps: u32,
    end_token: u32,       // generation ends with it; no token where there is none
    logits_stride: u32,   // from one new token's logits to the next's, in vec4f; 0 keeps the last ones alone
    top_k: u32,
    temperature: f32,
    seed_low: u32,
    seed_high: u32,
}

var<workgroup> lane_scores: array<f32, WORKGROUP_SIZE>;
var<workgroup> candidates: array<u32, WORKGROUP_SIZE>;
var<workgroup> shared_state: vec3u;
var<workgroup> tally: atomic<u32>;

var<private> thread: u32;
var<private> best_score: f32;
var<private> best_token: u32;

const LOWEST: f32 = -3.4028234e38;

@compute @workgroup_size(WORKGROUP_SIZE)
fn sample(@builtin(local_invocation_index) index: u32) {
    thread = index;
    if thread == 0u {
        shared_state = vec3u(state[0], state[1], state[2]);
    }
    let now = workgroupUniformLoad(&shared_state);
    if now.y != 0u {
        return;
    }
    let step = now.x + 1u - request.prompt_tokens;
    let row = now.z;
    best_score = LOWEST;
    best_token = 0u;
    if !SAMPLED {
        for (var token = thread; token < VOCAB_SIZE; token += WORKGROUP_SIZE) {
            consider(logits[row + token / 4u][token % 4u], token);
        }
    } else {
        consider_draws(row, step);
    }
    lane_scores[thread] = best_score;
    candidates[thread] = best_token;
    for (var entries = WORKGROUP_SIZE; entries > 1u; entries = (entries + 7u) / 8u) {
        workgroupBarrier();
        let groups = (entries + 7u) / 8u;
        if thread < groups {
            for (var other = thread + groups; other < entries; other += groups) {
                consider(lane_scores[other], candidates[other]);
            }
            lane_scores[thread] = best_score;
            candidates[thread] = best_token;
        }
    }
    if thread == 0u {
        tokens[now.x + 1u] = best_token;
        state[0] = now.x + 1u;
        state[1] = select(0u, 1u, best_token == request.end_token);
        state[2] = row + request.logits_stride;
    }
}

// Within the prompt there is nothing to choose: only the step to the next position.
@compute @workgroup_size(1)
fn advance() {
    state[0] += 1u;
}

// Larger score first, lower token among equals; padding never.
fn consider(score: f32, token: u32) {
    if token < VOCAB_SIZE && (score > best_score || (score == best_score && token < best_token)) {
        best_score = score;
        best_token = token;
    }
}

// Draws from softmax(logits / temperature) over the top_k largest logits by the Gumbel-max trick.
fn consider_draws(row: u32, step: u32) {
    let threshold = kth_largest(row);
    for (var token = thread; token < VOCAB_SIZE; token += WORKGROUP_SIZE) {
        let logit = logits[row + token / 4u][token % 4u];
        if sortable(logit) >= threshold {
            consider(logit / request.temperature - log(exponential(step, token)), token);
        }
    }
}

// The top_k-th largest logit in sortable form: built bit by bit from the top, keeping a bit where at least top_k logits
// are no smaller.
fn kth_largest(row: u32) -> u32 {
    var threshold = 0u;
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
        if thread == 0u {
            atomicStore(&tally, 0u);
        }
        workgroupBarrier();
        var count = 0u;
        for (var token = thread; token < VOCAB_SIZE; token += WORKGROUP_SIZE) {
            count += select(0u, 1u, sortable(logits[row + token / 4u][token % 4u]) >= (threshold | bit));
        }
        atomicAdd(&tally, count);
        workgroupBarrier();
        threshold |= select(0u, bit, atomicLoad(&tally) >= request.top_k);
        workgroupBarrier();
    }
    return threshold;
}

// A float's bits as an integer of the same order.
fn sortable(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

// -ln(1 - u) for the uniform u = (n + 1/2) / 2^24 of the counter (step, token): exponentially distributed. Small u, where
// the winners are, go through the series, and large ones through the exact 1 - u: neither rounds.
fn exponential(step: u32, token: u32) -> f32 {
    let n = philox(vec4u(step, token, 0u, 0u), vec2u(request.seed_low, request.seed_high)) >> 8u;
    if n >= 0x800000u {
        return -log((f32(0xffffffu - n) + 0.5) * 0x1p-24);
    }
    let u = (f32(n) + 0.5) * 0x1p-24;
    if u < 0.0625 {
        return u * (1.0 + u * (0.5 + u * (0.33333333 + u * (0.25 + u * (0.2 + u * 0.16666667)))));
    }
    return -log(1.0 - u);
}

// First word of Philox4x32-10 (Salmon et al., SC 2011).
fn philox(start: vec4u, seed: vec2u) -> u32 {
    var counter = start;
    var key = seed;
    for (var round = 0u; round < 10u; round++) {
        let a = wide_product(0xD2511F53u, counter.x);
        let b = wide_product(0xCD9E8D57u, counter.z);
        counter = vec4u(b.x ^ counter.y ^ key.x, b.y, a.x ^ counter.w ^ key.y, a.y);
        key += vec2u(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter.x;
}

// (high, low) words of a 64-bit product.
fn wide_product(a: u32, b: u32) -> vec2u {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross_a = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let cross_b = (a & 0xffffu) * (b >> 16u) + (cross_a & 0xffffu);
    return vec2u((a >> 16u) * (b >> 16u) + (cross_a >> 16u) + (cross_b >> 16u), a * b);
}
