// A policy of 8 hidden units.
const HIDDEN: u32 = 8;

struct Genome {
    units0: Units,
    units1: Units,
    biases: Outputs,
}

fn load_genome(individual: u32, lane: u32) -> Genome {
    return Genome(load_units(individual, 0u), load_units(individual, 4u), load_biases(individual, SECOND_BIASES));
}

fn act(genome: Genome, sight: Sight) -> Action {
    return decide(total(contribution(genome.units0, sight) + contribution(genome.units1, sight)) + genome.biases);
}

#import modules/hidden.wgsl
