//! What drawing a figure comes to.

use super::chart::Chart;
use crate::error::Result;

/// What became of a figure.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture {
    /// The SVG.
    Drawn(String),
    /// What it needs that the data do not hold.
    Missing(String),
}

impl Picture {
    pub(super) fn drawn(chart: Chart) -> Result<Picture> {
        chart.draw().map(Picture::Drawn)
    }

    pub(super) fn missing(what: &str) -> Result<Picture> {
        Ok(Picture::Missing(what.to_string()))
    }
}
