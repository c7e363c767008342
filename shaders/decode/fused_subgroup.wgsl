// GPT-2 decoding, whole, in one dispatch, with subgroup operations: by one workgroup for a sequence, or by WORKGROUPS of
// them that make progress together. A dispatch of more workgroups decodes as many sequences as that makes, each by its own
// request. A request may be a chunk of a generation: the KV cache, `tokens` and `exchange` are all that one dispatch leaves
// to the next.
//
// A matrix is stored [out][in]. A workgroup has neighbouring rows of it. A group of lanes computes one row after another: its
// lanes read neighbouring vec4u of the row, up to 16 of them ahead of the barrier before which the input is not known, and
// add up by shuffles (and through workgroup memory, where a group is larger than a subgroup). Each head's attention belongs
// to one workgroup; the KV cache is read only by the thread that wrote it, so no barrier orders storage.
//
// One workgroup hands on values through `hidden`. Several hand them on through `exchange`, without a barrier between
// workgroups: a value is its own signal. The last bit of each word is the parity of the round in which it was written, so
// a reader asks again until the bit has turned. A slot is written again only after every workgroup has added to a stage in
// between, and none adds to a stage before it has read all of the stage before; so no reader misses a round, and relaxed
// atomics, coherent word by word, are enough. It costs a value its last bit.
//
// WGSL promises no progress between workgroups. A thread that asks PATIENCE times in vain stops waiting for good and says
// so in `gave_up`: what the kernel then makes is wrong, and soon over.
//
// Barriers within the workgroup, per token: 1 for the embedding; per layer 1 for each of two norms and of four matrices, 2
// for attention; 2 for the head and its norm; 3 to choose. With several workgroups, 1 more for each of 5 stages a layer, for
// the head and for the choice: as often do workgroups wait for each other.

// Every thread of the workgroup reaches every shuffle; the analysis cannot see it.
diagnostic(off, subgroup_uniformity);

override WORKGROUPS: u32 = 1;
override WORKGROUP_SIZE: u32 = 64;
override SUBGROUP: u32 = 4;          // threads that shuffle with each other; neighbours by local index
override FORMAT: u32 = 0;            // of matrices: 0 f32, 1 f16, 2 bf16
override PATIENCE: u32 = 1048576;
override ASK_BY_WRITING: bool = false;   // where a compiler takes a load for one whose value cannot change (llvmpipe)

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
override EPSILON: f32 = 1e-5;
override SCALE: f32 = 0.25;          // of attention scores

// Vec4u in a row of a matrix that reads the stream, the heads, the inner layer.
override EMBD_CHUNKS: u32 = 8;
override HEADS_CHUNKS: u32 = 8;
override INNER_CHUNKS: u32 = 32;

// Threads that share a row: powers of two.
override QUERY_KEY_VALUE_LANES: u32 = 4;
override PROJECTION_LANES: u32 = 4;
override FC_LANES: u32 = 4;
override MLP_LANES: u32 = 4;
override LOGITS_LANES: u32 = 4;
override ATTENTION_LANES: u32 = 4;   // threads that share a position: HEAD4 rounded up to a power of two
override NORM_LANES: u32 = 4;        // threads that share the sums of a norm: a subgroup or the workgroup
override TEAMS: u32 = 1;             // heads that a workgroup attends to at a time; each has whole subgroups

override SAMPLED: bool = false;      // whether tokens are drawn; else the likeliest is taken

// Where each tensor starts in `weights`, in vec4u; those of a layer count from the layer's start.
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

@group(0) @binding(0) var<storage, read> weights: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> cache: array<vec4f>;   // [sequence][layer][position][key, value][HEADS4]
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;    // [row][4 VOCAB4]
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;    // prompt, then new tokens
@group(0) @binding(4) var<storage, read> requests: array<Request>;
@group(0) @binding(5) var<storage, read_write> exchange: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> gave_up: atomic<u32>;

struct Request {
    prompt_tokens: u32,
    steps: u32,           // tokens fed to the model, in this dispatch and before it; of the last one prompt + new - 1
    end_token: u32,       // generation ends with it; no token where there is none
    logits_stride: u32,   // from one new token's logits to the next's, in vec4f; 0 keeps the last ones alone
    top_k: u32,
    temperature: f32,
    seed_low: u32,
    seed_high: u32,
    first_token: u32,     // where its tokens start in `tokens`
    first_logits: u32,    // where its logits start in `logits`
    first_step: u32,      // tokens that were fed before this dispatch
}

// Slots of `exchange`: the stream after attention and after a layer, query-key-value, attended values, inner layer, and
// of each workgroup its best candidate (score, token and the score's last bit) or a count.
const AFTER_ATTENTION: u32 = 0u;
override AFTER_LAYER: u32 = 4u * N_EMBD4;
override QUERY: u32 = 8u * N_EMBD4;
override ATTENDED: u32 = QUERY + 12u * HEADS4;
override INNER: u32 = ATTENDED + 4u * HEADS4;
override BEST: u32 = INNER + 4u * N_INNER4;
override COUNT: u32 = BEST + 2u * WORKGROUPS;    // twice over: a round's counts are read while the next are written
override SLOTS: u32 = COUNT + 2u * WORKGROUPS;   // of a sequence

// Regions of `hidden`: the residual stream; the input of a matrix that is not the stream. Rows of two-byte formats are
// read in pairs of vec4f, so regions are even.
const STREAM: u32 = 0u;
override NORMED: u32 = 2u * ((N_EMBD4 + 1u) / 2u);
override WIDE: u32 = 2u * NORMED;
override WIDE4: u32 = 2u * ((max(N_INNER4, 3u * HEADS4) + 1u) / 2u);
override HIDDEN4: u32 = WIDE + WIDE4;
override SUBGROUPS: u32 = WORKGROUP_SIZE / SUBGROUP;
override TEAM: u32 = WORKGROUP_SIZE / TEAMS;
override TEAM_SUBGROUPS: u32 = TEAM / SUBGROUP;
override PARTIALS: u32 = SUBGROUPS * ATTENTION_LANES;

var<workgroup> hidden: array<vec4f, HIDDEN4>;
var<workgroup> partial: array<vec4f, PARTIALS>;
var<workgroup> maxima: array<f32, SUBGROUPS>;     // scores of attention, or of candidates
var<workgroup> totals: array<f32, SUBGROUPS>;
var<workgroup> norm_sums: array<vec2f, SUBGROUPS>;
var<workgroup> candidates: array<u32, SUBGROUPS>;
var<workgroup> chosen: u32;
var<workgroup> tally: atomic<u32>;

// Private variables count as non-uniform, so nothing with a barrier inside depends on these.
var<private> sequence: u32;
var<private> request: Request;
var<private> workgroup_index: u32;   // among those of the sequence
var<private> thread: u32;
var<private> position: u32;
var<private> layer: u32;
var<private> parity: u32;      // of this layer's round
var<private> patience: u32;
var<private> mean: f32;        // of the last norm
var<private> norm_weight: vec4f;
var<private> norm_bias: vec4f;
var<private> row_bias: f32;
var<private> best_score: f32;  // of this thread's candidates for the next token
var<private> best_token: u32;

const LOWEST: f32 = -3.4028234e38;
const NONE: u32 = 0xffffffffu;   // in place of a token that was not made

// Hands element `i` of a vector on: to its region of `hidden`, or to its slot.
fn share(slot: u32, region: u32, i: u32, value: f32) {
    if WORKGROUPS == 1u {
        hidden[region + i / 4u][i % 4u] = value;
    } else {
        say(slot + i, (bitcast<u32>(value) & 0xfffffffeu) | parity);
    }
}

fn say(slot: u32, word: u32) {
    atomicStore(&exchange[sequence * SLOTS + slot], word);
}

fn asked(slot: u32) -> u32 {
    if ASK_BY_WRITING {
        return atomicOr(&exchange[sequence * SLOTS + slot], 0u);
    }
    return atomicLoad(&exchange[sequence * SLOTS + slot]);
}

fn received(slot: u32, tag: u32) -> u32 {
    var word = asked(slot);
    for (var polls = 0u; (word & 1u) != tag && polls < patience; polls++) {
        word = asked(slot);
    }
    if (word & 1u) != tag {
        patience = 0u;
    }
    return word;
}

// Words on their way to this thread.
struct Words {
    a: vec4u,
    b: vec4u,
}

// The words at `slot` + (0 .. 7) WORKGROUP_SIZE, as far as they are before `end`, asked for together.
fn received8(slot: u32, end: u32, tag: u32) -> Words {
    let near = slot + WORKGROUP_SIZE * vec4u(0u, 1u, 2u, 3u);
    let far = near + 4u * WORKGROUP_SIZE;
    var words = Words(
        select(vec4u(tag), vec4u(tag ^ 1u), near < vec4u(end)), select(vec4u(tag), vec4u(tag ^ 1u), far < vec4u(end)),
    );
    for (var polls = 0u; polls <= patience; polls++) {
        if (words.a.x & 1u) != tag { words.a.x = asked(near.x); }
        if (words.a.y & 1u) != tag { words.a.y = asked(near.y); }
        if (words.a.z & 1u) != tag { words.a.z = asked(near.z); }
        if (words.a.w & 1u) != tag { words.a.w = asked(near.w); }
        if (words.b.x & 1u) != tag { words.b.x = asked(far.x); }
        if (words.b.y & 1u) != tag { words.b.y = asked(far.y); }
        if (words.b.z & 1u) != tag { words.b.z = asked(far.z); }
        if (words.b.w & 1u) != tag { words.b.w = asked(far.w); }
        let missing = ((words.a ^ vec4u(tag)) | (words.b ^ vec4u(tag))) & vec4u(1u);
        if all(missing == vec4u(0u)) {
            return words;
        }
    }
    patience = 0u;
    return words;
}

// Fills `count4` vec4f of a region with what all workgroups have shared.
fn gather(slot: u32, region: u32, count4: u32) {
    if WORKGROUPS == 1u {
        return;
    }
    let count = 4u * count4;
    for (var first = 0u; first < count; first += 8u * WORKGROUP_SIZE) {
        let i = first + thread;
        let words = received8(slot + i, slot + count, parity);
        let near = bitcast<vec4f>(words.a);
        let far = bitcast<vec4f>(words.b);
        put(region, i, count, near.x);
        put(region, i + WORKGROUP_SIZE, count, near.y);
        put(region, i + 2u * WORKGROUP_SIZE, count, near.z);
        put(region, i + 3u * WORKGROUP_SIZE, count, near.w);
        put(region, i + 4u * WORKGROUP_SIZE, count, far.x);
        put(region, i + 5u * WORKGROUP_SIZE, count, far.y);
        put(region, i + 6u * WORKGROUP_SIZE, count, far.z);
        put(region, i + 7u * WORKGROUP_SIZE, count, far.w);
    }
    workgroupBarrier();
}

fn put(region: u32, i: u32, count: u32, value: f32) {
    if i < count {
        hidden[region + i / 4u][i % 4u] = value;
    }
}

fn vector(at: u32) -> vec4f {
    return bitcast<vec4f>(weights[at]);
}

// Of two-byte formats, a chunk holds vec4f i of a row, and vec4f i + chunks.
fn low_half(chunk: vec4u) -> vec4f {
    switch FORMAT {
        case 0u: { return bitcast<vec4f>(chunk); }
        case 1u: { return vec4f(unpack2x16float(chunk.x), unpack2x16float(chunk.y)); }
        default: { return bitcast<vec4f>(vec4u(chunk.x << 16u, chunk.x & 0xffff0000u, chunk.y << 16u, chunk.y & 0xffff0000u)); }
    }
}

fn high_half(chunk: vec4u) -> vec4f {
    return low_half(chunk.zwzw);
}

fn add_embedding(token: u32) {
    for (var i = thread; i < N_EMBD4; i += WORKGROUP_SIZE) {
        let chunk = weights[WTE + token * EMBD_CHUNKS + i % EMBD_CHUNKS];
        var row = low_half(chunk);
        if i >= EMBD_CHUNKS {
            row = high_half(chunk);
        }
        hidden[STREAM + i] = row + vector(WPE + position * N_EMBD4 + i);
    }
    workgroupBarrier();
}

// NORMED = (STREAM - mean) / sqrt(variance + epsilon) * weight + bias. Sums are of what is left after the mean of the norm
// before, so that one pass gives the variance and little cancels.
fn layer_norm(weight: u32, bias: u32) {
    var sums = vec2f(0.0);
    for (var i = thread % NORM_LANES; i < N_EMBD4; i += NORM_LANES) {
        let left = select(vec4f(0.0), hidden[STREAM + i] - mean, 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(N_EMBD));
        sums += vec2f(dot(left, vec4f(1.0)), dot(left, left));
    }
    sums = add_lanes(sums, SUBGROUP);
    if NORM_LANES > SUBGROUP {
        if thread % SUBGROUP == 0u {
            norm_sums[thread / SUBGROUP] = sums;
        }
        workgroupBarrier();
        sums = vec2f(0.0);
        for (var other = thread % SUBGROUP; other < SUBGROUPS; other += SUBGROUP) {
            sums += norm_sums[other];
        }
        sums = add_lanes(sums, SUBGROUP);
    }
    sums /= f32(N_EMBD);
    mean += sums.x;
    let scale = inverseSqrt(max(sums.y - sums.x * sums.x, 0.0) + EPSILON);
    if thread < N_EMBD4 {
        hidden[NORMED + thread] = (hidden[STREAM + thread] - mean) * scale * norm_weight + norm_bias;
    }
    for (var i = thread + WORKGROUP_SIZE; i < N_EMBD4; i += WORKGROUP_SIZE) {
        hidden[NORMED + i] = (hidden[STREAM + i] - mean) * scale * vector(weight + i) + vector(bias + i);
    }
    workgroupBarrier();
}

// Asks for this thread's part of a norm's weight and bias.
fn fetch_norm(weight: u32, bias: u32) {
    norm_weight = vector(weight + min(thread, N_EMBD4 - 1u));
    norm_bias = vector(bias + min(thread, N_EMBD4 - 1u));
}

// The sum over `lanes` neighbouring threads of a subgroup, in all of them.
fn add_lanes(value: vec2f, lanes: u32) -> vec2f {
    var sum = value;
    for (var distance = lanes / 2u; distance > 0u; distance /= 2u) {
        sum += subgroupShuffleXor(sum, distance);
    }
    return sum;
}

struct Matrix {
    stage: u32,
    weight: u32,
    bias: u32,
    input: u32,        // region of `hidden`
    chunks: u32,       // of a row
    rows: u32,
    lanes: u32,        // that share a row
}

const QUERY_KEY_VALUE: u32 = 0u;
const PROJECTION: u32 = 1u;
const FC: u32 = 2u;
const MLP: u32 = 3u;
const LOGITS: u32 = 4u;

// Chunks on their way to this thread: what a lane takes of a row in one step.
const STEP: u32 = 16u;
var<private> w0: vec4u;
var<private> w1: vec4u;
var<private> w2: vec4u;
var<private> w3: vec4u;
var<private> w4: vec4u;
var<private> w5: vec4u;
var<private> w6: vec4u;
var<private> w7: vec4u;
var<private> w8: vec4u;
var<private> w9: vec4u;
var<private> w10: vec4u;
var<private> w11: vec4u;
var<private> w12: vec4u;
var<private> w13: vec4u;
var<private> w14: vec4u;
var<private> w15: vec4u;

fn lane_chunks(m: Matrix) -> u32 {
    return m.chunks / m.lanes;
}

fn row_steps(m: Matrix) -> u32 {
    return (lane_chunks(m) + STEP - 1u) / STEP;
}

// Neighbouring rows belong to a workgroup, each has about as many, and all at least one where there are as many rows.
fn first_row(m: Matrix) -> u32 {
    return workgroup_index * m.rows / WORKGROUPS;
}

fn end_row(m: Matrix) -> u32 {
    return (workgroup_index + 1u) * m.rows / WORKGROUPS;
}

// Rows that one group of lanes has at most.
fn turns(m: Matrix) -> u32 {
    let workgroup_rows = (m.rows + WORKGROUPS - 1u) / WORKGROUPS;
    let groups = WORKGROUP_SIZE / m.lanes;
    return (workgroup_rows + groups - 1u) / groups;
}

fn row_at(m: Matrix, turn: u32) -> u32 {
    return first_row(m) + turn * (WORKGROUP_SIZE / m.lanes) + thread / m.lanes;
}

// Asks for the chunks of step `k`.
fn fetch(m: Matrix, k: u32) {
    let chunk = k % row_steps(m) * STEP;
    let there = lane_chunks(m) - chunk;
    let row = min(row_at(m, k / row_steps(m)), m.rows - 1u);
    let at = m.weight + row * m.chunks + chunk * m.lanes + thread % m.lanes;
    if m.stage == LOGITS {
        row_bias = 0.0;
    } else if chunk == 0u {
        row_bias = bitcast<f32>(weights[m.bias + row / 4u][row % 4u]);
    }
    w0 = weights[at];
    if there > 1u { w1 = weights[at + 1u * m.lanes]; }
    if there > 2u { w2 = weights[at + 2u * m.lanes]; }
    if there > 3u { w3 = weights[at + 3u * m.lanes]; }
    if there > 4u { w4 = weights[at + 4u * m.lanes]; }
    if there > 5u { w5 = weights[at + 5u * m.lanes]; }
    if there > 6u { w6 = weights[at + 6u * m.lanes]; }
    if there > 7u { w7 = weights[at + 7u * m.lanes]; }
    if there > 8u { w8 = weights[at + 8u * m.lanes]; }
    if there > 9u { w9 = weights[at + 9u * m.lanes]; }
    if there > 10u { w10 = weights[at + 10u * m.lanes]; }
    if there > 11u { w11 = weights[at + 11u * m.lanes]; }
    if there > 12u { w12 = weights[at + 12u * m.lanes]; }
    if there > 13u { w13 = weights[at + 13u * m.lanes]; }
    if there > 14u { w14 = weights[at + 14u * m.lanes]; }
    if there > 15u { w15 = weights[at + 15u * m.lanes]; }
}

// The products of the chunks of step `k` with the input.
fn multiply(m: Matrix, k: u32) -> f32 {
    let chunk = k % row_steps(m) * STEP;
    let there = lane_chunks(m) - chunk;
    let at = m.input + chunk * m.lanes + thread % m.lanes;
    var sum = product(m, at, w0);
    if there > 1u { sum += product(m, at + 1u * m.lanes, w1); }
    if there > 2u { sum += product(m, at + 2u * m.lanes, w2); }
    if there > 3u { sum += product(m, at + 3u * m.lanes, w3); }
    if there > 4u { sum += product(m, at + 4u * m.lanes, w4); }
    if there > 5u { sum += product(m, at + 5u * m.lanes, w5); }
    if there > 6u { sum += product(m, at + 6u * m.lanes, w6); }
    if there > 7u { sum += product(m, at + 7u * m.lanes, w7); }
    if there > 8u { sum += product(m, at + 8u * m.lanes, w8); }
    if there > 9u { sum += product(m, at + 9u * m.lanes, w9); }
    if there > 10u { sum += product(m, at + 10u * m.lanes, w10); }
    if there > 11u { sum += product(m, at + 11u * m.lanes, w11); }
    if there > 12u { sum += product(m, at + 12u * m.lanes, w12); }
    if there > 13u { sum += product(m, at + 13u * m.lanes, w13); }
    if there > 14u { sum += product(m, at + 14u * m.lanes, w14); }
    if there > 15u { sum += product(m, at + 15u * m.lanes, w15); }
    return sum;
}

fn product(m: Matrix, at: u32, chunk: vec4u) -> f32 {
    let low = dot(hidden[at], low_half(chunk));
    if FORMAT == 0u {
        return low;
    }
    return low + dot(hidden[at + m.chunks], high_half(chunk));
}

// All rows of this workgroup. Their first chunks have been fetched; the next ones are before a sum is added up.
fn linear(m: Matrix) {
    let steps = turns(m) * row_steps(m);
    var sum = 0.0;
    for (var k = 0u; k < steps; k++) {
        sum += multiply(m, k);
        let bias = row_bias;
        if k + 1u < steps {
            fetch(m, k + 1u);
        }
        if (k + 1u) % row_steps(m) == 0u {
            sum = add_group(m, sum) + bias;
            let row = row_at(m, k / row_steps(m));
            if thread % m.lanes == 0u && row < end_row(m) {
                finish(m, row, sum);
            }
            sum = 0.0;
        }
    }
}

// The sum over a group of lanes, in the first of them at least.
fn add_group(m: Matrix, value: f32) -> f32 {
    var sum = add_lanes(vec2f(value, 0.0), min(m.lanes, SUBGROUP)).x;
    if m.lanes > SUBGROUP {
        if turns(m) > 1u {
            // The turn before has been read.
            workgroupBarrier();
        }
        if thread % SUBGROUP == 0u {
            totals[thread / SUBGROUP] = sum;
        }
        workgroupBarrier();
        for (var other = 1u; other < m.lanes / SUBGROUP; other++) {
            sum += totals[min(thread / SUBGROUP + other, SUBGROUPS - 1u)];
        }
    }
    return sum;
}

// What becomes of a row's sum. The tied head has no bias.
fn finish(m: Matrix, row: u32, sum: f32) {
    switch m.stage {
        case QUERY_KEY_VALUE: { share(QUERY, WIDE, row, sum); }
        case PROJECTION: { share(AFTER_ATTENTION, STREAM, row, stream(row) + sum); }
        case FC: { share(INNER, WIDE, row, gelu(sum)); }
        case MLP: { share(AFTER_LAYER, STREAM, row, stream(row) + sum); }
        default: {
            logits[logits_row() + row] = sum;
            if !SAMPLED {
                consider(sum, row);
            }
        }
    }
}

fn stream(i: u32) -> f32 {
    return hidden[STREAM + i / 4u][i % 4u];
}

// gelu_new: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). The clamp keeps tanh implementations that go through
// exp() from overflowing; tanh is 1 in f32 from 9.01 on.
fn gelu(x: f32) -> f32 {
    let inner = 0.7978845608 * (x + 0.044715 * x * x * x);
    return 0.5 * x * (1.0 + tanh(clamp(inner, -10.0, 10.0)));
}

// The part of a softmax over some positions: their largest score, and sums weighted by exp(score - largest).
struct Attended {
    largest: f32,
    total: f32,
    sum: vec4f,
}

fn merged(a: Attended, b: Attended) -> Attended {
    let largest = max(a.largest, b.largest);
    let keep_a = exp(a.largest - largest);
    let keep_b = exp(b.largest - largest);
    return Attended(largest, a.total * keep_a + b.total * keep_b, a.sum * keep_a + b.sum * keep_b);
}

fn merged_lanes(part: Attended) -> Attended {
    var all = part;
    for (var distance = ATTENTION_LANES; distance < SUBGROUP; distance *= 2u) {
        all = merged(all, Attended(
            subgroupShuffleXor(all.largest, distance),
            subgroupShuffleXor(all.total, distance),
            subgroupShuffleXor(all.sum, distance),
        ));
    }
    return all;
}

// Where a key is in the cache; its value is HEADS4 further on. Of a position that is still to come, the last one's.
fn cached(at: u32, column: u32) -> u32 {
    return ((sequence * N_LAYER + layer) * POSITIONS + min(at, position)) * 2u * HEADS4 + column;
}

// softmax(query keys^T * scale) values of TEAMS heads from `first_head` on, each by a team of threads. A group of
// ATTENTION_LANES threads takes a position, the group after it the next one: always the same threads the same position of
// the same head, which so write and read its place in the cache.
fn attention(first_head: u32) {
    let member = thread % TEAM;
    let head = min(first_head + thread / TEAM, N_HEAD - 1u);
    let lane = member % ATTENTION_LANES;
    let used = lane < HEAD4 && first_head + thread / TEAM < N_HEAD;
    let column = head * HEAD4 + min(lane, HEAD4 - 1u);
    // The first position's key and value are asked for ahead of the query.
    let groups = TEAM / ATTENTION_LANES;
    let first_place = cached(member / ATTENTION_LANES, column);
    var key = cache[first_place];
    var value = cache[first_place + HEADS4];
    if WORKGROUPS > 1u {
        for (var i = member; i < 12u * HEAD4; i += TEAM) {
            let element = i / (4u * HEAD4) * 4u * HEADS4 + head * 4u * HEAD4 + i % (4u * HEAD4);
            hidden[WIDE + element / 4u][element % 4u] = bitcast<f32>(received(QUERY + element, parity));
        }
        workgroupBarrier();
    }

    let query = select(vec4f(0.0), hidden[WIDE + column], used);
    var part = Attended(LOWEST, 0.0, vec4f(0.0));
    for (var first = 0u; first <= position; first += groups) {
        let at = first + member / ATTENTION_LANES;
        if at >= position {
            key = hidden[WIDE + HEADS4 + column];
            value = hidden[WIDE + 2u * HEADS4 + column];
        }
        if at == position && used {
            cache[cached(at, column)] = key;
            cache[cached(at, column) + HEADS4] = value;
        }
        let score = add_lanes(vec2f(dot(query, key), 0.0), ATTENTION_LANES).x * SCALE;
        if at <= position {
            part = merged(part, Attended(score, 1.0, value));
        }
        let next_place = cached(at + groups, column);
        key = cache[next_place];
        value = cache[next_place + HEADS4];
    }
    part = merged_lanes(part);
    let subgroup = thread / SUBGROUP;
    if thread % SUBGROUP < ATTENTION_LANES {
        partial[subgroup * ATTENTION_LANES + lane] = part.sum;
    }
    if thread % SUBGROUP == 0u {
        maxima[subgroup] = part.largest;
        totals[subgroup] = part.total;
    }
    workgroupBarrier();

    let team_subgroups = thread / TEAM * TEAM_SUBGROUPS;
    var largest = LOWEST;
    for (var other = 0u; other < TEAM_SUBGROUPS; other++) {
        largest = max(largest, maxima[team_subgroups + other]);
    }
    part = Attended(largest, 0.0, vec4f(0.0));
    for (var other = thread % SUBGROUP / ATTENTION_LANES; other < TEAM_SUBGROUPS; other += SUBGROUP / ATTENTION_LANES) {
        let entry = team_subgroups + other;
        let share_of_all = exp(maxima[entry] - largest);
        part.total += share_of_all * totals[entry];
        part.sum += share_of_all * partial[entry * ATTENTION_LANES + lane];
    }
    for (var distance = ATTENTION_LANES; distance < SUBGROUP; distance *= 2u) {
        part.total += subgroupShuffleXor(part.total, distance);
        part.sum += subgroupShuffleXor(part.sum, distance);
    }
    if member < ATTENTION_LANES && used {
        let result = part.sum / part.total;
        for (var j = 0u; j < 4u; j++) {
            share(ATTENDED, WIDE, 4u * column + j, result[j]);
        }
    }
    workgroupBarrier();
}

fn logits_row() -> u32 {
    return request.first_logits + 4u * (position + 1u - request.prompt_tokens) * request.logits_stride;
}

// Larger score first, lower token among equals; padding never.
fn consider(score: f32, token: u32) {
    if token < VOCAB_SIZE && (score > best_score || (score == best_score && token < best_token)) {
        best_score = score;
        best_token = token;
    }
}

// The best candidate of the subgroup, in all its threads.
fn consider_lanes() {
    for (var distance = SUBGROUP / 2u; distance > 0u; distance /= 2u) {
        consider(subgroupShuffleXor(best_score, distance), subgroupShuffleXor(best_token, distance));
    }
}

// The best of all threads' candidates, of all workgroups, becomes the next token.
fn choose() {
    consider_lanes();
    if thread % SUBGROUP == 0u {
        maxima[thread / SUBGROUP] = best_score;
        candidates[thread / SUBGROUP] = best_token;
    }
    workgroupBarrier();
    if thread < SUBGROUP {
        for (var other = thread; other < SUBGROUPS; other += SUBGROUP) {
            consider(maxima[other], candidates[other]);
        }
    }
    consider_lanes();
    if WORKGROUPS > 1u {
        let tag = (position - request.prompt_tokens) & 1u;
        if thread == 0u {
            let bits = bitcast<u32>(best_score);
            say(BEST + 2u * workgroup_index, (bits & 0xfffffffeu) | tag);
            say(BEST + 2u * workgroup_index + 1u, (best_token << 2u) | ((bits & 1u) << 1u) | tag);
        }
        workgroupBarrier();
        if thread < SUBGROUP {
            for (var other = thread; other < WORKGROUPS; other += SUBGROUP) {
                let high = received(BEST + 2u * other, tag);
                let low = received(BEST + 2u * other + 1u, tag);
                consider(bitcast<f32>((high & 0xfffffffeu) | ((low >> 1u) & 1u)), low >> 2u);
            }
        }
        consider_lanes();
    }
    if thread == 0u {
        chosen = best_token;
        if workgroup_index == 0u {
            tokens[request.first_token + position + 1u] = best_token;
        }
    }
}

// Draws from softmax(logits / temperature) over the top_k largest logits by the Gumbel-max trick. A thread looks at the
// logits that it wrote itself.
fn consider_draws(m: Matrix) {
    let threshold = kth_largest(m);
    let step = position + 1u - request.prompt_tokens;
    for (var turn = 0u; turn < own_rows(m); turn++) {
        let token = row_at(m, turn);
        let logit = logits[logits_row() + token];
        if sortable(logit) >= threshold {
            consider(logit / request.temperature - log(exponential(step, token)), token);
        }
    }
}

// Rows of which this thread has the sum.
fn own_rows(m: Matrix) -> u32 {
    let first = row_at(m, 0u);
    if thread % m.lanes > 0u || first >= end_row(m) {
        return 0u;
    }
    let groups = WORKGROUP_SIZE / m.lanes;
    return (end_row(m) - first + groups - 1u) / groups;
}

// The top_k-th largest logit in sortable form: built bit by bit from the top, keeping a bit where at least top_k logits
// are no smaller.
fn kth_largest(m: Matrix) -> u32 {
    var threshold = 0u;
    for (var round = 0u; round < 32u; round++) {
        let bit = 0x80000000u >> round;
        if thread == 0u {
            atomicStore(&tally, 0u);
        }
        workgroupBarrier();
        var count = 0u;
        for (var turn = 0u; turn < own_rows(m); turn++) {
            count += select(0u, 1u, sortable(logits[logits_row() + row_at(m, turn)]) >= (threshold | bit));
        }
        atomicAdd(&tally, count);
        workgroupBarrier();
        if WORKGROUPS > 1u {
            count_all(round);
        }
        threshold |= select(0u, bit, atomicLoad(&tally) >= request.top_k);
        workgroupBarrier();
    }
    return threshold;
}

// `tally` becomes its sum over all workgroups.
fn count_all(round: u32) {
    let slot = COUNT + (round & 1u) * WORKGROUPS;
    let tag = ((round >> 1u) + 1u) & 1u;
    if thread == 0u {
        say(slot + workgroup_index, (atomicLoad(&tally) << 1u) | tag);
        atomicStore(&tally, 0u);
    }
    workgroupBarrier();
    for (var other = thread; other < WORKGROUPS; other += WORKGROUP_SIZE) {
        atomicAdd(&tally, received(slot + other, tag) >> 1u);
    }
    workgroupBarrier();
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

fn matrix(stage: u32, of_layer: u32) -> Matrix {
    let at = LAYERS + of_layer * LAYER_STRIDE;
    switch stage {
        case QUERY_KEY_VALUE: {
            return Matrix(stage, at + ATTN_C_ATTN_WEIGHT, at + ATTN_C_ATTN_BIAS, NORMED, EMBD_CHUNKS, 12u * HEADS4, QUERY_KEY_VALUE_LANES);
        }
        case PROJECTION: {
            return Matrix(stage, at + ATTN_C_PROJ_WEIGHT, at + ATTN_C_PROJ_BIAS, WIDE, HEADS_CHUNKS, 4u * N_EMBD4, PROJECTION_LANES);
        }
        case FC: {
            return Matrix(stage, at + MLP_C_FC_WEIGHT, at + MLP_C_FC_BIAS, NORMED, EMBD_CHUNKS, 4u * N_INNER4, FC_LANES);
        }
        default: {
            return Matrix(stage, at + MLP_C_PROJ_WEIGHT, at + MLP_C_PROJ_BIAS, WIDE, INNER_CHUNKS, 4u * N_EMBD4, MLP_LANES);
        }
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn decode(@builtin(workgroup_id) workgroup_id: vec3u, @builtin(local_invocation_index) index: u32) {
    sequence = workgroup_id.x / WORKGROUPS;
    workgroup_index = workgroup_id.x % WORKGROUPS;
    thread = index;
    patience = PATIENCE;
    let head = Matrix(LOGITS, WTE, 0u, NORMED, EMBD_CHUNKS, VOCAB_SIZE, LOGITS_LANES);
    // Barriers depend on these, so they are no private variables.
    let to_do = requests[workgroup_id.x / WORKGROUPS];
    request = to_do;
    let steps = to_do.steps;
    let prompt_tokens = to_do.prompt_tokens;
    if to_do.first_step >= prompt_tokens {
        if thread == 0u {
            chosen = tokens[to_do.first_token + to_do.first_step];
        }
        let last = workgroupUniformLoad(&chosen);
        if last == to_do.end_token || last == NONE {
            return;
        }
    }
    fetch(matrix(QUERY_KEY_VALUE, 0u), 0u);
    fetch_norm(LAYERS + LN_1_WEIGHT, LAYERS + LN_1_BIAS);
    for (var step = to_do.first_step; step < steps; step++) {
        position = step;
        var token = chosen;
        if step < prompt_tokens {
            token = tokens[to_do.first_token + step];
        }
        add_embedding(token);
        for (var depth = 0u; depth < N_LAYER; depth++) {
            layer = depth;
            if depth > 0u {
                gather(AFTER_LAYER, STREAM, N_EMBD4);
            }
            parity = (step * N_LAYER + depth + 1u) & 1u;
            let at = LAYERS + layer * LAYER_STRIDE;
            layer_norm(at + LN_1_WEIGHT, at + LN_1_BIAS);
            linear(matrix(QUERY_KEY_VALUE, depth));
            fetch(matrix(PROJECTION, depth), 0u);
            workgroupBarrier();

            for (var first = workgroup_id.x % WORKGROUPS * TEAMS; first < N_HEAD; first += WORKGROUPS * TEAMS) {
                attention(first);
            }
            gather(ATTENDED, WIDE, HEADS4);
            linear(matrix(PROJECTION, depth));
            fetch(matrix(FC, depth), 0u);
            fetch_norm(at + LN_2_WEIGHT, at + LN_2_BIAS);
            workgroupBarrier();

            gather(AFTER_ATTENTION, STREAM, N_EMBD4);
            layer_norm(at + LN_2_WEIGHT, at + LN_2_BIAS);
            linear(matrix(FC, depth));
            fetch(matrix(MLP, depth), 0u);
            workgroupBarrier();

            gather(INNER, WIDE, N_INNER4);
            linear(matrix(MLP, depth));
            if depth + 1u == N_LAYER && step + 1u >= prompt_tokens {
                fetch(head, 0u);
                fetch_norm(LN_F_WEIGHT, LN_F_BIAS);
            } else {
                let next = (depth + 1u) % N_LAYER;
                fetch(matrix(QUERY_KEY_VALUE, next), 0u);
                fetch_norm(LAYERS + next * LAYER_STRIDE + LN_1_WEIGHT, LAYERS + next * LAYER_STRIDE + LN_1_BIAS);
            }
            workgroupBarrier();
        }
        // Seen by all even where no token is chosen yet, so that no round is missed.
        gather(AFTER_LAYER, STREAM, N_EMBD4);
        if step + 1u < prompt_tokens {
            continue;
        }
        layer_norm(LN_F_WEIGHT, LN_F_BIAS);
        best_score = LOWEST;
        best_token = VOCAB_SIZE;
        linear(head);
        fetch(matrix(QUERY_KEY_VALUE, 0u), 0u);
        fetch_norm(LAYERS + LN_1_WEIGHT, LAYERS + LN_1_BIAS);
        if SAMPLED {
            consider_draws(head);
        }
        choose();
        if workgroupUniformLoad(&chosen) == to_do.end_token {
            break;
        }
    }
    if patience == 0u {
        atomicStore(&gave_up, 1u);
    }
}
