//! A progress bar for what is mostly over before anyone would look at one.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less is shown no bar of.
const DELAY: Duration = Duration::from_secs(2);

/// To standard error, and only where that is a terminal.
pub struct DelayedBar {
    bar: ProgressBar,
    start: Instant,
}

impl DelayedBar {
    pub fn new() -> DelayedBar {
        let style = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes} checked, {eta} left");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        DelayedBar { bar: bar.with_style(style.expect("a valid template")), start: Instant::now() }
    }

    pub fn advance(&self, bytes: u64, total: u64) {
        if self.bar.is_hidden() && self.start.elapsed() >= DELAY {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_length(total);
        self.bar.inc(bytes);
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
