//! The figures of the README and the paper, drawn from rows alone.
//!
//! A figure is a function from runs to an SVG. It is byte for byte the same wherever it is drawn: own font, own number
//! formatting, no dates but those in the data. What a figure needs and `data/` does not hold is no error: the figure is
//! left out, with a line that says what is missing.

pub mod batch;
pub mod bound;
pub mod browser;
pub mod canvas;
pub mod chart;
pub mod claims;
pub mod dots;
pub mod engines;
pub mod idle_share;
pub mod kernels;
pub mod ladder;
pub mod learning;
pub mod number;
pub mod palette;
pub mod peers;
pub mod picture;
pub mod png;
pub mod rollout;
pub mod rollout_controls;
pub mod rollout_ladder;
pub mod rollout_peers;
pub mod scale;
pub mod span;
pub mod sweep;
pub mod throughput_length;
pub mod throughput_width;

pub use picture::Picture;

use crate::error::{Result, Within};
use crate::record::run::Run;

pub struct Figure {
    /// Its files are `NAME.svg` and `NAME.png`.
    pub name: &'static str,
    /// One line for a list of figures or under a picture.
    pub caption: &'static str,
    pub draw: fn(&[Run]) -> Result<Picture>,
}

pub const FIGURES: [Figure; 17] = [
    Figure {
        name: "throughput-width",
        caption: "Tokens per second against n_embd for every arm and policy, one row of panels per device.",
        draw: throughput_width::draw,
    },
    Figure {
        name: "ladder",
        caption: "What each step from a wait per dispatch to one fused dispatch gains.",
        draw: ladder::draw,
    },
    Figure { name: "span", caption: "Tokens per second of one kernel against dispatches per token.", draw: span::draw },
    Figure {
        name: "idle-share",
        caption: "Share of wall time in which the GPU is not computing, beside the 92% of claim C1.",
        draw: idle_share::draw,
    },
    Figure {
        name: "throughput-length",
        caption: "Tokens per second against the number of new tokens.",
        draw: throughput_length::draw,
    },
    Figure {
        name: "bound",
        caption: "Fraction of the bound set by the device's measured rates of memory and multiply-adds.",
        draw: bound::draw,
    },
    Figure {
        name: "peers",
        caption: "Tokens per second of other frameworks on the same GPU, beside the arms and the physical bound.",
        draw: peers::draw,
    },
    Figure {
        name: "engines",
        caption: "Tokens per second of engines that people run models with, beside the arms in the same format.",
        draw: engines::draw,
    },
    Figure {
        name: "kernels",
        caption: "What each version of the fused kernel gains over the one before.",
        draw: kernels::draw,
    },
    Figure {
        name: "batch",
        caption: "Tokens per second in total against the number of sequences that one dispatch decodes.",
        draw: batch::draw,
    },
    Figure {
        name: "browser",
        caption: "How many times as fast the same programs run natively as on a browser's engine, on one device.",
        draw: browser::draw,
    },
    Figure { name: "claims", caption: "What was published beside what was measured here.", draw: claims::draw },
    Figure {
        name: "rollout-population",
        caption: "Environment steps per second against the population.",
        draw: rollout::draw_population,
    },
    Figure {
        name: "rollout-length",
        caption: "What is gained over waiting for each step, against the length of an episode.",
        draw: rollout::draw_length,
    },
    Figure {
        name: "rollout-ladder",
        caption: "Environment steps per second of each way of dispatching, by environment.",
        draw: rollout_ladder::draw,
    },
    Figure {
        name: "rollout-peers",
        caption: "Environment steps per second of other frameworks on the same GPU, beside the arms.",
        draw: rollout_peers::draw,
    },
    Figure {
        name: "rollout-controls",
        caption: "What one dispatch gains for work that is no chain of steps.",
        draw: rollout_controls::draw,
    },
];

impl Figure {
    /// The figure of this name.
    pub fn named(name: &str) -> Option<&'static Figure> {
        FIGURES.iter().find(|figure| figure.name == name)
    }

    pub fn picture(&self, runs: &[Run]) -> Result<Picture> {
        (self.draw)(runs).within(format!("figure `{}`", self.name))
    }
}
