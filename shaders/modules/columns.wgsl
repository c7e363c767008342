// A matrix stored [in][out], f32, for kernels without subgroups: a workgroup has neighbouring columns of four outputs.
// Neighbouring threads read neighbouring columns, 16 vec4f asked for before the first is used. Where there are fewer columns
// than threads, the inputs are cut into slices, one thread per column and slice, and the slices' partial sums are added after
// a barrier.

var<workgroup> partial: array<vec4f, WORKGROUP_SIZE>;

// Vec4f `i` of the token that is fed.
fn embedding(i: u32) -> vec4f {
    var row: vec4f;
    for (var j = 0u; j < 4u; j++) {
        row[j] = vector(WTE + (4u * i + j) * VOCAB4 + fed / 4u)[fed % 4u];
    }
    if ROTARY {
        return row;
    }
    return row + vector(WPE + position * N_EMBD4 + i);
}

fn columns_of(m: Matrix) -> u32 {
    return (m.rows * gates(m) + 3u) / 4u;
}

// Weights are not asked for ahead.
fn ask(stage: u32, depth: u32, is_wanted: bool) {}

// All columns of this workgroup.
fn linear(m: Matrix) {
    if !WHOLE {
        //+ if m.stage == PROJECTION || m.stage == MLP { meets_round(); }
    }
    let out4 = columns_of(m);
    // Of the workgroup that has the most.
    let columns = (out4 + WORKGROUPS - 1u) / WORKGROUPS;
    let slices = clamp(WORKGROUP_SIZE / columns, 1u, longest(m));
    let turns = (columns + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
    for (var turn = 0u; turn < turns; turn++) {
        let column = own_first(out4) + turn * WORKGROUP_SIZE + thread % columns;
        let slice = thread / columns;
        let is_own = column < own_end(out4) && slice < slices;
        var sum = vec4f(0.0);
        for (var first = 0u; first < m.in4; first += longest(m)) {
            if !WHOLE && (turn == 0u || longest(m) < m.in4) {
                workgroupBarrier();
                load_tile(m, first, longest(m));
                workgroupBarrier();
            }
            let count = min(longest(m), m.in4 - first);
            if is_own {
                sum += dot_column(m, column, first, slice * count / slices, (slice + 1u) * count / slices, out4);
            }
        }
        if slices > 1u {
            partial[thread] = sum;
            workgroupBarrier();
            if is_own && slice == 0u {
                sum = sum_slices(slices, columns);
            }
        }
        if is_own && slice == 0u {
            finish(m, column, sum);
        }
    }
}

// Inputs that are at hand at a time, in vec4f.
fn longest(m: Matrix) -> u32 {
    if WHOLE {
        return m.in4;
    }
    return min(m.in4, TILE4);
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

// Inputs `begin` to `end` of those from `first` on.
fn dot_column(m: Matrix, column: u32, first: u32, begin: u32, end: u32, out4: u32) -> vec4f {
    let weight = m.weight + 4u * first * out4 + column;
    var input = 0u;
    if WHOLE {
        input = m.input;
    }
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
    return mat4x4f(vector(at), vector(at + out4), vector(at + 2u * out4), vector(at + 3u * out4));
}

// sum + rows x, in four multiply-adds: a product of matrix and vector would take an addition more.
fn add_product(sum: vec4f, rows: mat4x4f, x: vec4f) -> vec4f {
    //+ multiplies(16u);
    return fma(rows[3], x.wwww, fma(rows[2], x.zzzz, fma(rows[1], x.yyyy, fma(rows[0], x.xxxx, sum))));
}

// What becomes of a column's sum.
fn finish(m: Matrix, column: u32, sum: vec4f) {
    if m.stage == LOGITS {
        for (var j = 0u; j < 4u; j++) {
            logits[logits_row() + 4u * column + j] = sum[j];
            if !SAMPLED {
                consider(sum[j], 4u * column + j);
            }
        }
        return;
    }
    var value = sum + vector(m.bias + column);
    var slot = QUERY;
    var region = WIDE;
    switch m.stage {
        case PROJECTION, MLP: {
            value += stream4(m, column);
            slot = select(AFTER_ATTENTION, AFTER_LAYER, m.stage == MLP);
            region = STREAM;
        }
        case FC: {
            if GATES == 2u {
                // Gates stand before what they are multiplied with.
                share(INNER, WIDE, 2u * column, activated(value.x) * value.y);
                share(INNER, WIDE, 2u * column + 1u, activated(value.z) * value.w);
                return;
            }
            value = vec4f(activated(value.x), activated(value.y), activated(value.z), activated(value.w));
            slot = INNER;
        }
        default: {}
    }
    share4(slot, region, column, value);
}

fn stream4(m: Matrix, column: u32) -> vec4f {
    if !is_far() {
        return hidden[STREAM + column];
    }
    return vec4f(
        residual(m.stage, 4u * column),
        residual(m.stage, 4u * column + 1u),
        residual(m.stage, 4u * column + 2u),
        residual(m.stage, 4u * column + 3u),
    );
}

fn share4(slot: u32, region: u32, column: u32, value: vec4f) {
    if NEAR {
        hidden[region + column] = value;
        if !hands_on() {
            return;
        }
    }
    for (var j = 0u; j < 4u; j++) {
        say(slot + 4u * column + j, signed(value[j]));
    }
}

// Tokens whose logits this thread has made, and the one of each turn.
fn own_tokens(m: Matrix) -> u32 {
    let out4 = columns_of(m);
    let first = own_first(out4) + thread;
    let columns = (out4 + WORKGROUPS - 1u) / WORKGROUPS;
    if first >= own_end(out4) || (columns < WORKGROUP_SIZE && thread >= columns) {
        return 0u;
    }
    return 4u * ((own_end(out4) - first + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE);
}

fn own_token(m: Matrix, turn: u32) -> u32 {
    return 4u * (own_first(columns_of(m)) + thread + turn / 4u * WORKGROUP_SIZE) + turn % 4u;
}
