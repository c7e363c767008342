//! What a row of a table is: a struct whose fields are the columns, each with its unit and what it says.
//!
//! [`table!`] makes such a struct. A column is defined once: its comment is its description, for readers of the code and for
//! those of `data/datapackage.json` and `data/croissant.json` alike.

use super::cell::{Cell, Kind};
use super::fault::Fault;

/// A struct that is a row of a table. The columns are its fields, in their order, a key's first.
pub trait Row: Sized {
    /// Name of the file that holds these rows.
    const FILE: &'static str;
    const COLUMNS: &'static [&'static str];
    /// How many columns the first version of the file had, and how many each later one added. A file has those up to one of
    /// them.
    const VERSIONS: &'static [usize];
    /// Columns that tell the rows of one file apart.
    const KEY: &'static [&'static str];

    /// What a row is.
    fn about() -> String;

    /// As [`Row::COLUMNS`], with what is known of each.
    fn described() -> Vec<Column>;

    fn cells(&self) -> Vec<String>;

    fn from_cells(cells: &mut Cells) -> Result<Self, Fault>;

    /// How many columns a file may have, the fewest first.
    fn widths() -> impl Iterator<Item = usize> {
        Self::VERSIONS.iter().scan(0, |width, added| {
            *width += added;
            Some(*width)
        })
    }
}

/// What is known of a column.
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    /// Whether a cell may be empty.
    pub is_optional: bool,
    /// What one of its numbers counts or measures; none of texts, names and seeds.
    pub unit: Option<&'static str>,
    pub about: String,
}

impl Column {
    pub fn of<C: Cell>(name: &'static str, unit: &[&'static str], about: &[&str]) -> Column {
        Column { name, kind: C::KIND, is_optional: C::IS_OPTIONAL, unit: unit.first().copied(), about: prose(about) }
    }
}

/// The lines of a comment as one text, without the backticks that are for readers of Markdown.
pub fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").replace('`', "")
}

/// Makes structs: of `Name { .. }` one whose fields are columns that several tables have, of `Name in "file"` a [`Row`].
///
/// `by Key(..)` puts the fields of such a `Key` first. `rows by [..]` names the columns that tell rows apart. A number has its
/// unit behind `as`. Fields that came later stand behind `then`, one block for each later version of the file.
macro_rules! table {
    (
        $(#[doc = $about:literal])*
        $name:ident { $($(#[doc = $doc:literal])* $field:ident: $type:ty $(as $unit:literal)?,)* }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name { $($(#[doc = $doc])* pub $field: $type,)* }

        impl $name {
            fn described() -> Vec<Column> {
                vec![$(Column::of::<$type>(stringify!($field), &[$($unit)?], &[$($doc),*])),*]
            }
        }
    };
    (
        $(#[doc = $about:literal])*
        $row:ident in $file:literal $(by $key:ident($($part:ident),*))? rows by [$($unique:ident),*]
        { $($(#[doc = $doc:literal])* $field:ident: $type:ty $(as $unit:literal)?,)* }
        $(then { $($(#[doc = $later_doc:literal])* $later:ident: $later_type:ty $(as $later_unit:literal)?,)* })*
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct $row {
            $(#[serde(flatten)] pub key: $key,)?
            $($(#[doc = $doc])* pub $field: $type,)*
            $($($(#[doc = $later_doc])* pub $later: $later_type,)*)*
        }

        impl Row for $row {
            const FILE: &'static str = $file;
            const COLUMNS: &'static [&'static str] =
                &[$($(stringify!($part),)*)? $(stringify!($field),)* $($(stringify!($later),)*)*];
            const VERSIONS: &'static [usize] = &[
                [$($(stringify!($part),)*)? $(stringify!($field)),*].len(),
                $([$(stringify!($later)),*].len()),*
            ];
            const KEY: &'static [&'static str] = &[$(stringify!($unique)),*];

            fn about() -> String {
                prose(&[$($about),*])
            }

            fn described() -> Vec<Column> {
                let key: &[fn() -> Vec<Column>] = &[$($key::described)?];
                let own = [
                    $(Column::of::<$type>(stringify!($field), &[$($unit)?], &[$($doc),*]),)*
                    $($(Column::of::<$later_type>(stringify!($later), &[$($later_unit)?], &[$($later_doc),*]),)*)*
                ];
                key.iter().flat_map(|columns| columns()).chain(own).collect()
            }

            fn cells(&self) -> Vec<String> {
                vec![$($(self.key.$part.write(),)*)? $(self.$field.write(),)* $($(self.$later.write(),)*)*]
            }

            fn from_cells(cells: &mut Cells) -> Result<Self, Fault> {
                Ok($row {
                    $(key: $key { $($part: cells.take()?),* },)?
                    $($field: cells.take()?,)*
                    $($($later: cells.take()?,)*)*
                })
            }
        }
    };
}
pub(super) use table;

/// The cells of one row that are still to be read, from the left.
pub struct Cells<'a> {
    file: &'a str,
    row: usize,
    rest: std::iter::Zip<std::slice::Iter<'a, &'static str>, std::slice::Iter<'a, String>>,
}

impl<'a> Cells<'a> {
    /// Of row `row` of `file`, for messages.
    pub fn of(columns: &'a [&'static str], cells: &'a [String], file: &'a str, row: usize) -> Cells<'a> {
        Cells { file, row, rest: columns.iter().zip(cells) }
    }

    pub fn take<C: Cell>(&mut self) -> Result<C, Fault> {
        let Some((column, cell)) = self.rest.next() else {
            // A column that came later: nothing, or zero.
            return Ok(C::read("").or_else(|| C::read("0")).expect("columns that came later are texts or numbers"));
        };
        C::read(cell)
            .ok_or_else(|| Fault::file(self.file, format!("`{cell}`"), C::ACCEPTS).at_row(self.row).at_column(*column))
    }
}
