//! What the check of an output found: natively, on the page, and where the page's outputs are judged again.

use crate::workload::rollout::gate::Ranking;

#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Largest error, relative to the range of what is compared; none where something was not finite or missing.
    pub error: Option<f64>,
    /// Why it fails; empty where it passes.
    pub reason: String,
    /// Units that the run made.
    pub units: u64,
    /// How it ranks individuals, where they have a fitness and somebody asks.
    pub ranking: Option<Ranking>,
}

impl Verdict {
    pub fn of(error: Option<f64>, reason: String, units: u64) -> Verdict {
        Verdict { error, reason, units, ranking: None }
    }

    /// Of an output that is none, so that there is nothing to compare or to count.
    pub fn failed(reason: impl Into<String>) -> Verdict {
        Verdict::of(None, reason.into(), 0)
    }

    /// Of an output whose largest error is compared with what passes. `relative_to` says what the error is measured by.
    pub fn of_error(error: Option<f64>, tolerance: f64, relative_to: &str, units: u64) -> Verdict {
        let reason = match error {
            Some(error) if error <= tolerance => String::new(),
            Some(error) => format!("the output is off by {error:.1e} of {relative_to}"),
            None => "the output is not finite or not whole".into(),
        };
        Verdict::of(error, reason, units)
    }
}
