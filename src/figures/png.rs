//! PNG from SVG, with the project's font and no other.

use std::sync::Arc;

use resvg::{tiny_skia, usvg};

use super::canvas;
use crate::error::{Error, Result};

/// The picture at its own size, as PNG bytes.
pub fn rasterise(svg: &str) -> Result<Vec<u8>> {
    let broken = |what: &str| Error::check(format!("a figure could not be rasterised: {what}"));
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(canvas::FONT.to_vec());
    let options = usvg::Options { fontdb: Arc::new(fonts), ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| broken(&error.to_string()))?;
    let size = tree.size().to_int_size();
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| broken("it has no size"))?;
    resvg::render(&tree, tiny_skia::Transform::identity(), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| broken(&error.to_string()))
}
