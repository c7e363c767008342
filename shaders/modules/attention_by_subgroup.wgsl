// Attention of heads by teams of whole subgroups. Heads that share keys and values belong to one team, and each place of the KV
// cache to the threads that write it, which alone read it: no barrier orders storage. Scores are merged as they come (an online
// softmax).

override ATTENTION_LANES: u32 = 4;   // threads that share a position: HEAD4 rounded up to a power of two
override TEAMS: u32 = 1;             // groups of heads that a workgroup attends to at a time; each has whole subgroups
override TEAM: u32 = WORKGROUP_SIZE / TEAMS;
override TEAM_SUBGROUPS: u32 = TEAM / SUBGROUP;
override PARTIALS: u32 = SUBGROUPS * ATTENTION_LANES;

var<workgroup> partial: array<vec4f, PARTIALS>;

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

// Each thread reads what it wrote itself.
fn order_cache() {}

// Where a key is in the cache; its value is CACHE4 further on. Of a position that is still to come, the last one's.
fn cached(at: u32, column: u32) -> u32 {
    return ((sequence * N_LAYER + layer) * POSITIONS + min(at, position)) * 2u * CACHE4 + column;
}

// Groups are of SHARED heads: those of a model's, or one head each, where there are workgroups enough for all. Of a group, the
// queries come first (0 to SHARED - 1), then the key and the value. Where each is among all of them.
const KEY: u32 = 0u;
const VALUE: u32 = 1u;

fn column_of(part: u32, group: u32) -> u32 {
    if part < SHARED {
        return (group * SHARED + part) * HEAD4;
    }
    return HEADS4 + (part - SHARED) * KEYS4 + group * SHARED / GROUP * HEAD4;
}

// And where it is in `hidden`, of the position at hand: with those of all groups, or of the teams' alone.
fn at_hand(part: u32, group: u32, i: u32) -> u32 {
    if WHOLE {
        return WIDE + spread(column_of(part, group) + i);
    }
    return (thread / TEAM * (SHARED + 2u) + part) * HEAD4 + i;
}

// A lane's vec4f of a query or key, as scores take it: normed, where the model does so, and turned by its position.
fn prepared(x: vec4f, weight: u32, i: u32) -> vec4f {
    var ready = x;
    if QUERY_KEY_NORM {
        let squares = add_lanes(vec2f(dot(x, x), 0.0), ATTENTION_LANES).x;
        ready *= inverseSqrt(squares / f32(HEAD_DIM) + EPSILON) * vector(LAYERS + layer * LAYER_STRIDE + weight + i);
    }
    if ROTARY {
        ready = turned(ready, vector(WPE + position * HEAD4 + i));
    }
    return ready;
}

// softmax(query keys^T * scale) values of this workgroup's heads; `own` is its index, which the compiler sees is the same for
// all of its threads.
fn attention(own: u32) {
    if !NEAR {
        //+ meets_round();
    }
    for (var first = own * TEAMS; first < N_HEAD / SHARED; first += WORKGROUPS * TEAMS) {
        attend(first);
    }
}

// TEAMS groups from `first` on, each by a team of threads. ATTENTION_LANES threads take a position, those after them the next
// one: always the same threads the same position of the same group.
fn attend(first: u32) {
    let member = thread % TEAM;
    let group = min(first + thread / TEAM, N_HEAD / SHARED - 1u);
    let is_used = first + thread / TEAM < N_HEAD / SHARED;
    let lane = member % ATTENTION_LANES;
    let used = lane < HEAD4 && is_used;
    let own = min(lane, HEAD4 - 1u);
    let column = group * HEAD4 + own;
    // The first position's key and value are asked for ahead of the query.
    let first_place = cached(member / ATTENTION_LANES, column);
    var key = cache[first_place];
    var value = cache[first_place + CACHE4];
    if !NEAR {
        for (var i = member; i < 4u * (SHARED + 2u) * HEAD4; i += TEAM) {
            let part = i / (4u * HEAD4);
            let element = i % (4u * HEAD4);
            let word = received(QUERY + 4u * column_of(part, group) + element, parity);
            hidden[at_hand(part, group, element / 4u)][element % 4u] = bitcast<f32>(word);
        }
        workgroupBarrier();
    }
    let new_key = prepared(select(vec4f(0.0), hidden[at_hand(SHARED + KEY, group, own)], used), K_NORM_WEIGHT, own);
    let new_value = hidden[at_hand(SHARED + VALUE, group, own)];
    for (var index = 0u; index < SHARED; index++) {
        if index > 0u {
            key = cache[first_place];
            value = cache[first_place + CACHE4];
        }
        let query = prepared(select(vec4f(0.0), hidden[at_hand(index, group, own)], used), Q_NORM_WEIGHT, own);
        let part = attended(query, key, value, new_key, new_value, column, used && index == 0u, used);
        gather_attended(part, group, index, is_used);
    }
}

// softmax(query keys^T * scale) values over the positions of this thread's lanes, from `first_key` and `first_value` on, which have
// been asked for; the key and value at hand are kept where this head is the one that `keeps` them.
fn attended(
    query: vec4f, first_key: vec4f, first_value: vec4f, new_key: vec4f, new_value: vec4f, column: u32, keeps: bool, used: bool,
) -> Attended {
    let member = thread % TEAM;
    let apart = TEAM / ATTENTION_LANES;
    var key = first_key;
    var value = first_value;
    var part = Attended(LOWEST, 0.0, vec4f(0.0));
    for (var first = 0u; first <= position; first += apart) {
        let at = first + member / ATTENTION_LANES;
        if at >= position {
            key = new_key;
            value = new_value;
        }
        if at == position && keeps {
            cache[cached(at, column)] = key;
            cache[cached(at, column) + CACHE4] = value;
        }
        let score = add_lanes(vec2f(dot(query, key), 0.0), ATTENTION_LANES).x * attention_scale();
        if at <= position {
            //+ multiplies(select(0u, 8u, used));
            part = merged(part, Attended(score, 1.0, value));
        }
        let next_place = cached(at + apart, column);
        key = cache[next_place];
        value = cache[next_place + CACHE4];
    }
    return merged_lanes(part);
}

// What a head of a group has attended to, from the subgroups of its team.
fn gather_attended(of_subgroup: Attended, group: u32, index: u32, is_used: bool) {
    let member = thread % TEAM;
    let lane = member % ATTENTION_LANES;
    let column = column_of(index, group) + min(lane, HEAD4 - 1u);
    var part = of_subgroup;
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
    if member < ATTENTION_LANES && lane < HEAD4 && is_used {
        let result = part.sum / part.total;
        for (var j = 0u; j < 4u; j++) {
            share(ATTENDED, WIDE, 4u * column + j, result[j]);
        }
    }
    workgroupBarrier();
}
