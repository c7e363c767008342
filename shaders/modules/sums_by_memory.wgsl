// Sums and maxima over the threads of a workgroup, through workgroup memory.

var<workgroup> norm_sums: array<vec2f, NORM_LANES>;
var<workgroup> best_scores: array<f32, WORKGROUP_SIZE>;
var<workgroup> candidates: array<u32, WORKGROUP_SIZE>;

// The sum over the NORM_LANES threads that share a norm, which all threads add up.
fn norm_total(part: vec2f) -> vec2f {
    if thread < NORM_LANES {
        norm_sums[thread] = part;
    }
    workgroupBarrier();
    var sums = vec2f(0.0);
    var lane = 0u;
    // Four are read before they are added: compilers leave such loops as they are.
    for (; lane + 4u <= NORM_LANES; lane += 4u) {
        sums += (norm_sums[lane] + norm_sums[lane + 1u]) + (norm_sums[lane + 2u] + norm_sums[lane + 3u]);
    }
    for (; lane < NORM_LANES; lane++) {
        sums += norm_sums[lane];
    }
    return sums;
}

// The best candidate of all threads, in the first: each level gathers eight into one.
fn best_of_workgroup() {
    best_scores[thread] = best_score;
    candidates[thread] = best_token;
    for (var entries = WORKGROUP_SIZE; entries > 1u; entries = (entries + 7u) / 8u) {
        workgroupBarrier();
        let groups = (entries + 7u) / 8u;
        if thread < groups {
            for (var other = thread + groups; other < entries; other += groups) {
                consider(best_scores[other], candidates[other]);
            }
            best_scores[thread] = best_score;
            candidates[thread] = best_token;
        }
    }
}

// Threads that ask for the candidates of workgroups, and the best of what they found, in the first.
override ASKING: u32 = WORKGROUP_SIZE;

fn best_of_asking() {
    workgroupBarrier();
    best_of_workgroup();
}
