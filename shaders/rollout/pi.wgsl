// Monte-Carlo pi: how many points of the unit square lie in the quarter circle. Samples need nothing of each other.
//
// A workgroup draws one individual's samples after another's. How far an individual has got is in memory, so that one
// dispatch may draw all samples or some of them: the same kernel. A call of Philox makes two samples of two draws each. A
// draw is the upper 16 bits of a word, and a point is inside where the sum of the squares needs no 33rd bit: there is nothing
// to round, and the oracle counts the same points.

override INDIVIDUALS: u32 = 4096;
override SAMPLES: u32 = 100000;      // of an individual, in all
override PAIRS: u32 = 50000;         // of samples, in this dispatch
override SEED_LOW: u32 = 0;
override SEED_HIGH: u32 = 0;

@group(0) @binding(0) var<storage, read_write> counts: array<vec2u>;      // [individual]: inside, drawn

alias Sum = u32;

@compute @workgroup_size(WORKGROUP_SIZE)
fn draw(
    @builtin(local_invocation_index) thread: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    for (var individual = group.x; individual < INDIVIDUALS; individual += groups.x) {
        let before = counts[individual];
        let end = min(before.y + 2u * PAIRS, SAMPLES);
        var inside = 0u;
        for (var sample = before.y + 2u * thread; sample < end; sample += 2u * WORKGROUP_SIZE) {
            let words = philox(vec4u(individual, sample / 2u, 2u, 0u), vec2u(SEED_LOW, SEED_HIGH)) >> vec4u(16u);
            inside += is_inside(words.x, words.y);
            if sample + 1u < end {
                inside += is_inside(words.z, words.w);
            }
        }
        let sum = total(thread, inside);
        if thread == 0u {
            counts[individual] = vec2u(before.x + sum, end);
        }
    }
}

fn added(a: Sum, b: Sum) -> Sum {
    return a + b;
}

// 1 where x * x + y * y is less than 2^32.
fn is_inside(x: u32, y: u32) -> u32 {
    return select(0u, 1u, x * x <= ~(y * y));
}

#import modules/philox.wgsl
#import modules/side_by_side.wgsl
