// The next token from the logits, by one workgroup, and the step to the next position.
//
// Greedy: the largest logit. With TOP_K: a draw from the TOP_K largest. Each thread keeps the best of its share of the
// vocabulary; each level of a tree then gathers eight threads' candidates into one.

override WORKGROUP_SIZE: u32 = 64;
override VOCAB_SIZE: u32 = 64;
override VOCAB4: u32 = 16;
override PROMPT_TOKENS: u32 = 1;
override END_TOKEN: u32 = 0xffffffffu;
override KEEP_LOGITS: bool = false;
override TOP_K: u32 = 0;             // 0: greedy
override TEMPERATURE: f32 = 1.0;
override SEED_LOW: u32 = 0;
override SEED_HIGH: u32 = 0;

@group(0) @binding(0) var<storage, read_write> state: array<u32>;  // position, whether generation has ended
@group(0) @binding(1) var<storage, read> logits: array<vec4f>;     // [row][VOCAB4]
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;

var<workgroup> lane_scores: array<f32, WORKGROUP_SIZE>;
var<workgroup> candidates: array<u32, WORKGROUP_SIZE>;
var<workgroup> shared_state: vec2u;
var<workgroup> tally: atomic<u32>;

var<private> thread: u32;
var<private> best_score: f32;
var<private> best_token: u32;

const LOWEST: f32 = -3.4028234e38;

@compute @workgroup_size(WORKGROUP_SIZE)
fn sample(@builtin(local_invocation_index) index: u32) {
    thread = index;
    if thread == 0u {
        shared_state = vec2u(state[0], state[1]);
    }
    let now = workgroupUniformLoad(&shared_state);
    if now.y != 0u {
        return;
    }
    let step = now.x + 1u - PROMPT_TOKENS;
    let row = select(0u, step * VOCAB4, KEEP_LOGITS);
    best_score = LOWEST;
    best_token = 0u;
    if TOP_K == 0u {
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
        state[1] = select(0u, 1u, best_token == END_TOKEN);
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

// Draws from softmax(logits / temperature) over the TOP_K largest logits by the Gumbel-max trick.
fn consider_draws(row: u32, step: u32) {
    let threshold = kth_largest(row);
    for (var token = thread; token < VOCAB_SIZE; token += WORKGROUP_SIZE) {
        let logit = logits[row + token / 4u][token % 4u];
        if sortable(logit) >= threshold {
            consider(logit / TEMPERATURE - log(exponential(step, token)), token);
        }
    }
}

// The TOP_K-th largest logit in sortable form: built bit by bit from the top, keeping a bit where at least TOP_K logits
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
        threshold |= select(0u, bit, atomicLoad(&tally) >= TOP_K);
        workgroupBarrier();
    }
    return threshold;
}

// A float's bits as an integer of the same order.
fn sortable(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

// -ln(1 - u) for a uniform u of the counter (step, token): exponentially distributed. Small u, where the winners are, go
// through the series, since 1 - u would round.
fn exponential(step: u32, token: u32) -> f32 {
    let u = (f32(philox(vec4u(step, token, 0u, 0u), vec2u(SEED_LOW, SEED_HIGH)) >> 8u) + 0.5) * 0x1p-24;
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
