//! The ladder from a wait per operation to one dispatch in all, on rungs of one kernel, with the factor that each step gains:
//! batching submits and covering more by a dispatch told apart.

use super::canvas::{AXIS, Align, Canvas, GRID, HEADING, INK, LABEL, MUTED, NOTE, Stroke, WIDTH};
use super::chart::{footnotes, masthead, text_height};
use super::palette::{self, Look};
use super::picture::Picture;
use super::scale::Scale;
use super::{number, sweep};
use crate::analysis::ladder::{EXPERIMENT, KERNEL, Ladder, Rung};
use crate::analysis::select;
use crate::error::Result;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;
use crate::statistics::Interval;
use crate::workload::decode::span::Span;

const MARGIN: f64 = 30.0;
const NAMES: f64 = 225.0;
const GAP: f64 = 30.0;
/// Right of a panel's frame: the factors and the rates, in two columns.
const TABLE: f64 = 162.0;
const RATES: f64 = 76.0;
/// Panels abreast.
const ABREAST: usize = 3;
const ROW: f64 = 44.0;
/// Between the policies of an operation a dispatch and the spans that cover more.
const BREAK: f64 = 40.0;
const HEADING_ROOM: f64 = 50.0;
const AXIS_ROOM: f64 = 96.0;
/// Left free beside the outermost marks, as a factor.
const ROOM: f64 = 1.3;
const DEVICE_ROOM: f64 = 54.0;

/// What a row of the figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// An operation a dispatch, under a policy.
    Policy(Policy),
    /// A dispatch that covers more, under the fastest of its policies.
    Span(Span),
}

/// A rung, and what the step to it gains.
pub struct Step<'a> {
    pub way: Way,
    pub rung: Rung<'a>,
    pub rate: Interval,
    /// The place of the step that this one is over: of a policy the one before it, of a span the fastest of the span before.
    pub over: Option<usize>,
    pub factor: Option<Interval>,
}

/// The steps of one case that have a time, in the order of the figure.
pub fn steps<'a>(run: &'a Run, case: &Case) -> Vec<Step<'a>> {
    let ladder = Ladder::of(run, case);
    let mut steps: Vec<Step> = Vec::new();
    let push = |steps: &mut Vec<Step<'a>>, way: Way, rung: Option<Rung<'a>>, over: Option<usize>| {
        let Some((rung, rate)) = rung.and_then(|rung| Some((rung, rung.entry.rate()?))) else { return over };
        let factor = over.and_then(|over| rung.entry.speedup_over(&steps[over].rung.entry));
        steps.push(Step { way, rung, rate, over, factor: factor.map(|factor| factor.as_interval()) });
        Some(steps.len() - 1)
    };
    let mut over = None;
    for policy in Policy::ALL {
        over = push(&mut steps, Way::Policy(policy), ladder.at(Span::Operation, policy), over);
    }
    let fastest = ladder.fastest(Span::Operation).map(|fastest| Way::Policy(fastest.policy));
    over = steps.iter().position(|step| Some(step.way) == fastest);
    for span in ladder.spans().into_iter().filter(|span| *span != Span::Operation) {
        over = push(&mut steps, Way::Span(span), ladder.fastest(span), over);
    }
    steps
}

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = select::latest_hardware(runs, EXPERIMENT);
    let devices: Vec<(&Run, Vec<Vec<Panel>>)> =
        runs.iter().map(|run| (*run, panels(run))).filter(|(_, rows)| !rows.is_empty()).collect();
    if devices.is_empty() {
        return Picture::missing("it needs cases of the experiment `span` with several rungs on a hardware device");
    }
    let subtitle = format!(
        "Tokens per second of {}, the same kernel in every row. ×: gained by this step; grey: tokens per second. Upper \
         rows: a dispatch per operation, by policy, which is what batching gains. Lower rows: a dispatch covers more, which \
         is what fusion gains. {}.",
        KERNEL.name(),
        sweep::constants(&runs, sweep::N_EMBD)
    );
    let mut notes = sweep::notes(&runs);
    notes[0] = "Thick bars: from the row that a step is over. Thin ones: bootstrap 95% intervals of the median; where none is seen it is \
                smaller than its marker."
        .into();
    notes.push(
        "Each lower row is at its fastest policy, which its mark shows, but for the whole generation, which is one dispatch; ×: over \
         the row above it, and of the first of them over the fastest upper row. A stage goes up to where workgroups wait for each \
         other. A factor whose interval holds 1 is shown as no difference (≈). Of more than three widths the smallest, middle and \
         largest are shown."
            .into(),
    );
    let heights = |(_, rows): &(&Run, Vec<Vec<Panel>>)| {
        DEVICE_ROOM + rows.len() as f64 * (HEADING_ROOM + Rows::of(rows).height() + AXIS_ROOM)
    };
    let height: f64 = devices.iter().map(heights).sum();
    let svg = Canvas::paint(text_height(&subtitle, &notes) + height, |canvas| {
        let mut top = masthead(canvas, "What does each step towards one dispatch gain?", &subtitle);
        for (run, rows) in &devices {
            canvas.text((MARGIN, top + 18.0), &run.device(), HEADING, INK, Align::Start);
            top += DEVICE_ROOM;
            let rates = rows.iter().flatten().flat_map(|panel| &panel.steps);
            let scale = Scale::log(rates.flat_map(|step| [step.rate.low / ROOM, step.rate.high * ROOM]), number::short);
            let ways = Rows::of(rows);
            for row in rows {
                ways.name(canvas, top + HEADING_ROOM);
                let width = (WIDTH - 2.0 * MARGIN - NAMES - GAP * (ABREAST - 1) as f64) / ABREAST as f64;
                for (column, panel) in row.iter().enumerate() {
                    let left = MARGIN + NAMES + column as f64 * (width + GAP);
                    panel.draw(canvas, (left, top + HEADING_ROOM), width, &scale, &ways);
                }
                top += HEADING_ROOM + ways.height() + AXIS_ROOM;
            }
        }
        footnotes(canvas, top, &notes);
    })?;
    Ok(Picture::Drawn(svg))
}

struct Panel<'a> {
    heading: String,
    steps: Vec<Step<'a>>,
}

/// A run's panels of two steps and more, a row for each setting of what is not the width.
fn panels(run: &Run) -> Vec<Vec<Panel<'_>>> {
    let setting = |case: &Case| (case.n_layer, case.prompt_tokens, case.new_tokens, case.vocab_size);
    let mut cases: Vec<&Case> = run.decode_cases().collect();
    cases.sort_by_key(|case| (setting(case), case.n_embd));
    let rows = cases.chunk_by(|a, b| setting(a) == setting(b)).map(|cases| {
        let panels = cases.iter().map(|case| Panel {
            heading: format!("n_embd {} · n_layer {}", case.n_embd, case.n_layer),
            steps: steps(run, case),
        });
        sweep::thinned(panels.filter(|panel| panel.steps.len() > 1).collect(), ABREAST)
    });
    rows.filter(|row| !row.is_empty()).collect()
}

/// The rows that a device's panels share.
struct Rows(Vec<Way>);

impl Rows {
    fn of(panels: &[Vec<Panel>]) -> Rows {
        let mut ways: Vec<Way> = panels.iter().flatten().flat_map(|panel| &panel.steps).map(|step| step.way).collect();
        ways.sort_unstable();
        ways.dedup();
        Rows(ways)
    }

    fn height(&self) -> f64 {
        self.0.len() as f64 * ROW + BREAK
    }

    /// The middle of a row, from the frame's top.
    fn middle(&self, way: Way) -> f64 {
        let place = self.0.iter().position(|other| *other == way).unwrap_or(0);
        let gap = if matches!(way, Way::Span(_)) { BREAK } else { 0.0 };
        (place as f64 + 0.5) * ROW + gap
    }

    fn name(&self, canvas: &mut Canvas, top: f64) {
        let right = MARGIN + NAMES - 14.0;
        canvas.text((right, top - 24.0), "per operation:", NOTE, MUTED, Align::End);
        for way in &self.0 {
            let (name, color) = match way {
                Way::Policy(policy) => (policy.name().to_owned(), palette::policy_look(*policy).ink()),
                Way::Span(Span::Chunk(tokens)) => (format!("{tokens} tokens"), INK),
                Way::Span(span) => (span.name(), INK),
            };
            canvas.text((right, top + self.middle(*way)), &name, LABEL, color, Align::End);
        }
        let first = self.0.iter().find(|way| matches!(way, Way::Span(_)));
        if let Some(first) = first {
            let y = top + self.middle(*first) - (ROW + BREAK) / 2.0;
            canvas.text((right, y), "a dispatch per:", NOTE, MUTED, Align::End);
        }
    }
}

impl Panel<'_> {
    fn draw(&self, canvas: &mut Canvas, (left, top): (f64, f64), width: f64, scale: &Scale, rows: &Rows) {
        let (right, bottom) = (left + width - TABLE, top + rows.height());
        let x = |value: f64| left + (right - left) * scale.at(value);
        canvas.text((left, top - 24.0), &self.heading, LABEL, INK, Align::Start);
        for tick in scale.ticks.iter().filter(|tick| !tick.label.is_empty()) {
            canvas.line(&[(x(tick.value), top), (x(tick.value), bottom)], Stroke::solid(GRID, 2.5));
            canvas.text((x(tick.value), bottom + 26.0), &tick.label, LABEL, INK, Align::Middle);
        }
        let frame = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        canvas.line(&frame, Stroke::solid(AXIS, 2.0));
        canvas.text(((left + right) / 2.0, bottom + 62.0), "tokens/s", LABEL, INK, Align::Middle);

        let middle = |step: &Step| top + rows.middle(step.way);
        for step in &self.steps {
            let Some(before) = step.over.map(|over| &self.steps[over]) else { continue };
            let (start, end, y) = (x(before.rate.mid), x(step.rate.mid), middle(step));
            canvas.line(&[(start, middle(before)), (start, y)], Stroke::solid(AXIS, 1.5));
            canvas.line(&[(start, y), (end, y)], Stroke::solid(step.look().color, 8.0));
        }
        for step in &self.steps {
            let (look, end, y) = (step.look(), x(step.rate.mid), middle(step));
            canvas.line(&[(x(step.rate.low), y), (x(step.rate.high), y)], Stroke::solid(look.ink(), 3.0));
            canvas.marker(look.marker, (end, y), 19.0, look.color, step.rung.entry.is_capped());
            step.write(canvas, left + width, y);
        }
    }
}

impl Step<'_> {
    /// Of its policy, where it has one.
    fn look(&self) -> Look {
        match self.way {
            Way::Span(Span::Generation) => palette::arm_look(KERNEL.name()),
            _ => palette::policy_look(self.rung.policy),
        }
    }

    /// The step's factor and the rate, in columns that end at `right`.
    fn write(&self, canvas: &mut Canvas, right: f64, y: f64) {
        if let Some(factor) = self.factor {
            let text = if factor.contains(1.0) { "≈".into() } else { number::step(factor.mid) };
            canvas.text((right - RATES, y), &text, LABEL, INK, Align::End);
        }
        canvas.text((right, y), &number::rate(self.rate.mid), NOTE, MUTED, Align::End);
    }
}
