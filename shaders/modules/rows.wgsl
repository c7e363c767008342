// A matrix stored [out][in], for kernels with subgroups: a workgroup has neighbouring rows of it. A group of lanes computes one
// row after another: its lanes read neighbouring vec4u of the row, up to 16 of them ahead of the barrier before which the input
// is not known, and add up by shuffles (and through workgroup memory, where a group is larger than a subgroup).

// Threads that share a row: powers of two.
override QUERY_KEY_VALUE_LANES: u32 = 4;
override PROJECTION_LANES: u32 = 4;
override FC_LANES: u32 = 4;
override MLP_LANES: u32 = 4;
override LOGITS_LANES: u32 = 4;

// Chunks on their way to this thread: what a lane takes of a row in one step; and what is added to the row's sum.
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
var<private> row_bias: f32;
var<private> row_residual: f32;

// And scales on their way: the words that have those of the chunks.
var<private> s0: u32;
var<private> s1: u32;
var<private> s2: u32;
var<private> s3: u32;
var<private> s4: u32;
var<private> s5: u32;
var<private> s6: u32;
var<private> s7: u32;

fn format_of(m: Matrix) -> u32 {
    switch m.stage {
        case QUERY_KEY_VALUE: { return QUERY_KEY_VALUE_FORMAT; }
        case PROJECTION: { return PROJECTION_FORMAT; }
        case FC: { return FC_FORMAT; }
        case MLP: { return MLP_FORMAT; }
        default: { return LOGITS_FORMAT; }
    }
}

fn lanes_of(m: Matrix) -> u32 {
    switch m.stage {
        case QUERY_KEY_VALUE: { return QUERY_KEY_VALUE_LANES; }
        case PROJECTION: { return PROJECTION_LANES; }
        case FC: { return FC_LANES; }
        case MLP: { return MLP_LANES; }
        default: { return LOGITS_LANES; }
    }
}

fn chunks_of(m: Matrix) -> u32 {
    return chunks_in(format_of(m), m.in4);
}

fn lane_chunks(m: Matrix) -> u32 {
    return chunks_of(m) / lanes_of(m);
}

// Chunks that a lane takes in one step. Those of packed weights take so much code that of 16 of them, for each matrix, the cache for
// instructions does not hold it.
const LONG_STEP: u32 = 16u;
const PACKED_STEP: u32 = 8u;

fn step_chunks(m: Matrix) -> u32 {
    return select(LONG_STEP, PACKED_STEP, has_scales(format_of(m)));
}

fn row_steps(m: Matrix) -> u32 {
    return (lane_chunks(m) + step_chunks(m) - 1u) / step_chunks(m);
}

// Outputs that one group of lanes has at most. Each workgroup has about as many, and all at least one where there are as many.
fn turns(m: Matrix) -> u32 {
    let workgroup_rows = (m.rows + WORKGROUPS - 1u) / WORKGROUPS;
    let groups = WORKGROUP_SIZE / lanes_of(m);
    return (workgroup_rows + groups - 1u) / groups;
}

// The turn in which step `k` is, and which of the output's rows it reads: a gate comes first.
fn turn_of(m: Matrix, k: u32) -> u32 {
    return k / (row_steps(m) * gates(m));
}

fn gate_of(m: Matrix, k: u32) -> u32 {
    return k / row_steps(m) % gates(m);
}

fn row_at(m: Matrix, turn: u32) -> u32 {
    return own_first(m.rows) + turn * (WORKGROUP_SIZE / lanes_of(m)) + thread / lanes_of(m);
}

// Asks for the chunks of step `k`; for a few near ones in their place where they are not wanted, since the compiler waits for
// loads under a condition where their branch ends.
fn fetch(m: Matrix, k: u32, is_wanted: bool) {
    let lanes = lanes_of(m);
    let chunk = k % row_steps(m) * step_chunks(m);
    let there = lane_chunks(m) - chunk;
    let row = min(row_at(m, turn_of(m, k)), m.rows - 1u) * gates(m) + gate_of(m, k);
    let format = format_of(m);
    let start = m.weight + row * row_size(format, m.in4);
    let first = chunk * lanes + thread % lanes;
    let at = select(thread % lanes, start + first, is_wanted);
    if m.stage == LOGITS {
        row_bias = 0.0;
    } else if chunk == 0u {
        row_bias = bitcast<f32>(weights[m.bias + row / 4u][row % 4u]);
        if is_far() && (m.stage == PROJECTION || m.stage == MLP) {
            row_residual = residual(m.stage, row);
        }
    }
    w0 = weight(m.stage, at);
    if there > 1u { w1 = weight(m.stage, at + 1u * lanes); }
    if there > 2u { w2 = weight(m.stage, at + 2u * lanes); }
    if there > 3u { w3 = weight(m.stage, at + 3u * lanes); }
    if there > 4u { w4 = weight(m.stage, at + 4u * lanes); }
    if there > 5u { w5 = weight(m.stage, at + 5u * lanes); }
    if there > 6u { w6 = weight(m.stage, at + 6u * lanes); }
    if there > 7u { w7 = weight(m.stage, at + 7u * lanes); }
    if step_chunks(m) > PACKED_STEP {
        if there > 8u { w8 = weight(m.stage, at + 8u * lanes); }
        if there > 9u { w9 = weight(m.stage, at + 9u * lanes); }
        if there > 10u { w10 = weight(m.stage, at + 10u * lanes); }
        if there > 11u { w11 = weight(m.stage, at + 11u * lanes); }
        if there > 12u { w12 = weight(m.stage, at + 12u * lanes); }
        if there > 13u { w13 = weight(m.stage, at + 13u * lanes); }
        if there > 14u { w14 = weight(m.stage, at + 14u * lanes); }
        if there > 15u { w15 = weight(m.stage, at + 15u * lanes); }
    }
    if !has_scales(format) {
        return;
    }
    let scales = select(0u, start + chunks_of(m), is_wanted);
    s0 = weight_word(m.stage, scale_place(format, scales, first));
    if there > 1u { s1 = weight_word(m.stage, scale_place(format, scales, first + 1u * lanes)); }
    if there > 2u { s2 = weight_word(m.stage, scale_place(format, scales, first + 2u * lanes)); }
    if there > 3u { s3 = weight_word(m.stage, scale_place(format, scales, first + 3u * lanes)); }
    if there > 4u { s4 = weight_word(m.stage, scale_place(format, scales, first + 4u * lanes)); }
    if there > 5u { s5 = weight_word(m.stage, scale_place(format, scales, first + 5u * lanes)); }
    if there > 6u { s6 = weight_word(m.stage, scale_place(format, scales, first + 6u * lanes)); }
    if there > 7u { s7 = weight_word(m.stage, scale_place(format, scales, first + 7u * lanes)); }
}

// The products of the chunks of step `k` with the input.
fn multiply(m: Matrix, k: u32) -> f32 {
    let lanes = lanes_of(m);
    let chunk = k % row_steps(m) * step_chunks(m);
    let there = lane_chunks(m) - chunk;
    let first = chunk * lanes + thread % lanes;
    let x = input_of(m, first);
    var sum = product(m, first, x, w0, s0);
    if there > 1u { sum += product(m, first + 1u * lanes, input_after(m, first, x, 1u), w1, s1); }
    if there > 2u { sum += product(m, first + 2u * lanes, input_after(m, first, x, 2u), w2, s2); }
    if there > 3u { sum += product(m, first + 3u * lanes, input_after(m, first, x, 3u), w3, s3); }
    if there > 4u { sum += product(m, first + 4u * lanes, input_after(m, first, x, 4u), w4, s4); }
    if there > 5u { sum += product(m, first + 5u * lanes, input_after(m, first, x, 5u), w5, s5); }
    if there > 6u { sum += product(m, first + 6u * lanes, input_after(m, first, x, 6u), w6, s6); }
    if there > 7u { sum += product(m, first + 7u * lanes, input_after(m, first, x, 7u), w7, s7); }
    if step_chunks(m) > PACKED_STEP {
        if there > 8u { sum += product(m, first + 8u * lanes, input_after(m, first, x, 8u), w8, 0u); }
        if there > 9u { sum += product(m, first + 9u * lanes, input_after(m, first, x, 9u), w9, 0u); }
        if there > 10u { sum += product(m, first + 10u * lanes, input_after(m, first, x, 10u), w10, 0u); }
        if there > 11u { sum += product(m, first + 11u * lanes, input_after(m, first, x, 11u), w11, 0u); }
        if there > 12u { sum += product(m, first + 12u * lanes, input_after(m, first, x, 12u), w12, 0u); }
        if there > 13u { sum += product(m, first + 13u * lanes, input_after(m, first, x, 13u), w13, 0u); }
        if there > 14u { sum += product(m, first + 14u * lanes, input_after(m, first, x, 14u), w14, 0u); }
        if there > 15u { sum += product(m, first + 15u * lanes, input_after(m, first, x, 15u), w15, 0u); }
    }
    return sum;
}

// Where in `hidden` the input of a chunk of a row begins.
fn input_of(m: Matrix, chunk: u32) -> u32 {
    let count = vec4_in_chunk(format_of(m));
    if WHOLE {
        return m.input + spread(chunk * count);
    }
    return spread(chunk * count % TILE4);
}

// And that of the `turns`-th chunk after the one whose input begins at `x`: lanes that read whole eights keep their distance.
fn input_after(m: Matrix, chunk: u32, x: u32, turns: u32) -> u32 {
    let apart = lanes_of(m) * vec4_in_chunk(format_of(m));
    if (apart % 8u == 0u && vec4_in_chunk(format_of(m)) < 8u) || !GAPS {
        return x + turns * spread(apart);
    }
    return input_of(m, chunk + turns * lanes_of(m));
}

// Chunk `at` of a row with the input that it belongs to, from `x` on.
fn product(m: Matrix, at: u32, x: u32, chunk: vec4u, word: u32) -> f32 {
    let format = format_of(m);
    let count = vec4_in_chunk(format);
    //+ multiplies(select(0u, 4u * count, is_own));
    if has_scales(format) {
        let scale = scale_of(format, word, at);
        if format == Q8_0 {
            return scale.x * bytes_over(x, chunk);
        }
        let sum = scale.x * nibbles_over(x, chunk, select(0.0, 8.0, format == Q4_0));
        if format == Q4_0 {
            return sum;
        }
        let all = (hidden[x] + hidden[x + 1u]) + (hidden[x + 2u] + hidden[x + 3u])
            + ((hidden[x + 4u] + hidden[x + 5u]) + (hidden[x + 6u] + hidden[x + 7u]));
        return sum + scale.y * dot(all, vec4f(1.0));
    }
    let sum = dot(hidden[x], numbers(format, chunk, 0u));
    if count == 1u {
        return sum;
    }
    return sum + dot(hidden[x + 1u], numbers(format, chunk, 1u));
}

// Whole numbers become floats where they are in a word: as the last bits of 2^23, which is then taken off together with the number
// that stands for zero. What is 8 bits further up counts 256 times, until the end.
const ORIGIN: f32 = 0x1p23;
const ORIGIN_BITS: u32 = 0x4b000000u;
const STEPS: vec4f = vec4f(1.0, 256.0, 1.0, 256.0);

// The bytes of a chunk over four vec4f. Two's complement is its distance from -128 when the sign is turned.
fn bytes_over(x: u32, chunk: vec4u) -> f32 {
    var sum = hidden[x] * bytes_of(chunk.x);
    sum = fma(hidden[x + 1u], bytes_of(chunk.y), sum);
    sum = fma(hidden[x + 2u], bytes_of(chunk.z), sum);
    sum = fma(hidden[x + 3u], bytes_of(chunk.w), sum);
    return dot(sum, 1.0 / STEPS);
}

fn bytes_of(word: u32) -> vec4f {
    let turned_sign = vec4u(ORIGIN_BITS) | vec4u(0x80u, 0x8000u, 0x80u, 0x8000u);
    let bits = (vec2u(word, word >> 16u).xxyy & vec4u(0xffu, 0xff00u, 0xffu, 0xff00u)) ^ turned_sign;
    return bitcast<vec4f>(bits) - (ORIGIN + 128.0 * STEPS);
}

// The halves of the bytes of a chunk over eight vec4f: first the lower ones. `zero` is the number that stands for zero.
fn nibbles_over(x: u32, chunk: vec4u, zero: f32) -> f32 {
    var low = hidden[x] * low_nibbles(chunk.x, zero);
    low = fma(hidden[x + 1u], low_nibbles(chunk.y, zero), low);
    low = fma(hidden[x + 2u], low_nibbles(chunk.z, zero), low);
    low = fma(hidden[x + 3u], low_nibbles(chunk.w, zero), low);
    var high = hidden[x + 4u] * high_nibbles(chunk.x, zero);
    high = fma(hidden[x + 5u], high_nibbles(chunk.y, zero), high);
    high = fma(hidden[x + 6u], high_nibbles(chunk.z, zero), high);
    high = fma(hidden[x + 7u], high_nibbles(chunk.w, zero), high);
    return dot(low, 1.0 / STEPS) + dot(high, 1.0 / (16.0 * STEPS));
}

fn low_nibbles(word: u32, zero: f32) -> vec4f {
    let bits = (vec2u(word, word >> 16u).xxyy & vec4u(0xfu, 0xf00u, 0xfu, 0xf00u)) | vec4u(ORIGIN_BITS);
    return bitcast<vec4f>(bits) - (ORIGIN + zero * STEPS);
}

fn high_nibbles(word: u32, zero: f32) -> vec4f {
    let bits = (vec2u(word, word >> 16u).xxyy & vec4u(0xf0u, 0xf000u, 0xf0u, 0xf000u)) | vec4u(ORIGIN_BITS);
    return bitcast<vec4f>(bits) - (ORIGIN + 16.0 * zero * STEPS);
}

// Asks for the first weights of a matrix, ahead of the barrier before which its input is not known.
fn ask(stage: u32, depth: u32, is_wanted: bool) {
    fetch(matrix(stage, depth), 0u, is_wanted);
}

// All rows of this workgroup. Their first chunks have been fetched; the next ones are before a sum is added up.
fn linear(m: Matrix) {
    let steps = turns(m) * gates(m) * row_steps(m);
    if !WHOLE {
        //+ if m.stage == PROJECTION || m.stage == MLP { meets_round(); }
    }
    var sum = 0.0;
    var gate = 0.0;
    for (var k = 0u; k < steps; k++) {
        if !WHOLE {
            next_tile(m, k);
        }
        //+ is_own = row_at(m, turn_of(m, k)) < own_end(m.rows);
        sum += multiply(m, k);
        let bias = row_bias;
        let before = row_residual;
        if k + 1u < steps {
            fetch(m, k + 1u, true);
        }
        if (k + 1u) % row_steps(m) == 0u {
            sum = add_group(m, sum) + bias;
            let row = row_at(m, turn_of(m, k));
            if gates(m) == 2u && gate_of(m, k) == 0u {
                gate = sum;
            } else if thread % lanes_of(m) == 0u && row < own_end(m.rows) {
                finish(m, row, sum, gate, before);
            }
            sum = 0.0;
        }
    }
}

// Loads the tile of the input that step `k` begins; a row that has one alone keeps it.
fn next_tile(m: Matrix, k: u32) {
    let count = vec4_in_chunk(format_of(m));
    let tile_steps = TILE4 / (count * step_chunks(m) * lanes_of(m));
    let step = k % row_steps(m);
    if k == 0u || (row_steps(m) > tile_steps && step % tile_steps == 0u) {
        if k > 0u {
            workgroupBarrier();
        }
        load_tile(m, step * step_chunks(m) * lanes_of(m) * count, TILE4);
        workgroupBarrier();
    }
}

// The sum over a group of lanes, in the first of them at least.
fn add_group(m: Matrix, value: f32) -> f32 {
    let lanes = lanes_of(m);
    var sum = add_lanes(vec2f(value, 0.0), min(lanes, SUBGROUP)).x;
    if lanes > SUBGROUP {
        if turns(m) * gates(m) > 1u {
            // The row before has been read.
            workgroupBarrier();
        }
        if thread % SUBGROUP == 0u {
            totals[thread / SUBGROUP] = sum;
        }
        workgroupBarrier();
        for (var other = 1u; other < lanes / SUBGROUP; other++) {
            sum += totals[min(thread / SUBGROUP + other, SUBGROUPS - 1u)];
        }
    }
    return sum;
}

// What becomes of a row's sum, and of the gate's before it; `before` is the stream's element, where that is far.
fn finish(m: Matrix, row: u32, sum: f32, gate: f32, before: f32) {
    switch m.stage {
        case QUERY_KEY_VALUE: { share(QUERY, WIDE, row, sum); }
        case PROJECTION: { share(AFTER_ATTENTION, STREAM, row, stream(row, before) + sum); }
        case FC: {
            if GATES == 2u {
                share(INNER, WIDE, row, activated(gate) * sum);
            } else {
                share(INNER, WIDE, row, activated(sum));
            }
        }
        case MLP: { share(AFTER_LAYER, STREAM, row, stream(row, before) + sum); }
        default: {
            logits[logits_row() + row] = sum;
            if !SAMPLED {
                consider(sum, row);
            }
        }
    }
}

fn stream(i: u32, before: f32) -> f32 {
    if is_far() {
        return before;
    }
    return hidden[STREAM + spread(i / 4u)][i % 4u];
}

// Tokens whose logits this thread has made, and the one of each turn.
fn own_tokens(m: Matrix) -> u32 {
    let first = row_at(m, 0u);
    if thread % lanes_of(m) > 0u || first >= own_end(m.rows) {
        return 0u;
    }
    let groups = WORKGROUP_SIZE / lanes_of(m);
    return (own_end(m.rows) - first + groups - 1u) / groups;
}

fn own_token(m: Matrix, turn: u32) -> u32 {
    return row_at(m, turn);
}
