// A choice of three actions: the number of the largest output, the first among equals.
const OUTPUTS: u32 = 3;

alias Outward = mat3x4f;
alias Outputs = vec3f;

fn load_outward(individual: u32, first: u32) -> Outward {
    return genes3x4(individual, first, HIDDEN, 1u);
}

fn combine(outward: Outward, hidden: vec4f) -> Outputs {
    return hidden * outward;
}

fn load_biases(individual: u32, first: u32) -> Outputs {
    return vec3f(gene(individual, first), gene(individual, first + 1u), gene(individual, first + 2u));
}

fn total(part: Outputs) -> Outputs {
    return total3(part);
}

fn decide(outputs: Outputs) -> Action {
    let second = select(0.0, 1.0, outputs.y > outputs.x);
    return select(second, 2.0, outputs.z > max(outputs.x, outputs.y));
}

#import modules/number_action.wgsl
