// Sums and maxima over the threads of a workgroup, by shuffles within subgroups and through workgroup memory between them.

override SUBGROUP: u32 = 4;          // threads that shuffle with each other; neighbours by local index
override SUBGROUPS: u32 = WORKGROUP_SIZE / SUBGROUP;

var<workgroup> maxima: array<f32, SUBGROUPS>;
var<workgroup> totals: array<f32, SUBGROUPS>;
var<workgroup> norm_sums: array<vec2f, SUBGROUPS>;
var<workgroup> candidates: array<u32, SUBGROUPS>;

// The sum over `lanes` neighbouring threads of a subgroup, in all of them.
fn add_lanes(value: vec2f, lanes: u32) -> vec2f {
    var sum = value;
    for (var distance = lanes / 2u; distance > 0u; distance /= 2u) {
        sum += subgroupShuffleXor(sum, distance);
    }
    return sum;
}

// The sum over the NORM_LANES threads that share a norm: a subgroup or the workgroup.
fn norm_total(part: vec2f) -> vec2f {
    var sums = add_lanes(part, SUBGROUP);
    if NORM_LANES > SUBGROUP {
        if thread % SUBGROUP == 0u {
            norm_sums[thread / SUBGROUP] = sums;
        }
        workgroupBarrier();
        sums = vec2f(0.0);
        for (var other = thread % SUBGROUP; other < SUBGROUPS; other += SUBGROUP) {
            sums += norm_sums[other];
        }
        sums = add_lanes(sums, SUBGROUP);
    }
    return sums;
}

// The best candidate of all threads, in the first subgroup.
fn best_of_workgroup() {
    consider_lanes();
    if thread % SUBGROUP == 0u {
        maxima[thread / SUBGROUP] = best_score;
        candidates[thread / SUBGROUP] = best_token;
    }
    workgroupBarrier();
    if thread < SUBGROUP {
        for (var other = thread; other < SUBGROUPS; other += SUBGROUP) {
            consider(maxima[other], candidates[other]);
        }
    }
    consider_lanes();
}

// Threads that ask for the candidates of workgroups, and the best of what they found, in all of them.
override ASKING: u32 = SUBGROUP;

fn best_of_asking() {
    consider_lanes();
}

fn consider_lanes() {
    for (var distance = SUBGROUP / 2u; distance > 0u; distance /= 2u) {
        consider(subgroupShuffleXor(best_score, distance), subgroupShuffleXor(best_token, distance));
    }
}
