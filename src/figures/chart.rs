//! A page of panels with curves: title, subtitle, panels two abreast, notes.

use super::canvas::{
    AXIS, Align, Canvas, GRID, HEADING, INK, LABEL, MUTED, NOTE, Stroke, TITLE, WIDTH, text_width, wrap,
};
use super::palette::Look;
use super::scale::{Scale, range, spread};
use crate::error::Result;
use crate::statistics::Interval;
use plotters::style::RGBColor;

const MARGIN: f64 = 30.0;
/// Between the left margin and a frame: the vertical axis' title and tick labels.
const AXIS_ROOM: f64 = 115.0;
/// From a frame to its curves' labels, and between these and the next frame.
const LABEL_INDENT: f64 = 30.0;
const LABEL_GAP: f64 = 16.0;
/// A frame beside another one.
const NARROWEST: f64 = 420.0;
const PANEL_HEIGHT: f64 = 400.0;
const HEADING_ROOM: f64 = 48.0;
const X_AXIS_ROOM: f64 = 92.0;
const GROUP_HEADING_ROOM: f64 = 54.0;
const GROUP_GAP: f64 = 26.0;
const LINE: f64 = 34.0;
/// Behind a software device's panels.
const TINT: RGBColor = RGBColor(0xf4, 0xef, 0xe4);
const WARNING: RGBColor = RGBColor(0x8a, 0x4b, 0x00);

pub struct Chart {
    /// The question that the figure answers.
    pub title: String,
    pub subtitle: String,
    pub x_title: String,
    pub y_title: String,
    pub vertical: Vertical,
    /// A level to compare the curves with, and its label.
    pub reference: Option<(f64, String)>,
    /// Each group, such as a device, begins a row and shares one vertical axis.
    pub groups: Vec<Group>,
    pub notes: Vec<String>,
}

pub enum Vertical {
    Log(fn(f64) -> String),
    /// Linear, from 0 (or the lowest value, at least -1) to 1.
    Share,
}

pub struct Group {
    /// Above its panels; empty where their own headings say it.
    pub heading: String,
    pub is_software: bool,
    pub panels: Vec<Panel>,
}

pub struct Panel {
    pub heading: String,
    pub curves: Vec<Curve>,
}

pub struct Curve {
    pub look: Look,
    /// By ascending `x`.
    pub points: Vec<Point>,
}

pub struct Point {
    pub x: f64,
    pub y: Interval,
    /// Drawn with an open marker.
    pub capped: bool,
}

/// Writes title and subtitle; returns where the page goes on.
pub fn masthead(canvas: &mut Canvas, title: &str, subtitle: &str) -> f64 {
    canvas.text((MARGIN, 46.0), title, TITLE, INK, Align::Start);
    let mut y = 96.0;
    for line in wrap(subtitle, LABEL, WIDTH - 2.0 * MARGIN) {
        canvas.text((MARGIN, y), &line, LABEL, MUTED, Align::Start);
        y += LINE;
    }
    y + 16.0
}

/// Lines that [`masthead`] and [`footnotes`] need, in pixels.
pub fn text_height(subtitle: &str, notes: &[String]) -> f64 {
    let lines = |text: &str, size| wrap(text, size, WIDTH - 2.0 * MARGIN).len() as f64 * LINE;
    112.0 + lines(subtitle, LABEL) + notes.iter().map(|note| lines(note, NOTE)).sum::<f64>() + 30.0
}

pub fn footnotes(canvas: &mut Canvas, top: f64, notes: &[String]) {
    let lines = notes.iter().flat_map(|note| wrap(note, NOTE, WIDTH - 2.0 * MARGIN));
    for (index, line) in lines.enumerate() {
        canvas.text((MARGIN, top + (index as f64 + 0.5) * LINE), &line, NOTE, MUTED, Align::Start);
    }
}

impl Chart {
    pub fn draw(&self) -> Result<String> {
        let panels = self.groups.iter().map(|group| group.height(self.columns())).sum::<f64>();
        Canvas::paint(text_height(&self.subtitle, &self.notes) + panels, |canvas| {
            let mut top = masthead(canvas, &self.title, &self.subtitle);
            for group in &self.groups {
                self.draw_group(canvas, group, top);
                top += group.height(self.columns());
            }
            footnotes(canvas, top, &self.notes);
        })
    }

    /// Right of each frame, for the longest label.
    fn label_room(&self) -> f64 {
        let curves = self.groups.iter().flat_map(|group| &group.panels).flat_map(|panel| &panel.curves);
        let labels = curves.map(|curve| &curve.look.label).chain(self.reference.iter().map(|reference| &reference.1));
        let widest = labels.map(|label| text_width(label, LABEL)).fold(0.0, f64::max);
        LABEL_INDENT + widest + LABEL_GAP
    }

    /// Panels abreast: two, unless long labels would leave them too narrow.
    fn columns(&self) -> usize {
        let most = if self.frame_width(2) < NARROWEST { 1 } else { 2 };
        self.groups.iter().map(|group| group.panels.len()).max().unwrap_or(1).clamp(1, most)
    }

    fn frame_width(&self, columns: usize) -> f64 {
        (WIDTH - 2.0 * MARGIN - AXIS_ROOM + LABEL_GAP) / columns as f64 - self.label_room()
    }

    fn draw_group(&self, canvas: &mut Canvas, group: &Group, top: f64) {
        let columns = self.columns();
        let label_room = self.label_room();
        let width = self.frame_width(columns);
        let mut top = top;
        if group.is_software {
            let bottom = top + group.height(columns) - GROUP_GAP;
            canvas.rectangle((MARGIN / 2.0, top - 8.0), (WIDTH - MARGIN / 2.0, bottom), TINT);
            let warning = "software device: for correctness only, not a performance result";
            canvas.text((MARGIN + AXIS_ROOM, top + 16.0), warning, LABEL, WARNING, Align::Start);
            top += LINE;
        }
        if !group.heading.is_empty() {
            canvas.text((MARGIN, top + 18.0), &group.heading, HEADING, INK, Align::Start);
            top += GROUP_HEADING_ROOM;
        }
        let y = self.vertical_scale(group);
        for (index, panel) in group.panels.iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let frame = Frame {
                left: MARGIN + AXIS_ROOM + column as f64 * (width + label_room),
                top: top + row as f64 * (HEADING_ROOM + PANEL_HEIGHT + X_AXIS_ROOM) + HEADING_ROOM,
                width,
                height: PANEL_HEIGHT,
                x: Scale::sweep(&panel.sweep()),
                y: y.clone(),
            };
            canvas.text((frame.left, frame.top - 26.0), &panel.heading, HEADING, INK, Align::Start);
            frame.axes(canvas, &self.x_title);
            if column == 0 {
                frame.y_labels(canvas);
                let middle = (MARGIN + 12.0, frame.top + frame.height / 2.0);
                canvas.text_upwards(middle, &self.y_title, LABEL, INK);
            }
            if let Some((level, _)) = &self.reference {
                let (y, right) = (frame.y(*level), frame.left + frame.width);
                let stroke = Stroke { color: MUTED, width: 3.0, dash: Some((14.0, 10.0)) };
                canvas.line(&[(frame.left, y), (right, y)], stroke);
            }
            for curve in &panel.curves {
                curve.draw(canvas, &frame);
            }
            self.label_ends(canvas, panel, &frame);
        }
    }

    fn vertical_scale(&self, group: &Group) -> Scale {
        let points = group.panels.iter().flat_map(|panel| &panel.curves).flat_map(|curve| &curve.points);
        let values = points.flat_map(|point| [point.y.low, point.y.mid, point.y.high]);
        let values = values.chain(self.reference.iter().map(|reference| reference.0));
        match self.vertical {
            Vertical::Log(print) => Scale::log(values, print),
            Vertical::Share => {
                let lowest = range(values).map_or(0.0, |(low, _)| low.min(0.0));
                Scale::linear((lowest * 5.0).floor() / 5.0, 1.0, 0.2, super::number::percent)
            }
        }
    }

    /// Names each curve beside its last point; a thin line leads to a label that had to give way,
    /// and a dotted one from a curve that ends early.
    fn label_ends(&self, canvas: &mut Canvas, panel: &Panel, frame: &Frame) {
        let right = frame.left + frame.width;
        let mut ends: Vec<((f64, f64), &str, RGBColor)> = Vec::new();
        let widest = panel.sweep().last().map_or(right, |&x| frame.x(x));
        for curve in &panel.curves {
            if let Some(last) = curve.points.last() {
                ends.push(((frame.x(last.x), frame.y(last.y.mid)), &curve.look.label, curve.look.ink()));
            }
        }
        if let Some((level, label)) = &self.reference {
            ends.push(((right, frame.y(*level)), label, MUTED));
        }
        let wanted: Vec<f64> = ends.iter().map(|end| end.0.1).collect();
        let places = spread(&wanted, 31.0, frame.top, frame.top + frame.height + 20.0);
        for ((end, label, color), place) in ends.into_iter().zip(places) {
            let thin = Stroke { color, width: 1.5, dash: None };
            // From a curve that ends early it is dotted and grey, since it would look like more of the curve.
            let begin = if end.0 < widest - 1.0 {
                let dotted = Stroke { color: MUTED, width: 1.5, dash: Some((2.0, 9.0)) };
                canvas.line(&[(end.0 + 12.0, end.1), (right, end.1)], dotted);
                right
            } else {
                end.0.min(right) + 12.0
            };
            canvas.line(&[(begin, end.1), (right + 6.0, end.1), (right + 24.0, place)], thin);
            canvas.text((right + LABEL_INDENT, place), label, LABEL, color, Align::Start);
        }
    }
}

impl Group {
    fn height(&self, columns: usize) -> f64 {
        let rows = self.panels.len().div_ceil(columns) as f64;
        let warning = if self.is_software { LINE + 10.0 } else { 0.0 };
        let heading = if self.heading.is_empty() { 0.0 } else { GROUP_HEADING_ROOM };
        rows * (HEADING_ROOM + PANEL_HEIGHT + X_AXIS_ROOM) + warning + heading + GROUP_GAP
    }
}

impl Panel {
    fn sweep(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.curves.iter().flat_map(|curve| &curve.points).map(|point| point.x).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    }
}

impl Curve {
    fn draw(&self, canvas: &mut Canvas, frame: &Frame) {
        let places: Vec<_> = self.points.iter().map(|point| (frame.x(point.x), frame.y(point.y.mid))).collect();
        canvas.line(&places, self.look.stroke());
        for (point, &(x, y)) in self.points.iter().zip(&places) {
            let (low, high) = (frame.y(point.y.low), frame.y(point.y.high));
            let bar = Stroke::solid(self.look.ink(), 2.5);
            canvas.line(&[(x, low), (x, high)], bar);
            for end in [low, high] {
                canvas.line(&[(x - 9.0, end), (x + 9.0, end)], bar);
            }
            canvas.marker(self.look.marker, (x, y), 15.0, self.look.color, point.capped);
        }
    }
}

/// Where a panel's data lie on the page.
pub struct Frame {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x: Scale,
    pub y: Scale,
}

impl Frame {
    pub fn x(&self, value: f64) -> f64 {
        self.left + self.width * self.x.at(value)
    }

    pub fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - self.y.at(value))
    }

    pub(super) fn axes(&self, canvas: &mut Canvas, x_title: &str) {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        let frame = [(self.left, self.top), (right, self.top), (right, bottom), (self.left, bottom)];
        canvas.rectangle(frame[0], frame[2], plotters::style::WHITE);
        for tick in &self.y.ticks {
            let (y, labelled) = (self.y(tick.value), !tick.label.is_empty());
            canvas.line(&[(self.left, y), (right, y)], Stroke::solid(GRID, if labelled { 2.5 } else { 1.0 }));
        }
        for tick in &self.x.ticks {
            let x = self.x(tick.value);
            canvas.line(&[(x, self.top), (x, bottom)], Stroke::solid(GRID, 1.0));
            canvas.line(&[(x, bottom), (x, bottom + 8.0)], Stroke::solid(AXIS, 2.0));
        }
        self.x_labels(canvas, bottom);
        canvas.line(&[frame[0], frame[1], frame[2], frame[3], frame[0]], Stroke::solid(AXIS, 2.0));
        canvas.text((self.left + self.width / 2.0, bottom + 64.0), x_title, LABEL, INK, Align::Middle);
    }

    pub(super) fn y_labels(&self, canvas: &mut Canvas) {
        for tick in &self.y.ticks {
            canvas.text((self.left - 10.0, self.y(tick.value)), &tick.label, LABEL, INK, Align::End);
        }
    }

    /// The labels of the horizontal axis, but for those that would touch the one before or the last.
    fn x_labels(&self, canvas: &mut Canvas, bottom: f64) {
        let half = |label: &str| text_width(label, LABEL) / 2.0;
        let last = self.x.ticks.last().map_or(f64::MAX, |tick| self.x(tick.value) - half(&tick.label) - 8.0);
        let mut free = f64::MIN;
        for (index, tick) in self.x.ticks.iter().enumerate() {
            let (x, half) = (self.x(tick.value), half(&tick.label));
            let is_last = index + 1 == self.x.ticks.len();
            if x - half > free && (is_last || x + half < last) {
                canvas.text((x, bottom + 28.0), &tick.label, LABEL, INK, Align::Middle);
                free = x + half + 8.0;
            }
        }
    }
}
