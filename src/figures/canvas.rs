//! The surface that figures are drawn on: plotters' SVG backend, with this project's own font.
//!
//! A drawing is [`WIDTH`] pixels wide, made for 16 cm of paper: 100 px are one centimetre, 3.5 px one point. The
//! backend knows whole numbers only, so it is given tenths of a pixel, and the picture's size is set back at the end.

use std::sync::OnceLock;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, DashedPathElement, Drawable, PathElement, PointCollection, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    BLACK, Color, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE, register_font,
};

use crate::error::{Error, Result};

pub const WIDTH: f64 = 1600.0;
/// Backend units in a pixel.
const FINE: f64 = 10.0;

/// Inter; where a viewer lacks it, fonts that are about as wide.
pub const FONT_FAMILY: &str = "Inter, Helvetica, Arial, sans-serif";
pub static FONT: &[u8] = include_bytes!("../../fonts/Inter-Regular.otf");

/// Text sizes in pixels: 12, 8.5, 7.4 and 6.8 points in print.
pub const TITLE: f64 = 42.0;
pub const HEADING: f64 = 30.0;
pub const LABEL: f64 = 26.0;
pub const NOTE: f64 = 24.0;

pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub const MUTED: RGBColor = RGBColor(0x5a, 0x5a, 0x5a);
pub const AXIS: RGBColor = RGBColor(0x8a, 0x8a, 0x8a);
pub const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);

/// Where a text's position lies on it, from left to right.
#[derive(Clone, Copy, PartialEq)]
pub enum Align {
    Start,
    Middle,
    End,
}

#[derive(Clone, Copy)]
pub struct Stroke {
    pub color: RGBColor,
    pub width: f64,
    /// Lengths of dash and gap.
    pub dash: Option<(f64, f64)>,
}

impl Stroke {
    pub fn solid(color: RGBColor, width: f64) -> Stroke {
        Stroke { color, width, dash: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Marker {
    Circle,
    Square,
    Diamond,
    Up,
    Down,
    Cross,
}

impl Marker {
    /// By matplotlib's letters; a circle for any other.
    pub fn by_letter(letter: char) -> Marker {
        match letter {
            's' => Marker::Square,
            'D' => Marker::Diamond,
            '^' => Marker::Up,
            'v' => Marker::Down,
            'x' => Marker::Cross,
            _ => Marker::Circle,
        }
    }
}

/// Remembers the first thing that could not be drawn; [`Canvas::paint`] returns it.
pub struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    failure: Option<String>,
}

impl Canvas<'_> {
    /// An SVG of `WIDTH` by `height` pixels, as `paint` draws it on white.
    pub fn paint(height: f64, paint: impl FnOnce(&mut Canvas)) -> Result<String> {
        register()?;
        let mut svg = String::new();
        let size = (fine(WIDTH) as u32, fine(height) as u32);
        let mut canvas = Canvas { area: SVGBackend::with_string(&mut svg, size).into_drawing_area(), failure: None };
        canvas.rectangle((0.0, 0.0), (WIDTH, height), WHITE);
        paint(&mut canvas);
        let presented = canvas.area.present().map_err(|error| error.to_string());
        let failure = canvas.failure.take().or(presented.err());
        drop(canvas);
        if let Some(failure) = failure {
            return Err(Error::check(format!("a figure could not be drawn: {failure}")));
        }
        let drawn = format!("<svg width=\"{}\" height=\"{}\"", size.0, size.1);
        Ok(svg.replacen(&drawn, &format!("<svg width=\"{WIDTH}\" height=\"{}\"", height.round()), 1))
    }

    fn draw<E>(&mut self, element: &E)
    where
        for<'b> &'b E: PointCollection<'b, (i32, i32)>,
        for<'b> E: Drawable<SVGBackend<'b>>,
    {
        if let Err(error) = self.area.draw(element) {
            self.failure.get_or_insert(error.to_string());
        }
    }

    /// An open line through `points`.
    pub fn line(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        let style = outline(stroke);
        let points: Vec<_> = points.iter().map(|&point| at(point)).collect();
        match stroke.dash {
            None => self.draw(&PathElement::new(points, style)),
            Some((dash, gap)) => self.draw(&DashedPathElement::new(points, fine(dash), fine(gap), style)),
        }
    }

    pub fn rectangle(&mut self, top_left: (f64, f64), bottom_right: (f64, f64), fill: RGBColor) {
        self.draw(&Rectangle::new([at(top_left), at(bottom_right)], fill.filled()));
    }

    /// A marker of about `size` across; an open one is white inside.
    pub fn marker(&mut self, marker: Marker, center: (f64, f64), size: f64, color: RGBColor, open: bool) {
        let (x, y) = center;
        let r = size / 2.0;
        let corners: &[(f64, f64)] = match marker {
            Marker::Circle => &[],
            Marker::Square => &[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
            Marker::Diamond => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
            Marker::Up => &[(0.0, -1.15), (1.15, 0.9), (-1.15, 0.9)],
            Marker::Down => &[(0.0, 1.15), (1.15, -0.9), (-1.15, -0.9)],
            Marker::Cross => &[
                (-1.1, -0.5),
                (-0.5, -1.1),
                (0.0, -0.6),
                (0.5, -1.1),
                (1.1, -0.5),
                (0.6, 0.0),
                (1.1, 0.5),
                (0.5, 1.1),
                (0.0, 0.6),
                (-0.5, 1.1),
                (-1.1, 0.5),
                (-0.6, 0.0),
            ],
        };
        let fill = if open { WHITE } else { color };
        let rim = outline(Stroke::solid(color, 3.0));
        if corners.is_empty() {
            self.draw(&Circle::new(at(center), fine(r), fill.filled()));
            self.draw(&Circle::new(at(center), fine(r), rim));
        } else {
            let mut ring: Vec<_> = corners.iter().map(|(dx, dy)| at((x + r * dx, y + r * dy))).collect();
            self.draw(&Polygon::new(ring.clone(), fill.filled()));
            ring.extend_from_within(..2);
            self.draw(&PathElement::new(ring, rim));
        }
    }

    /// One line of text; `position` is the middle of its height, and `align` says where along it.
    pub fn text(&mut self, position: (f64, f64), text: &str, size: f64, color: RGBColor, align: Align) {
        self.write(position, text, style(size, color, align));
    }

    /// One line of text that reads upwards, centred on `position`.
    pub fn text_upwards(&mut self, position: (f64, f64), text: &str, size: f64, color: RGBColor) {
        self.write(position, text, style(size, color, Align::Middle).transform(FontTransform::Rotate270));
    }

    fn write(&mut self, position: (f64, f64), text: &str, style: TextStyle) {
        if let Err(error) = self.area.draw_text(text, &style, at(position)) {
            self.failure.get_or_insert(error.to_string());
        }
    }
}

/// Width of a line of text in pixels.
pub fn text_width(text: &str, size: f64) -> f64 {
    let width = register().ok().and_then(|()| style(size, BLACK, Align::Start).font.box_size(text).ok());
    width.map_or(0.0, |(width, _)| f64::from(width) / FINE)
}

/// `text` in lines no wider than `width`.
pub fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), size) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

fn register() -> Result<()> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    match REGISTERED.get_or_init(|| register_font(FONT_FAMILY, FontStyle::Normal, FONT).is_ok()) {
        true => Ok(()),
        false => Err(Error::check("the font shipped with the project cannot be read; rebuild from a clean checkout")),
    }
}

fn fine(pixels: f64) -> i32 {
    (pixels * FINE).round() as i32
}

fn at((x, y): (f64, f64)) -> (i32, i32) {
    (fine(x), fine(y))
}

fn outline(stroke: Stroke) -> ShapeStyle {
    stroke.color.stroke_width(fine(stroke.width) as u32)
}

fn style(size: f64, color: RGBColor, align: Align) -> TextStyle<'static> {
    let horizontal = match align {
        Align::Start => HPos::Left,
        Align::Middle => HPos::Center,
        Align::End => HPos::Right,
    };
    // plotters gives a font's height from ascent to descent, and divides by 1.24 to write the SVG's em.
    let font = (FONT_FAMILY, size * FINE * 1.24).into_font();
    font.color(&color).pos(Pos::new(horizontal, VPos::Center))
}
