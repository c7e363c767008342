// A matrix over the members of a tile of the prompt.

// The matrices behind attention and in the MLP have few rows for a workgroup: they share out the members as well, over SPLIT
// workgroups that have the same rows. (Not those before: an operation in each layer has to be one of all workgroups over all members.)
override SPLIT: u32 = 1u;

// Lanes that share rows, and slices of as many lanes: powers of two.
override TILE_QUERY_KEY_VALUE_LANES: u32 = 1u;
override TILE_QUERY_KEY_VALUE_SLICES: u32 = 1u;
override TILE_PROJECTION_LANES: u32 = 1u;
override TILE_PROJECTION_SLICES: u32 = 1u;
override TILE_FC_LANES: u32 = 1u;
override TILE_FC_SLICES: u32 = 1u;
override TILE_MLP_LANES: u32 = 1u;
override TILE_MLP_SLICES: u32 = 1u;

// A thread adds up ROWS rows over MEMBERS members at a time: an input is read from workgroup memory once for all of the rows, and
// weights once for all of the members.
const ROWS: u32 = 4u;
const MEMBERS: u32 = 8u;

// For each member of this thread, the sums of its rows.
var<private> sum0: vec4f;
var<private> sum1: vec4f;
var<private> sum2: vec4f;
var<private> sum3: vec4f;
var<private> sum4: vec4f;
var<private> sum5: vec4f;
var<private> sum6: vec4f;
var<private> sum7: vec4f;

fn tile_lanes(m: Matrix) -> u32 {
    switch m.stage {
        case QUERY_KEY_VALUE: { return TILE_QUERY_KEY_VALUE_LANES; }
        case PROJECTION: { return TILE_PROJECTION_LANES; }
        case FC: { return TILE_FC_LANES; }
        default: { return TILE_MLP_LANES; }
    }
}

fn tile_slices(m: Matrix) -> u32 {
    switch m.stage {
        case QUERY_KEY_VALUE: { return TILE_QUERY_KEY_VALUE_SLICES; }
        case PROJECTION: { return TILE_PROJECTION_SLICES; }
        case FC: { return TILE_FC_SLICES; }
        default: { return TILE_MLP_SLICES; }
    }
}

fn split_of(m: Matrix) -> u32 {
    return select(1u, SPLIT, m.stage == PROJECTION || m.stage == MLP);
}

// Members that a workgroup has of a matrix, the first of them, and the groups that its threads have of these.
fn tile_members(m: Matrix) -> u32 {
    return TILE / split_of(m);
}

fn first_member(m: Matrix) -> u32 {
    return workgroup_index % split_of(m) * tile_members(m);
}

fn member_groups(m: Matrix) -> u32 {
    return (tile_members(m) + MEMBERS - 1u) / MEMBERS;
}

// Vec4f of a member's input at a time, and how far apart those of two members are in `hidden`: neither is a multiple of banks.
fn input4(m: Matrix) -> u32 {
    return INPUT4 * split_of(m);
}

fn member4(m: Matrix) -> u32 {
    return spread(input4(m)) | 1u;
}

// The rows of this workgroup, as they lie in the matrix.
fn tile_first(m: Matrix) -> u32 {
    return workgroup_index / split_of(m) * m.rows / (WORKGROUPS / split_of(m)) * gates(m);
}

fn tile_end(m: Matrix) -> u32 {
    return (workgroup_index / split_of(m) + 1u) * m.rows / (WORKGROUPS / split_of(m)) * gates(m);
}

// Groups of rows that the threads of a workgroup have at a time, and how often, for all that it has at most.
fn row_groups(m: Matrix) -> u32 {
    return WORKGROUP_SIZE / tile_lanes(m) / tile_slices(m) / member_groups(m);
}

fn tile_turns(m: Matrix) -> u32 {
    let parts = WORKGROUPS / split_of(m);
    let most = (m.rows + parts - 1u) / parts * gates(m);
    let at_a_time = ROWS * row_groups(m);
    return (most + at_a_time - 1u) / at_a_time;
}

// All rows of this workgroup over its members, whose inputs are in a slot.
fn linear_of_members(m: Matrix, slot: u32, step: u32, all_members: u32) {
    let members = max(all_members, first_member(m)) - first_member(m);
    let lanes = tile_lanes(m) * tile_slices(m);
    let group = thread / tile_lanes(m) % (row_groups(m) * member_groups(m));
    let slice = thread / tile_lanes(m) / (row_groups(m) * member_groups(m));
    let lane = slice * tile_lanes(m) + thread % tile_lanes(m);
    let in_chunk = vec4_in_chunk(format_of(m));
    let steps = (chunks_of(m) + lanes - 1u) / lanes;
    let tile_steps = input4(m) / (in_chunk * lanes);
    for (var turn = 0u; turn < tile_turns(m); turn++) {
        let row = tile_first(m) + (turn * row_groups(m) + group / member_groups(m)) * ROWS;
        fetch_rows(m, row, lane);
        ask_inputs(m, inputs_at(m, slot, 0u));
        sum0 = vec4f(0.0);
        sum1 = vec4f(0.0);
        sum2 = vec4f(0.0);
        sum3 = vec4f(0.0);
        sum4 = vec4f(0.0);
        sum5 = vec4f(0.0);
        sum6 = vec4f(0.0);
        sum7 = vec4f(0.0);
        for (var k = 0u; k < steps; k++) {
            if k % tile_steps == 0u {
                take_inputs(m, inputs_at(m, slot, k * lanes * in_chunk), members);
                ask_inputs(m, inputs_at(m, slot, (k + tile_steps) * lanes * in_chunk));
            }
            let near = group % member_groups(m) * member4(m) + spread((k % tile_steps * lanes + lane) * in_chunk);
            add_rows(m, row, k * lanes + lane, near, k + 1u < steps);
        }
        add_lane_sums(m);
        if tile_slices(m) > 1u {
            add_slices(m);
        }
        if slice == 0u {
            finish_rows(m, row, step, members);
        }
        workgroupBarrier();
    }
}

// Asks for a chunk of each of the rows from `row` on, or for one that is there.
fn fetch_rows(m: Matrix, row: u32, chunk: u32) {
    let format = format_of(m);
    let size = row_size(format, m.in4);
    let last = m.rows * gates(m) - 1u;
    let starts = m.weight + min(row + vec4u(0u, 1u, 2u, 3u), vec4u(last)) * size;
    let at = min(chunk, chunks_of(m) - 1u);
    w0 = weight(m.stage, starts.x + at);
    w1 = weight(m.stage, starts.y + at);
    w2 = weight(m.stage, starts.z + at);
    w3 = weight(m.stage, starts.w + at);
    if has_scales(format) {
        let scales = starts + chunks_of(m);
        s0 = weight_word(m.stage, scale_place(format, scales.x, at));
        s1 = weight_word(m.stage, scale_place(format, scales.y, at));
        s2 = weight_word(m.stage, scale_place(format, scales.z, at));
        s3 = weight_word(m.stage, scale_place(format, scales.w, at));
    }
}

// Adds the products of chunk `at` of each row with the inputs of the members of a group, which are in `hidden` from `near` on. The
// next chunk is asked for before.
fn add_rows(m: Matrix, row: u32, at: u32, near: u32, goes_on: bool) {
    let count = vec4_in_chunk(format_of(m));
    let a = w0;
    let b = w1;
    let c = w2;
    let d = w3;
    let scales = vec4u(s0, s1, s2, s3);
    if goes_on {
        fetch_rows(m, row, at + tile_lanes(m) * tile_slices(m));
    }
    add_products(m, a, b, c, d, scales, at, 0u, near);
    if count > 1u {
        add_products(m, a, b, c, d, scales, at, 1u, near);
    }
    if count > 2u {
        add_products(m, a, b, c, d, scales, at, 2u, near);
        add_products(m, a, b, c, d, scales, at, 3u, near);
    }
    if count > 4u {
        add_products(m, a, b, c, d, scales, at, 4u, near);
        add_products(m, a, b, c, d, scales, at, 5u, near);
        add_products(m, a, b, c, d, scales, at, 6u, near);
        add_products(m, a, b, c, d, scales, at, 7u, near);
    }
}

// Adds the products of vec4f `i` of the chunks of four rows.
fn add_products(m: Matrix, a: vec4u, b: vec4u, c: vec4u, d: vec4u, scales: vec4u, at: u32, i: u32, near: u32) {
    let format = format_of(m);
    let apart = member_groups(m) * member4(m);
    let of_a = scaled(format, a, scales.x, at, i);
    let of_b = scaled(format, b, scales.y, at, i);
    let of_c = scaled(format, c, scales.z, at, i);
    let of_d = scaled(format, d, scales.w, at, i);
    let columns = mat4x4f(
        vec4f(of_a.x, of_b.x, of_c.x, of_d.x),
        vec4f(of_a.y, of_b.y, of_c.y, of_d.y),
        vec4f(of_a.z, of_b.z, of_c.z, of_d.z),
        vec4f(of_a.w, of_b.w, of_c.w, of_d.w),
    );
    let x = near + i;
    sum0 = add_column_products(sum0, columns, hidden[x]);
    sum1 = add_column_products(sum1, columns, hidden[x + 1u * apart]);
    sum2 = add_column_products(sum2, columns, hidden[x + 2u * apart]);
    sum3 = add_column_products(sum3, columns, hidden[x + 3u * apart]);
    sum4 = add_column_products(sum4, columns, hidden[x + 4u * apart]);
    sum5 = add_column_products(sum5, columns, hidden[x + 5u * apart]);
    sum6 = add_column_products(sum6, columns, hidden[x + 6u * apart]);
    sum7 = add_column_products(sum7, columns, hidden[x + 7u * apart]);
}

fn add_column_products(sum: vec4f, columns: mat4x4f, x: vec4f) -> vec4f {
    let first = fma(columns[1], x.yyyy, fma(columns[0], x.xxxx, sum));
    return fma(columns[3], x.wwww, fma(columns[2], x.zzzz, first));
}

// Vec4f `i` of chunk `at` of a row, with its scale.
fn scaled(format: u32, chunk: vec4u, word: u32, at: u32, i: u32) -> vec4f {
    let plain = numbers(format, chunk, i);
    if !has_scales(format) {
        return plain;
    }
    let scale = scale_of(format, word, at);
    return plain * scale.x + scale.y;
}

// Adds up what the lanes have that share rows. Each keeps half of the members and gives the other half away, until one is left;
// then half of the rows.
fn add_lane_sums(m: Matrix) {
    let lanes = tile_lanes(m);
    if lanes > 1u {
        let distance = lanes / 2u;
        let keeps_last = (thread & distance) > 0u;
        sum0 = halved(sum0, sum4, distance, keeps_last);
        sum1 = halved(sum1, sum5, distance, keeps_last);
        sum2 = halved(sum2, sum6, distance, keeps_last);
        sum3 = halved(sum3, sum7, distance, keeps_last);
    }
    if lanes > 2u {
        let distance = lanes / 4u;
        let keeps_last = (thread & distance) > 0u;
        sum0 = halved(sum0, sum2, distance, keeps_last);
        sum1 = halved(sum1, sum3, distance, keeps_last);
    }
    if lanes > 4u {
        let distance = lanes / 8u;
        sum0 = halved(sum0, sum1, distance, (thread & distance) > 0u);
    }
    if lanes > 8u {
        sum0 = halved(sum0, sum0.zwzw, 1u, (thread & 1u) > 0u);
    }
}

fn halved(first: vec4f, last: vec4f, distance: u32, keeps_last: bool) -> vec4f {
    return select(first, last, keeps_last) + subgroupShuffleXor(select(last, first, keeps_last), distance);
}

// Adds up what slices have, of which each thread is left with one member: in those of the first slice.
fn add_slices(m: Matrix) {
    let apart = WORKGROUP_SIZE / tile_slices(m);
    workgroupBarrier();
    hidden[thread] = sum0;
    workgroupBarrier();
    if thread < apart {
        for (var slice = 1u; slice < tile_slices(m); slice++) {
            sum0 += hidden[thread + slice * apart];
        }
    }
}

// What becomes of the sums that a lane is left with.
fn finish_rows(m: Matrix, row: u32, step: u32, members: u32) {
    let lanes = tile_lanes(m);
    let groups = member_groups(m);
    let group = thread / lanes % groups;
    // The members that it has kept, each time the first half or the last.
    let kept = MEMBERS / min(lanes, MEMBERS);
    let t = thread % lanes * MEMBERS / max(lanes, MEMBERS) * kept;
    let first = row + select(0u, thread % 2u * ROWS / 2u, lanes > MEMBERS);
    finish_member(m, first, step, t * groups + group, members, sum0);
    if kept > 1u {
        finish_member(m, first, step, (t + 1u) * groups + group, members, sum1);
    }
    if kept > 2u {
        finish_member(m, first, step, (t + 2u) * groups + group, members, sum2);
        finish_member(m, first, step, (t + 3u) * groups + group, members, sum3);
    }
    if kept > 4u {
        finish_member(m, first, step, 4u * groups + group, members, sum4);
        finish_member(m, first, step, 5u * groups + group, members, sum5);
        finish_member(m, first, step, 6u * groups + group, members, sum6);
        finish_member(m, first, step, 7u * groups + group, members, sum7);
    }
}

// What becomes of a member's sums of the rows from `row` on: four, or of many lanes two. Where values are gated, every second row is
// a gate's.
fn finish_member(m: Matrix, row: u32, step: u32, of_own: u32, members: u32, sums: vec4f) {
    let count = select(ROWS, ROWS / 2u, tile_lanes(m) > MEMBERS);
    let end = tile_end(m);
    if of_own >= members {
        return;
    }
    let member = first_member(m) + of_own;
    for (var i = 0u; i < count && row + i < end; i += gates(m)) {
        //+ multiplies(4u * m.in4 * gates(m));
        let output = (row + i) / gates(m);
        let first = sums[i] + bias_of(m, row + i);
        if gates(m) == 2u {
            hand_on_member(m, output, step, member, activated(first) * (sums[i + 1u] + bias_of(m, row + i + 1u)));
        } else {
            hand_on_member(m, output, step, member, first);
        }
    }
}

fn bias_of(m: Matrix, row: u32) -> f32 {
    return bitcast<f32>(weights[m.bias + row / 4u][row % 4u]);
}

// Hands an output on: of two matrices together with the stream before them, of which each workgroup has made the same part.
fn hand_on_member(m: Matrix, output: u32, step: u32, member: u32, value: f32) {
    let slots = member * SLOTS;
    switch m.stage {
        case QUERY_KEY_VALUE: { say(slots + QUERY + output, tagged(value)); }
        case PROJECTION: {
            var before: f32;
            if layer == 0u {
                turn_to(step, member);
                before = embedding(output / 4u)[output % 4u];
            } else {
                before = bitcast<f32>(received(slots + AFTER_LAYER + output, parity ^ 1u));
            }
            say(slots + AFTER_ATTENTION + output, tagged(before + value));
        }
        case FC: { say(slots + INNER + output, tagged(select(activated(value), value, gates(m) == 2u))); }
        default: {
            let before = bitcast<f32>(received(slots + AFTER_ATTENTION + output, parity));
            say(slots + AFTER_LAYER + output, tagged(before + value));
        }
    }
}
