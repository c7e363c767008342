//! Acrobot-v1 as Gymnasium 1.4 defines it (`classic_control/acrobot.py`, the dynamics of Sutton and Barto's book, without
//! torque noise): two links of mass, length and inertia 1, a torque of -1, 0 or 1 on the joint between them, one step of
//! the classical Runge-Kutta method in 0.2 s. The twin of `shaders/rollout/acrobot.wgsl`.

use std::f64::consts::{FRAC_PI_2, PI};

use super::environment::{Action, Component, Environment, MOST_STEPS, Transition, Values, wrapped};

const fn component(name: &'static str, scale: f64, is_angle: bool) -> Component {
    Component { name, initial: (-0.1, 0.1), scale, is_angle }
}

const FASTEST: [f64; 2] = [4.0 * PI, 9.0 * PI];
const STEP_S: f64 = 0.2;

pub static ACROBOT: Environment = Environment {
    name: "acrobot",
    shader: "rollout/acrobot.wgsl",
    observations: 6,
    hidden: 16,
    outputs: 3,
    action: Action::Largest,
    components: &[
        component("theta1", PI, true),
        component("theta2", PI, true),
        component("angular velocity of theta1", FASTEST[0], false),
        component("angular velocity of theta2", FASTEST[1], false),
    ],
    steps: 500,
    most_steps: MOST_STEPS,
    reward: 1.0,
    // Four accelerations; the sum of angles in each; three states in between; their weighted sum; wrap, height, return.
    physics_multiply_adds: 4 * 16 + 5 + 3 * 4 + 16 + 4 + 3 + 1,
    observe,
    advance,
    market: Vec::new(),
};

fn observe(_: &Environment, state: &Values) -> Values {
    let [theta1, theta2, velocity1, velocity2, ..] = *state;
    [theta1.cos(), theta1.sin(), theta2.cos(), theta2.sin(), velocity1, velocity2, 0.0, 0.0]
}

fn advance(_: &Environment, state: &Values, action: &Values) -> Transition {
    let torque = action[0] - 1.0;
    let ahead = |derivative: &Values, seconds: f64| plus(state, seconds, derivative);
    let k1 = derivative(state, torque);
    let k2 = derivative(&ahead(&k1, STEP_S / 2.0), torque);
    let k3 = derivative(&ahead(&k2, STEP_S / 2.0), torque);
    let k4 = derivative(&ahead(&k3, STEP_S), torque);
    let slope: Values = std::array::from_fn(|i| k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]);
    let mut next = ahead(&slope, STEP_S / 6.0);
    for joint in 0..2 {
        next[joint] = wrapped(next[joint]);
        next[2 + joint] = next[2 + joint].clamp(-FASTEST[joint], FASTEST[joint]);
    }
    let terminated = -next[0].cos() - (next[0] + next[1]).cos() > 1.0;
    Transition { state: next, reward: if terminated { 0.0 } else { -1.0 }, terminated }
}

fn plus(state: &Values, seconds: f64, derivative: &Values) -> Values {
    std::array::from_fn(|i| state[i] + seconds * derivative[i])
}

/// Gymnasium's `_dsdt`, term by term.
fn derivative(state: &Values, torque: f64) -> Values {
    const GRAVITY: f64 = 9.8;
    let [mass1, mass2, length1, inertia1, inertia2] = [1.0; 5];
    let [centre1, centre2] = [0.5; 2];
    let [theta1, theta2, dtheta1, dtheta2, ..] = *state;
    let d1 = mass1 * centre1 * centre1
        + mass2 * (length1 * length1 + centre2 * centre2 + 2.0 * length1 * centre2 * theta2.cos())
        + inertia1
        + inertia2;
    let d2 = mass2 * (centre2 * centre2 + length1 * centre2 * theta2.cos()) + inertia2;
    let phi2 = mass2 * centre2 * GRAVITY * (theta1 + theta2 - FRAC_PI_2).cos();
    let phi1 = -mass2 * length1 * centre2 * dtheta2 * dtheta2 * theta2.sin()
        - 2.0 * mass2 * length1 * centre2 * dtheta2 * dtheta1 * theta2.sin()
        + (mass1 * centre1 + mass2 * length1) * GRAVITY * (theta1 - FRAC_PI_2).cos()
        + phi2;
    let ddtheta2 = (torque + d2 / d1 * phi1 - mass2 * length1 * centre2 * dtheta1 * dtheta1 * theta2.sin() - phi2)
        / (mass2 * centre2 * centre2 + inertia2 - d2 * d2 / d1);
    let ddtheta1 = -(d2 * ddtheta2 + phi1) / d1;
    [dtheta1, dtheta2, ddtheta1, ddtheta2, 0.0, 0.0, 0.0, 0.0]
}
