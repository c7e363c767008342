//! What an environment is: its states, what a policy sees of them, and a step, all in f64; and the policy's sizes.

use crate::error::{Error, Result};

/// Components of a state, or observations; those that an environment does not have are 0.
pub type Values = [f64; 8];

/// An environment, and the network 'observations - hidden (tanh) - outputs' that acts in it.
pub struct Environment {
    pub name: &'static str,
    /// Under `shaders/`.
    pub shader: &'static str,
    /// Of the policy: what it sees, its hidden units, its outputs.
    pub observations: u32,
    pub hidden: u32,
    pub outputs: u32,
    pub action: Action,
    /// Of a state, in their order.
    pub components: &'static [Component],
    /// Where Gymnasium ends an episode that the environment does not; the longest that there can be at all.
    pub steps: u32,
    pub most_steps: u32,
    /// The largest size of a reward.
    pub reward: f64,
    /// Of a step without the policy, in the shader's form: a multiplication, an addition, or both at once count one;
    /// divisions and special functions are left out.
    pub physics_multiply_adds: u64,
    pub observe: fn(&Environment, &Values) -> Values,
    /// A step under an action: an index, a torque, or shares.
    pub advance: fn(&Environment, &Values, &Values) -> Transition,
    /// What the environment is given of the world, as its kernels read it; nothing for most.
    pub market: Vec<f32>,
}

/// How outputs become an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The index of the largest output, the first among equals.
    Largest,
    /// 2 tanh of the only output.
    Torque,
    /// A sigmoid of each output.
    Shares,
}

/// Longest episode of an environment that sets no limit of its own.
pub const MOST_STEPS: u32 = 1_000_000;

/// One number of a state.
pub struct Component {
    /// As Gymnasium's documentation calls it.
    pub name: &'static str,
    /// Initial values are uniform between these.
    pub initial: (f64, f64),
    /// Errors are relative to this: half the range that the component has in an episode.
    pub scale: f64,
    /// An angle, of which a whole turn makes no difference.
    pub is_angle: bool,
}

/// What a step leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    pub state: Values,
    pub reward: f64,
    pub terminated: bool,
}

impl Environment {
    /// Numbers in a genome: W1 [hidden][observation], b1 [hidden], W2 [output][hidden], b2 [output], in this order.
    pub fn parameters(&self) -> u32 {
        self.hidden * (self.observations + 1) + self.outputs * (self.hidden + 1)
    }

    /// Index of the first number of W2.
    pub fn second_matrix(&self) -> u32 {
        self.hidden * (self.observations + 1)
    }

    /// Threads that can share out a policy, four hidden units to each.
    pub fn lanes(&self) -> u32 {
        self.hidden / 4
    }

    /// Refuses an episode that is longer than there can be.
    pub fn check_steps(&self, steps: u32) -> Result<()> {
        if (1..=self.most_steps).contains(&steps) {
            return Ok(());
        }
        let (name, most) = (self.name, self.most_steps);
        Err(Error::input(format!("an episode of {name} has 1 to {most} steps, not {steps}")))
    }

    /// The genome's layout, for messages.
    pub fn layout(&self) -> String {
        let Environment { name, observations, hidden, outputs, .. } = self;
        format!(
            "{name} has a policy {observations}-{hidden}-{outputs}, {} parameters: W1 [{hidden}][{observations}], b1 [{hidden}], \
             W2 [{outputs}][{hidden}], b2 [{outputs}]",
            self.parameters()
        )
    }

    /// Largest difference of two states, each component relative to its scale.
    pub fn distance(&self, a: &Values, b: &Values) -> f64 {
        let differences = self.components.iter().zip(a.iter().zip(b)).map(|(component, (a, b))| {
            let difference = if component.is_angle { wrapped(a - b) } else { a - b };
            difference.abs() / component.scale
        });
        // Not `f64::max`, which would lose a NaN.
        differences.fold(0.0, |largest, difference| if difference <= largest { largest } else { difference })
    }
}

/// An angle within half a turn of 0.
pub fn wrapped(angle: f64) -> f64 {
    angle - std::f64::consts::TAU * (angle / std::f64::consts::TAU).round()
}
