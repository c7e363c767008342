//! A value as the text of one CSV cell. Each value has one text, so that a digest of the text is one of the value.

/// What kind of value a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Number,
}

/// A type that a column can have.
pub trait Cell: Sized {
    /// What a column of this type accepts, for messages.
    const ACCEPTS: &'static str;
    const KIND: Kind;
    const IS_OPTIONAL: bool = false;

    fn write(&self) -> String;

    /// `None` where the text is not exactly what [`Cell::write`] makes of a value.
    fn read(text: &str) -> Option<Self>;
}

impl Cell for String {
    const ACCEPTS: &'static str = "text";
    const KIND: Kind = Kind::Text;
    // Nothing and an empty text are written alike.
    const IS_OPTIONAL: bool = true;

    fn write(&self) -> String {
        self.clone()
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

/// Numbers: Rust's `Debug` form, which for floats is the shortest decimal that reads back as the same number.
macro_rules! numbers {
    ($($number:ty: $kind:ident, $is_plain:expr, $accepts:literal);*) => {$(
        impl Cell for $number {
            const ACCEPTS: &'static str = $accepts;
            const KIND: Kind = Kind::$kind;

            fn write(&self) -> String {
                format!("{self:?}")
            }

            fn read(text: &str) -> Option<Self> {
                text.parse().ok().filter(|value: &$number| $is_plain(text, value))
            }
        }
    )*};
}

numbers!(
    u32: Integer, is_plain, "an integer from 0 to 4294967295, plainly written";
    u64: Integer, is_plain, "an integer from 0 to 18446744073709551615, plainly written";
    f64: Number, is_shortest, "a number in its shortest form, such as `1.5` or `2.0`"
);

/// Of an integer that was read: no sign and no zero before it, so that it is written in this way alone.
fn is_plain<N>(text: &str, _: &N) -> bool {
    text == "0" || !text.starts_with(['0', '+', '-'])
}

fn is_shortest(text: &str, value: &f64) -> bool {
    value.write() == text
}

/// An empty cell is `None`.
impl<C: Cell> Cell for Option<C> {
    const ACCEPTS: &'static str = C::ACCEPTS;
    const KIND: Kind = C::KIND;
    const IS_OPTIONAL: bool = true;

    fn write(&self) -> String {
        self.as_ref().map(Cell::write).unwrap_or_default()
    }

    fn read(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { C::read(text).map(Some) }
    }
}
