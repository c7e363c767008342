//! The page: cases as files that a browser reads, and the static site around them.

pub mod case;
pub mod devices;
pub mod programs;
pub mod serve;
pub mod site;
