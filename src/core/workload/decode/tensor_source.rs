//! Tensors by name, wherever a file keeps them.

use std::collections::BTreeMap;

use super::matrix::Rows;
use crate::error::{Error, Result, printable};

/// Faults that one message lists before it says that there are more.
pub const LISTED: usize = 6;

/// Tensors of others that one message lists.
const LISTED_OTHERS: usize = 3;

/// What a model is put together from.
pub trait TensorSource {
    fn names(&self) -> Vec<String>;

    /// Nothing where no tensor has this name.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;

    /// The elements, row-major, or one clause that says why they cannot be read. Narrower types widen exactly; f64 is rounded.
    fn values(&self, name: &str) -> std::result::Result<Vec<f32>, String>;

    /// The elements of a tensor of two axes, as they are stored where a format has them so.
    fn stored(&self, name: &str) -> std::result::Result<Stored, String>;
}

/// A tensor of two axes.
pub struct Stored {
    pub rows: Rows,
    /// Whether these are along its last axis, and not its first.
    pub is_transposed: bool,
}

impl Stored {
    /// Rows along the first axis.
    pub fn rows(rows: Rows) -> Stored {
        Stored { rows, is_transposed: false }
    }
}

/// Tensors without what tools and classes put before their names: `transformer.`, `_orig_mod.` of a compiled model, `module.` of a
/// distributed one, `pretrained_model.` of one with a value head, or several of these.
pub struct Bare<'a> {
    source: &'a dyn TensorSource,
    /// The name that the source has for each.
    full: BTreeMap<String, String>,
}

impl<'a> Bare<'a> {
    /// `anchors`: names that every model of a family has, as its table has them. What stands before the first of them that is there
    /// stands before all. A head lies beside the model and not in it, so that a name may begin with the outer parts alone.
    pub fn of(source: &'a dyn TensorSource, anchors: &[&str]) -> Result<Bare<'a>> {
        let names = source.names();
        let before = |anchor: &str| -> Vec<&str> {
            let ended = names.iter().filter_map(|name| name.strip_suffix(anchor));
            ended.filter(|before| before.is_empty() || before.ends_with('.')).collect()
        };
        let found = anchors.iter().map(|anchor| (anchor, before(anchor))).find(|(_, found)| !found.is_empty());
        let prefix = match found.as_ref().map(|(anchor, found)| (anchor, found.as_slice())) {
            None => "",
            Some((_, [prefix])) => prefix,
            Some((anchor, found)) => {
                let [first, second] = [0, 1].map(|place| printable(&format!("{}{anchor}", found[place])));
                return Err(twice(anchor, &first, &second));
            }
        };
        let mut full = BTreeMap::new();
        for name in &names {
            let bare = without(name, prefix);
            if let Some(other) = full.insert(bare.to_owned(), name.clone()) {
                return Err(twice(&printable(bare), &printable(&other), &printable(name)));
            }
        }
        Ok(Bare { source, full })
    }
}

fn twice(bare: &str, first: &str, second: &str) -> Error {
    Error::input(format!("tensor {bare} is there twice, as {first} and as {second}; leave one of the two out"))
}

/// `name` without as many of the prefix's dotted parts as it begins with; whole, where those are all that it has.
fn without<'n>(name: &'n str, prefix: &str) -> &'n str {
    let ends = prefix.match_indices('.').map(|(dot, _)| dot + 1);
    let shared = ends.take_while(|&end| name.starts_with(&prefix[..end])).last().unwrap_or(0);
    match &name[shared..] {
        "" => name,
        bare => bare,
    }
}

impl TensorSource for Bare<'_> {
    fn names(&self) -> Vec<String> {
        self.full.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.source.shape(self.full.get(name)?)
    }

    fn values(&self, name: &str) -> std::result::Result<Vec<f32>, String> {
        match self.full.get(name) {
            Some(full) => self.source.values(full),
            None => Err(format!("tensor {} is missing", printable(name))),
        }
    }

    fn stored(&self, name: &str) -> std::result::Result<Stored, String> {
        match self.full.get(name) {
            Some(full) => self.source.stored(full),
            None => Err(format!("tensor {} is missing", printable(name))),
        }
    }
}

/// The elements of `name`, or what is wrong with them as a tensor of this shape.
pub fn read(source: &dyn TensorSource, name: &str, expected: &[usize]) -> std::result::Result<Vec<f32>, String> {
    of_shape(source, name, expected)?;
    let values = source.values(name)?;
    match values.iter().position(|value| !value.is_finite()) {
        Some(i) => Err(unfinite(name, values[i], &index(i, expected))),
        None => Ok(values),
    }
}

/// The same of a tensor of two axes, as it is stored.
pub fn read_stored(source: &dyn TensorSource, name: &str, expected: &[usize]) -> std::result::Result<Stored, String> {
    of_shape(source, name, expected)?;
    let stored = source.stored(name)?;
    match stored.rows.unfinite() {
        Some((row, column, value)) if stored.is_transposed => Err(unfinite(name, value, &[column, row])),
        Some((row, column, value)) => Err(unfinite(name, value, &[row, column])),
        None => Ok(stored),
    }
}

fn of_shape(source: &dyn TensorSource, name: &str, expected: &[usize]) -> std::result::Result<(), String> {
    let shape = source.shape(name).unwrap_or_default();
    if shape == expected { Ok(()) } else { Err(format!("tensor {name} has shape {shape:?}, expected {expected:?}")) }
}

fn unfinite(name: &str, value: f32, place: &[usize]) -> String {
    format!("tensor {name} has {value} at {place:?}; every element must be finite in f32")
}

/// A tensor that is there, with its shape.
pub fn described(source: &dyn TensorSource, name: &str) -> String {
    format!("{} {:?}", printable(name), source.shape(name).unwrap_or_default())
}

pub fn listed(source: &dyn TensorSource, names: &[&String]) -> String {
    let first: Vec<String> = names.iter().take(LISTED_OTHERS).map(|name| described(source, name)).collect();
    match names.len().saturating_sub(LISTED_OTHERS) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// `others`: tensors that are there and are not asked for. Where one is missing, they may be what its file calls it.
pub fn report(faults: &[String], stopped: bool, source: &dyn TensorSource, others: &[&String]) -> Error {
    let more = match faults.len().saturating_sub(LISTED) {
        _ if stopped => "; and perhaps more".to_string(),
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let faults = faults.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join("; ");
    let there = match (faults.contains("is missing"), source.names().is_empty(), others) {
        (false, ..) | (_, false, []) => String::new(),
        (_, true, _) => "; there is no tensor at all".to_owned(),
        (..) => format!("; others are there: {}", listed(source, others)),
    };
    Error::input(format!("{faults}{more}{there}; config.json and the weights must be of the same model"))
}

/// Row-major index of element `i`, for messages.
pub fn index(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut found: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let at = i % size.max(1);
            i /= size.max(1);
            at
        })
        .collect();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names(&'static [&'static str]);

    impl TensorSource for Names {
        fn names(&self) -> Vec<String> {
            self.0.iter().map(|name| name.to_string()).collect()
        }

        fn shape(&self, name: &str) -> Option<Vec<usize>> {
            self.0.contains(&name).then(Vec::new)
        }

        fn stored(&self, name: &str) -> std::result::Result<Stored, String> {
            Err(name.to_owned())
        }

        fn values(&self, name: &str) -> std::result::Result<Vec<f32>, String> {
            Err(name.to_owned())
        }
    }

    fn bare(names: &'static [&'static str]) -> Vec<String> {
        Bare::of(&Names(names), &["wte.weight", "ln_f.weight"]).unwrap().names()
    }

    #[test]
    fn what_stands_before_all_names_is_taken_off() {
        let whole = ["h.0.b", "lm_head.weight", "wte.weight"];
        assert_eq!(bare(&["wte.weight", "h.0.b", "lm_head.weight"]), whole);
        assert_eq!(bare(&["transformer.wte.weight", "transformer.h.0.b", "lm_head.weight"]), whole);
        assert_eq!(bare(&["module.wte.weight", "module.h.0.b", "module.lm_head.weight"]), whole);
        let nested = [
            "_orig_mod.module.transformer.wte.weight",
            "_orig_mod.module.transformer.h.0.b",
            "_orig_mod.module.lm_head.weight",
        ];
        assert_eq!(Bare::of(&Names(Box::leak(Box::new(nested))), &["wte.weight"]).unwrap().names(), whole);
        // Without the first anchor by the second; beside the model, names are left as they are.
        assert_eq!(bare(&["a.ln_f.weight", "a.h.0.b", "v_head.b"]), ["h.0.b", "ln_f.weight", "v_head.b"]);
        assert_eq!(bare(&["xwte.weight", "x.h", "y"]), ["x.h", "xwte.weight", "y"]);
    }

    #[test]
    fn values_are_asked_for_by_the_whole_name() {
        let source = Names(&["module.wte.weight"]);
        let bare = Bare::of(&source, &["wte.weight"]).unwrap();
        assert_eq!(bare.values("wte.weight").unwrap_err(), "module.wte.weight");
        assert_eq!((bare.shape("wte.weight"), bare.shape("module.wte.weight")), (Some(vec![]), None));
    }

    #[test]
    fn two_of_one_name_are_refused() {
        let source = Names(&["transformer.h.0.b", "transformer.wte.weight", "h.0.b"]);
        let line = Bare::of(&source, &["wte.weight"]).err().unwrap().to_string();
        assert_eq!(line, "tensor h.0.b is there twice, as transformer.h.0.b and as h.0.b; leave one of the two out");
        let source = Names(&["transformer.wte.weight", "wte.weight"]);
        let line = Bare::of(&source, &["wte.weight"]).err().unwrap().to_string();
        assert_eq!(
            line,
            "tensor wte.weight is there twice, as transformer.wte.weight and as wte.weight; leave one of the two out"
        );
    }

    #[test]
    fn an_element_has_a_place_in_each_size() {
        assert_eq!(index(2 * 12 + 7, &[8, 12]), [2, 7]);
        assert_eq!(index(5, &[8]), [5]);
        assert!(index(0, &[]).is_empty());
        assert_eq!(index(23, &[2, 3, 4]), [1, 2, 3]);
    }
}
