// A matrix stored [out][in], for kernels with subgroups: a workgroup has neighbouring rows of it. A group of lanes computes one
// row after another: its lanes read neighbouring vec4u of the row, up to 16 of them ahead of the barrier before which the input
// is not known, and add up by shuffles (and through workgroup memory, where a group is larger than a subgroup).

override FORMAT: u32 = 0;            // of matrices: 0 f32, 1 f16, 2 bf16

// Vec4u in a row of a matrix that reads the stream, the heads, the inner layer; and of a tile of one.
override EMBD_CHUNKS: u32 = 8;
override HEADS_CHUNKS: u32 = 8;
override INNER_CHUNKS: u32 = 32;
override TILE_CHUNKS: u32 = 512;

// Threads that share a row: powers of two.
override QUERY_KEY_VALUE_LANES: u32 = 4;
override PROJECTION_LANES: u32 = 4;
override FC_LANES: u32 = 4;
override MLP_LANES: u32 = 4;
override LOGITS_LANES: u32 = 4;

// Chunks on their way to this thread: what a lane takes of a row in one step; and what is added to the row's sum.
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
var<private> row_bias: f32;
var<private> row_residual: f32;

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

// Vec4f `i` of the token that is fed.
fn embedding(i: u32) -> vec4f {
    let chunk = weights[WTE + fed * EMBD_CHUNKS + i % EMBD_CHUNKS];
    var row = low_half(chunk);
    if i >= EMBD_CHUNKS {
        row = high_half(chunk);
    }
    if ROTARY {
        return row;
    }
    return row + vector(WPE + position * N_EMBD4 + i);
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
    switch m.stage {
        case PROJECTION: { return HEADS_CHUNKS; }
        case MLP: { return INNER_CHUNKS; }
        default: { return EMBD_CHUNKS; }
    }
}

fn lane_chunks(m: Matrix) -> u32 {
    return chunks_of(m) / lanes_of(m);
}

fn row_steps(m: Matrix) -> u32 {
    return (lane_chunks(m) + STEP - 1u) / STEP;
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
    let chunk = k % row_steps(m) * STEP;
    let there = lane_chunks(m) - chunk;
    let row = min(row_at(m, turn_of(m, k)), m.rows - 1u) * gates(m) + gate_of(m, k);
    let at = select(0u, m.weight + row * chunks_of(m) + chunk * lanes, is_wanted) + thread % lanes;
    if m.stage == LOGITS {
        row_bias = 0.0;
    } else if chunk == 0u {
        row_bias = bitcast<f32>(weights[m.bias + row / 4u][row % 4u]);
        if is_far() && (m.stage == PROJECTION || m.stage == MLP) {
            row_residual = residual(m.stage, row);
        }
    }
    w0 = weights[at];
    if there > 1u { w1 = weights[at + 1u * lanes]; }
    if there > 2u { w2 = weights[at + 2u * lanes]; }
    if there > 3u { w3 = weights[at + 3u * lanes]; }
    if there > 4u { w4 = weights[at + 4u * lanes]; }
    if there > 5u { w5 = weights[at + 5u * lanes]; }
    if there > 6u { w6 = weights[at + 6u * lanes]; }
    if there > 7u { w7 = weights[at + 7u * lanes]; }
    if there > 8u { w8 = weights[at + 8u * lanes]; }
    if there > 9u { w9 = weights[at + 9u * lanes]; }
    if there > 10u { w10 = weights[at + 10u * lanes]; }
    if there > 11u { w11 = weights[at + 11u * lanes]; }
    if there > 12u { w12 = weights[at + 12u * lanes]; }
    if there > 13u { w13 = weights[at + 13u * lanes]; }
    if there > 14u { w14 = weights[at + 14u * lanes]; }
    if there > 15u { w15 = weights[at + 15u * lanes]; }
}

// The products of the chunks of step `k` with the input.
fn multiply(m: Matrix, k: u32) -> f32 {
    let lanes = lanes_of(m);
    let chunk = k % row_steps(m) * STEP;
    let there = lane_chunks(m) - chunk;
    var at = m.input + chunk * lanes + thread % lanes;
    var high = chunks_of(m);
    if !WHOLE {
        at = chunk * lanes % TILE_CHUNKS + thread % lanes;
        high = TILE_CHUNKS;
    }
    var sum = product(at, high, w0);
    if there > 1u { sum += product(at + 1u * lanes, high, w1); }
    if there > 2u { sum += product(at + 2u * lanes, high, w2); }
    if there > 3u { sum += product(at + 3u * lanes, high, w3); }
    if there > 4u { sum += product(at + 4u * lanes, high, w4); }
    if there > 5u { sum += product(at + 5u * lanes, high, w5); }
    if there > 6u { sum += product(at + 6u * lanes, high, w6); }
    if there > 7u { sum += product(at + 7u * lanes, high, w7); }
    if there > 8u { sum += product(at + 8u * lanes, high, w8); }
    if there > 9u { sum += product(at + 9u * lanes, high, w9); }
    if there > 10u { sum += product(at + 10u * lanes, high, w10); }
    if there > 11u { sum += product(at + 11u * lanes, high, w11); }
    if there > 12u { sum += product(at + 12u * lanes, high, w12); }
    if there > 13u { sum += product(at + 13u * lanes, high, w13); }
    if there > 14u { sum += product(at + 14u * lanes, high, w14); }
    if there > 15u { sum += product(at + 15u * lanes, high, w15); }
    return sum;
}

// A chunk with the input at `at`, and, of two-byte formats, `high` vec4f further on.
fn product(at: u32, high: u32, chunk: vec4u) -> f32 {
    //+ multiplies(select(0u, select(8u, 4u, FORMAT == 0u), is_own));
    let low = dot(hidden[at], low_half(chunk));
    if FORMAT == 0u {
        return low;
    }
    return low + dot(hidden[at + high], high_half(chunk));
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
    let tile_steps = TILE_CHUNKS / (STEP * lanes_of(m));
    let step = k % row_steps(m);
    if k == 0u || (row_steps(m) > tile_steps && step % tile_steps == 0u) {
        if k > 0u {
            workgroupBarrier();
        }
        let first = step * STEP * lanes_of(m);
        load_tile(m, first, 0u, TILE_CHUNKS);
        if FORMAT != 0u {
            load_tile(m, first + chunks_of(m), TILE_CHUNKS, TILE_CHUNKS);
        }
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
    return hidden[STREAM + i / 4u][i % 4u];
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
