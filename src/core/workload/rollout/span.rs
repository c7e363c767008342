//! How much of an episode one dispatch covers.

use std::num::NonZeroU32;

use crate::error::{Error, Result};

/// What a dispatch does before the next one goes on: from one operation, as frameworks cut it, to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// What a policy sees, a matrix, an activation, an action, or what comes of it.
    Operation,
    Step,
    /// So many steps, more than one.
    Steps(NonZeroU32),
    Episode,
}

impl Span {
    /// Those that have no number.
    pub const PLAIN: [Span; 3] = [Span::Operation, Span::Step, Span::Episode];

    /// `step`, or `steps:10`.
    pub fn name(self) -> String {
        match self {
            Span::Operation => "operation".into(),
            Span::Step => "step".into(),
            Span::Steps(steps) => format!("steps:{steps}"),
            Span::Episode => "episode".into(),
        }
    }

    /// A dispatch of so many steps: of one, it is a step.
    pub fn of_steps(steps: NonZeroU32) -> Span {
        if steps == NonZeroU32::MIN { Span::Step } else { Span::Steps(steps) }
    }

    /// # Errors
    /// An input error that says which spans there are.
    pub fn named(name: &str) -> Result<Span> {
        if let Some(span) = Span::PLAIN.into_iter().find(|span| span.name() == name) {
            return Ok(span);
        }
        let steps = name.strip_prefix("steps:").map(str::parse::<NonZeroU32>);
        match steps {
            Some(Ok(steps)) => Ok(Span::of_steps(steps)),
            Some(Err(_)) => Err(Error::input(format!("`{name}` is no span: there is 1 step or more, as in steps:10"))),
            None => {
                let names = Span::PLAIN.map(Span::name).join(", ");
                Err(Error::input(format!("no span is called `{name}`; there are {names}, and steps:N of N steps")))
            }
        }
    }

    /// Steps that a dispatch makes of an episode of at most `longest`.
    pub fn steps(self, longest: u32) -> u32 {
        match self {
            Span::Operation | Span::Step => 1,
            Span::Steps(steps) => steps.get(),
            Span::Episode => longest,
        }
    }

    /// Refuses a span that is longer than an episode.
    pub fn check(self, longest: u32) -> Result<()> {
        if self.steps(longest) <= longest {
            return Ok(());
        }
        let name = self.name();
        Err(Error::input(format!(
            "{name} is more than an episode of {longest} steps has; name `episode` for all of it"
        )))
    }
}
