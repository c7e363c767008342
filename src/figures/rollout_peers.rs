//! Rollouts by environment: one dispatch in all and one per step, and other frameworks in the same session.

use super::dots::{Dot, Group, Kind, Page, Row};
use super::palette::{self, peer_look, policy_look};
use super::picture::Picture;
use super::rollout_ladder::{EXPERIMENTS, gained};
use super::{number, sweep};
use crate::analysis::claims::WEAK_VARIANT;
use crate::analysis::measured::Measured;
use crate::analysis::rollouts::fused;
use crate::analysis::select;
use crate::error::Result;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs: Vec<&Run> = EXPERIMENTS.iter().flat_map(|name| select::latest_hardware(runs, name)).collect();
    let groups: Vec<Group> =
        runs.iter().flat_map(|run| run.cases.iter().filter_map(|case| side_by_side(run, case))).collect();
    if groups.is_empty() {
        return Picture::missing(
            "it needs timed rows of peers beside a run of `rollout` or `rollout-portfolio` on a hardware device",
        );
    }
    let mut notes = sweep::notes(&runs);
    notes.push(
        "×: how many times as fast one dispatch in all is as the row; below 1 the row is faster. A factor whose interval holds 1 \
         is shown as no difference (≈). NumPy and Gymnasium run on the GPU's host."
            .into(),
    );
    let look = |label: &'static str, look: palette::Look| Kind { label, color: look.color, marker: look.marker };
    let page = Page {
        title: "How fast are rollouts in other frameworks on the same GPU?",
        subtitle: "Environment steps per second by environment, of a population that is followed through an episode each: the arms \
                   of one dispatch and of one dispatch per step, and every variant of each framework. Only steps of episodes \
                   that go on are counted."
            .into(),
        x_title: "environment steps/s",
        print: number::short,
        kinds: vec![
            look("one dispatch in all", palette::arm_look("fused")),
            look("one dispatch per step", policy_look(Policy::OneSubmit)),
            look("other frameworks", peer_look("pytorch", String::new(), false)),
            look("waiting for each step", policy_look(Policy::WaitEach)),
        ],
        columns: vec!["fused over"],
        reference: None,
        groups,
        notes,
    };
    page.draw().map(Picture::Drawn)
}

/// A row for each way, the fastest first; nothing where the fused arm has no time, or there are no peers.
fn side_by_side(run: &Run, case: &Case) -> Option<Group> {
    let fused = fused(run, case).filter(|_| case.workload == "rollout")?;
    let peers = run.peers_of(case);
    if peers.iter().all(|peer| peer.rate().is_none()) {
        return None;
    }
    let stepwise = |policy, kind| Some((run.stepwise(case, policy)?, kind));
    let arms = [stepwise(Policy::OneSubmit, 1), stepwise(Policy::WaitEach, 3)].into_iter().flatten();
    let kind = |peer: &Measured| if peer.row.key.policy == WEAK_VARIANT { 3 } else { 2 };
    let ways = [(fused, 0)].into_iter().chain(arms).chain(peers.into_iter().map(|peer| (peer, kind(&peer))));
    let mut timed: Vec<_> = ways.filter_map(|(way, kind)| Some((Dot::of_rate(kind, &way)?, way))).collect();
    timed.sort_by(|(a, _), (b, _)| b.at.mid.total_cmp(&a.at.mid));
    let rows = timed.into_iter().map(|(dot, way)| {
        let text = if dot.kind == 0 { String::new() } else { gained(&fused, &way) };
        let label = match (dot.kind, way.is_peer) {
            (0, _) => "one dispatch".into(),
            (_, true) => way.label(),
            _ => format!("per step, {}", way.label()),
        };
        Row { label, band: None, dots: vec![dot], texts: vec![text] }
    });
    let Case { environment, population, steps, .. } = case;
    let heading = format!("{} · {environment} · population {population}, steps {steps}", run.device());
    Some(Group { heading, rows: rows.collect() })
}
