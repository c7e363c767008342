// MountainCar-v0 of Gymnasium under a policy network 2-8-3: tanh, then the largest output.
//
// One thread follows one individual. `fused` runs its whole episode, with genome and state in registers; `one_step` runs one
// step, with the state in memory between dispatches; `observe` and `advance` are the two ends of a step where each operation
// is a dispatch, with the network of operations.wgsl between them. No thread waits for another: there are no barriers. A
// thread whose episode has ended idles.

override WORKGROUP_SIZE: u32 = 64;
override TRACED: bool = false;       // whether states are kept in `trajectory`

// As it stands in memory: position, velocity, component by component, so that neighbouring threads read
// neighbouring words. Genomes are [parameter][individual] for the same reason.
@group(0) @binding(0) var<storage, read> request: Request;
@group(0) @binding(1) var<storage, read_write> episodes: array<Episode>;
@group(0) @binding(2) var<storage, read_write> states: array<f32>;       // [component][individual]
@group(0) @binding(3) var<storage, read> initial_states: array<f32>;     // the same
@group(0) @binding(4) var<storage, read_write> trajectory: array<f32>;   // [individual][step][component]
@group(0) @binding(5) var<storage, read> genomes: array<f32>;            // [parameter][individual]
@group(0) @binding(5) var<storage, read> actions: array<f32>;            // of `advance`: [individual]
@group(0) @binding(4) var<storage, read_write> observations: array<f32>; // of `observe`: [observation][individual]

struct Request {
    population: u32,
    steps: u32,          // an episode ends after so many
}

struct Episode {
    episode_return: f32,
    steps: u32,          // made so far
    terminated: u32,     // 1 where the environment ended it
}

struct Transition {
    state: vec2f,
    reward: f32,
    terminated: bool,
}

const FORCE: f32 = 0.001;
const GRAVITY: f32 = 0.0025;
const FASTEST: f32 = 0.07;
const LEFTMOST: f32 = -1.2;
const RIGHTMOST: f32 = 0.6;
const GOAL: f32 = 0.5;

// Actions 0, 1 and 2 push to the left, not at all, and to the right. The left end stops the car.
fn transition(state: vec2f, action: f32) -> Transition {
    let pushed = state.y + (action - 1.0) * FORCE - cos(3.0 * state.x) * GRAVITY;
    let velocity = clamp(pushed, -FASTEST, FASTEST);
    let position = clamp(state.x + velocity, LEFTMOST, RIGHTMOST);
    let next = vec2f(position, select(velocity, 0.0, position == LEFTMOST && velocity < 0.0));
    return Transition(next, -1.0, next.x >= GOAL && next.y >= 0.0);
}

// W1[hidden][observation], b1, W2[output][hidden], b2, in this order, four hidden units to a row.
struct Genome {
    hidden0: mat2x4f,
    hidden_bias0: vec4f,
    hidden1: mat2x4f,
    hidden_bias1: vec4f,
    output0: mat3x4f,
    output1: mat3x4f,
    output_bias: vec3f,
}

fn load_genome(individual: u32) -> Genome {
    return Genome(
        mat2x4f(genes4(individual, 0u, 2u), genes4(individual, 1u, 2u)),
        genes4(individual, 16u, 1u),
        mat2x4f(genes4(individual, 8u, 2u), genes4(individual, 9u, 2u)),
        genes4(individual, 20u, 1u),
        mat3x4f(genes4(individual, 24u, 1u), genes4(individual, 32u, 1u), genes4(individual, 40u, 1u)),
        mat3x4f(genes4(individual, 28u, 1u), genes4(individual, 36u, 1u), genes4(individual, 44u, 1u)),
        vec3f(gene(individual, 48u), gene(individual, 49u), gene(individual, 50u)),
    );
}

// The action that the network chooses: the first of the largest outputs.
fn act(genome: Genome, seen: vec2f) -> f32 {
    let hidden0 = tanh4(genome.hidden0 * seen + genome.hidden_bias0);
    let hidden1 = tanh4(genome.hidden1 * seen + genome.hidden_bias1);
    let outputs = hidden0 * genome.output0 + hidden1 * genome.output1 + genome.output_bias;
    let second = select(0.0, 1.0, outputs.y > outputs.x);
    return select(second, 2.0, outputs.z > max(outputs.x, outputs.y));
}

// A whole episode of each individual.
@compute @workgroup_size(WORKGROUP_SIZE)
fn fused(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= request.population {
        return;
    }
    let genome = load_genome(individual);
    let steps = request.steps;
    var state = load_initial(individual);
    var episode = Episode(0.0, 0u, 0u);
    trace(individual, 0u, state);
    while episode.steps < steps && episode.terminated == 0u {
        let next = transition(state, act(genome, state));
        state = next.state;
        episode = Episode(episode.episode_return + next.reward, episode.steps + 1u, select(0u, 1u, next.terminated));
        trace(individual, episode.steps, state);
    }
    store_state(individual, state);
    episodes[individual] = episode;
}

// One step of each individual whose episode goes on.
@compute @workgroup_size(WORKGROUP_SIZE)
fn one_step(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= request.population || episodes[individual].terminated != 0u {
        return;
    }
    let state = current_state(individual);
    finish(individual, state, transition(state, act(load_genome(individual), state)));
}

// What the policy sees.
@compute @workgroup_size(WORKGROUP_SIZE)
fn observe(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= request.population {
        return;
    }
    let state = current_state(individual);
    observations[individual] = state.x;
    observations[request.population + individual] = state.y;
}

// The step of the environment under an action.
@compute @workgroup_size(WORKGROUP_SIZE)
fn advance(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= request.population || episodes[individual].terminated != 0u {
        return;
    }
    let state = current_state(individual);
    finish(individual, state, transition(state, actions[individual]));
}

// Before the first step the state is the initial one.
fn current_state(individual: u32) -> vec2f {
    if episodes[individual].steps == 0u {
        return load_initial(individual);
    }
    return vec2f(states[individual], states[request.population + individual]);
}

fn load_initial(individual: u32) -> vec2f {
    return vec2f(initial_states[individual], initial_states[request.population + individual]);
}

fn store_state(individual: u32, state: vec2f) {
    for (var component = 0u; component < 2u; component++) {
        states[component * request.population + individual] = state[component];
    }
}

fn finish(individual: u32, before: vec2f, next: Transition) {
    let episode = episodes[individual];
    if episode.steps == 0u {
        trace(individual, 0u, before);
    }
    trace(individual, episode.steps + 1u, next.state);
    store_state(individual, next.state);
    let terminated = select(0u, 1u, next.terminated);
    episodes[individual] = Episode(episode.episode_return + next.reward, episode.steps + 1u, terminated);
}

fn trace(individual: u32, step: u32, state: vec2f) {
    if TRACED {
        for (var component = 0u; component < 2u; component++) {
            trajectory[(individual * (request.steps + 1u) + step) * 2u + component] = state[component];
        }
    }
}

fn gene(individual: u32, parameter: u32) -> f32 {
    return genomes[parameter * request.population + individual];
}

// Four genes that lie `stride` parameters apart.
fn genes4(individual: u32, first: u32, stride: u32) -> vec4f {
    return vec4f(
        gene(individual, first),
        gene(individual, first + stride),
        gene(individual, first + 2u * stride),
        gene(individual, first + 3u * stride),
    );
}

// tanh(x) = 1 - 2 / (e^2x + 1): an absolute error of a few units in the last place of 1, at the cost of one exponential and
// one division.
fn tanh4(x: vec4f) -> vec4f {
    return 1.0 - 2.0 / (exp2(min(x * 2.885390, vec4f(64.0))) + 1.0);
}
