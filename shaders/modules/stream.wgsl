// The residual stream: from the embedding on, and what the norms make of it.
//
// Whole vectors lie in `hidden`: STREAM, and its norm, NORMED. Where vectors come in tiles, elements are read where they are:
// in the embedding, or in the slot that the stage before filled, and a norm is two numbers.

// Regions of `hidden`, where vectors are whole: the residual stream; its norm; the input of a matrix that is neither, which is
// there when the norm has been used: in its place, but where this workgroup makes the one from the other. Else one tile, or what
// attention works with. Where threads read several neighbouring vec4f, a gap behind every eighth lets each read
// another bank of the memory: GAPS.
override GAPS: bool = false;
override TILE4: u32 = 0;
const STREAM: u32 = 0u;
override NORMED: u32 = select(N_EMBD4, 9u * ((N_EMBD4 + 7u) / 8u), GAPS);
override WIDE: u32 = select(NORMED, 2u * NORMED, NEAR);
override HIDDEN4: u32 = 64;

var<workgroup> hidden: array<vec4f, HIDDEN4>;

// Where vec4f `i` of a region is.
fn spread(i: u32) -> u32 {
    return select(i, i + i / 8u, GAPS);
}

override NORM_LANES: u32 = 4;        // threads that share the sums of a norm

var<private> mean: f32;              // of the last norm, or near it
var<private> norm_scale: f32;        // of the last norm: 1 / sqrt(variance + epsilon)
var<private> norm_weight: vec4f;     // this thread's part of the next norm's
var<private> norm_bias: vec4f;
var<private> norm_at: vec2u;         // in tiles: where weight and bias of the last norm are
var<private> stream_slot: u32;       // in tiles: where the stream is; NOWHERE is the embedding
var<private> stream_parity: u32;     // in tiles: of the round that filled the slot
var<private> is_left_far: bool;      // whether no norm has brought the stream since the dispatch began
var<private> is_normed: bool;        // in tiles: whether an earlier dispatch left the norm in its slot

const NOWHERE: u32 = 0xffffffffu;

fn embed() {
    stream_is(NOWHERE, 0u);
    if WHOLE {
        for (var i = thread; i < N_EMBD4; i += WORKGROUP_SIZE) {
            hidden[STREAM + spread(i)] = embedding(i);
        }
        workgroupBarrier();
    }
}

fn stream_is(slot: u32, round: u32) {
    stream_slot = slot;
    stream_parity = round & 1u;
}

// Leaves the embedding to the next dispatch.
fn hand_on_embedding() {
    for (var i = own_first(4u * N_EMBD4) + thread; i < own_end(4u * N_EMBD4); i += WORKGROUP_SIZE) {
        say(AFTER_LAYER + i, (bitcast<u32>(embedding(i / 4u)[i % 4u]) & 0xfffffffeu) | parity);
    }
}

// Vec4f `i` of the stream, where it comes in tiles.
fn streamed(i: u32) -> vec4f {
    if stream_slot == NOWHERE {
        return embedding(i);
    }
    return received4(stream_slot, i, stream_parity);
}

// Waits for the whole stream after the last layer, where nothing follows that reads it: so that no round is missed.
fn await_stream() {
    if WHOLE {
        gather(AFTER_LAYER, STREAM, N_EMBD4);
        return;
    }
    //+ meets_round();
    for (var i = thread; i < N_EMBD4; i += WORKGROUP_SIZE) {
        _ = received4(AFTER_LAYER, i, parity);
    }
    workgroupBarrier();
}

// Whether the stream that a matrix adds to is not in `hidden`.
fn is_far() -> bool {
    return !WHOLE || (CUTS_LAYERS && is_left_far);
}

// Element `row` of the stream before a matrix adds to it, where it is far. Every workgroup has read these by then.
fn residual(stage: u32, row: u32) -> f32 {
    if stage == MLP {
        return bitcast<f32>(asked(AFTER_ATTENTION + row));
    }
    if layer == 0u {
        return embedding(row / 4u)[row % 4u];
    }
    return bitcast<f32>(asked(AFTER_LAYER + row));
}

// Asks for this thread's part of a norm's weight and bias.
fn fetch_norm(at: vec2u) {
    norm_weight = vector(at.x + min(thread, N_EMBD4 - 1u));
    norm_bias = vector(at.y + min(thread, N_EMBD4 - 1u));
}

// What is left of vec4f `i` of a vector after its mean; nothing of padding.
fn left(x: vec4f, i: u32) -> vec4f {
    return select(vec4f(0.0), x - mean, 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(N_EMBD));
}

// The norm's scale from the means of what is left and of its square, and its mean: both about zero, where the mean stays.
fn settled_scale(sums: vec2f) -> f32 {
    let away = select(sums.x, 0.0, ROOT_MEAN_SQUARE);
    mean += away;
    return inverseSqrt(max(sums.y - away * away, 0.0) + EPSILON);
}

// NORMED = (STREAM - mean) / sqrt(variance + epsilon) * weight + bias. Sums are of what is left after an element that is like
// most others, the middle one of three, so that one pass gives the variance and little cancels, whatever the mean.
fn layer_norm(weight: u32, bias: u32) {
    if !WHOLE {
        norm_in_tiles(weight, bias);
        return;
    }
    is_left_far = false;
    let some = hidden[STREAM].xyz;
    mean = select(max(min(some.x, some.y), min(max(some.x, some.y), some.z)), 0.0, ROOT_MEAN_SQUARE);
    var sums = vec2f(0.0);
    for (var i = thread % NORM_LANES; i < N_EMBD4; i += NORM_LANES) {
        let x = left(hidden[STREAM + spread(i)], i);
        sums += vec2f(dot(x, vec4f(1.0)), dot(x, x));
    }
    sums = norm_total(sums) / f32(N_EMBD);
    let scale = settled_scale(sums);
    if thread < N_EMBD4 {
        hidden[NORMED + spread(thread)] = (hidden[STREAM + spread(thread)] - mean) * scale * norm_weight + norm_bias;
    }
    for (var i = thread + WORKGROUP_SIZE; i < N_EMBD4; i += WORKGROUP_SIZE) {
        hidden[NORMED + spread(i)] = (hidden[STREAM + spread(i)] - mean) * scale * vector(weight + i) + vector(bias + i);
    }
    workgroupBarrier();
}

// Mean, where it is taken off, then variance, each over the whole stream.
fn norm_in_tiles(weight: u32, bias: u32) {
    //+ if stream_slot != NOWHERE { meets_round(); }
    mean = 0.0;
    var sum = vec2f(0.0);
    if !ROOT_MEAN_SQUARE {
        for (var i = thread; i < N_EMBD4; i += WORKGROUP_SIZE) {
            sum.x += dot(left(streamed(i), i), vec4f(1.0));
        }
        mean = norm_total(sum).x / f32(N_EMBD);
        workgroupBarrier();
    }
    sum = vec2f(0.0);
    for (var i = thread; i < N_EMBD4; i += WORKGROUP_SIZE) {
        let x = left(streamed(i), i);
        sum += vec2f(dot(x, vec4f(1.0)), dot(x, x));
    }
    sum = norm_total(sum) / f32(N_EMBD);
    norm_scale = settled_scale(sum);
    norm_at = vec2u(weight, bias);
    is_normed = false;
    workgroupBarrier();
}

// Vec4f `i` of the last norm, where it comes in tiles.
fn normed(i: u32) -> vec4f {
    if is_normed {
        return vec4f(
            bitcast<f32>(asked(NORM + 4u * i)),
            bitcast<f32>(asked(NORM + 4u * i + 1u)),
            bitcast<f32>(asked(NORM + 4u * i + 2u)),
            bitcast<f32>(asked(NORM + 4u * i + 3u)),
        );
    }
    return (streamed(i) - mean) * norm_scale * vector(norm_at.x + i) + vector(norm_at.y + i);
}

// Leaves a norm to the next dispatch.
fn hand_on_norm() {
    for (var i = own_first(4u * N_EMBD4) + thread; i < own_end(4u * N_EMBD4); i += WORKGROUP_SIZE) {
        say(NORM + i, bitcast<u32>(norm_element(i)));
    }
}

fn norm_element(i: u32) -> f32 {
    if WHOLE {
        return hidden[NORMED + spread(i / 4u)][i % 4u];
    }
    return normed(i / 4u)[i % 4u];
}

// Fills `hidden` with `count` vec4f of a matrix's input from vec4f `first` on; zeros behind its end.
fn load_tile(m: Matrix, first: u32, count: u32) {
    for (var i = thread; i < count; i += WORKGROUP_SIZE) {
        var value = vec4f(0.0);
        if first + i < m.in4 {
            if m.stage == PROJECTION || m.stage == MLP {
                value = received4(select(ATTENDED, INNER, m.stage == MLP), first + i, parity);
            } else {
                value = normed(first + i);
            }
        }
        hidden[spread(i)] = value;
    }
}
