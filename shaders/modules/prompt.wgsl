// A prompt in tiles: up to TILE of its tokens, the members of a tile, share each read of the weights. So are fed all tokens of a
// prompt but the last one, with which the new ones begin.
//
// Every operation goes from slots of `exchange` to slots, of which each member has its own set. Nothing else is handed on, so a
// dispatch may end behind any of them. Workgroups share out the rows of matrices and the heads as ever, and norms member by member.
// No reader misses a round: whoever writes a slot again has read, at two removes at most, what all workgroups made after reading it.

override TILE: u32 = 1u;
override INPUT4: u32 = 16u;          // vec4f of each member's input that lie in workgroup memory at a time: a power of two

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

// Members of which a head has the queries at a time, and for which it looks at a key at a time.
override BROUGHT: u32 = 4u;
const TOGETHER: u32 = 4u;

// For each member of this thread, the sums of its rows.
var<private> sum0: vec4f;
var<private> sum1: vec4f;
var<private> sum2: vec4f;
var<private> sum3: vec4f;
var<private> sum4: vec4f;
var<private> sum5: vec4f;
var<private> sum6: vec4f;
var<private> sum7: vec4f;

// Feeds what this dispatch covers of the prompt, without its last token. Where the dispatch goes on from.
fn read_prompt(own: u32, to_do: Request, since: u32, ends_within: bool) -> u32 {
    let last = to_do.prompt_tokens - 1u;
    var step = to_do.first_step;
    var first = since;
    while step < last && (step < to_do.end_step || (ends_within && step == to_do.end_step)) {
        let ends_here = ends_within && step == to_do.end_step;
        let members = min(TILE, last - step);
        walk_tile(own, step, members, (step - to_do.cached) / TILE, first, select(NORM_F_AT, to_do.end_operation, ends_here));
        if ends_here {
            break;
        }
        step += members;
        first = 0u;
        if step == last {
            await_tile();
        }
    }
    return step;
}

// The layers of a tile, as far as a span covers them.
fn walk_tile(own: u32, step: u32, members: u32, round: u32, since: u32, until: u32) {
    for (var depth = (max(since, 1u) - 1u) / LAYER_OPERATIONS; depth < N_LAYER; depth++) {
        if CUTS_TOKENS && until <= 1u + LAYER_OPERATIONS * depth {
            break;
        }
        layer = depth;
        parity = (round * N_LAYER + depth + 1u) & 1u;
        if covers(NORM_1_AT) {
            norm_of_members(own, step, members, false);
        }
        if covers(QUERY_KEY_VALUE_AT) {
            linear_of_members(matrix(QUERY_KEY_VALUE, depth), NORM, step, members);
        }
        if covers(ATTENTION_AT) {
            attention_of_members(own, step, members);
        }
        if covers(PROJECTION_AT) {
            linear_of_members(matrix(PROJECTION, depth), ATTENDED, step, members);
        }
        if covers(NORM_2_AT) {
            norm_of_members(own, step, members, true);
        }
        if covers(FC_AT) {
            linear_of_members(matrix(FC, depth), NORM_2, step, members);
        }
        if covers(MLP_AT) {
            linear_of_members(matrix(MLP, depth), INNER, step, members);
        }
    }
}

// Waits for the stream of the first member, whose slots are those of single tokens too: no workgroup reads an older one then.
fn await_tile() {
    if covers(MLP_AT) {
        for (var i = thread; i < 4u * N_EMBD4; i += WORKGROUP_SIZE) {
            _ = received(AFTER_LAYER + i, parity);
        }
        workgroupBarrier();
    }
}

// Makes `member` of a tile the token that is fed.
fn turn_to(step: u32, member: u32) {
    position = step + member;
    fed = tokens[request.first_token + position];
}

// The norms of this workgroup's members.
fn norm_of_members(own: u32, step: u32, members: u32, is_second: bool) {
    let at = norm_weights(layer, is_second);
    fetch_norm(at);
    for (var member = own; member < members; member += WORKGROUPS) {
        turn_to(step, member);
        if layer == 0u && !is_second {
            embed();
        } else {
            // The stream before a layer is of the round before.
            stream_is(member * SLOTS + select(AFTER_LAYER, AFTER_ATTENTION, is_second), select(parity ^ 1u, parity, is_second));
            if WHOLE {
                receive(stream_slot, STREAM, N_EMBD4, stream_parity);
            }
        }
        layer_norm(at.x, at.y);
        for (var i = thread; i < 4u * N_EMBD4; i += WORKGROUP_SIZE) {
            say(member * SLOTS + select(NORM, NORM_2, is_second) + i, tagged(norm_element(i)));
        }
        workgroupBarrier();
    }
}

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

// Words of inputs on their way to this thread. It has every WORKGROUP_SIZE-th of those that lie in workgroup memory at a time, at most
// as many as here; sizes are powers of two, so each is as far from the first for all threads.
var<private> words0: vec4u;
var<private> words1: vec4u;
var<private> words2: vec4u;
var<private> words3: vec4u;

// Inputs of this workgroup's members from an element on: the slot of this thread's first, and how many words of a member there are.
struct Inputs {
    slot: u32,
    count: u32,
}

fn inputs_at(m: Matrix, slot: u32, first4: u32) -> Inputs {
    let each = 4u * input4(m);
    let own = (first_member(m) + thread / each) * SLOTS + thread % each;
    return Inputs(own + slot + 4u * first4, 4u * (m.in4 - min(first4, m.in4)));
}

// Of a thread's word `j`: its member and element, less those of the first.
fn member_of(m: Matrix, j: u32) -> u32 {
    return j * WORKGROUP_SIZE / (4u * input4(m));
}

fn element_of(m: Matrix, j: u32) -> u32 {
    return j * WORKGROUP_SIZE % (4u * input4(m));
}

// Asks for this thread's words, whether they are there or not, and waits for nothing.
fn ask_inputs(m: Matrix, inputs: Inputs) {
    words0 = asked_words(m, inputs, 0u);
    words1 = asked_words(m, inputs, 4u);
    words2 = asked_words(m, inputs, 8u);
    words3 = asked_words(m, inputs, 12u);
}

fn asked_words(m: Matrix, inputs: Inputs, j: u32) -> vec4u {
    if member_of(m, j) >= tile_members(m) {
        return vec4u(parity);
    }
    return vec4u(
        asked_word(m, inputs, j), asked_word(m, inputs, j + 1u), asked_word(m, inputs, j + 2u), asked_word(m, inputs, j + 3u),
    );
}

// Behind the last slot there is none.
fn asked_word(m: Matrix, inputs: Inputs, j: u32) -> u32 {
    return asked(min(inputs.slot + member_of(m, j) * SLOTS + element_of(m, j), TILE * SLOTS - 1u));
}

// Fills `hidden` with the inputs that have been asked for; zeros where there is none.
fn take_inputs(m: Matrix, inputs: Inputs, members: u32) {
    //+ meets_round();
    workgroupBarrier();
    words0 = awaited(m, inputs, members, 0u, words0);
    words1 = awaited(m, inputs, members, 4u, words1);
    words2 = awaited(m, inputs, members, 8u, words2);
    words3 = awaited(m, inputs, members, 12u, words3);
    put_inputs(m, inputs, members, 0u, words0);
    put_inputs(m, inputs, members, 4u, words1);
    put_inputs(m, inputs, members, 8u, words2);
    put_inputs(m, inputs, members, 12u, words3);
    workgroupBarrier();
}

// Four words, asked for again until each is there that is wanted.
fn awaited(m: Matrix, inputs: Inputs, members: u32, j: u32, words: vec4u) -> vec4u {
    let wanted = vec4<bool>(
        is_input(m, inputs, members, j),
        is_input(m, inputs, members, j + 1u),
        is_input(m, inputs, members, j + 2u),
        is_input(m, inputs, members, j + 3u),
    );
    var now = select(vec4u(parity), words, wanted);
    for (var polls = 0u; polls <= patience; polls++) {
        if all(((now ^ vec4u(parity)) & vec4u(1u)) == vec4u(0u)) {
            return select(vec4u(0u), now, wanted);
        }
        if (now.x & 1u) != parity { now.x = asked_word(m, inputs, j); }
        if (now.y & 1u) != parity { now.y = asked_word(m, inputs, j + 1u); }
        if (now.z & 1u) != parity { now.z = asked_word(m, inputs, j + 2u); }
        if (now.w & 1u) != parity { now.w = asked_word(m, inputs, j + 3u); }
    }
    patience = 0u;
    return now;
}

fn is_input(m: Matrix, inputs: Inputs, members: u32, j: u32) -> bool {
    let each = 4u * input4(m);
    return thread / each + member_of(m, j) < members && thread % each + element_of(m, j) < inputs.count;
}

fn put_inputs(m: Matrix, inputs: Inputs, members: u32, j: u32, words: vec4u) {
    if member_of(m, j) < tile_members(m) {
        let values = bitcast<vec4f>(words);
        put_input(m, j, values.x);
        put_input(m, j + 1u, values.y);
        put_input(m, j + 2u, values.z);
        put_input(m, j + 3u, values.w);
    }
}

fn put_input(m: Matrix, j: u32, value: f32) {
    let each = 4u * input4(m);
    let member = thread / each + member_of(m, j);
    if member < tile_members(m) {
        hidden[member * member4(m) + spread((thread % each + element_of(m, j)) / 4u)][thread % 4u] = value;
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

// softmax(query keys^T * scale) values of this workgroup's heads, for all members.
fn attention_of_members(own: u32, step: u32, members: u32) {
    for (var first = own * TEAMS; first < N_HEAD / SHARED; first += WORKGROUPS * TEAMS) {
        for (var member = 0u; member < members; member += BROUGHT) {
            attend_for(first, step, member, min(BROUGHT, members - member));
        }
    }
}

// Where the queries, the key and the value of a team's members are in `hidden`, and behind them what its subgroups have attended to:
// of each ATTENTION_LANES sums, and the largest score and the total.
override BROUGHT4: u32 = TEAMS * BROUGHT * (SHARED + 2u) * HEAD4;

fn at_member(part: u32, member: u32, i: u32) -> u32 {
    return ((thread / TEAM * BROUGHT + member) * (SHARED + 2u) + part) * HEAD4 + i;
}

fn attended_at(member: u32, subgroup: u32) -> u32 {
    return BROUGHT4 + (member * SUBGROUPS + subgroup) * (ATTENTION_LANES + 1u);
}

// TEAMS groups of heads from `first` on, for `count` members from `first_member` on. Threads take the same positions as `attend`.
fn attend_for(first: u32, step: u32, first_member: u32, count: u32) {
    let seat = thread % TEAM;
    let group = min(first + thread / TEAM, N_HEAD / SHARED - 1u);
    let is_used = first + thread / TEAM < N_HEAD / SHARED;
    let own = min(seat % ATTENTION_LANES, HEAD4 - 1u);
    let used = seat % ATTENTION_LANES < HEAD4 && is_used;
    let column = group * HEAD4 + own;
    bring_members(group, first_member, count);
    keep_keys(step + first_member, count, column, own, used);
    for (var index = 0u; index < SHARED; index++) {
        for (var member = 0u; member < count; member += TOGETHER) {
            let together = min(TOGETHER, count - member);
            attend_to_keys(index, step + first_member, member, together, column, own, used);
            workgroupBarrier();
            merge_members(group, index, first_member + member, together, is_used);
            workgroupBarrier();
        }
    }
}

// Puts keys and values of the members, the first of which is at position `begin`, where the threads look for them that have their
// positions.
fn keep_keys(begin: u32, count: u32, column: u32, own: u32, used: bool) {
    let apart = TEAM / ATTENTION_LANES;
    for (var first = 0u; first < count; first += apart) {
        let member = first + (thread % TEAM / ATTENTION_LANES + apart - begin % apart) % apart;
        let at = min(member, count - 1u);
        position = begin + at;
        let key = prepared(select(vec4f(0.0), hidden[at_member(SHARED + KEY, at, own)], used), K_NORM_WEIGHT, own);
        if used && member < count {
            cache[cached(position, column)] = key;
            cache[cached(position, column) + CACHE4] = hidden[at_member(SHARED + VALUE, at, own)];
        }
    }
}

// Queries, keys and values of the members, into `hidden`.
fn bring_members(group: u32, first_member: u32, count: u32) {
    //+ meets_round();
    let each = 4u * HEAD4;
    let all = count * (SHARED + 2u) * each;
    for (var i = thread % TEAM; i < all; i += 8u * TEAM) {
        let near = i + TEAM * vec4u(0u, 1u, 2u, 3u);
        let far = near + 4u * TEAM;
        let words = received_at(
            query_slots(near, group, first_member),
            query_slots(far, group, first_member),
            near < vec4u(all),
            far < vec4u(all),
            parity,
        );
        for (var j = 0u; j < 4u; j++) {
            put_member(near[j], all, bitcast<f32>(words.a[j]));
            put_member(far[j], all, bitcast<f32>(words.b[j]));
        }
    }
    workgroupBarrier();
}

fn query_slots(i: vec4u, group: u32, first_member: u32) -> vec4u {
    let each = 4u * HEAD4;
    let part = i / each % (SHARED + 2u);
    let of_query = (group * SHARED + part) * HEAD4;
    let of_key = HEADS4 + (part - SHARED) * KEYS4 + group * SHARED / GROUP * HEAD4;
    let columns = select(of_key, of_query, part < vec4u(SHARED));
    return (first_member + i / each / (SHARED + 2u)) * SLOTS + QUERY + 4u * columns + i % each;
}

fn put_member(i: u32, all: u32, value: f32) {
    if i < all {
        let each = 4u * HEAD4;
        hidden[at_member(i / each % (SHARED + 2u), i / each / (SHARED + 2u), i % each / 4u)][i % 4u] = value;
    }
}

// What the lanes of this thread attend to, of one head: every key is read once for all members.
fn attend_to_keys(index: u32, begin_all: u32, member: u32, count: u32, column: u32, own: u32, used: bool) {
    let begin = begin_all + member;
    let last = begin + count - 1u;
    let apart = TEAM / ATTENTION_LANES;
    let query0 = query_of(index, begin_all, member, own, used);
    let query1 = query_of(index, begin_all, member + min(1u, count - 1u), own, used);
    let query2 = query_of(index, begin_all, member + min(2u, count - 1u), own, used);
    let query3 = query_of(index, begin_all, member + min(3u, count - 1u), own, used);
    var part0 = Attended(LOWEST, 0.0, vec4f(0.0));
    var part1 = part0;
    var part2 = part0;
    var part3 = part0;
    // Two keys at a time, and two are asked for ahead.
    position = last;
    let seat = thread % TEAM / ATTENTION_LANES;
    let first_place = cached(seat, column);
    let second_place = cached(seat + apart, column);
    var key = cache[first_place];
    var value = cache[first_place + CACHE4];
    var other_key = cache[second_place];
    var other_value = cache[second_place + CACHE4];
    for (var first = 0u; first <= last; first += 2u * apart) {
        let at = first + seat;
        let place = cached(at + 2u * apart, column);
        let other_place = cached(at + 3u * apart, column);
        let next_key = cache[place];
        let next_value = cache[place + CACHE4];
        let next_other_key = cache[other_place];
        let next_other_value = cache[other_place + CACHE4];
        let near = add_lanes(vec2f(dot(query0, key), dot(query1, key)), ATTENTION_LANES) * attention_scale();
        let far = add_lanes(vec2f(dot(query2, key), dot(query3, key)), ATTENTION_LANES) * attention_scale();
        let other_near = add_lanes(vec2f(dot(query0, other_key), dot(query1, other_key)), ATTENTION_LANES) * attention_scale();
        let other_far = add_lanes(vec2f(dot(query2, other_key), dot(query3, other_key)), ATTENTION_LANES) * attention_scale();
        part0 = attended_both(part0, vec2f(near.x, other_near.x), value, other_value, at, begin);
        part1 = attended_both(part1, vec2f(near.y, other_near.y), value, other_value, at, begin + 1u);
        part2 = attended_both(part2, vec2f(far.x, other_far.x), value, other_value, at, begin + 2u);
        part3 = attended_both(part3, vec2f(far.y, other_far.y), value, other_value, at, begin + 3u);
        //+ multiplies(select(0u, 8u * min(count, last + 1u - min(at, last + 1u)), used));
        //+ multiplies(select(0u, 8u * min(count, last + 1u - min(at + apart, last + 1u)), used));
        key = next_key;
        value = next_value;
        other_key = next_other_key;
        other_value = next_other_value;
    }
    keep_attended(0u, merged_lanes(part0));
    keep_attended(1u, merged_lanes(part1));
    keep_attended(2u, merged_lanes(part2));
    keep_attended(3u, merged_lanes(part3));
}

fn query_of(index: u32, begin: u32, member: u32, own: u32, used: bool) -> vec4f {
    position = begin + member;
    return prepared(select(vec4f(0.0), hidden[at_member(index, member, own)], used), Q_NORM_WEIGHT, own);
}

// The positions `at` and the one that this thread has next, as far as they are not after `last`.
fn attended_both(part: Attended, scores: vec2f, value: vec4f, other_value: vec4f, at: u32, last: u32) -> Attended {
    let is_before = vec2u(at, at + TEAM / ATTENTION_LANES) <= vec2u(last);
    let there = select(vec2f(LOWEST), scores, is_before);
    let largest = max(part.largest, max(there.x, there.y));
    let keep = exp(part.largest - largest);
    let shares = select(vec2f(0.0), exp(there - largest), is_before);
    return Attended(
        largest, fma(part.total, keep, shares.x + shares.y), fma(part.sum, vec4f(keep), value * shares.x + other_value * shares.y),
    );
}

fn keep_attended(member: u32, part: Attended) {
    let at = attended_at(member, thread / SUBGROUP);
    if thread % SUBGROUP < ATTENTION_LANES {
        hidden[at + thread % SUBGROUP] = part.sum;
    }
    if thread % SUBGROUP == 0u {
        hidden[at + ATTENTION_LANES] = vec4f(part.largest, part.total, 0.0, 0.0);
    }
}

// What a head has attended to for each member, from the subgroups of its team: a subgroup merges one member after another.
fn merge_members(group: u32, index: u32, first_member: u32, count: u32, is_used: bool) {
    let first = thread / TEAM * TEAM_SUBGROUPS;
    let lane = thread % ATTENTION_LANES;
    for (var k = 0u; k < TOGETHER; k += TEAM_SUBGROUPS) {
        let member = min(k + thread % TEAM / SUBGROUP, TOGETHER - 1u);
        var largest = LOWEST;
        for (var other = 0u; other < TEAM_SUBGROUPS; other++) {
            largest = max(largest, hidden[attended_at(member, first + other) + ATTENTION_LANES].x);
        }
        var part = Attended(largest, 0.0, vec4f(0.0));
        for (var other = thread % SUBGROUP / ATTENTION_LANES; other < TEAM_SUBGROUPS; other += SUBGROUP / ATTENTION_LANES) {
            let at = attended_at(member, first + other);
            let about = hidden[at + ATTENTION_LANES];
            let share = exp(about.x - largest);
            part.total += share * about.y;
            part.sum += share * hidden[at + lane];
        }
        for (var distance = ATTENTION_LANES; distance < SUBGROUP; distance *= 2u) {
            part.total += subgroupShuffleXor(part.total, distance);
            part.sum += subgroupShuffleXor(part.sum, distance);
        }
        let is_own = k + thread % TEAM / SUBGROUP < count && is_used;
        if is_own && thread % SUBGROUP < ATTENTION_LANES && lane < HEAD4 {
            let result = part.sum / part.total;
            let slot = (first_member + member) * SLOTS + ATTENDED + 4u * (column_of(index, group) + lane);
            for (var j = 0u; j < 4u; j++) {
                say(slot + j, tagged(result[j]));
            }
        }
    }
}
