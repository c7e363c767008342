// Attention of heads by teams of whole subgroups. Each head belongs to one workgroup, and each place of its KV cache to the
// threads that write it, which alone read it: no barrier orders storage. Scores are merged as they come (an online softmax).

override ATTENTION_LANES: u32 = 4;   // threads that share a position: HEAD4 rounded up to a power of two
override TEAMS: u32 = 1;             // heads that a workgroup attends to at a time; each has whole subgroups
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

// Where a key is in the cache; its value is HEADS4 further on. Of a position that is still to come, the last one's.
fn cached(at: u32, column: u32) -> u32 {
    return ((sequence * N_LAYER + layer) * POSITIONS + min(at, position)) * 2u * HEADS4 + column;
}

// Where query (0), key (1) and value (2) of the position at hand are in `hidden`: those of all heads, or of the teams' alone.
fn at_hand(part: u32, head: u32, i: u32) -> u32 {
    if WHOLE {
        return WIDE + part * HEADS4 + head * HEAD4 + i;
    }
    return (part * TEAMS + thread / TEAM) * HEAD4 + i;
}

// softmax(query keys^T * scale) values of this workgroup's heads; `own` is its index, which the compiler sees is the same for
// all of its threads.
fn attention(own: u32) {
    if !NEAR {
        //+ meets_round();
    }
    for (var first = own * TEAMS; first < N_HEAD; first += WORKGROUPS * TEAMS) {
        attend(first);
    }
}

// TEAMS heads from `first_head` on, each by a team of threads. A group of ATTENTION_LANES threads takes a position, the group
// after it the next one: always the same threads the same position of the same head.
fn attend(first_head: u32) {
    let member = thread % TEAM;
    let head = min(first_head + thread / TEAM, N_HEAD - 1u);
    let is_used = first_head + thread / TEAM < N_HEAD;
    let lane = member % ATTENTION_LANES;
    let used = lane < HEAD4 && is_used;
    let own = min(lane, HEAD4 - 1u);
    let column = head * HEAD4 + own;
    // The first position's key and value are asked for ahead of the query.
    let groups = TEAM / ATTENTION_LANES;
    let first_place = cached(member / ATTENTION_LANES, column);
    var key = cache[first_place];
    var value = cache[first_place + HEADS4];
    if !NEAR {
        for (var i = member; i < 12u * HEAD4; i += TEAM) {
            let part = i / (4u * HEAD4);
            let element = i % (4u * HEAD4);
            let word = received(QUERY + 4u * (part * HEADS4 + head * HEAD4) + element, parity);
            hidden[at_hand(part, head, element / 4u)][element % 4u] = bitcast<f32>(word);
        }
        workgroupBarrier();
    }

    let query = select(vec4f(0.0), hidden[at_hand(0u, head, own)], used);
    var part = Attended(LOWEST, 0.0, vec4f(0.0));
    for (var first = 0u; first <= position; first += groups) {
        let at = first + member / ATTENTION_LANES;
        if at >= position {
            key = hidden[at_hand(1u, head, own)];
            value = hidden[at_hand(2u, head, own)];
        }
        if at == position && used {
            cache[cached(at, column)] = key;
            cache[cached(at, column) + HEADS4] = value;
        }
        let score = add_lanes(vec2f(dot(query, key), 0.0), ATTENTION_LANES).x * SCALE;
        if at <= position {
            //+ multiplies(select(0u, 8u, used));
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
