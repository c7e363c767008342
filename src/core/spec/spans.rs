//! Which spans a spec may name: the rungs of a ladder, which every case of it has to have.

use super::fault::{Fault, fault, repeated};
use super::{Spec, Workload};
use crate::workload::{decode, rollout};

/// What the key accepts, as the end of a sentence.
pub(super) fn accepted() -> String {
    let decode = decode::span::Span::PLAIN.map(decode::span::Span::name).join(", ");
    format!(
        "in a decode spec, a list of distinct names out of {decode} and chunk:N; in a rollout spec with the arm fused and \
         environments that have a policy, out of step, steps:N and episode, N at most the steps of each episode"
    )
}

impl Spec {
    pub(super) fn spans_fault(&self) -> Option<Fault> {
        if self.spans.is_empty() {
            return None;
        }
        if self.workload == Workload::Control {
            return fault("spans", "stands in a spec whose workload is \"control\"");
        }
        if let Some(beside) = self.rollout.as_ref().and_then(|_| self.uncut()) {
            return fault("spans", format!("stands beside {beside}"));
        }
        let names: Vec<Option<String>> = self.spans.iter().map(|name| self.span(name)).collect();
        if let Some(element) = names.iter().position(Option::is_none) {
            let problem = format!("holds {:?}", self.spans[element]);
            return Some(Fault { key: "spans", element: Some(element), problem });
        }
        let names: Vec<String> = names.into_iter().flatten().collect();
        repeated("spans", &names)
    }

    /// A span's own name; nothing where it is none, or none that every case can be cut by.
    fn span(&self, name: &str) -> Option<String> {
        if self.workload == Workload::Decode {
            return decode::span::Span::named(name).ok().map(decode::span::Span::name);
        }
        let span = rollout::Span::named(name).ok().filter(|&span| rollout::Arm::WHOLE.cut(span).is_ok())?;
        let mut lengths = self.rollout.iter().flat_map(|axes| &axes.steps);
        lengths.all(|&steps| span.check(steps).is_ok()).then(|| span.name())
    }

    /// What of a rollout spec cannot be cut.
    fn uncut(&self) -> Option<&'static str> {
        let axes = self.rollout.as_ref()?;
        let is_task = |name: &String| rollout::environments::is_task(name);
        match () {
            () if axes.generations.is_some() => Some("generations"),
            () if axes.environment.iter().any(is_task) => Some("environments without a policy"),
            () if !self.arms.is_empty() && !self.arms.iter().any(|arm| arm == "fused") => Some("arms without fused"),
            () => None,
        }
    }
}
