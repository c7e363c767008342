//! The learning curve of an evolution: best and mean return by generation.

use super::canvas::{Align, Canvas, HEADING, INK, LABEL, Stroke};
use super::chart::{Frame, footnotes, masthead, text_height};
use super::number;
use super::palette::policy_look;
use super::scale::{Scale, range, spread};
use crate::error::Result;
use crate::program::Policy;

const WIDTH: f64 = 1180.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 170.0;

/// One number of a point.
type Value = fn(&(f64, f64)) -> f64;

/// An SVG of (best, mean) by generation.
pub fn draw(title: &str, subtitle: &str, generations: &[(f64, f64)]) -> Result<String> {
    let values = || generations.iter().flat_map(|(best, mean)| [*best, *mean]);
    let (low, high) = range(values()).unwrap_or((0.0, 1.0));
    let y_step = step(high - low);
    let last = (generations.len().max(2) - 1) as f64;
    let (x_step, notes) = (step(last).max(1.0), Vec::new());
    Canvas::paint(text_height(subtitle, &notes) + HEIGHT + 130.0, |canvas| {
        let top = masthead(canvas, title, subtitle) + 30.0;
        let frame = Frame {
            left: LEFT,
            top,
            width: WIDTH,
            height: HEIGHT,
            x: Scale::linear(0.0, (last / x_step).ceil() * x_step, x_step, number::short),
            y: Scale::linear((low / y_step).floor() * y_step, (high / y_step).ceil() * y_step, y_step, plain),
        };
        canvas.text((LEFT, top - 26.0), "return", HEADING, INK, Align::Start);
        frame.axes(canvas, "generation");
        frame.y_labels(canvas);
        let curves: [(&str, Policy, Value); 2] =
            [("best", Policy::OneSubmit, |point| point.0), ("mean", Policy::WaitEach, |point| point.1)];
        let ends = curves.map(|(_, _, value)| generations.last().map_or(frame.top, |last| frame.y(value(last))));
        let labels = spread(&ends, 31.0, frame.top, frame.top + frame.height);
        for ((label, policy, value), place) in curves.into_iter().zip(labels) {
            let look = policy_look(policy);
            let places: Vec<(f64, f64)> =
                (0..).zip(generations).map(|(x, point)| (frame.x(f64::from(x)), frame.y(value(point)))).collect();
            canvas.line(&places, Stroke::solid(look.color, 4.0));
            canvas.text((frame.left + frame.width + 16.0, place), label, LABEL, look.ink(), Align::Start);
        }
        footnotes(canvas, top + HEIGHT + 100.0, &notes);
    })
}

/// A round distance between ticks, about six of which make the range.
fn step(range: f64) -> f64 {
    let rough = (range / 6.0).max(1e-9);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= rough).unwrap_or(10.0 * power)
}

fn plain(value: f64) -> String {
    // No sign before a zero that is not quite one.
    let value = if value.abs() < 1e-9 { 0.0 } else { value };
    format!("{:.*}", if value.fract().abs() < 1e-9 { 0 } else { 2 }, value)
}
