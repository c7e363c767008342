// Threads that follow an individual together: one here, so that a sum over them is its own part.
const LANES: u32 = 1;

fn total1(part: f32) -> f32 {
    return part;
}

fn total2(part: vec2f) -> vec2f {
    return part;
}

fn total3(part: vec3f) -> vec3f {
    return part;
}
