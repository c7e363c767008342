//! What rows say: the one definition of each quantity, and of what is compared with each published claim.
//!
//! Figures draw and the paper prints what is worked out here. A quantity comes with the cells and the formula behind it.

pub mod agreement;
pub mod claims;
pub mod ladder;
pub mod measured;
pub mod number;
pub mod published;
pub mod rollouts;
pub mod select;
