//! How much of a generation one dispatch covers.

use std::num::NonZeroU32;

use crate::error::{Error, Result};

/// What a dispatch does before the next one goes on: from one operation, as frameworks cut it, to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// An embedding, a norm, a matrix, an attention, or a choice.
    Operation,
    /// What lies between two places where workgroups wait for each other: a dispatch of it waits for nobody.
    Stage,
    /// A layer, with the embedding before the first; then the head.
    Layer,
    Token,
    /// So many tokens.
    Chunk(NonZeroU32),
    Generation,
}

impl Span {
    /// Those that have no number.
    pub const PLAIN: [Span; 5] = [Span::Operation, Span::Stage, Span::Layer, Span::Token, Span::Generation];

    /// `stage`, or `chunk:16`.
    pub fn name(self) -> String {
        match self {
            Span::Operation => "operation".into(),
            Span::Stage => "stage".into(),
            Span::Layer => "layer".into(),
            Span::Token => "token".into(),
            Span::Chunk(tokens) => format!("chunk:{tokens}"),
            Span::Generation => "generation".into(),
        }
    }

    /// # Errors
    /// An input error that says which spans there are.
    pub fn named(name: &str) -> Result<Span> {
        if let Some(span) = Span::PLAIN.into_iter().find(|span| span.name() == name) {
            return Ok(span);
        }
        let tokens = name.strip_prefix("chunk:").map(str::parse::<NonZeroU32>);
        match tokens {
            Some(Ok(tokens)) => Ok(Span::Chunk(tokens)),
            Some(Err(_)) => {
                Err(Error::input(format!("`{name}` is no span: a chunk has 1 token or more, as in chunk:16")))
            }
            None => {
                let names = Span::PLAIN.map(Span::name).join(", ");
                Err(Error::input(format!("no span is called `{name}`; there are {names}, and chunk:N of N tokens")))
            }
        }
    }

    /// Refuses a chunk that is longer than what is asked for: of `positions` tokens that are fed.
    pub fn check(self, positions: u32) -> Result<()> {
        match self {
            Span::Chunk(tokens) if tokens.get() > positions => Err(Error::input(format!(
                "a chunk of {tokens} is beyond the request, which feeds {positions} tokens; take chunk:{positions} or less"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether workgroups of a dispatch may wait for each other.
    pub fn waits(self) -> bool {
        self > Span::Stage
    }
}
