// A leveraged portfolio of three assets on daily closes, under a recurrent policy network 8-16-6: tanh, then sigmoids.
// src/workload/rollout/portfolio.rs says what each number means.

const FREE_BINDING: u32 = 5;

@group(0) @binding(4) var<storage, read> market: array<vec4f>;   // [day]: three returns and the trend

// In this order.
const COMPONENTS: u32 = 8;

struct State {
    fund: vec4f,         // value, peak, two memories
    held: vec4f,         // three positions, the day
}

fn load_state(individual: u32, begins: bool) -> State {
    return State(kept4(individual, 0u, begins), kept4(individual, 4u, begins));
}

fn component(state: State, number: u32) -> f32 {
    if number < 4u {
        return state.fund[number];
    }
    return state.held[number - 4u];
}

fn today(state: State) -> u32 {
    return u32(round(state.held.w));
}

const CAP: f32 = 1.0;
const BAND: f32 = 0.05;
const BUYING: f32 = 4e-4;
const SELLING: f32 = 2e-4;
const BORROWING: f32 = 1e-5;
const FLOOR: f32 = 0.05;
const LEAST_GROWTH: f32 = 0.01;

// A day's trades, and the returns of the next.
fn transition(state: State, shares: Action) -> Transition {
    let returns = market[today(state) + 1u].xyz;
    let held = state.held.xyz;
    let wanted = shares[0];
    let leverage = 1.0 + 2.0 * shares[1].x;
    let targets = min(leverage / (wanted.x + wanted.y + wanted.z) * wanted, vec3f(CAP));
    let positions = select(targets, held, abs(targets - held) < vec3f(BAND));
    let traded = positions - held;
    let bought = max(traded, vec3f(0.0));
    let sold = max(-traded, vec3f(0.0));
    let costs = BUYING * (bought.x + bought.y + bought.z) + SELLING * (sold.x + sold.y + sold.z);
    let borrowed = max(positions.x + positions.y + positions.z - 1.0, 0.0);
    let growth = max(1.0 + (dot(positions, returns) - costs - BORROWING * borrowed), LEAST_GROWTH);
    let value = state.fund.x * growth;
    let fund = vec4f(value, max(state.fund.y, value), 2.0 * shares[1].yz - 1.0);
    let drifted = positions * (1.0 + returns) / growth;
    return Transition(State(fund, vec4f(drifted, state.held.w + 1.0)), log(growth), value < FLOOR);
}

const OBSERVATIONS: u32 = 8;

struct Sight {
    day: vec4f,          // returns and trend
    own: vec4f,          // drawdown, what is invested, memories
}

fn see(state: State) -> Sight {
    let drawdown = 5.0 * (state.fund.x / state.fund.y - 1.0);
    let invested = (state.held.x + state.held.y + state.held.z) / 3.0;
    return Sight(market[today(state)] * vec4f(50.0, 50.0, 50.0, 200.0), vec4f(drawdown, invested, state.fund.zw));
}

fn observation(sight: Sight, number: u32) -> f32 {
    if number < 4u {
        return sight.day[number];
    }
    return sight.own[number - 4u];
}

struct Inward {
    day: mat4x4f,
    own: mat4x4f,
}

fn load_inward(individual: u32, first: u32) -> Inward {
    let day = genes4x4(individual, first, 1u, OBSERVATIONS);
    return Inward(day, genes4x4(individual, first + 4u, 1u, OBSERVATIONS));
}

fn weigh(inward: Inward, sight: Sight) -> vec4f {
    return inward.day * sight.day + inward.own * sight.own;
}

const OUTPUTS: u32 = 6;

// Those of the three assets; of leverage and what is remembered.
struct Outward {
    assets: mat3x4f,
    rest: mat3x4f,
}

alias Outputs = mat2x3f;
alias Action = Outputs;  // the same as shares

fn load_outward(individual: u32, first: u32) -> Outward {
    let assets = genes3x4(individual, first, HIDDEN, 1u);
    return Outward(assets, genes3x4(individual, first + 3u * HIDDEN, HIDDEN, 1u));
}

fn combine(outward: Outward, hidden: vec4f) -> Outputs {
    return mat2x3f(hidden * outward.assets, hidden * outward.rest);
}

fn load_biases(individual: u32, first: u32) -> Outputs {
    let near = genes4(individual, first, 1u);
    return mat2x3f(near.xyz, vec3f(near.w, gene(individual, first + 4u), gene(individual, first + 5u)));
}

fn total(part: Outputs) -> Outputs {
    return mat2x3f(total3(part[0]), total3(part[1]));
}

fn decide(outputs: Outputs) -> Action {
    return mat2x3f(sigmoid3(outputs[0]), sigmoid3(outputs[1]));
}

fn load_action(individual: u32) -> Action {
    return mat2x3f(share(individual, 0u), share(individual, 1u), share(individual, 2u),
        share(individual, 3u), share(individual, 4u), share(individual, 5u));
}

fn share(individual: u32, number: u32) -> f32 {
    return actions[number * request.population + individual];
}

#import modules/hidden16.wgsl
#import modules/rollout.wgsl
