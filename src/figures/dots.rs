//! Rows of dots on one logarithmic scale: a few values for each of many things, with numbers beside them.

use super::canvas::{AXIS, Align, Canvas, GRID, HEADING, INK, LABEL, MUTED, Marker, Stroke, WIDTH, text_width};
use super::chart::{footnotes, masthead, text_height};
use super::scale::Scale;
use crate::analysis::measured::Measured;
use crate::error::Result;
use crate::statistics::Interval;
use plotters::style::RGBColor;

const MARGIN: f64 = 30.0;
const ROW: f64 = 44.0;
const COLUMN: f64 = 170.0;
const GAP: f64 = 24.0;
const HEADING_ROOM: f64 = 56.0;
/// Above the first group, for the columns' headings.
const COLUMNS_ROOM: f64 = 40.0;
const AXIS_ROOM: f64 = 52.0;
/// Below the last group, for the axis' title.
const TITLE_ROOM: f64 = 40.0;
const LEGEND_ROOM: f64 = 50.0;
const BAND: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

/// How a kind of dot looks.
#[derive(Clone)]
pub struct Kind {
    pub label: &'static str,
    pub color: RGBColor,
    pub marker: Marker,
}

pub struct Row {
    pub label: String,
    /// Drawn grey behind the dots.
    pub band: Option<(f64, f64)>,
    pub dots: Vec<Dot>,
    /// One for each column.
    pub texts: Vec<String>,
}

pub struct Dot {
    /// Index among the kinds.
    pub kind: usize,
    pub at: Interval,
    /// Whether what it stands for was cut in tokens or samples: an open marker.
    pub is_capped: bool,
}

impl Dot {
    /// The rate of a row, where it has one.
    pub fn of_rate(kind: usize, row: &Measured) -> Option<Dot> {
        Some(Dot { kind, at: row.rate()?, is_capped: row.is_capped() })
    }

    /// What was worked out of two rows.
    pub fn of_ratio(kind: usize, at: Interval, rows: [&Measured; 2]) -> Dot {
        Dot { kind, at, is_capped: rows.iter().any(|row| row.is_capped()) }
    }
}

pub struct Group {
    pub heading: String,
    pub rows: Vec<Row>,
}

pub struct Page<'a> {
    pub title: &'a str,
    pub subtitle: String,
    pub x_title: &'a str,
    pub print: fn(f64) -> String,
    pub kinds: Vec<Kind>,
    /// Headings of the numbers right of the dots; of two lines where there is a line break.
    pub columns: Vec<&'a str>,
    /// A level to compare the dots with.
    pub reference: Option<f64>,
    pub groups: Vec<Group>,
    pub notes: Vec<String>,
}

impl Page<'_> {
    pub fn draw(&self) -> Result<String> {
        let of_group = |group: &Group| HEADING_ROOM + ROW * group.rows.len() as f64 + AXIS_ROOM;
        let height = LEGEND_ROOM + COLUMNS_ROOM + self.groups.iter().map(of_group).sum::<f64>() + TITLE_ROOM;
        Canvas::paint(text_height(&self.subtitle, &self.notes) + height, |canvas| {
            let mut top = masthead(canvas, self.title, &self.subtitle);
            self.legend(canvas, top + 10.0);
            top += LEGEND_ROOM;
            let scale = self.scale();
            let (left, right) = self.frame();
            self.headings(canvas, top + COLUMNS_ROOM + HEADING_ROOM);
            top += COLUMNS_ROOM;
            for group in &self.groups {
                self.group(canvas, group, top, &scale);
                top += of_group(group);
            }
            canvas.text(((left + right) / 2.0, top + 8.0), self.x_title, LABEL, INK, Align::Middle);
            footnotes(canvas, top + TITLE_ROOM, &self.notes);
        })
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }

    fn scale(&self) -> Scale {
        let dots = self.rows().flat_map(|row| &row.dots).flat_map(|dot| [dot.at.low / 1.15, dot.at.high * 1.15]);
        let bands = self.rows().filter_map(|row| row.band).flat_map(|(low, high)| [low, high]);
        Scale::log(dots.chain(bands).chain(self.reference), self.print)
    }

    fn legend(&self, canvas: &mut Canvas, y: f64) {
        let mut x = MARGIN + 14.0;
        for kind in &self.kinds {
            canvas.marker(kind.marker, (x, y), 20.0, kind.color, false);
            canvas.text((x + 22.0, y), kind.label, LABEL, INK, Align::Start);
            x += 62.0 + text_width(kind.label, LABEL);
        }
    }

    /// Left and right of every group's frame.
    fn frame(&self) -> (f64, f64) {
        let names = self.rows().map(|row| text_width(&row.label, LABEL)).fold(0.0, f64::max);
        (MARGIN + names + GAP, WIDTH - MARGIN - COLUMN * self.columns.len() as f64 - GAP)
    }

    /// Where a column of numbers ends.
    fn end(&self, column: usize) -> f64 {
        self.frame().1 + GAP + COLUMN * (column as f64 + 1.0)
    }

    /// Of the columns, above the frame that begins at `top`.
    fn headings(&self, canvas: &mut Canvas, top: f64) {
        for (column, heading) in self.columns.iter().enumerate() {
            for (line, text) in heading.split('\n').collect::<Vec<_>>().iter().rev().enumerate() {
                canvas.text((self.end(column), top - 20.0 - 30.0 * line as f64), text, LABEL, MUTED, Align::End);
            }
        }
    }

    fn group(&self, canvas: &mut Canvas, group: &Group, top: f64, scale: &Scale) {
        canvas.text((MARGIN, top + 28.0), &group.heading, HEADING, INK, Align::Start);
        let (left, right) = self.frame();
        let (top, bottom) = (top + HEADING_ROOM, top + HEADING_ROOM + ROW * group.rows.len() as f64);
        let x = |value: f64| left + (right - left) * scale.at(value);
        for (index, row) in group.rows.iter().enumerate() {
            if let Some((low, high)) = row.band {
                let above = top + ROW * index as f64;
                canvas.rectangle((x(low), above + 4.0), (x(high), above + ROW - 4.0), BAND);
            }
        }
        for tick in scale.ticks.iter().filter(|tick| !tick.label.is_empty()) {
            canvas.line(&[(x(tick.value), top), (x(tick.value), bottom)], Stroke::solid(GRID, 2.5));
            canvas.text((x(tick.value), bottom + 26.0), &tick.label, LABEL, INK, Align::Middle);
        }
        if let Some(level) = self.reference {
            canvas.line(&[(x(level), top), (x(level), bottom)], Stroke::solid(AXIS, 3.0));
        }
        let frame = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        canvas.line(&frame, Stroke::solid(AXIS, 2.0));
        for (index, row) in group.rows.iter().enumerate() {
            let y = top + ROW * (index as f64 + 0.5);
            canvas.text((left - 14.0, y), &row.label, LABEL, INK, Align::End);
            for Dot { kind, at, is_capped } in &row.dots {
                let kind = &self.kinds[*kind];
                canvas.line(&[(x(at.low), y), (x(at.high), y)], Stroke::solid(kind.color, 3.0));
                canvas.marker(kind.marker, (x(at.mid), y), 20.0, kind.color, *is_capped);
            }
            for (column, text) in row.texts.iter().enumerate() {
                canvas.text((self.end(column), y), text, LABEL, INK, Align::End);
            }
        }
    }
}
