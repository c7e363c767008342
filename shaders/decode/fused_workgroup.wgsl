// GPT-2 decoding, whole, in one dispatch of one workgroup: every token of the prompt and of the continuation, every layer.
// Or a chunk of these tokens in each of several dispatches: the KV cache and `tokens` are all that one leaves to the next.
//
// All threads walk the same sequence of stages; a barrier ends each stage, because the next one reads what other threads
// wrote. Activations live in workgroup memory, with the key and value of the position at hand; those of earlier positions
// are in storage, so that one storage barrier a token orders them. That one is dear: naga makes it one for the whole
// device. With WORKGROUP_SIZE = 1 this is the arm `fused-scalar`: one thread does everything.
//
// Matrices are stored [in][out] and read four outputs (a "column" of vec4f) at a time, neighbouring threads reading
// neighbouring columns, 16 vec4f asked for before the first is used. Where there are fewer columns than threads, the inputs
// are cut into slices, one thread per column and slice, and the slices' partial sums are added after a barrier. All widths
// are padded with zeros to multiples of 4; sizes named *4 count vec4f.
//
// Barriers per token: 2 for the embedding; per layer 2 for each of two norms, 2 for attention, 1 more where it is sliced and
// 1 where its scores are in storage, and for each of four matrices 1, or 2 where it is sliced; for the head likewise, 2 for
// its norm, and 2 + ceil(log8(candidates)) to choose.

override WORKGROUP_SIZE: u32 = 64;
override N_LAYER: u32 = 1;
override N_HEAD: u32 = 2;
override N_EMBD: u32 = 32;
override N_EMBD4: u32 = 8;
override HEAD4: u32 = 4;             // of one head
override HEADS4: u32 = 8;            // N_HEAD * HEAD4
override N_INNER4: u32 = 32;
override VOCAB_SIZE: u32 = 64;
override VOCAB4: u32 = 16;
override POSITIONS: u32 = 64;        // that the KV cache holds
override NARROW4: u32 = 8;           // max(N_EMBD4, HEADS4)
override WIDE4: u32 = 32;            // max(N_INNER4, 3 HEADS4)
override NORM_LANES: u32 = 8;        // threads that gather a norm's mean and variance, at most WORKGROUP_SIZE
override HEAD_LANES: u32 = 32;       // threads that score positions for one head
override LANE_SCORES: u32 = 64;      // max(WORKGROUP_SIZE, N_HEAD * HEAD_LANES)
override NEAR_SCORES: u32 = 128;      // N_HEAD * POSITIONS where as many scores fit in workgroup memory; else 0
override EPSILON: f32 = 1e-5;
override SCALE: f32 = 0.25;          // of attention scores

override SAMPLED: bool = false;      // whether tokens are drawn; else the likeliest is taken

// Where each tensor starts in `weights`, in vec4f; those of a layer count from the layer's start.
override WTE: u32 = 0;
override WPE: u32 = 0;
override LAYERS: u32 = 0;
override LAYER_STRIDE: u32 = 0;
override LN_1_WEIGHT: u32 = 0;
override LN_1_BIAS: u32 = 0;
override ATTN_C_ATTN_WEIGHT: u32 = 0;
override ATTN_C_ATTN_BIAS: u32 = 0;
override ATTN_C_PROJ_WEIGHT: u32 = 0;
override ATTN_C_PROJ_BIAS: u32 = 0;
override LN_2_WEIGHT: u32 = 0;
override LN_2_BIAS: u32 = 0;
override MLP_C_FC_WEIGHT: u32 = 0;
override MLP_C_FC_BIAS: u32 = 0;
override MLP_C_PROJ_WEIGHT: u32 = 0;
override MLP_C_PROJ_BIAS: u32 = 0;
override LN_F_WEIGHT: u32 = 0;
override LN_F_BIAS: u32 = 0;

@group(0) @binding(0) var<storage, read> weights: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> cache: array<vec4f>;   // [layer][key, value][position][HEADS4]
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;    // [head][position], where they do not fit in `near_scores`
@group(0) @binding(3) var<storage, read_write> logits: array<vec4f>;  // [row][VOCAB4]
@group(0) @binding(4) var<storage, read_write> tokens: array<u32>;    // prompt, then new tokens
@group(0) @binding(5) var<storage, read> request: Request;

struct Request {
    prompt_tokens: u32,
    steps: u32,           // tokens fed to the model, in this dispatch and before it; of the last one prompt + new - 1
    end_token: u32,       // generation ends with it; no token where there is none
    logits_stride: u32,   // from one new token's logits to the next's, in vec4f; 0 keeps the last ones alone
    top_k: u32,
    temperature: f32,
    seed_low: u32,
    seed_high: u32,
    first_step: u32,      // tokens that were fed before this dispatch
}

// Regions of `hidden`: the residual stream; what a matrix reads or attention writes; query, key and value, or inner layer.
const STREAM: u32 = 0u;
override NARROW: u32 = N_EMBD4;
override WIDE: u32 = N_EMBD4 + NARROW4;
override HIDDEN4: u32 = N_EMBD4 + NARROW4 + WIDE4;

var<workgroup> hidden: array<vec4f, HIDDEN4>;
var<workgroup> partial: array<vec4f, WORKGROUP_SIZE>;
var<workgroup> lane_scores: array<f32, LANE_SCORES>;
override NEAR: u32 = max(NEAR_SCORES, 1u);
var<workgroup> near_scores: array<f32, NEAR>;   // [head][position]
var<workgroup> totals: array<f32, WORKGROUP_SIZE>;
var<workgroup> norm_sums: array<vec2f, NORM_LANES>;
var<workgroup> candidates: array<u32, WORKGROUP_SIZE>;
var<workgroup> chosen: u32;
var<workgroup> tally: atomic<u32>;

// Private variables count as non-uniform, so nothing with a barrier inside depends on these.
var<private> thread: u32;
var<private> position: u32;
var<private> layer: u32;
var<private> mean: f32;        // of the last norm
var<private> best_score: f32;  // of this thread's candidates for the next token
var<private> best_token: u32;

const LOWEST: f32 = -3.4028234e38;
const NONE: u32 = 0xffffffffu;   // in place of a token that was not made

fn add_embedding(token: u32) {
    for (var i = thread; i < N_EMBD4; i += WORKGROUP_SIZE) {
        var row: vec4f;
        for (var j = 0u; j < 4u; j++) {
            row[j] = weights[WTE + (4u * i + j) * VOCAB4 + token / 4u][token % 4u];
        }
        hidden[STREAM + i] = row + weights[WPE + position * N_EMBD4 + i];
    }
    workgroupBarrier();
    // The keys and values of the position before, which other threads wrote.
    storageBarrier();
}

// NARROW = (STREAM - mean) / sqrt(variance + epsilon) * weight + bias. Lanes gather sums of what is left after the mean of
// the norm before, so that one pass gives the variance and little cancels; all threads add the lanes up.
fn layer_norm(weight: u32, bias: u32) {
    if thread < NORM_LANES {
        var sums = vec2f(0.0);
        for (var i = thread; i < N_EMBD4; i += NORM_LANES) {
            let left = select(vec4f(0.0), hidden[STREAM + i] - mean, 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(N_EMBD));
            sums += vec2f(dot(left, vec4f(1.0)), dot(left, left));
        }
        norm_sums[thread] = sums;
    }
    workgroupBarrier();
    var sums = vec2f(0.0);
    var lane = 0u;
    for (; lane + 4u <= NORM_LANES; lane += 4u) {
        sums += (norm_sums[lane] + norm_sums[lane + 1u]) + (norm_sums[lane + 2u] + norm_sums[lane + 3u]);
    }
    for (; lane < NORM_LANES; lane++) {
        sums += norm_sums[lane];
    }
    sums /= f32(N_EMBD);
    mean += sums.x;
    let scale = inverseSqrt(max(sums.y - sums.x * sums.x, 0.0) + EPSILON);
    for (var i = thread; i < N_EMBD4; i += WORKGROUP_SIZE) {
        hidden[NARROW + i] = (hidden[STREAM + i] - mean) * scale * weights[weight + i] + weights[bias + i];
    }
    workgroupBarrier();
}

// What becomes of a matrix's output.
const QUERY_KEY_VALUE: u32 = 0u;
const RESIDUAL: u32 = 1u;
const GELU: u32 = 2u;
const LOGITS: u32 = 3u;

fn finish(stage: u32, column: u32, value: vec4f) {
    switch stage {
        case QUERY_KEY_VALUE: {
            hidden[WIDE + column] = value;
            if column >= 2u * HEADS4 {
                cache[value_at(position) + column - 2u * HEADS4] = value;
            } else if column >= HEADS4 {
                cache[key_at(position) + column - HEADS4] = value;
            }
        }
        case RESIDUAL: {
            hidden[STREAM + column] += value;
        }
        case GELU: {
            hidden[WIDE + column] = gelu(value);
        }
        default: {
            logits[logits_row() + column] = value;
            if !SAMPLED {
                for (var j = 0u; j < 4u; j++) {
                    consider(value[j], 4u * column + j);
                }
            }
        }
    }
}

// One matrix over the vector at `input`: threads share out columns, and slices of the inputs where columns are few.
fn linear(stage: u32, input: u32, in4: u32, weight: u32, bias: u32, out4: u32) {
    let slices = clamp(WORKGROUP_SIZE / out4, 1u, in4);
    if slices > 1u {
        let column = thread % out4;
        let slice = thread / out4;
        if slice < slices {
            partial[thread] = dot_column(input, slice * in4 / slices, (slice + 1u) * in4 / slices, weight + column, out4);
        }
        workgroupBarrier();
        if thread < out4 {
            finish(stage, thread, sum_slices(slices, out4) + bias_of(stage, bias, thread));
        }
    } else {
        for (var column = thread; column < out4; column += WORKGROUP_SIZE) {
            finish(stage, column, dot_column(input, 0u, in4, weight + column, out4) + bias_of(stage, bias, column));
        }
    }
    workgroupBarrier();
}

// The sum of this thread's column over all slices. Four are read before they are added: compilers leave such loops as they are.
fn sum_slices(slices: u32, columns: u32) -> vec4f {
    var sum = vec4f(0.0);
    var slice = 0u;
    for (; slice + 4u <= slices; slice += 4u) {
        let at = slice * columns + thread;
        sum += (partial[at] + partial[at + columns]) + (partial[at + 2u * columns] + partial[at + 3u * columns]);
    }
    for (; slice < slices; slice++) {
        sum += partial[slice * columns + thread];
    }
    return sum;
}

fn dot_column(input: u32, begin: u32, end: u32, weight: u32, out4: u32) -> vec4f {
    var sum = vec4f(0.0);
    var i = begin;
    for (; i + 4u <= end; i += 4u) {
        let at = weight + 4u * i * out4;
        let a = rows4(at, out4);
        let b = rows4(at + 4u * out4, out4);
        let c = rows4(at + 8u * out4, out4);
        let d = rows4(at + 12u * out4, out4);
        sum = add_product(sum, a, hidden[input + i]);
        sum = add_product(sum, b, hidden[input + i + 1u]);
        sum = add_product(sum, c, hidden[input + i + 2u]);
        sum = add_product(sum, d, hidden[input + i + 3u]);
    }
    for (; i < end; i++) {
        sum = add_product(sum, rows4(weight + 4u * i * out4, out4), hidden[input + i]);
    }
    return sum;
}

// A column of four inputs.
fn rows4(at: u32, out4: u32) -> mat4x4f {
    return mat4x4f(weights[at], weights[at + out4], weights[at + 2u * out4], weights[at + 3u * out4]);
}

// sum + rows x, in four multiply-adds: a product of matrix and vector would take an addition more.
fn add_product(sum: vec4f, rows: mat4x4f, x: vec4f) -> vec4f {
    return fma(rows[3], x.wwww, fma(rows[2], x.zzzz, fma(rows[1], x.yyyy, fma(rows[0], x.xxxx, sum))));
}

// The tied head has no bias.
fn bias_of(stage: u32, bias: u32, column: u32) -> vec4f {
    if stage == LOGITS {
        return vec4f(0.0);
    }
    return weights[bias + column];
}

// gelu_new: 0.5 x (1 + tanh(u)) = x / (1 + exp(-2 u)) with u = sqrt(2 / pi) (x + 0.044715 x^3). The bound keeps exp() finite.
fn gelu(x: vec4f) -> vec4f {
    let inner = 0.7978845608 * (x + 0.044715 * x * x * x);
    return x / (1.0 + exp(min(-2.0 * inner, vec4f(80.0))));
}

fn key_at(at: u32) -> u32 {
    return (layer * 2u * POSITIONS + at) * HEADS4;
}

fn value_at(at: u32) -> u32 {
    return (layer * 2u * POSITIONS + POSITIONS + at) * HEADS4;
}

// NARROW = softmax(query keys^T * scale) values, head by head: scores and their maxima; then weighted sums of the values
// over slices of the positions; then the slices are added.
fn attention() {
    for (var item = thread; item < N_HEAD * HEAD_LANES; item += WORKGROUP_SIZE) {
        let head = item / HEAD_LANES;
        var largest = LOWEST;
        for (var at = item % HEAD_LANES; at <= position; at += HEAD_LANES) {
            var score = 0.0;
            for (var i = 0u; i < HEAD4; i++) {
                score += dot(hidden[WIDE + head * HEAD4 + i], key(at, head * HEAD4 + i));
            }
            score *= SCALE;
            set_score(head * POSITIONS + at, score);
            largest = max(largest, score);
        }
        lane_scores[item] = largest;
    }
    workgroupBarrier();
    if NEAR_SCORES == 0u {
        storageBarrier();
    }

    let slices = max(WORKGROUP_SIZE / HEADS4, 1u);
    var sum = vec4f(0.0);
    var total = 0.0;
    if slices > 1u {
        let column = thread % HEADS4;
        let slice = thread / HEADS4;
        if slice < slices {
            let largest = largest_score(column / HEAD4);
            for (var at = slice; at <= position; at += slices) {
                let share = exp(score(column / HEAD4 * POSITIONS + at) - largest);
                sum += share * value(at, column);
                total += share;
            }
        }
        partial[thread] = sum;
        totals[thread] = total;
        workgroupBarrier();
        if thread < HEADS4 {
            for (var other = 1u; other < slices; other++) {
                total += totals[other * HEADS4 + thread];
            }
            hidden[NARROW + thread] = sum_slices(slices, HEADS4) / total;
        }
    } else {
        for (var column = thread; column < HEADS4; column += WORKGROUP_SIZE) {
            let largest = largest_score(column / HEAD4);
            sum = vec4f(0.0);
            total = 0.0;
            for (var at = 0u; at <= position; at++) {
                let share = exp(score(column / HEAD4 * POSITIONS + at) - largest);
                sum += share * value(at, column);
                total += share;
            }
            hidden[NARROW + column] = sum / total;
        }
    }
    workgroupBarrier();
}

// Of the position at hand from workgroup memory: in storage, other threads' writes of this token are not seen yet.
fn key(at: u32, column: u32) -> vec4f {
    if at == position {
        return hidden[WIDE + HEADS4 + column];
    }
    return cache[key_at(at) + column];
}

fn value(at: u32, column: u32) -> vec4f {
    if at == position {
        return hidden[WIDE + 2u * HEADS4 + column];
    }
    return cache[value_at(at) + column];
}

fn set_score(at: u32, score: f32) {
    if NEAR_SCORES > 0u {
        near_scores[at] = score;
    } else {
        scores[at] = score;
    }
}

fn score(at: u32) -> f32 {
    if NEAR_SCORES > 0u {
        return near_scores[at];
    }
    return scores[at];
}

fn largest_score(head: u32) -> f32 {
    var largest = LOWEST;
    for (var lane = 0u; lane < min(HEAD_LANES, position + 1u); lane++) {
        largest = max(largest, lane_scores[head * HEAD_LANES + lane]);
    }
    return largest;
}

fn logits_row() -> u32 {
    return (position + 1u - request.prompt_tokens) * request.logits_stride;
}

// Larger score first, lower token among equals; padding never.
fn consider(score: f32, token: u32) {
    if token < VOCAB_SIZE && (score > best_score || (score == best_score && token < best_token)) {
        best_score = score;
        best_token = token;
    }
}

// The best of all threads' candidates becomes the next token: each level gathers eight into one.
fn choose() {
    lane_scores[thread] = best_score;
    candidates[thread] = best_token;
    let holders = min(WORKGROUP_SIZE, select(VOCAB4, VOCAB_SIZE, SAMPLED));
    for (var entries = holders; entries > 1u; entries = (entries + 7u) / 8u) {
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
        chosen = best_token;
        tokens[position + 1u] = best_token;
    }
}

// Draws from softmax(logits / temperature) over the top_k largest logits by the Gumbel-max trick.
fn consider_draws() {
    let threshold = kth_largest();
    let step = position + 1u - request.prompt_tokens;
    for (var token = thread; token < VOCAB_SIZE; token += WORKGROUP_SIZE) {
        let logit = logits[logits_row() + token / 4u][token % 4u];
        if sortable(logit) >= threshold {
            consider(logit / request.temperature - log(exponential(step, token)), token);
        }
    }
}

// The top_k-th largest logit in sortable form: built bit by bit from the top, keeping a bit where at least top_k logits
// are no smaller.
fn kth_largest() -> u32 {
    var threshold = 0u;
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
        if thread == 0u {
            atomicStore(&tally, 0u);
        }
        workgroupBarrier();
        var count = 0u;
        for (var token = thread; token < VOCAB_SIZE; token += WORKGROUP_SIZE) {
            count += select(0u, 1u, sortable(logits[logits_row() + token / 4u][token % 4u]) >= (threshold | bit));
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

@compute @workgroup_size(WORKGROUP_SIZE)
fn decode(@builtin(local_invocation_index) index: u32) {
    thread = index;
    var token: u32;
    if request.first_step >= request.prompt_tokens {
        if thread == 0u {
            chosen = tokens[request.first_step];
        }
        token = workgroupUniformLoad(&chosen);
        if token == request.end_token || token == NONE {
            return;
        }
    }
    for (var at = request.first_step; at < request.steps; at++) {
        position = at;
        if at < request.prompt_tokens {
            token = tokens[at];
        }
        add_embedding(token);
        for (var l = 0u; l < N_LAYER; l++) {
            layer = l;
            let base = LAYERS + l * LAYER_STRIDE;
            layer_norm(base + LN_1_WEIGHT, base + LN_1_BIAS);
            linear(QUERY_KEY_VALUE, NARROW, N_EMBD4, base + ATTN_C_ATTN_WEIGHT, base + ATTN_C_ATTN_BIAS, 3u * HEADS4);
            attention();
            linear(RESIDUAL, NARROW, HEADS4, base + ATTN_C_PROJ_WEIGHT, base + ATTN_C_PROJ_BIAS, N_EMBD4);
            layer_norm(base + LN_2_WEIGHT, base + LN_2_BIAS);
            linear(GELU, NARROW, N_EMBD4, base + MLP_C_FC_WEIGHT, base + MLP_C_FC_BIAS, N_INNER4);
            linear(RESIDUAL, WIDE, N_INNER4, base + MLP_C_PROJ_WEIGHT, base + MLP_C_PROJ_BIAS, N_EMBD4);
        }
        if at + 1u >= request.prompt_tokens {
            layer_norm(LN_F_WEIGHT, LN_F_BIAS);
            best_score = LOWEST;
            best_token = 0u;
            linear(LOGITS, NARROW, N_EMBD4, WTE, 0u, VOCAB4);
            if SAMPLED {
                storageBarrier();
                consider_draws();
            }
            choose();
            token = workgroupUniformLoad(&chosen);
            if token == request.end_token {
                break;
            }
        }
    }
}
