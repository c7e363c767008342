// A genetic algorithm around an environment's `fused`: from a population and its returns to the next population.
//
// A generation is `breed`, `settle`, `fused` once for each initial state, `score`, `rank`. All but `rank` give each
// individual a thread; `rank` is one workgroup, whose threads share out the population and meet at barriers. Everything is
// [number][individual]. Draws are words of Philox at counters that name individual, number, generation and use, so a seed
// gives the same populations however threads are scheduled.

override WORKGROUP_SIZE: u32 = 64;
override PARAMETERS: u32 = 58;
override EPISODES: u32 = 8;          // initial states that each individual starts from
override ELITES: u32 = 4;            // best individuals, which go on as they are

const CANDIDATES: u32 = 4;           // a parent is the best of so many
const CROSSED: f32 = 0.5;            // share of children with two parents
const MUTATED: f32 = 0.1;            // share of genes that change,
const SPREAD: f32 = 0.3;             // and the standard deviation of the change
const UNIT_VARIANCE: f32 = 1.7320508;
const LOWEST: f32 = -3.4028234e38;

@group(0) @binding(0) var<storage, read> plan: Plan;
@group(0) @binding(1) var<storage, read_write> progress: array<u32>;      // generations done; then the elites, best first
@group(0) @binding(2) var<storage, read_write> fitness: array<f32>;       // [individual]: mean return
@group(0) @binding(3) var<storage, read_write> genomes: array<f32>;       // [parameter][individual]
@group(0) @binding(4) var<storage, read_write> children: array<f32>;      // of `breed`, `settle`: the same
@group(0) @binding(4) var<storage, read_write> history: array<vec4f>;     // of `rank`: [generation]: best, mean, mean steps
@group(0) @binding(5) var<storage, read_write> best: array<f32>;          // of `rank`: [parameter]
@group(0) @binding(6) var<storage, read_write> lengths: array<f32>;       // of `rank`: [individual], steps of all episodes
@group(0) @binding(1) var<storage, read_write> scored: array<f32>;        // of `score`: `fitness`
@group(0) @binding(2) var<storage, read_write> stepped: array<f32>;       // of `score`: `lengths`
@group(0) @binding(3) var<storage, read_write> episodes: array<Episode>;  // of `score`: [episode][individual]
@group(0) @binding(0) var<storage, read_write> grown: array<f32>;         // of `settle`: `genomes`
@group(0) @binding(1) var<storage, read_write> bred: array<f32>;          // of `settle`: `children`

struct Plan {
    population: u32,
    seed_low: u32,
    seed_high: u32,
}

var<workgroup> candidates: array<u32, WORKGROUP_SIZE>;
var<workgroup> sums: array<vec2f, WORKGROUP_SIZE>;
var<workgroup> champion: u32;

// Children of the last generation; the first is drawn, uniform of unit variance.
@compute @workgroup_size(WORKGROUP_SIZE)
fn breed(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= plan.population {
        return;
    }
    let generation = progress[0];
    if generation == 0u {
        for (var parameter = 0u; parameter < PARAMETERS; parameter++) {
            let words = draw(individual, parameter / 4u, 0u, 0u);
            children[place(parameter, individual)] = UNIT_VARIANCE * (2.0 * uniform_of(words[parameter % 4u]) - 1.0);
        }
    } else if individual < ELITES {
        let elite = progress[1u + individual];
        for (var parameter = 0u; parameter < PARAMETERS; parameter++) {
            children[place(parameter, individual)] = genomes[place(parameter, elite)];
        }
    } else {
        let mother = tournament(individual, generation, 2u);
        var father = tournament(individual, generation, 3u);
        if uniform_of(draw(individual, 0u, generation, 4u).x) >= CROSSED {
            father = mother;
        }
        for (var parameter = 0u; parameter < PARAMETERS; parameter++) {
            let words = draw(individual, parameter, generation, 5u);
            let parent = select(mother, father, (words.x & 1u) != 0u);
            var gene = genomes[place(parameter, parent)];
            if uniform_of(words.y) < MUTATED {
                gene += SPREAD * normal(words.zw);
            }
            children[place(parameter, individual)] = gene;
        }
    }
}

// Children become the population.
@compute @workgroup_size(WORKGROUP_SIZE)
fn settle(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    for (var gene = id.x; gene < arrayLength(&bred); gene += WORKGROUP_SIZE * workgroups.x) {
        grown[gene] = bred[gene];
    }
}

// Mean return over the episodes, and their steps.
@compute @workgroup_size(WORKGROUP_SIZE)
fn score(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= plan.population {
        return;
    }
    var sum = 0.0;
    var steps = 0u;
    for (var episode = 0u; episode < EPISODES; episode++) {
        sum += episodes[episode * plan.population + individual].episode_return;
        steps += episodes[episode * plan.population + individual].steps;
    }
    scored[individual] = sum / f32(EPISODES);
    stepped[individual] = f32(steps);
}

// The elites, one after the other; means of the population; the best genome.
@compute @workgroup_size(WORKGROUP_SIZE)
fn rank(@builtin(local_invocation_index) thread: u32) {
    var sum = vec2f(0.0);
    for (var individual = thread; individual < plan.population; individual += WORKGROUP_SIZE) {
        sum += vec2f(fitness[individual], lengths[individual]);
    }
    sums[thread] = sum;
    // The last elite found, behind which the next is.
    var above = 0u;
    for (var elite = 0u; elite < ELITES; elite++) {
        var found = plan.population;
        for (var individual = thread; individual < plan.population; individual += WORKGROUP_SIZE) {
            let is_behind = elite == 0u || precedes(above, individual);
            if is_behind && (found == plan.population || precedes(individual, found)) {
                found = individual;
            }
        }
        candidates[thread] = found;
        workgroupBarrier();
        if thread == 0u {
            for (var other = 1u; other < WORKGROUP_SIZE; other++) {
                let rival = candidates[other];
                if rival < plan.population && (found == plan.population || precedes(rival, found)) {
                    found = rival;
                }
            }
            champion = found;
            progress[1u + elite] = found;
        }
        above = workgroupUniformLoad(&champion);
    }
    if thread == 0u {
        for (var other = 1u; other < WORKGROUP_SIZE; other++) {
            sum += sums[other];
        }
        let leader = progress[1];
        let generation = progress[0];
        let means = sum / f32(plan.population);
        history[generation] = vec4f(fitness[leader], means, 0.0);
        for (var parameter = 0u; parameter < PARAMETERS; parameter++) {
            best[parameter] = genomes[place(parameter, leader)];
        }
        progress[0] = generation + 1u;
    }
}

fn place(parameter: u32, individual: u32) -> u32 {
    return parameter * plan.population + individual;
}

// Better first; the lower number among equals.
fn precedes(a: u32, b: u32) -> bool {
    return fitness[a] > fitness[b] || (fitness[a] == fitness[b] && a < b);
}

// The best of some individuals drawn from all.
fn tournament(individual: u32, generation: u32, purpose: u32) -> u32 {
    let words = draw(individual, 0u, generation, purpose);
    var winner = below(words.x);
    for (var candidate = 1u; candidate < CANDIDATES; candidate++) {
        let rival = below(words[candidate]);
        if precedes(rival, winner) {
            winner = rival;
        }
    }
    return winner;
}

// An individual's number from a word: the high word of the product.
fn below(word: u32) -> u32 {
    return wide_product(word, plan.population).x;
}

// In [0, 1); the upper 24 bits are exact in f32.
fn uniform_of(word: u32) -> f32 {
    return f32(word >> 8u) * 0x1p-24;
}

// Box and Muller's transform.
fn normal(words: vec2u) -> f32 {
    let radius = sqrt(-2.0 * log((f32(words.x >> 8u) + 0.5) * 0x1p-24));
    return radius * cos(6.2831853 * uniform_of(words.y));
}

fn draw(individual: u32, number: u32, generation: u32, purpose: u32) -> vec4u {
    // The first generation is that of other commands: counters [individual, block, 0, 0].
    return philox(vec4u(individual, number, purpose, generation), vec2u(plan.seed_low, plan.seed_high));
}

#import modules/episode.wgsl
#import modules/philox.wgsl
