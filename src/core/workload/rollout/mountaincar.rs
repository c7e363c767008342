//! MountainCar-v0 as Gymnasium 1.4 defines it (`classic_control/mountain_car.py`). The twin of
//! `shaders/rollout/mountaincar.wgsl`.

use super::environment::{Action, Component, Environment, MOST_STEPS, Transition, Values};

const FASTEST: f64 = 0.07;
const LEFTMOST: f64 = -1.2;
const RIGHTMOST: f64 = 0.6;

pub static MOUNTAINCAR: Environment = Environment {
    name: "mountaincar",
    shader: "rollout/mountaincar.wgsl",
    observations: 2,
    hidden: 8,
    outputs: 3,
    action: Action::Largest,
    components: &[
        Component { name: "position", initial: (-0.6, -0.4), scale: (RIGHTMOST - LEFTMOST) / 2.0, is_angle: false },
        Component { name: "velocity", initial: (0.0, 0.0), scale: FASTEST, is_angle: false },
    ],
    steps: 200,
    most_steps: MOST_STEPS,
    reward: 1.0,
    // Velocity, position, return.
    physics_multiply_adds: 4 + 1 + 1,
    observe: |_, state| *state,
    advance,
    market: Vec::new(),
};

fn advance(_: &Environment, state: &Values, action: &Values) -> Transition {
    const FORCE: f64 = 0.001;
    const GRAVITY: f64 = 0.0025;
    const GOAL: f64 = 0.5;
    let [position, velocity, ..] = *state;
    let pushed = velocity + (action[0] - 1.0) * FORCE + (3.0 * position).cos() * -GRAVITY;
    let mut velocity = pushed.clamp(-FASTEST, FASTEST);
    let position = (position + velocity).clamp(LEFTMOST, RIGHTMOST);
    if position == LEFTMOST && velocity < 0.0 {
        velocity = 0.0;
    }
    let terminated = position >= GOAL && velocity >= 0.0;
    Transition { state: [position, velocity, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], reward: -1.0, terminated }
}
