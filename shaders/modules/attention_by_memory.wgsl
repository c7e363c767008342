// Attention without subgroups: scores and their maxima; then weighted sums of the values over slices of the positions; then
// the slices are added. Heads that share keys and values belong to one workgroup. Keys and values of earlier positions, in storage, are read by other
// threads than wrote them, which a storage barrier for each token orders; those of the position at hand are in workgroup memory.

override GROUPS: u32 = 2;            // of heads that share keys and values, which a workgroup attends to at a time
override HEAD_LANES: u32 = 32;       // threads that score positions for one head
override LANE_SCORES: u32 = 64;      // max(WORKGROUP_SIZE, GROUPS * GROUP * HEAD_LANES)
override NEAR_SCORES: u32 = 128;     // GROUPS * GROUP * POSITIONS where as many scores fit in workgroup memory; else 0

@group(0) @binding(7) var<storage, read_write> scores: array<f32>;    // [sequence][head][position], where they do not fit

override NEAR_SCORE_COUNT: u32 = max(NEAR_SCORES, 1u);
var<workgroup> lane_scores: array<f32, LANE_SCORES>;
var<workgroup> near_scores: array<f32, NEAR_SCORE_COUNT>;   // [head][position]
var<workgroup> totals: array<f32, WORKGROUP_SIZE>;

// Where queries (0), keys (1) and values (2) are among all of them, from those of group `first` on.
fn column_of(part: u32, first: u32) -> u32 {
    if part == 0u {
        return first * GROUP * HEAD4;
    }
    return HEADS4 + (part - 1u) * KEYS4 + first * HEAD4;
}

// And where they are in `hidden`, of the position at hand.
fn at_hand(part: u32, first: u32) -> u32 {
    if WHOLE {
        return WIDE + column_of(part, first);
    }
    return select(GROUPS * (GROUP + part - 1u) * HEAD4, 0u, part == 0u);
}

// The keys and values of the position before, which other threads wrote.
fn order_cache() {
    storageBarrier();
}

fn place(at: u32, column: u32) -> u32 {
    return ((sequence * N_LAYER + layer) * POSITIONS + at) * 2u * KEYS4 + column;
}

// softmax(query keys^T * scale) values of this workgroup's heads: of neighbouring ones, so that each has about as many.
// `own` is its index, which the compiler sees is the same for all of its threads.
fn attention(own: u32) {
    if !NEAR {
        //+ meets_round();
    }
    let end = (own + 1u) * (N_HEAD / GROUP) / WORKGROUPS;
    for (var first = own * (N_HEAD / GROUP) / WORKGROUPS; first < end; first += GROUPS) {
        attend(first, min(GROUPS, end - first));
    }
}

// `groups` groups of heads from `first` on.
fn attend(first: u32, groups: u32) {
    let heads = groups * GROUP;
    let first_head = first * GROUP;
    let key_columns = groups * HEAD4;
    let columns = heads * HEAD4;
    let query_at = at_hand(0u, first);
    let key_at = at_hand(1u, first);
    let value_at = at_hand(2u, first);
    if !NEAR {
        for (var i = thread; i < 4u * (columns + 2u * key_columns); i += WORKGROUP_SIZE) {
            let of_query = i < 4u * columns;
            let beyond = i - min(i, 4u * columns);
            let part = select(1u + beyond / (4u * key_columns), 0u, of_query);
            let element = select(beyond % (4u * key_columns), i, of_query);
            let word = received(QUERY + 4u * column_of(part, first) + element, parity);
            hidden[at_hand(part, first) + element / 4u][element % 4u] = bitcast<f32>(word);
        }
        workgroupBarrier();
    }
    if ROTARY || QUERY_KEY_NORM {
        for (var head = thread; head < heads + groups; head += WORKGROUP_SIZE) {
            if head < heads {
                prepare(query_at + head * HEAD4, Q_NORM_WEIGHT);
            } else {
                prepare(key_at + (head - heads) * HEAD4, K_NORM_WEIGHT);
            }
        }
        workgroupBarrier();
    }
    for (var column = thread; column < key_columns; column += WORKGROUP_SIZE) {
        let at = place(position, first * HEAD4 + column);
        cache[at] = hidden[key_at + column];
        cache[at + KEYS4] = hidden[value_at + column];
    }
    for (var item = thread; item < heads * HEAD_LANES; item += WORKGROUP_SIZE) {
        let head = item / HEAD_LANES;
        var largest = LOWEST;
        for (var at = item % HEAD_LANES; at <= position; at += HEAD_LANES) {
            var score = 0.0;
            for (var i = 0u; i < HEAD4; i++) {
                //+ multiplies(4u);
                var key = hidden[key_at + head / GROUP * HEAD4 + i];
                if at < position {
                    key = cache[place(at, (first + head / GROUP) * HEAD4 + i)];
                }
                score += dot(hidden[query_at + head * HEAD4 + i], key);
            }
            score *= attention_scale();
            set_score(first_head, head, at, score);
            largest = max(largest, score);
        }
        lane_scores[item] = largest;
    }
    workgroupBarrier();
    if NEAR_SCORES == 0u {
        storageBarrier();
    }

    let slices = max(WORKGROUP_SIZE / columns, 1u);
    let slice = thread / columns;
    for (var first_column = 0u; first_column < columns; first_column += WORKGROUP_SIZE) {
        let column = first_column + thread % columns;
        let is_own = column < columns && slice < slices;
        var sum = vec4f(0.0);
        if is_own {
            sum = attend_column(first, column, slice, slices, value_at);
        }
        if slices > 1u {
            partial[thread] = sum;
            workgroupBarrier();
            if is_own && slice == 0u {
                sum = sum_slices(slices, columns);
                for (var other = 1u; other < slices; other++) {
                    totals[thread] += totals[other * columns + thread];
                }
            }
        }
        if is_own && slice == 0u {
            share4(ATTENDED, WIDE, first_head * HEAD4 + column, sum / totals[thread]);
        }
    }
    workgroupBarrier();
}

// A query or key at `at`, as scores take it: normed, where the model does so, and turned by its position.
fn prepare(at: u32, weight: u32) {
    var scale = 1.0;
    if QUERY_KEY_NORM {
        var squares = 0.0;
        for (var i = 0u; i < HEAD4; i++) {
            squares += dot(hidden[at + i], hidden[at + i]);
        }
        scale = inverseSqrt(squares / f32(HEAD_DIM) + EPSILON);
    }
    for (var i = 0u; i < HEAD4; i++) {
        var x = hidden[at + i];
        if QUERY_KEY_NORM {
            x *= scale * vector(LAYERS + layer * LAYER_STRIDE + weight + i);
        }
        if ROTARY {
            x = turned(x, vector(WPE + position * HEAD4 + i));
        }
        hidden[at + i] = x;
    }
}

// The weighted sum of one column of the values over a slice of the positions; `totals` gets the weights' sum.
fn attend_column(first: u32, column: u32, slice: u32, slices: u32, value_at: u32) -> vec4f {
    let head = column / HEAD4;
    let of_value = head / GROUP * HEAD4 + column % HEAD4;
    let largest = largest_score(head);
    var sum = vec4f(0.0);
    var total = 0.0;
    for (var at = slice; at <= position; at += slices) {
        //+ multiplies(4u);
        var value = hidden[value_at + of_value];
        if at < position {
            value = cache[place(at, first * HEAD4 + of_value) + KEYS4];
        }
        let weight = exp(score_of(first * GROUP, head, at) - largest);
        sum += weight * value;
        total += weight;
    }
    totals[thread] = total;
    return sum;
}

fn set_score(first: u32, head: u32, at: u32, score: f32) {
    if NEAR_SCORES > 0u {
        near_scores[head * POSITIONS + at] = score;
    } else {
        scores[(sequence * N_HEAD + first + head) * POSITIONS + at] = score;
    }
}

fn score_of(first: u32, head: u32, at: u32) -> f32 {
    if NEAR_SCORES > 0u {
        return near_scores[head * POSITIONS + at];
    }
    return scores[(sequence * N_HEAD + first + head) * POSITIONS + at];
}

fn largest_score(head: u32) -> f32 {
    var largest = LOWEST;
    for (var lane = 0u; lane < min(HEAD_LANES, position + 1u); lane++) {
        largest = max(largest, lane_scores[head * HEAD_LANES + lane]);
    }
    return largest;
}
