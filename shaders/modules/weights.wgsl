// All weights in one binding.

@group(0) @binding(0) var<storage, read> weights: array<vec4u>;

// Of the matrix of a stage.
fn weight(stage: u32, at: u32) -> vec4u {
    return weights[at];
}
