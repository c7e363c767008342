//! The page: the static site around it, and the results that come back from it.

pub mod devices;
pub mod results;
mod saved;
pub mod serve;
pub mod site;
