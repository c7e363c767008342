// Pendulum-v1 of Gymnasium under a policy network 3-8-1: tanh, then a torque of 2 tanh.

const FREE_BINDING: u32 = 4;

// The state: angle, angular velocity.
#import modules/pair_state.wgsl

const GRAVITY: f32 = 10.0;
const TAU: f32 = 0.05;                // seconds a step
const FASTEST: f32 = 8.0;
const TURN: f32 = 6.2831855;

// Mass and length are 1. The cost is that of the state before the step; nothing ends an episode but its length.
fn transition(state: State, torque: Action) -> Transition {
    let upright = state.x - TURN * round(state.x / TURN);
    let cost = upright * upright + 0.1 * state.y * state.y + 0.001 * torque * torque;
    let faster = state.y + (1.5 * GRAVITY * sin(state.x) + 3.0 * torque) * TAU;
    let velocity = clamp(faster, -FASTEST, FASTEST);
    return Transition(vec2f(state.x + velocity * TAU, velocity), -cost, false);
}

const OBSERVATIONS: u32 = 3;

alias Sight = vec3f;

fn see(state: State) -> Sight {
    return vec3f(cos(state.x), sin(state.x), state.y);
}

fn observation(sight: Sight, number: u32) -> f32 {
    return sight[number];
}

alias Inward = mat3x4f;

fn load_inward(individual: u32, first: u32) -> Inward {
    return genes3x4(individual, first, 1u, OBSERVATIONS);
}

fn weigh(inward: Inward, sight: Sight) -> vec4f {
    return inward * sight;
}

const OUTPUTS: u32 = 1;

alias Outward = vec4f;
alias Outputs = f32;

fn load_outward(individual: u32, first: u32) -> Outward {
    return genes4(individual, first, 1u);
}

fn combine(outward: Outward, hidden: vec4f) -> Outputs {
    return dot(outward, hidden);
}

fn load_biases(individual: u32, first: u32) -> Outputs {
    return gene(individual, first);
}

fn total(part: Outputs) -> Outputs {
    return total1(part);
}

fn decide(output: Outputs) -> Action {
    return 2.0 * tanh4(vec4f(output)).x;
}

#import modules/hidden8.wgsl
#import modules/number_action.wgsl
#import modules/rollout.wgsl
