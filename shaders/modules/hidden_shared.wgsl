// A policy of which each of LANES threads has four hidden units.
struct Genome {
    units: Units,
    biases: Outputs,
}

fn load_genome(individual: u32, lane: u32) -> Genome {
    return Genome(load_units(individual, 4u * lane), load_biases(individual, SECOND_BIASES));
}

fn act(genome: Genome, sight: Sight) -> Action {
    return decide(total(contribution(genome.units, sight)) + genome.biases);
}

#import modules/hidden.wgsl
