// MountainCar-v0 of Gymnasium under a policy network 2-8-3: tanh, then the largest output.

const FREE_BINDING: u32 = 4;

// The state: position, velocity.
#import modules/pair_state.wgsl

const FORCE: f32 = 0.001;
const GRAVITY: f32 = 0.0025;
const FASTEST: f32 = 0.07;
const LEFTMOST: f32 = -1.2;
const RIGHTMOST: f32 = 0.6;
const GOAL: f32 = 0.5;

// Actions 0, 1 and 2 push to the left, not at all, and to the right. The left end stops the car.
fn transition(state: State, action: Action) -> Transition {
    let pushed = state.y + (action - 1.0) * FORCE - cos(3.0 * state.x) * GRAVITY;
    let velocity = clamp(pushed, -FASTEST, FASTEST);
    let position = clamp(state.x + velocity, LEFTMOST, RIGHTMOST);
    let next = vec2f(position, select(velocity, 0.0, position == LEFTMOST && velocity < 0.0));
    return Transition(next, -1.0, next.x >= GOAL && next.y >= 0.0);
}

alias Inward = mat2x4f;

fn load_inward(individual: u32, first: u32) -> Inward {
    return genes2x4(individual, first, 1u, OBSERVATIONS);
}

fn weigh(inward: Inward, sight: Sight) -> vec4f {
    return inward * sight;
}

#import modules/choice3.wgsl
#import modules/hidden8.wgsl
#import modules/rollout.wgsl
#import modules/whole_sight.wgsl
