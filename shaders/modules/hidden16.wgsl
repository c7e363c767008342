// A policy of 16 hidden units.
const HIDDEN: u32 = 16;

struct Genome {
    units0: Units,
    units1: Units,
    units2: Units,
    units3: Units,
    biases: Outputs,
}

fn load_genome(individual: u32, lane: u32) -> Genome {
    return Genome(
        load_units(individual, 0u),
        load_units(individual, 4u),
        load_units(individual, 8u),
        load_units(individual, 12u),
        load_biases(individual, SECOND_BIASES),
    );
}

fn act(genome: Genome, sight: Sight) -> Action {
    let near = contribution(genome.units0, sight) + contribution(genome.units1, sight);
    let far = contribution(genome.units2, sight) + contribution(genome.units3, sight);
    return decide(total(near + far) + genome.biases);
}

#import modules/hidden.wgsl
