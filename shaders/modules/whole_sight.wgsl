// A policy that sees the state as it is.
const OBSERVATIONS: u32 = COMPONENTS;

alias Sight = State;

fn see(state: State) -> Sight {
    return state;
}

fn observation(sight: Sight, number: u32) -> f32 {
    return component(sight, number);
}
