// Neighbouring threads of a subgroup that follow an individual together, each with four of its hidden units. All of them have the
// same sums to the last bit, so they all make the same steps, and leave an episode together.
const LANES: u32 = HIDDEN / 4u;

fn total1(part: f32) -> f32 {
    var sum = part;
    for (var distance = LANES / 2u; distance > 0u; distance /= 2u) {
        sum += subgroupShuffleXor(sum, distance);
    }
    return sum;
}

fn total2(part: vec2f) -> vec2f {
    var sum = part;
    for (var distance = LANES / 2u; distance > 0u; distance /= 2u) {
        sum += subgroupShuffleXor(sum, distance);
    }
    return sum;
}

fn total3(part: vec3f) -> vec3f {
    var sum = part;
    for (var distance = LANES / 2u; distance > 0u; distance /= 2u) {
        sum += subgroupShuffleXor(sum, distance);
    }
    return sum;
}
