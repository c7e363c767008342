//! How a prompt is read: what is not fed again, and how many of its tokens share a reading of the weights.

use super::model::Request;

/// How a program reads a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Tokens at its beginning whose keys and values the cache has already.
    pub cached: u32,
    /// Tokens that are fed together, all but the last one of the prompt; 1 feeds each alone.
    pub tile: u32,
}

impl Reading {
    /// All tokens, one by one.
    pub const ONE_BY_ONE: Reading = Reading { cached: 0, tile: 1 };

    /// The first token of each round: of tiles, and behind them of single tokens.
    pub fn rounds(&self, requests: &[Request]) -> Vec<u32> {
        let positions = requests.iter().map(Request::positions).max().unwrap_or(0);
        let in_tiles = match self.tile {
            1 => self.cached,
            _ => requests[0].prompt.len() as u32 - 1,
        };
        (self.cached..in_tiles).step_by(self.tile as usize).chain(in_tiles..positions).collect()
    }
}
