// Acrobot-v1 of Gymnasium (the dynamics of Sutton and Barto's book) under a policy network 6-16-3: tanh, then the largest
// output.

const FREE_BINDING: u32 = 4;

// As it stands in memory: two angles, two angular velocities.
const COMPONENTS: u32 = 4;

struct State {
    place: vec4f,
    facing: vec4f,       // cosine and sine of each angle: a step ends with them, and the next begins with them
}

fn load_state(individual: u32, begins: bool) -> State {
    return facing_its_way(kept4(individual, 0u, begins));
}

fn facing_its_way(place: vec4f) -> State {
    return State(place, vec4f(cos(place.x), sin(place.x), cos(place.y), sin(place.y)));
}

fn component(state: State, number: u32) -> f32 {
    return state.place[number];
}

const GRAVITY: f32 = 9.8;
const TAU: f32 = 0.2;                 // seconds a step
const FASTEST: vec2f = vec2f(12.566371, 28.274334);
const TURN: f32 = 6.2831855;

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

fn derivative(place: vec4f, torque: f32) -> vec4f {
    let sines = vec2f(sin(place.x), sin(place.x + place.y));
    return vec4f(place.zw, accelerations(sines, sin(place.y), cos(place.y), place.zw, torque));
}

// One step of the classical Runge-Kutta method. Actions 0, 1 and 2 are torques of -1, 0 and 1 on the second joint.
fn transition(state: State, action: Action) -> Transition {
    let torque = action - 1.0;
    let place = state.place;
    let facing = state.facing;
    let sines = vec2f(facing.y, facing.y * facing.z + facing.x * facing.w);
    let k1 = vec4f(place.zw, accelerations(sines, facing.w, facing.z, place.zw, torque));
    let k2 = derivative(place + 0.5 * TAU * k1, torque);
    let k3 = derivative(place + 0.5 * TAU * k2, torque);
    let k4 = derivative(place + TAU * k3, torque);
    let ahead = place + TAU / 6.0 * (k1 + 2.0 * (k2 + k3) + k4);
    let angles = ahead.xy - TURN * round(ahead.xy / TURN);
    let next = facing_its_way(vec4f(angles, clamp(ahead.zw, -FASTEST, FASTEST)));
    let height = -next.facing.x - (next.facing.x * next.facing.z - next.facing.y * next.facing.w);
    let terminated = height > 1.0;
    return Transition(next, select(-1.0, 0.0, terminated), terminated);
}

const OBSERVATIONS: u32 = 6;

alias Sight = State;

fn see(state: State) -> Sight {
    return state;
}

fn observation(sight: Sight, number: u32) -> f32 {
    if number < 4u {
        return sight.facing[number];
    }
    return sight.place[number - 2u];
}

struct Inward {
    facing: mat4x4f,
    velocity: mat2x4f,
}

fn load_inward(individual: u32, first: u32) -> Inward {
    let facing = genes4x4(individual, first, 1u, OBSERVATIONS);
    return Inward(facing, genes2x4(individual, first + 4u, 1u, OBSERVATIONS));
}

fn weigh(inward: Inward, sight: Sight) -> vec4f {
    return inward.facing * sight.facing + inward.velocity * sight.place.zw;
}

#import modules/choice3.wgsl
#import modules/hidden16.wgsl
#import modules/rollout.wgsl
