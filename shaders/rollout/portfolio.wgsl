// A leveraged portfolio of three assets on daily closes, under a recurrent policy network 8-16-6: tanh, then sigmoids.
// src/workload/rollout/portfolio.rs says what each number means.
//
// One thread follows one individual. `fused` runs its whole episode, with genome and state in registers; `one_step` runs one
// step, with the state in memory between dispatches; `observe` and `advance` are the two ends of a step where each operation
// is a dispatch, with the network of operations.wgsl between them. No thread waits for another: there are no barriers. A
// thread whose episode has ended idles.

override WORKGROUP_SIZE: u32 = 64;
override TRACED: bool = false;       // whether states are kept in `trajectory`

// As it stands in memory: value, peak, two memories, three positions and the day, component by component, so that
// neighbouring threads read neighbouring words. Genomes are [parameter][individual] for the same reason.
@group(0) @binding(0) var<storage, read> request: Request;
@group(0) @binding(1) var<storage, read_write> episodes: array<Episode>;
@group(0) @binding(2) var<storage, read_write> states: array<f32>;       // [component][individual]
@group(0) @binding(3) var<storage, read> initial_states: array<f32>;     // the same
@group(0) @binding(4) var<storage, read_write> trajectory: array<f32>;   // [individual][step][component]
@group(0) @binding(5) var<storage, read> genomes: array<f32>;            // [parameter][individual]
@group(0) @binding(5) var<storage, read> actions: array<f32>;            // of `advance`: [output][individual]
@group(0) @binding(4) var<storage, read_write> observations: array<f32>; // of `observe`: [observation][individual]
@group(0) @binding(6) var<storage, read> market: array<vec4f>;           // [day]: three returns and the trend
@group(0) @binding(5) var<storage, read> days: array<vec4f>;             // the same, of `observe`

struct Request {
    population: u32,
    steps: u32,          // an episode ends after so many
}

struct Episode {
    episode_return: f32,
    steps: u32,          // made so far
    terminated: u32,     // 1 where the environment ended it
}

struct State {
    fund: vec4f,         // value, peak, two memories
    held: vec4f,         // three positions, the day
}

struct Transition {
    state: State,
    reward: f32,
    terminated: bool,
}

// Each output's sigmoid.
struct Shares {
    assets: vec4f,       // of three assets, and of leverage
    memory: vec2f,
}

const CAP: f32 = 1.0;
const BAND: f32 = 0.05;
const BUYING: f32 = 4e-4;
const SELLING: f32 = 2e-4;
const BORROWING: f32 = 1e-5;
const FLOOR: f32 = 0.05;
const LEAST_GROWTH: f32 = 0.01;

// What the policy sees: returns and trend; drawdown, what is invested, memories.
fn sight(state: State, day: vec4f) -> mat2x4f {
    let drawdown = 5.0 * (state.fund.x / state.fund.y - 1.0);
    let invested = (state.held.x + state.held.y + state.held.z) / 3.0;
    return mat2x4f(day * vec4f(50.0, 50.0, 50.0, 200.0), vec4f(drawdown, invested, state.fund.zw));
}

// A day's trades, and the returns of the next.
fn transition(state: State, shares: Shares, next: vec4f) -> Transition {
    let returns = next.xyz;
    let held = state.held.xyz;
    let wanted = shares.assets.xyz;
    let leverage = 1.0 + 2.0 * shares.assets.w;
    let targets = min(leverage / (wanted.x + wanted.y + wanted.z) * wanted, vec3f(CAP));
    let positions = select(targets, held, abs(targets - held) < vec3f(BAND));
    let traded = positions - held;
    let bought = max(traded, vec3f(0.0));
    let sold = max(-traded, vec3f(0.0));
    let costs = BUYING * (bought.x + bought.y + bought.z) + SELLING * (sold.x + sold.y + sold.z);
    let borrowed = max(positions.x + positions.y + positions.z - 1.0, 0.0);
    let growth = max(1.0 + (dot(positions, returns) - costs - BORROWING * borrowed), LEAST_GROWTH);
    let value = state.fund.x * growth;
    let fund = vec4f(value, max(state.fund.y, value), 2.0 * shares.memory - 1.0);
    let drifted = positions * (1.0 + returns) / growth;
    return Transition(State(fund, vec4f(drifted, state.held.w + 1.0)), log(growth), value < FLOOR);
}

fn today(state: State) -> u32 {
    return u32(round(state.held.w));
}

// W1[hidden][observation], b1, W2[output][hidden], b2, in this order, four hidden units to a row.
struct Genome {
    hidden0a: mat4x4f,
    hidden0b: mat4x4f,
    hidden_bias0: vec4f,
    hidden1a: mat4x4f,
    hidden1b: mat4x4f,
    hidden_bias1: vec4f,
    hidden2a: mat4x4f,
    hidden2b: mat4x4f,
    hidden_bias2: vec4f,
    hidden3a: mat4x4f,
    hidden3b: mat4x4f,
    hidden_bias3: vec4f,
    output0a: mat4x4f,
    output0b: mat2x4f,
    output1a: mat4x4f,
    output1b: mat2x4f,
    output2a: mat4x4f,
    output2b: mat2x4f,
    output3a: mat4x4f,
    output3b: mat2x4f,
    output_bias: vec4f,
    memory_bias: vec2f,
}

fn load_genome(individual: u32) -> Genome {
    return Genome(
        mat4x4f(
            genes4(individual, 0u, 8u),
            genes4(individual, 1u, 8u),
            genes4(individual, 2u, 8u),
            genes4(individual, 3u, 8u),
        ),
        mat4x4f(
            genes4(individual, 4u, 8u),
            genes4(individual, 5u, 8u),
            genes4(individual, 6u, 8u),
            genes4(individual, 7u, 8u),
        ),
        genes4(individual, 128u, 1u),
        mat4x4f(
            genes4(individual, 32u, 8u),
            genes4(individual, 33u, 8u),
            genes4(individual, 34u, 8u),
            genes4(individual, 35u, 8u),
        ),
        mat4x4f(
            genes4(individual, 36u, 8u),
            genes4(individual, 37u, 8u),
            genes4(individual, 38u, 8u),
            genes4(individual, 39u, 8u),
        ),
        genes4(individual, 132u, 1u),
        mat4x4f(
            genes4(individual, 64u, 8u),
            genes4(individual, 65u, 8u),
            genes4(individual, 66u, 8u),
            genes4(individual, 67u, 8u),
        ),
        mat4x4f(
            genes4(individual, 68u, 8u),
            genes4(individual, 69u, 8u),
            genes4(individual, 70u, 8u),
            genes4(individual, 71u, 8u),
        ),
        genes4(individual, 136u, 1u),
        mat4x4f(
            genes4(individual, 96u, 8u),
            genes4(individual, 97u, 8u),
            genes4(individual, 98u, 8u),
            genes4(individual, 99u, 8u),
        ),
        mat4x4f(
            genes4(individual, 100u, 8u),
            genes4(individual, 101u, 8u),
            genes4(individual, 102u, 8u),
            genes4(individual, 103u, 8u),
        ),
        genes4(individual, 140u, 1u),
        mat4x4f(
            genes4(individual, 144u, 1u),
            genes4(individual, 160u, 1u),
            genes4(individual, 176u, 1u),
            genes4(individual, 192u, 1u),
        ),
        mat2x4f(genes4(individual, 208u, 1u), genes4(individual, 224u, 1u)),
        mat4x4f(
            genes4(individual, 148u, 1u),
            genes4(individual, 164u, 1u),
            genes4(individual, 180u, 1u),
            genes4(individual, 196u, 1u),
        ),
        mat2x4f(genes4(individual, 212u, 1u), genes4(individual, 228u, 1u)),
        mat4x4f(
            genes4(individual, 152u, 1u),
            genes4(individual, 168u, 1u),
            genes4(individual, 184u, 1u),
            genes4(individual, 200u, 1u),
        ),
        mat2x4f(genes4(individual, 216u, 1u), genes4(individual, 232u, 1u)),
        mat4x4f(
            genes4(individual, 156u, 1u),
            genes4(individual, 172u, 1u),
            genes4(individual, 188u, 1u),
            genes4(individual, 204u, 1u),
        ),
        mat2x4f(genes4(individual, 220u, 1u), genes4(individual, 236u, 1u)),
        genes4(individual, 240u, 1u),
        vec2f(gene(individual, 244u), gene(individual, 245u)),
    );
}

fn act(genome: Genome, seen: mat2x4f) -> Shares {
    let hidden0 = tanh4(genome.hidden0a * seen[0] + genome.hidden0b * seen[1] + genome.hidden_bias0);
    let hidden1 = tanh4(genome.hidden1a * seen[0] + genome.hidden1b * seen[1] + genome.hidden_bias1);
    let hidden2 = tanh4(genome.hidden2a * seen[0] + genome.hidden2b * seen[1] + genome.hidden_bias2);
    let hidden3 = tanh4(genome.hidden3a * seen[0] + genome.hidden3b * seen[1] + genome.hidden_bias3);
    let near = hidden0 * genome.output0a + hidden1 * genome.output1a;
    let far = hidden2 * genome.output2a + hidden3 * genome.output3a;
    let near_memory = hidden0 * genome.output0b + hidden1 * genome.output1b;
    let far_memory = hidden2 * genome.output2b + hidden3 * genome.output3b;
    let assets = near + far + genome.output_bias;
    let memory = near_memory + far_memory + genome.memory_bias;
    return Shares(sigmoid4(assets), sigmoid4(vec4f(memory, memory)).xy);
}

fn sigmoid4(x: vec4f) -> vec4f {
    return 1.0 / (1.0 + exp2(min(-1.442695 * x, vec4f(64.0))));
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
        let day = today(state);
        let next = transition(state, act(genome, sight(state, market[day])), market[day + 1u]);
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
    let day = today(state);
    let shares = act(load_genome(individual), sight(state, market[day]));
    finish(individual, state, transition(state, shares, market[day + 1u]));
}

// What the policy sees.
@compute @workgroup_size(WORKGROUP_SIZE)
fn observe(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= request.population {
        return;
    }
    let state = current_state(individual);
    let seen = sight(state, days[today(state)]);
    let near = seen[0];
    let far = seen[1];
    for (var component = 0u; component < 4u; component++) {
        observations[component * request.population + individual] = near[component];
        observations[(4u + component) * request.population + individual] = far[component];
    }
}

// The step of the environment under an action.
@compute @workgroup_size(WORKGROUP_SIZE)
fn advance(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= request.population || episodes[individual].terminated != 0u {
        return;
    }
    let state = current_state(individual);
    let population = request.population;
    let shares = Shares(
        vec4f(
            actions[individual],
            actions[population + individual],
            actions[2u * population + individual],
            actions[3u * population + individual],
        ),
        vec2f(actions[4u * population + individual], actions[5u * population + individual]),
    );
    finish(individual, state, transition(state, shares, market[today(state) + 1u]));
}

// Before the first step the state is the initial one.
fn current_state(individual: u32) -> State {
    if episodes[individual].steps == 0u {
        return load_initial(individual);
    }
    let population = request.population;
    return State(
        vec4f(
            states[individual],
            states[population + individual],
            states[2u * population + individual],
            states[3u * population + individual],
        ),
        vec4f(
            states[4u * population + individual],
            states[5u * population + individual],
            states[6u * population + individual],
            states[7u * population + individual],
        ),
    );
}

fn load_initial(individual: u32) -> State {
    let population = request.population;
    return State(
        vec4f(
            initial_states[individual],
            initial_states[population + individual],
            initial_states[2u * population + individual],
            initial_states[3u * population + individual],
        ),
        vec4f(
            initial_states[4u * population + individual],
            initial_states[5u * population + individual],
            initial_states[6u * population + individual],
            initial_states[7u * population + individual],
        ),
    );
}

fn store_state(individual: u32, state: State) {
    for (var component = 0u; component < 4u; component++) {
        states[component * request.population + individual] = state.fund[component];
        states[(4u + component) * request.population + individual] = state.held[component];
    }
}

fn finish(individual: u32, before: State, next: Transition) {
    let episode = episodes[individual];
    if episode.steps == 0u {
        trace(individual, 0u, before);
    }
    trace(individual, episode.steps + 1u, next.state);
    store_state(individual, next.state);
    let terminated = select(0u, 1u, next.terminated);
    episodes[individual] = Episode(episode.episode_return + next.reward, episode.steps + 1u, terminated);
}

fn trace(individual: u32, step: u32, state: State) {
    if TRACED {
        let row = (individual * (request.steps + 1u) + step) * 8u;
        for (var component = 0u; component < 4u; component++) {
            trajectory[row + component] = state.fund[component];
            trajectory[row + 4u + component] = state.held[component];
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
