//! What was published beside what was measured here, claim by claim, each as a range over cases.

use plotters::style::RGBColor;

use super::canvas::{AXIS, Align, Canvas, GRID, HEADING, INK, LABEL, MUTED, Marker, Stroke, WIDTH};
use super::chart::{footnotes, masthead, text_height};
use super::palette::{self, Look};
use super::picture::Picture;
use super::scale::Scale;
use super::{number, sweep};
use crate::analysis::claims::{Baseline, Compared, by_case, is_smallest_case};
use crate::analysis::ladder::KERNEL;
use crate::analysis::measured::Measured;
use crate::analysis::published::{self, Claim};
use crate::analysis::select;
use crate::error::Result;
use crate::program::Policy;
use crate::record::run::Run;
use crate::statistics::Interval;

const MARGIN: f64 = 30.0;
/// The rows' names, left of the axis.
const NAMES: f64 = 425.0;
/// The numbers, right of the axis.
const NUMBERS: f64 = 235.0;
const LEFT: f64 = MARGIN + NAMES;
const RIGHT: f64 = WIDTH - MARGIN - NUMBERS;
const ROW: f64 = 37.0;
const HEADING_ROOM: f64 = 62.0;
const AXIS_ROOM: f64 = 104.0;
/// Behind the rows, over the range claimed.
const BAND: RGBColor = RGBColor(0xee, 0xee, 0xee);
const FASTER: &str = "times as fast";
/// The claims that are drawn.
const SHOWN: [&str; 5] = ["C3", "C4", "C9", "C5", "C1"];

/// Smallest and largest value of a quantity over the cases of one run.
pub struct Range {
    pub low: Interval,
    pub high: Interval,
    /// Whether a capped row is behind one of the two.
    pub capped: bool,
}

impl Range {
    fn over(values: &[(Interval, bool)]) -> Option<Range> {
        let low = values.iter().min_by(|a, b| a.0.mid.total_cmp(&b.0.mid))?;
        let high = values.iter().max_by(|a, b| a.0.mid.total_cmp(&b.0.mid))?;
        Some(Range { low: low.0, high: high.0, capped: low.1 || high.1 })
    }
}

/// What was measured for a claim against `baseline`, over the cases it was made for.
pub fn range(claim: &Claim, run: &Run, baseline: Baseline) -> Option<Range> {
    let value = |compared: Compared| Some((compared.number?.as_interval(), compared.is_capped));
    Range::over(&by_case(claim.test, run, baseline).into_iter().filter_map(value).collect::<Vec<_>>())
}

/// A line of the figure.
struct Row {
    name: String,
    low: Interval,
    high: Interval,
    look: Look,
    capped: bool,
    is_published: bool,
}

struct Block {
    heading: String,
    /// What was claimed, drawn behind the rows.
    claimed: (f64, f64),
    published: Vec<Row>,
    /// By device.
    measured: Vec<(String, Vec<Row>)>,
}

struct Section {
    axis_title: &'static str,
    scale: Scale,
    /// What was published, and ticks.
    print: fn(f64) -> String,
    measured: fn(f64) -> String,
    blocks: Vec<Block>,
}

pub fn draw(runs: &[Run]) -> Result<Picture> {
    let sections: Vec<Section> = [speedups(runs), rates(runs), shares(runs)].into_iter().flatten().collect();
    let mut drawn: Vec<&Run> = SHOWN.iter().flat_map(|id| runs_of(id, runs)).collect();
    drawn.sort_by_key(|run| &run.path);
    drawn.dedup_by_key(|run| &run.path);
    if sections.is_empty() {
        return Picture::missing(
            "it needs timed rows of the experiment `decode` or timed rungs of `span` on a hardware device",
        );
    }
    let subtitle = "Grey: published, measured on another device; the band or dashed line repeats it. Colour: smallest to largest \
                    over the cases measured here.";
    let mut notes = vec![
        format!(
            "Thin ends are bootstrap 95% intervals. All are taken over the cases that the claims were made for: n_embd 32 to 256, \
             n_layer 1 and 4, 64 tokens. C1, C3 and C9 compare spans of one kernel, {}, where a device was measured with \
             them; \"unfused\" is the fastest way of that kernel in which no workgroup waits for another within a dispatch.",
            KERNEL.name()
        ),
        "\"wait-each\" waits for each operation; \"the fastest\" is whichever policy is the fastest in a case.".into(),
    ];
    notes.extend(sweep::notes(&drawn).into_iter().skip(1));
    let height = text_height(subtitle, &notes) + sections.iter().map(Section::height).sum::<f64>();
    let svg = Canvas::paint(height, |canvas| {
        let mut top = masthead(canvas, "What was claimed, and what is measured here?", subtitle);
        for section in &sections {
            section.draw(canvas, top);
            top += section.height();
        }
        footnotes(canvas, top, &notes);
    })?;
    Ok(Picture::Drawn(svg))
}

/// The run of each device that a claim is judged on.
fn runs_of<'a>(id: &str, runs: &'a [Run]) -> Vec<&'a Run> {
    let experiment = published::claim(id).map_or("", |claim| claim.test.experiment());
    select::latest_hardware(runs, experiment)
}

/// Both baselines of a claim, as far as it has them.
fn both([weak, strong]: [&'static str; 2]) -> impl Fn(&Claim, &Run) -> Vec<Row> {
    let of_policy = palette::policy_look(Policy::WaitEach);
    let of_fastest = Look { color: INK, ..palette::policy_look(Policy::OneSubmit) };
    move |claim, run| {
        let ways = [(Baseline::WEAK, weak, of_policy.clone()), (Baseline::STRONG, strong, of_fastest.clone())];
        let row = |(baseline, name, look): (Baseline, &str, Look)| {
            Some(measured(name.into(), range(claim, run, baseline)?, look))
        };
        ways.into_iter().filter_map(row).collect()
    }
}

fn speedups(runs: &[Run]) -> Option<Section> {
    let blocks = [
        block("C3", "one kernel, in one dispatch over unfused", runs, both(["over wait-each", "over unfused"])),
        block(
            "C4",
            "fused-scalar (one dispatch, one thread) over stepwise",
            runs,
            both(["over wait-each", "over the fastest"]),
        ),
        block("C9", "fusion alone: one kernel, in one dispatch over many", runs, both(["", "over a stage each"])),
    ];
    Section::log(FASTER, [number::factor, number::step], blocks.into_iter().flatten().collect())
}

fn rates(runs: &[Run]) -> Option<Section> {
    let rows = |_: &Claim, run: &Run| {
        let mut rows: Vec<(Look, Row)> = Vec::new();
        let fastest =
            |entry: &Measured| run.fastest_stepwise(entry.case).is_some_and(|row| row.row.key == entry.row.key);
        let is_shown = |entry: &Measured| is_smallest_case(entry.case) && (!entry.is_stepwise() || fastest(entry));
        for entry in sweep::timed(run).into_iter().filter(is_shown) {
            let look = palette::look(&entry.row.key);
            let range = entry.rate().and_then(|rate| Range::over(&[(rate, entry.is_capped())]));
            rows.extend(range.map(|range| (look.clone(), measured(look.label.clone(), range, look))));
        }
        rows.sort_by(|(a, _), (b, _)| (a.rank, &a.label).cmp(&(b.rank, &b.label)));
        rows.into_iter().map(|(_, row)| row).collect()
    };
    let blocks = block("C5", "tokens per second at n_embd 32, n_layer 1", runs, rows);
    Section::log("tokens/s", [number::short, number::rate], blocks.into_iter().collect())
}

fn shares(runs: &[Run]) -> Option<Section> {
    let block = block("C1", "share of time not computing, one kernel", runs, both(["wait-each", "unfused"]))?;
    let scale = Scale::linear(0.0, 1.0, 0.2, number::percent);
    Some(Section {
        axis_title: "share of wall time",
        scale,
        print: number::percent,
        measured: number::percent,
        blocks: vec![block],
    })
}

/// The published range of a claim above what each run measured; nothing where none measured it.
fn block(id: &str, what: &str, runs: &[Run], rows: impl Fn(&Claim, &Run) -> Vec<Row>) -> Option<Block> {
    let claim = published::claim(id)?;
    let measured: Vec<(String, Vec<Row>)> = runs_of(id, runs)
        .into_iter()
        .map(|run| (run.device(), rows(claim, run)))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    if measured.is_empty() {
        return None;
    }
    let mut published = vec![published_row(format!("published ({})", claim.measured_on), (claim.low, claim.high))];
    published.extend(claim.corrected.map(|corrected| published_row("the author's erratum".into(), corrected)));
    Some(Block { heading: format!("{id}: {what}"), claimed: (claim.low, claim.high), published, measured })
}

fn published_row(name: String, (low, high): (f64, f64)) -> Row {
    let exactly = |value: f64| Interval { low: value, mid: value, high: value };
    let look = Look {
        label: String::new(),
        rank: 0,
        color: RGBColor(0x99, 0x99, 0x99),
        marker: Marker::Square,
        width: 10.0,
        dash: None,
    };
    let (low, high) = (exactly(low), exactly(high));
    Row { name, low, high, look, capped: false, is_published: true }
}

fn measured(name: String, range: Range, look: Look) -> Row {
    Row { name, low: range.low, high: range.high, look, capped: range.capped, is_published: false }
}

impl Block {
    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.published.iter().chain(self.measured.iter().flat_map(|(_, rows)| rows))
    }

    /// Lines for the rows, and for the devices' names.
    fn height(&self) -> f64 {
        (self.rows().count() + self.measured.len()) as f64 * ROW
    }
}

impl Section {
    fn log(axis_title: &'static str, [print, measured]: [fn(f64) -> String; 2], blocks: Vec<Block>) -> Option<Section> {
        let scale = Scale::log(blocks.iter().flat_map(Block::rows).flat_map(|row| [row.low.low, row.high.high]), print);
        (!blocks.is_empty()).then_some(Section { axis_title, scale, print, measured, blocks })
    }

    fn height(&self) -> f64 {
        self.blocks.iter().map(|block| HEADING_ROOM + block.height()).sum::<f64>() + AXIS_ROOM + 20.0
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.scale.at(value)
    }

    fn draw(&self, canvas: &mut Canvas, top: f64) {
        let bottom = top + self.height() - AXIS_ROOM;
        for tick in &self.scale.ticks {
            canvas.text((self.x(tick.value), bottom + 26.0), &tick.label, LABEL, INK, Align::Middle);
        }
        canvas.line(&[(LEFT, bottom), (RIGHT, bottom)], Stroke::solid(AXIS, 2.0));
        canvas.text(((LEFT + RIGHT) / 2.0, bottom + 60.0), self.axis_title, LABEL, INK, Align::Middle);
        let mut y = top;
        for block in &self.blocks {
            canvas.text((MARGIN, y + 34.0), &block.heading, HEADING, INK, Align::Start);
            y += HEADING_ROOM;
            self.draw_ground(canvas, block, y);
            for row in &block.published {
                self.draw_row(canvas, row, y + ROW / 2.0);
                y += ROW;
            }
            for (device, rows) in &block.measured {
                canvas.text((MARGIN, y + ROW / 2.0), device, LABEL, INK, Align::Start);
                y += ROW;
                for row in rows {
                    self.draw_row(canvas, row, y + ROW / 2.0);
                    y += ROW;
                }
            }
        }
    }

    /// Grid, and the claim as a band, or as a line where one value was claimed.
    fn draw_ground(&self, canvas: &mut Canvas, block: &Block, top: f64) {
        let bottom = top + block.height();
        let (low, high) = (self.x(block.claimed.0), self.x(block.claimed.1));
        canvas.rectangle((low, top), (high, bottom), BAND);
        for tick in &self.scale.ticks {
            let is_one = tick.value == 1.0 && self.axis_title == FASTER;
            let width = if tick.label.is_empty() { 1.0 } else { 2.5 };
            let grid = Stroke::solid(if is_one { AXIS } else { GRID }, width);
            canvas.line(&[(self.x(tick.value), top), (self.x(tick.value), bottom)], grid);
        }
        if low == high {
            let stroke = Stroke { color: MUTED, width: 2.0, dash: Some((8.0, 6.0)) };
            canvas.line(&[(low, top), (low, bottom)], stroke);
        }
    }

    fn draw_row(&self, canvas: &mut Canvas, row: &Row, y: f64) {
        let color = if row.is_published { MUTED } else { INK };
        canvas.text((LEFT - 18.0, y), &row.name, LABEL, color, Align::End);
        let (low, high) = (self.x(row.low.mid), self.x(row.high.mid));
        canvas.line(&[(self.x(row.low.low), y), (self.x(row.high.high), y)], Stroke::solid(row.look.ink(), 2.5));
        canvas.line(&[(low, y), (high, y)], Stroke::solid(row.look.color, 10.0));
        for end in [low, high] {
            canvas.marker(row.look.marker, (end, y), 15.0, row.look.color, row.capped);
        }
        let print = if row.is_published { self.print } else { self.measured };
        let (first, last) = (print(row.low.mid), print(row.high.mid));
        let numbers = if first == last { first } else { format!("{first} – {last}") };
        canvas.text((RIGHT + 30.0, y), &numbers, LABEL, color, Align::Start);
    }
}
