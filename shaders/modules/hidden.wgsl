// Four hidden units of a policy, as they stand in a genome of W1[hidden][observation], b1, W2[output][hidden], b2.
//
// The environment says how many OBSERVATIONS, HIDDEN units and OUTPUTS there are, and in which vectors and matrices:
//
//     Inward, load_inward, weigh      weights of four units, from each observation; what a sight adds up to by them
//     Outward, load_outward, combine  weights of four units, to each output; what they add up to
//     Outputs, load_biases, decide    sums of these, to begin with b2; the action that follows from them
//     total                           such a sum over all threads that follow an individual: lanes.wgsl has its parts
struct Units {
    inward: Inward,
    bias: vec4f,
    outward: Outward,
}

const SECOND_MATRIX: u32 = HIDDEN * (OBSERVATIONS + 1u);
const SECOND_BIASES: u32 = SECOND_MATRIX + OUTPUTS * HIDDEN;

// Those from the unit `first` on.
fn load_units(individual: u32, first: u32) -> Units {
    return Units(
        load_inward(individual, first * OBSERVATIONS),
        genes4(individual, HIDDEN * OBSERVATIONS + first, 1u),
        load_outward(individual, SECOND_MATRIX + first),
    );
}

fn contribution(units: Units, sight: Sight) -> Outputs {
    return combine(units.outward, tanh4(weigh(units.inward, sight) + units.bias));
}

#import modules/genome.wgsl
#import modules/hyperbolic.wgsl
#import modules/lanes.wgsl
