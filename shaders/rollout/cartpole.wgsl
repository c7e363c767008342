// CartPole-v1 of Gymnasium under a policy network 4-8-2: tanh, then the larger output.

const FREE_BINDING: u32 = 4;

// Position, velocity, angle, angular velocity.
const COMPONENTS: u32 = 4;

alias State = vec4f;

fn load_state(individual: u32, begins: bool) -> State {
    return kept4(individual, 0u, begins);
}

fn component(state: State, number: u32) -> f32 {
    return state[number];
}

const FORCE: f32 = 10.0;
const GRAVITY: f32 = 9.8;
const POLE_MASS: f32 = 0.1;
const TOTAL_MASS: f32 = 1.1;
const POLE_MASS_LENGTH: f32 = 0.05;   // times half the pole's length, 0.5
const TAU: f32 = 0.02;                // seconds a step
const FARTHEST: f32 = 2.4;
const STEEPEST: f32 = 0.20943951;     // 12 degrees

// Explicit Euler: position and angle move with the velocities before the step. Action 1 pushes to the right.
fn transition(state: State, action: Action) -> Transition {
    let force = (2.0 * action - 1.0) * FORCE;
    let sine = sin(state.z);
    let cosine = cos(state.z);
    let push = (force + POLE_MASS_LENGTH * state.w * state.w * sine) / TOTAL_MASS;
    let turn = (GRAVITY * sine - cosine * push) / (0.5 * (4.0 / 3.0 - POLE_MASS * cosine * cosine / TOTAL_MASS));
    let slide = push - POLE_MASS_LENGTH * turn * cosine / TOTAL_MASS;
    let next = state + TAU * vec4f(state.y, slide, state.w, turn);
    return Transition(next, 1.0, abs(next.x) > FARTHEST || abs(next.z) > STEEPEST);
}

alias Inward = mat4x4f;

fn load_inward(individual: u32, first: u32) -> Inward {
    return genes4x4(individual, first, 1u, OBSERVATIONS);
}

fn weigh(inward: Inward, sight: Sight) -> vec4f {
    return inward * sight;
}

const OUTPUTS: u32 = 2;

alias Outward = mat2x4f;
alias Outputs = vec2f;

fn load_outward(individual: u32, first: u32) -> Outward {
    return genes2x4(individual, first, HIDDEN, 1u);
}

fn combine(outward: Outward, hidden: vec4f) -> Outputs {
    return hidden * outward;
}

fn load_biases(individual: u32, first: u32) -> Outputs {
    return vec2f(gene(individual, first), gene(individual, first + 1u));
}

fn total(part: Outputs) -> Outputs {
    return total2(part);
}

// The number of the larger output, the first among equals.
fn decide(outputs: Outputs) -> Action {
    return select(0.0, 1.0, outputs.y > outputs.x);
}

#import modules/hidden8.wgsl
#import modules/number_action.wgsl
#import modules/rollout.wgsl
#import modules/whole_sight.wgsl
