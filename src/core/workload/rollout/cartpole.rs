//! CartPole-v1 as Gymnasium 1.4 defines it (`classic_control/cartpole.py`, explicit Euler, a reward of 1 for each step, the
//! last one too). The twin of `shaders/rollout/cartpole.wgsl`.

use super::environment::{Action, Component, Environment, MOST_STEPS, Transition, Values};

const FARTHEST: f64 = 2.4;
/// 12 degrees.
const STEEPEST: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;

const fn component(name: &'static str, scale: f64) -> Component {
    Component { name, initial: (-0.05, 0.05), scale, is_angle: false }
}

pub static CARTPOLE: Environment = Environment {
    name: "cartpole",
    shader: "rollout/cartpole.wgsl",
    observations: 4,
    hidden: 8,
    outputs: 2,
    action: Action::Largest,
    components: &[
        component("cart position", FARTHEST),
        component("cart velocity", FARTHEST),
        component("pole angle", STEEPEST),
        component("pole angular velocity", 3.0),
    ],
    steps: 500,
    most_steps: MOST_STEPS,
    reward: 1.0,
    // Force, push, the pole's acceleration, the cart's, Euler's step, return.
    physics_multiply_adds: 1 + 4 + 4 + 2 + 4 + 1,
    observe: |_, state| *state,
    advance,
    market: Vec::new(),
};

fn advance(_: &Environment, state: &Values, action: &Values) -> Transition {
    const GRAVITY: f64 = 9.8;
    const POLE_MASS: f64 = 0.1;
    const TOTAL_MASS: f64 = 1.0 + POLE_MASS;
    const HALF_LENGTH: f64 = 0.5;
    const POLE_MASS_LENGTH: f64 = POLE_MASS * HALF_LENGTH;
    const FORCE: f64 = 10.0;
    const STEP_S: f64 = 0.02;
    let [x, velocity, theta, turning, ..] = *state;
    let force = if action[0] == 1.0 { FORCE } else { -FORCE };
    let (sine, cosine) = theta.sin_cos();
    let push = (force + POLE_MASS_LENGTH * turning * turning * sine) / TOTAL_MASS;
    let turn =
        (GRAVITY * sine - cosine * push) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cosine * cosine / TOTAL_MASS));
    let slide = push - POLE_MASS_LENGTH * turn * cosine / TOTAL_MASS;
    let x = x + STEP_S * velocity;
    let theta = theta + STEP_S * turning;
    let next = [x, velocity + STEP_S * slide, theta, turning + STEP_S * turn, 0.0, 0.0, 0.0, 0.0];
    Transition { state: next, reward: 1.0, terminated: x.abs() > FARTHEST || theta.abs() > STEEPEST }
}
