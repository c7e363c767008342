//! Pendulum-v1 as Gymnasium 1.4 defines it (`classic_control/pendulum.py`, g = 10). The twin of
//! `shaders/rollout/pendulum.wgsl`.

use std::f64::consts::PI;

use super::environment::{Action, Component, Environment, MOST_STEPS, Transition, Values, wrapped};

const FASTEST: f64 = 8.0;
const STRONGEST: f64 = 2.0;

pub static PENDULUM: Environment = Environment {
    name: "pendulum",
    shader: "rollout/pendulum.wgsl",
    observations: 3,
    hidden: 8,
    outputs: 1,
    action: Action::Torque,
    components: &[
        Component { name: "theta", initial: (-PI, PI), scale: PI, is_angle: true },
        Component { name: "angular velocity", initial: (-1.0, 1.0), scale: FASTEST, is_angle: false },
    ],
    steps: 200,
    most_steps: MOST_STEPS,
    reward: PI * PI + 0.1 * FASTEST * FASTEST + 0.001 * STRONGEST * STRONGEST,
    // Wrap, cost, velocity, angle, return.
    physics_multiply_adds: 2 + 5 + 3 + 1 + 1,
    observe: |_, state| [state[0].cos(), state[0].sin(), state[1], 0.0, 0.0, 0.0, 0.0, 0.0],
    advance,
    market: Vec::new(),
};

fn advance(_: &Environment, state: &Values, action: &Values) -> Transition {
    const GRAVITY: f64 = 10.0;
    const STEP_S: f64 = 0.05;
    const MASS: f64 = 1.0;
    const LENGTH: f64 = 1.0;
    let [theta, velocity, ..] = *state;
    let torque = action[0].clamp(-STRONGEST, STRONGEST);
    let upright = wrapped(theta);
    let cost = upright * upright + 0.1 * velocity * velocity + 0.001 * torque * torque;
    let acceleration = 3.0 * GRAVITY / (2.0 * LENGTH) * theta.sin() + 3.0 / (MASS * LENGTH * LENGTH) * torque;
    let velocity = (velocity + acceleration * STEP_S).clamp(-FASTEST, FASTEST);
    let state = [theta + velocity * STEP_S, velocity, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    Transition { state, reward: -cost, terminated: false }
}
