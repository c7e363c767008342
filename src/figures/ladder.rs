//! The ladder from a wait per dispatch to one dispatch, with the factor that each step gains: batching submits and
//! fusing told apart.

use super::canvas::{AXIS, Align, Canvas, GRID, HEADING, INK, LABEL, MUTED, NOTE, Stroke, WIDTH, text_width};
use super::chart::{footnotes, masthead, text_height};
use super::palette;
use super::scale::Scale;
use super::{Picture, number, sweep};
use crate::analysis::claims::fastest_of_one_workgroup;
use crate::analysis::measured::Measured;
use crate::analysis::select;
use crate::error::Result;
use crate::measure::statistics::Interval;
use crate::program::Policy;
use crate::record::rows::Case;
use crate::record::run::Run;

const MARGIN: f64 = 30.0;
const NAMES: f64 = 225.0;
const GAP: f64 = 30.0;
/// Right of a panel's frame: the factors and the rates, in two columns.
const TABLE: f64 = 162.0;
const RATES: f64 = 76.0;
/// Panels abreast.
const ABREAST: usize = 3;
const RUNG: f64 = 52.0;
/// Under the last rung, for its arm's name.
const ARM_ROOM: f64 = 26.0;
const HEADING_ROOM: f64 = 50.0;
const AXIS_ROOM: f64 = 96.0;
/// Left free beside the outermost marks, as a factor.
const ROOM: f64 = 1.3;
const DEVICE_ROOM: f64 = 54.0;
const FRAME: f64 = RUNG * (Policy::ALL.len() + 1) as f64 + ARM_ROOM;

/// One way of dispatching, and what the step to it from the rung before gains.
pub struct Rung<'a> {
    pub entry: Measured<'a>,
    pub rate: Interval,
    /// Over the rung before; nothing on the first.
    pub factor: Option<Interval>,
}

/// The rungs of one case that have a time: the stepwise policies in the order of [`Policy::ALL`], then the fastest
/// fused arm of one workgroup. The last step is what claim C9 is about.
pub fn rungs<'a>(run: &'a Run, case: &Case) -> Vec<Rung<'a>> {
    let stepwise = Policy::ALL.into_iter().map(|policy| run.stepwise(case, policy));
    let mut rungs: Vec<Rung> = Vec::new();
    for entry in stepwise.chain([fastest_of_one_workgroup(run, case)]).flatten() {
        let Some(rate) = entry.rate() else { continue };
        let factor = rungs.last().and_then(|before| entry.speedup_over(&before.entry));
        rungs.push(Rung { entry, rate, factor: factor.map(|factor| factor.as_interval()) });
    }
    rungs
}

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let runs = select::latest_hardware(runs, "decode");
    let ladders: Vec<(&Run, Vec<Vec<Ladder>>)> =
        runs.iter().map(|run| (*run, ladders(run))).filter(|(_, rows)| !rows.is_empty()).collect();
    if ladders.is_empty() {
        return Picture::missing(
            "it needs cases of the experiment `decode` with several policies on a hardware device",
        );
    }
    let subtitle = format!(
        "Tokens per second of GPT-2 decoding. ×: gained by this step over the one above; grey: tokens per second. Only \
         the last step, from one submit to one dispatch, is fusion; it also spares the host recording the dispatches. {}.",
        sweep::constants(&runs, sweep::N_EMBD)
    );
    let mut notes = sweep::notes(&runs);
    notes.push(
        "\"fused\" is the fastest fused arm of the case in one workgroup, named below its mark. A factor whose interval holds 1 is \
         shown as no difference (≈). Of more than three widths the smallest, middle and largest are shown."
            .into(),
    );
    let panel = HEADING_ROOM + FRAME + AXIS_ROOM;
    let height: f64 = ladders.iter().map(|(_, rows)| DEVICE_ROOM + rows.len() as f64 * panel).sum();
    let svg = Canvas::paint(text_height(&subtitle, &notes) + height, |canvas| {
        let mut top = masthead(canvas, "What does each step towards one dispatch gain?", &subtitle);
        for (run, rows) in &ladders {
            canvas.text((MARGIN, top + 18.0), &run.device(), HEADING, INK, Align::Start);
            top += DEVICE_ROOM;
            let rates = rows.iter().flatten().flat_map(|ladder| &ladder.rungs);
            let scale = Scale::log(rates.flat_map(|rung| [rung.rate.low / ROOM, rung.rate.high * ROOM]), number::short);
            for row in rows {
                names(canvas, top + HEADING_ROOM);
                let width = (WIDTH - 2.0 * MARGIN - NAMES - GAP * (ABREAST - 1) as f64) / ABREAST as f64;
                for (column, ladder) in row.iter().enumerate() {
                    let left = MARGIN + NAMES + column as f64 * (width + GAP);
                    ladder.draw(canvas, (left, top + HEADING_ROOM), width, &scale);
                }
                top += panel;
            }
        }
        footnotes(canvas, top, &notes);
    })?;
    Ok(Picture::Drawn(svg))
}

struct Ladder<'a> {
    heading: String,
    rungs: Vec<Rung<'a>>,
}

/// A run's ladders of two rungs and more, a row for each setting of what is not the width.
fn ladders(run: &Run) -> Vec<Vec<Ladder<'_>>> {
    let setting = |case: &Case| (case.n_layer, case.prompt_tokens, case.new_tokens, case.vocab_size);
    let mut cases: Vec<&Case> = run.decode_cases().collect();
    cases.sort_by_key(|case| (setting(case), case.n_embd));
    let rows = cases.chunk_by(|a, b| setting(a) == setting(b)).map(|cases| {
        let ladders = cases.iter().map(|case| Ladder {
            heading: format!("n_embd {} · n_layer {}", case.n_embd, case.n_layer),
            rungs: rungs(run, case),
        });
        thinned(ladders.filter(|ladder| ladder.rungs.len() > 1).collect())
    });
    rows.filter(|row| !row.is_empty()).collect()
}

/// The first, middle and last of more than [`ABREAST`].
fn thinned<T>(items: Vec<T>) -> Vec<T> {
    let count = items.len();
    let keep = |index: usize| count <= ABREAST || [0, count / 2, count - 1].contains(&index);
    items.into_iter().enumerate().filter(|(index, _)| keep(*index)).map(|(_, item)| item).collect()
}

fn names(canvas: &mut Canvas, top: f64) {
    for (row, policy) in Policy::ALL.into_iter().enumerate() {
        let y = top + RUNG * (row as f64 + 0.5);
        let color = palette::policy_look(policy).ink();
        canvas.text((MARGIN + NAMES - 14.0, y), policy.name(), LABEL, color, Align::End);
    }
    let y = top + RUNG * (Policy::ALL.len() as f64 + 0.5);
    canvas.text((MARGIN + NAMES - 14.0, y), "fused", LABEL, INK, Align::End);
}

/// The row that a rung stands in.
fn place(rung: &Rung) -> usize {
    let key = &rung.entry.row.key;
    let policy = Policy::ALL.into_iter().position(|policy| policy.name() == key.policy);
    if rung.entry.is_stepwise() { policy.unwrap_or(0) } else { Policy::ALL.len() }
}

impl Ladder<'_> {
    fn draw(&self, canvas: &mut Canvas, (left, top): (f64, f64), width: f64, scale: &Scale) {
        let (right, bottom) = (left + width - TABLE, top + FRAME);
        let x = |value: f64| left + (right - left) * scale.at(value);
        canvas.text((left, top - 24.0), &self.heading, LABEL, INK, Align::Start);
        for tick in scale.ticks.iter().filter(|tick| !tick.label.is_empty()) {
            canvas.line(&[(x(tick.value), top), (x(tick.value), bottom)], Stroke::solid(GRID, 2.5));
            canvas.text((x(tick.value), bottom + 26.0), &tick.label, LABEL, INK, Align::Middle);
        }
        let frame = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        canvas.line(&frame, Stroke::solid(AXIS, 2.0));
        canvas.text(((left + right) / 2.0, bottom + 62.0), "tokens/s", LABEL, INK, Align::Middle);

        let middle = |rung: &Rung| top + RUNG * (place(rung) as f64 + 0.5);
        for (before, rung) in self.rungs.iter().zip(self.rungs.iter().skip(1)) {
            let (start, end, y) = (x(before.rate.mid), x(rung.rate.mid), middle(rung));
            let look = palette::look(&rung.entry.row.key);
            canvas.line(&[(start, middle(before)), (start, y)], Stroke::solid(AXIS, 1.5));
            canvas.line(&[(start, y), (end, y)], Stroke::solid(look.color, 9.0));
        }
        for rung in &self.rungs {
            let look = palette::look(&rung.entry.row.key);
            let (end, y) = (x(rung.rate.mid), middle(rung));
            canvas.line(&[(x(rung.rate.low), y), (x(rung.rate.high), y)], Stroke::solid(look.ink(), 3.0));
            canvas.marker(look.marker, (end, y), 20.0, look.color, rung.entry.is_capped());
            rung.write(canvas, left + width, y);
            if !rung.entry.is_stepwise() {
                let name = (end.min(right - 8.0) - text_width(&look.label, NOTE)).max(left + 8.0);
                canvas.text((name, y + 34.0), &look.label, NOTE, look.ink(), Align::Start);
            }
        }
    }
}

impl Rung<'_> {
    /// The step's factor and the rate, in columns that end at `right`.
    fn write(&self, canvas: &mut Canvas, right: f64, y: f64) {
        if let Some(factor) = self.factor {
            let text = if factor.contains(1.0) { "≈".into() } else { number::step(factor.mid) };
            canvas.text((right - RATES, y), &text, LABEL, INK, Align::End);
        }
        canvas.text((right, y), &number::rate(self.rate.mid), NOTE, MUTED, Align::End);
    }
}
