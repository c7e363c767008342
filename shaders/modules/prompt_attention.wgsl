// Attention for the members of a tile: each key is read once for several of them.

// Members of which a head has the queries at a time, and for which it looks at a key at a time.
override BROUGHT: u32 = 4u;
const TOGETHER: u32 = 4u;

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
            8u,
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

// What the lanes of this thread attend to, of one head: every key is read once for all members. Each lane has the scores of one
// member, and of all members the sums of its own columns.
fn attend_to_keys(index: u32, begin_all: u32, member: u32, count: u32, column: u32, own: u32, used: bool) {
    let begin = begin_all + member;
    let last = begin + count - 1u;
    let apart = TEAM / ATTENTION_LANES;
    let query0 = query_of(index, begin_all, member, own, used);
    let query1 = query_of(index, begin_all, member + min(1u, count - 1u), own, used);
    let query2 = query_of(index, begin_all, member + min(2u, count - 1u), own, used);
    let query3 = query_of(index, begin_all, member + min(3u, count - 1u), own, used);
    let own_last = begin + own_member();
    var largest = LOWEST;
    var total = 0.0;
    var sum0 = vec4f(0.0);
    var sum1 = vec4f(0.0);
    var sum2 = vec4f(0.0);
    var sum3 = vec4f(0.0);
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
        let products = vec4f(dot(query0, key), dot(query1, key), dot(query2, key), dot(query3, key));
        let other_products = vec4f(dot(query0, other_key), dot(query1, other_key), dot(query2, other_key), dot(query3, other_key));
        let is_before = vec2u(at, at + apart) <= vec2u(own_last);
        let scores = select(vec2f(LOWEST), own_scores(products, other_products) * attention_scale(), is_before);
        let before = largest;
        largest = max(before, max(scores.x, scores.y));
        let keep = exp(before - largest);
        let shares = select(vec2f(0.0), exp(scores - largest), is_before);
        total = fma(total, keep, shares.x + shares.y);
        let all = vec3f(keep, shares);
        let of0 = of_member(all, 0u);
        let of1 = of_member(all, 1u);
        let of2 = of_member(all, 2u);
        let of3 = of_member(all, 3u);
        sum0 = fma(sum0, vec4f(of0.x), value * of0.y + other_value * of0.z);
        sum1 = fma(sum1, vec4f(of1.x), value * of1.y + other_value * of1.z);
        sum2 = fma(sum2, vec4f(of2.x), value * of2.y + other_value * of2.z);
        sum3 = fma(sum3, vec4f(of3.x), value * of3.y + other_value * of3.z);
        //+ multiplies(select(0u, 8u * min(count, last + 1u - min(at, last + 1u)), used));
        //+ multiplies(select(0u, 8u * min(count, last + 1u - min(at + apart, last + 1u)), used));
        key = next_key;
        value = next_value;
        other_key = next_other_key;
        other_value = next_other_value;
    }
    keep_attended(0u, merged_lanes(attended_by(0u, largest, total, sum0)));
    keep_attended(1u, merged_lanes(attended_by(1u, largest, total, sum1)));
    keep_attended(2u, merged_lanes(attended_by(2u, largest, total, sum2)));
    keep_attended(3u, merged_lanes(attended_by(3u, largest, total, sum3)));
}

// The member whose scores this lane has: the upper half of the lanes that share a position have the last two.
fn own_member() -> u32 {
    return thread % ATTENTION_LANES / (ATTENTION_LANES / TOGETHER);
}

// The sums over the lanes of four members' products with a key, and with another: of this lane's member. In each step lanes hand the
// half that they do not keep to those that do.
fn own_scores(products: vec4f, others: vec4f) -> vec2f {
    let member = own_member();
    let low = vec4f(products.xy, others.xy);
    let high = vec4f(products.zw, others.zw);
    let is_high = member / 2u == 1u;
    let two = select(low, high, is_high) + subgroupShuffleXor(select(high, low, is_high), ATTENTION_LANES / 2u);
    let is_odd = member % 2u == 1u;
    let one = select(two.xz, two.yw, is_odd) + subgroupShuffleXor(select(two.yw, two.xz, is_odd), ATTENTION_LANES / 4u);
    return add_lanes(one, ATTENTION_LANES / TOGETHER);
}

// What a lane has of a member, in all lanes that share its position.
fn of_member(value: vec3f, member: u32) -> vec3f {
    let first = thread % SUBGROUP / ATTENTION_LANES * ATTENTION_LANES;
    return subgroupShuffle(value, first + member * (ATTENTION_LANES / TOGETHER));
}

fn attended_by(member: u32, largest: f32, total: f32, sum: vec4f) -> Attended {
    let about = of_member(vec3f(largest, total, 0.0), member);
    return Attended(about.x, about.y, sum);
}

fn query_of(index: u32, begin: u32, member: u32, own: u32, used: bool) -> vec4f {
    position = begin + member;
    return prepared(select(vec4f(0.0), hidden[at_member(index, member, own)], used), Q_NORM_WEIGHT, own);
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
