// Acrobot-v1 of Gymnasium (the dynamics of Sutton and Barto's book) under a policy network 6-16-3: tanh, then the largest
// output.
//
// One thread follows one individual. `fused` runs its whole episode, with genome and state in registers; `one_step` runs one
// step, with the state in memory between dispatches; `observe` and `advance` are the two ends of a step where each operation
// is a dispatch, with the network of operations.wgsl between them. No thread waits for another: there are no barriers. A
// thread whose episode has ended idles.

override WORKGROUP_SIZE: u32 = 64;
override TRACED: bool = false;       // whether states are kept in `trajectory`

// As it stands in memory: two angles, two angular velocities, component by component, so that neighbouring threads read
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
    state: vec4f,
    facing: vec4f,       // of that state, which the next step begins with
    reward: f32,
    terminated: bool,
}

const GRAVITY: f32 = 9.8;
const TAU: f32 = 0.2;                 // seconds a step
const FASTEST: vec2f = vec2f(12.566371, 28.274334);
const TURN: f32 = 6.2831855;

// Cosine and sine of each angle.
fn face(state: vec4f) -> vec4f {
    return vec4f(cos(state.x), sin(state.x), cos(state.y), sin(state.y));
}

// Angular accelerations. Masses, lengths and moments of inertia are 1, centres of mass in the middle; `sines` are those of
// the first angle and of the sum of both. Gymnasium's expressions, with what is constant folded and the first fraction
// brought to one denominator.
fn accelerations(sines: vec2f, sine2: f32, cosine2: f32, velocity: vec2f, torque: f32) -> vec2f {
    let d1 = 3.5 + cosine2;
    let d2 = 1.25 + 0.5 * cosine2;
    let phi2 = 0.5 * GRAVITY * sines.y;
    let phi1 = 1.5 * GRAVITY * sines.x + phi2 - sine2 * velocity.y * (0.5 * velocity.y + velocity.x);
    let pull = torque - 0.5 * velocity.x * velocity.x * sine2 - phi2;
    let second = (d1 * pull + d2 * phi1) / (1.25 * d1 - d2 * d2);
    return vec2f(-(d2 * second + phi1) / d1, second);
}

fn derivative(state: vec4f, torque: f32) -> vec4f {
    let sines = vec2f(sin(state.x), sin(state.x + state.y));
    return vec4f(state.zw, accelerations(sines, sin(state.y), cos(state.y), state.zw, torque));
}

// One step of the classical Runge-Kutta method. Actions 0, 1 and 2 are torques of -1, 0 and 1 on the second joint.
fn transition(state: vec4f, facing: vec4f, action: f32) -> Transition {
    let torque = action - 1.0;
    let sines = vec2f(facing.y, facing.y * facing.z + facing.x * facing.w);
    let k1 = vec4f(state.zw, accelerations(sines, facing.w, facing.z, state.zw, torque));
    let k2 = derivative(state + 0.5 * TAU * k1, torque);
    let k3 = derivative(state + 0.5 * TAU * k2, torque);
    let k4 = derivative(state + TAU * k3, torque);
    let ahead = state + TAU / 6.0 * (k1 + 2.0 * (k2 + k3) + k4);
    let angles = ahead.xy - TURN * round(ahead.xy / TURN);
    let next = vec4f(angles, clamp(ahead.zw, -FASTEST, FASTEST));
    let faced = face(next);
    let height = -faced.x - (faced.x * faced.z - faced.y * faced.w);
    let terminated = height > 1.0;
    return Transition(next, faced, select(-1.0, 0.0, terminated), terminated);
}

// W1[hidden][observation], b1, W2[output][hidden], b2, in this order, four hidden units to a row.
struct Genome {
    hidden0a: mat4x4f,
    hidden0b: mat2x4f,
    hidden_bias0: vec4f,
    hidden1a: mat4x4f,
    hidden1b: mat2x4f,
    hidden_bias1: vec4f,
    hidden2a: mat4x4f,
    hidden2b: mat2x4f,
    hidden_bias2: vec4f,
    hidden3a: mat4x4f,
    hidden3b: mat2x4f,
    hidden_bias3: vec4f,
    output0: mat3x4f,
    output1: mat3x4f,
    output2: mat3x4f,
    output3: mat3x4f,
    output_bias: vec3f,
}

fn load_genome(individual: u32) -> Genome {
    return Genome(
        mat4x4f(
            genes4(individual, 0u, 6u),
            genes4(individual, 1u, 6u),
            genes4(individual, 2u, 6u),
            genes4(individual, 3u, 6u),
        ),
        mat2x4f(genes4(individual, 4u, 6u), genes4(individual, 5u, 6u)),
        genes4(individual, 96u, 1u),
        mat4x4f(
            genes4(individual, 24u, 6u),
            genes4(individual, 25u, 6u),
            genes4(individual, 26u, 6u),
            genes4(individual, 27u, 6u),
        ),
        mat2x4f(genes4(individual, 28u, 6u), genes4(individual, 29u, 6u)),
        genes4(individual, 100u, 1u),
        mat4x4f(
            genes4(individual, 48u, 6u),
            genes4(individual, 49u, 6u),
            genes4(individual, 50u, 6u),
            genes4(individual, 51u, 6u),
        ),
        mat2x4f(genes4(individual, 52u, 6u), genes4(individual, 53u, 6u)),
        genes4(individual, 104u, 1u),
        mat4x4f(
            genes4(individual, 72u, 6u),
            genes4(individual, 73u, 6u),
            genes4(individual, 74u, 6u),
            genes4(individual, 75u, 6u),
        ),
        mat2x4f(genes4(individual, 76u, 6u), genes4(individual, 77u, 6u)),
        genes4(individual, 108u, 1u),
        mat3x4f(genes4(individual, 112u, 1u), genes4(individual, 128u, 1u), genes4(individual, 144u, 1u)),
        mat3x4f(genes4(individual, 116u, 1u), genes4(individual, 132u, 1u), genes4(individual, 148u, 1u)),
        mat3x4f(genes4(individual, 120u, 1u), genes4(individual, 136u, 1u), genes4(individual, 152u, 1u)),
        mat3x4f(genes4(individual, 124u, 1u), genes4(individual, 140u, 1u), genes4(individual, 156u, 1u)),
        vec3f(gene(individual, 160u), gene(individual, 161u), gene(individual, 162u)),
    );
}

// The action that the network chooses: the first of the largest outputs.
fn act(genome: Genome, facing: vec4f, velocity: vec2f) -> f32 {
    let hidden0 = tanh4(genome.hidden0a * facing + genome.hidden0b * velocity + genome.hidden_bias0);
    let hidden1 = tanh4(genome.hidden1a * facing + genome.hidden1b * velocity + genome.hidden_bias1);
    let hidden2 = tanh4(genome.hidden2a * facing + genome.hidden2b * velocity + genome.hidden_bias2);
    let hidden3 = tanh4(genome.hidden3a * facing + genome.hidden3b * velocity + genome.hidden_bias3);
    let near = hidden0 * genome.output0 + hidden1 * genome.output1;
    let far = hidden2 * genome.output2 + hidden3 * genome.output3;
    let outputs = near + far + genome.output_bias;
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
    var facing = face(state);
    var episode = Episode(0.0, 0u, 0u);
    trace(individual, 0u, state);
    while episode.steps < steps && episode.terminated == 0u {
        let next = transition(state, facing, act(genome, facing, state.zw));
        state = next.state;
        facing = next.facing;
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
    let facing = face(state);
    finish(individual, state, transition(state, facing, act(load_genome(individual), facing, state.zw)));
}

// What the policy sees.
@compute @workgroup_size(WORKGROUP_SIZE)
fn observe(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= request.population {
        return;
    }
    let state = current_state(individual);
    let facing = face(state);
    for (var component = 0u; component < 4u; component++) {
        observations[component * request.population + individual] = facing[component];
    }
    observations[4u * request.population + individual] = state.z;
    observations[5u * request.population + individual] = state.w;
}

// The step of the environment under an action.
@compute @workgroup_size(WORKGROUP_SIZE)
fn advance(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= request.population || episodes[individual].terminated != 0u {
        return;
    }
    let state = current_state(individual);
    let facing = face(state);
    finish(individual, state, transition(state, facing, actions[individual]));
}

// Before the first step the state is the initial one.
fn current_state(individual: u32) -> vec4f {
    if episodes[individual].steps == 0u {
        return load_initial(individual);
    }
    return vec4f(
        states[individual],
        states[request.population + individual],
        states[2u * request.population + individual],
        states[3u * request.population + individual],
    );
}

fn load_initial(individual: u32) -> vec4f {
    return vec4f(
        initial_states[individual],
        initial_states[request.population + individual],
        initial_states[2u * request.population + individual],
        initial_states[3u * request.population + individual],
    );
}

fn store_state(individual: u32, state: vec4f) {
    for (var component = 0u; component < 4u; component++) {
        states[component * request.population + individual] = state[component];
    }
}

fn finish(individual: u32, before: vec4f, next: Transition) {
    let episode = episodes[individual];
    if episode.steps == 0u {
        trace(individual, 0u, before);
    }
    trace(individual, episode.steps + 1u, next.state);
    store_state(individual, next.state);
    let terminated = select(0u, 1u, next.terminated);
    episodes[individual] = Episode(episode.episode_return + next.reward, episode.steps + 1u, terminated);
}

fn trace(individual: u32, step: u32, state: vec4f) {
    if TRACED {
        for (var component = 0u; component < 4u; component++) {
            trajectory[(individual * (request.steps + 1u) + step) * 4u + component] = state[component];
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
