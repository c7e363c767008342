//! What a kernel is before its sizes.

use super::packing::{Layout, Portion};

/// What a kernel is before its sizes: its text, and over how many workgroups a sequence is dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub has_subgroups: bool,
    pub layout: Layout,
    pub workgroups: u32,
    /// Heads that share a key in the cache: those of a group, or each alone where there are workgroups enough for all heads. None
    /// reads what another workgroup has written there.
    pub shared: u32,
    /// Tokens of a prompt that are fed together.
    pub tile: u32,
    /// Whether weights come in parts.
    pub is_split: bool,
}

impl Shape {
    /// The buffers of the weights.
    pub fn parts(&self) -> Vec<Option<Portion>> {
        if self.is_split { Portion::ALL.map(Some).to_vec() } else { vec![None] }
    }
}
