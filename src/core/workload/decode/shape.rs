//! What a kernel is before its sizes.

use super::packing::Layout;

/// What a kernel is before its sizes: its text, and over how many workgroups a sequence is dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub has_subgroups: bool,
    pub layout: Layout,
    pub workgroups: u32,
}
