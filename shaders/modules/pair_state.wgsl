// A state of two numbers.
const COMPONENTS: u32 = 2;

alias State = vec2f;

fn load_state(individual: u32, begins: bool) -> State {
    return kept2(individual, 0u, begins);
}

fn component(state: State, number: u32) -> f32 {
    return state[number];
}
