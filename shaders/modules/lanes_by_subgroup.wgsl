// Neighbouring threads of a subgroup that follow an individual together, two or four, each with four of its hidden units. All of them
// have the same sums to the last bit, so they all make the same steps, and leave an episode together.
const LANES: u32 = HIDDEN / 4u;

fn total1(part: f32) -> f32 {
    let pair = part + subgroupShuffleXor(part, 1u);
    return select(pair + subgroupShuffleXor(pair, 2u), pair, LANES == 2u);
}

fn total2(part: vec2f) -> vec2f {
    let pair = part + subgroupShuffleXor(part, 1u);
    return select(pair + subgroupShuffleXor(pair, 2u), pair, LANES == 2u);
}

fn total3(part: vec3f) -> vec3f {
    let pair = part + subgroupShuffleXor(part, 1u);
    return select(pair + subgroupShuffleXor(pair, 2u), pair, LANES == 2u);
}
