// A population's episodes in an environment, however many steps of them a dispatch covers.
//
// One thread follows one individual, or in `fused` LANES of them together. `fused` makes a span of steps, with genome and state in registers, and goes on from
// where the dispatch before it left the episode: one step, some, or all are the same kernel and the same memory. `observe`
// and `advance` are the two ends of a step where each operation is a dispatch, with the network of operations.wgsl between
// them. No thread waits for another: there are no barriers. A thread whose episode has ended idles.
//
// The environment says what these are:
//
//     State, COMPONENTS, load_state, component          in registers, and as the numbers that stand in memory
//     Sight, OBSERVATIONS, see, observation             what a policy is shown, and as numbers
//     Genome, load_genome, act                          the policy: hidden8.wgsl and hidden16.wgsl have them, and LANES
//     Action, load_action, transition                   what it does, and what comes of it
//     FREE_BINDING                                      the first that is free: 4, or 5 behind a `market` at 4

override WORKGROUP_SIZE: u32 = 64;
override TRACED: bool = false;       // whether states are kept in `trajectory`

// Component by component, so that neighbouring threads read neighbouring words.
@group(0) @binding(1) var<storage, read_write> episodes: array<Episode>;
@group(0) @binding(2) var<storage, read_write> states: array<f32>;                    // [component][individual]
@group(0) @binding(3) var<storage, read> initial_states: array<f32>;                  // the same
@group(0) @binding(FREE_BINDING) var<storage, read_write> trajectory: array<f32>;     // [individual][step][component]
@group(0) @binding(FREE_BINDING) var<storage, read_write> observations: array<f32>;   // of `observe`: [observation][individual]
@group(0) @binding(FREE_BINDING + 1u) var<storage, read> actions: array<f32>;         // of `advance`: [number][individual]

struct Transition {
    state: State,
    reward: f32,
    terminated: bool,
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn fused(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x / LANES;
    let lane = id.x % LANES;
    if individual >= request.population {
        return;
    }
    // A dispatch of whole episodes goes on from none: it begins them, whatever came before.
    var episode = Episode(0.0, 0u, 0u);
    if request.span < request.steps {
        episode = episodes[individual];
    }
    let end = min(episode.steps + request.span, request.steps);
    if episode.steps >= end || episode.terminated != 0u {
        return;
    }
    let genome = load_genome(individual, lane);
    var state = load_state(individual, episode.steps == 0u);
    let keeps = lane == 0u;
    if keeps {
        begin_trace(individual, episode, state);
    }
    while episode.steps < end && episode.terminated == 0u {
        let next = transition(state, act(genome, see(state)));
        state = next.state;
        episode = after(episode, next);
        if keeps {
            trace(individual, episode, state);
        }
    }
    if keeps {
        store(individual, episode, state);
    }
}

// What the policy sees.
@compute @workgroup_size(WORKGROUP_SIZE)
fn observe(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= request.population {
        return;
    }
    let episode = episodes[individual];
    let sight = see(load_state(individual, episode.steps == 0u));
    for (var number = 0u; number < OBSERVATIONS; number++) {
        observations[number * request.population + individual] = observation(sight, number);
    }
}

// The step of the environment under an action.
@compute @workgroup_size(WORKGROUP_SIZE)
fn advance(@builtin(global_invocation_id) id: vec3u) {
    let individual = id.x;
    if individual >= request.population || episodes[individual].terminated != 0u {
        return;
    }
    let before = episodes[individual];
    let state = load_state(individual, before.steps == 0u);
    begin_trace(individual, before, state);
    let next = transition(state, load_action(individual));
    let episode = after(before, next);
    trace(individual, episode, next.state);
    store(individual, episode, next.state);
}

// The initial state is traced as it is met.
fn begin_trace(individual: u32, episode: Episode, state: State) {
    if episode.steps == 0u {
        trace(individual, episode, state);
    }
}

fn after(episode: Episode, next: Transition) -> Episode {
    return Episode(episode.episode_return + next.reward, episode.steps + 1u, select(0u, 1u, next.terminated));
}

fn store(individual: u32, episode: Episode, state: State) {
    for (var number = 0u; number < COMPONENTS; number++) {
        states[number * request.population + individual] = component(state, number);
    }
    episodes[individual] = episode;
}

fn trace(individual: u32, episode: Episode, state: State) {
    if TRACED {
        let row = (individual * (request.steps + 1u) + episode.steps) * COMPONENTS;
        for (var number = 0u; number < COMPONENTS; number++) {
            trajectory[row + number] = component(state, number);
        }
    }
}

// A component as it stands in memory: before the first step, where an episode begins, the initial one.
fn kept(individual: u32, number: u32, begins: bool) -> f32 {
    let place = number * request.population + individual;
    if begins {
        return initial_states[place];
    }
    return states[place];
}

fn kept2(individual: u32, first: u32, begins: bool) -> vec2f {
    return vec2f(kept(individual, first, begins), kept(individual, first + 1u, begins));
}

fn kept4(individual: u32, first: u32, begins: bool) -> vec4f {
    return vec4f(kept2(individual, first, begins), kept2(individual, first + 2u, begins));
}

#import modules/episode.wgsl
#import modules/population.wgsl
