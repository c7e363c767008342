//! Reading a spec, with errors that name the file, the line, the key, and what would be accepted.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result};
use crate::spec::Spec;
use crate::spec::rules::{KEYS, TABLES, accepted, nearest};

impl Spec {
    /// Reads and checks a spec.
    ///
    /// # Errors
    /// [`Error::Input`] of one line: the file cannot be read, or does not hold a spec that can be run.
    pub fn read(path: &Path) -> Result<Spec> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Spec::parse(&text, &path.display().to_string())
    }

    /// As [`Spec::read`]; `file` is only for messages.
    pub fn parse(text: &str, file: &str) -> Result<Spec> {
        let document =
            DeTable::parse(text).map_err(|error| refused(file, text, error.span(), &syntax(text, &error)))?;
        let source = Source { text, file, document: document.get_ref() };
        source.check_keys("", source.document)?;
        for name in TABLES {
            let Some(value) = source.document.get(name) else { continue };
            let Some(table) = value.get_ref().as_table() else {
                return Err(source.wrong_type(name, value, |_| false));
            };
            source.check_keys(name, table)?;
        }
        let mut spec: Spec = toml::from_str(text).map_err(|error| source.explain(&error))?;
        if let Some(fault) = spec.fault() {
            let message = format!("`{}` {}; accepted: {}", fault.key, fault.problem, accepted(fault.key));
            return Err(refused(file, text, source.place(fault.key, fault.element), &message));
        }
        spec.text = text.to_owned();
        Ok(spec)
    }
}

/// A well-formed TOML document, to find out where things stand in it.
struct Source<'a> {
    text: &'a str,
    file: &'a str,
    document: &'a DeTable<'a>,
}

impl Source<'_> {
    /// Refuses an unknown key, then a missing one. `name` is the table's; empty for the top.
    fn check_keys(&self, name: &str, table: &DeTable) -> Result<()> {
        let known: Vec<&str> = KEYS.iter().filter(|key| key.table == name).map(|key| key.name).collect();
        let mut unknown: Vec<_> = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).collect();
        unknown.sort_by_key(|key| key.span().start);
        if let Some(key) = unknown.first() {
            let word = key.get_ref().as_ref();
            let hint = match KEYS.iter().find(|key| key.name == word) {
                Some(key) if key.table.is_empty() => format!(" (it belongs at the top, before [{name}])"),
                Some(key) => format!(" (it belongs under [{}])", key.table),
                None => nearest(word, &known).map_or(String::new(), |near| format!(" (did you mean `{near}`?)")),
            };
            let message = format!("`{}` is not a key here{hint}; accepted: {}", shown(word), known.join(", "));
            return Err(refused(self.file, self.text, Some(key.span()), &message));
        }
        let missing = KEYS.iter().find(|key| key.table == name && key.required && !table.contains_key(key.name));
        if let Some(key) = missing {
            let message = format!("`{}` is missing; accepted: {}", key.name, accepted(key.name));
            return Err(refused(self.file, self.text, self.place(name, None), &message));
        }
        Ok(())
    }

    /// The inner tables that are there.
    fn tables(&self) -> impl Iterator<Item = &DeTable<'_>> {
        TABLES.iter().filter_map(|name| self.document.get(*name)?.get_ref().as_table())
    }

    /// A value that serde could not take, in terms of its key.
    fn explain(&self, error: &toml::de::Error) -> Error {
        let Some(span) = error.span() else {
            return refused(self.file, self.text, None, error.message());
        };
        let within = |value: &Spanned<DeValue>| value.span().start <= span.start && span.end <= value.span().end;
        // The inner tables first: their entries may lie within the span of the table itself.
        match self.tables().chain([self.document]).flatten().find(|(_, value)| within(value)) {
            Some((key, value)) => self.wrong_type(key.get_ref(), value, within),
            None => refused(self.file, self.text, Some(span), error.message()),
        }
    }

    /// `key` has the wrong type, or an element of its list where one is `meant`.
    fn wrong_type(&self, key: &str, value: &Spanned<DeValue>, meant: impl Fn(&Spanned<DeValue>) -> bool) -> Error {
        let element = value.get_ref().as_array().and_then(|list| list.iter().find(|element| meant(element)));
        let (verb, value) = element.map_or(("is", value), |element| ("holds", element));
        let written = match value.get_ref() {
            DeValue::Table(_) => "a table".to_owned(),
            _ => shown(self.text.get(value.span()).unwrap_or_default()),
        };
        let message = format!("`{key}` {verb} {written}; accepted: {}", accepted(key));
        refused(self.file, self.text, Some(value.span()), &message)
    }

    /// Where a key stands, or an element of its list; its table where it is not there, and nothing if that is not there either.
    fn place(&self, key: &str, element: Option<usize>) -> Option<Range<usize>> {
        let find =
            |key: &str| [self.document].into_iter().chain(self.tables()).find_map(|table| table.get_key_value(key));
        let Some((key, value)) = find(key) else {
            let table = KEYS.iter().find(|known| known.name == key)?.table;
            return find(table).map(|(table, _)| table.span());
        };
        let list = value.get_ref().as_array();
        let element = element.and_then(|i| list?.get(i));
        Some(element.map_or(key.span(), Spanned::span))
    }
}

/// `FILE:LINE: MESSAGE`, without the line where there is no place.
fn refused(file: &str, text: &str, span: Option<Range<usize>>, message: &str) -> Error {
    let message: String = message.split(char::is_control).collect::<Vec<_>>().join(" ");
    match span {
        Some(span) => {
            let before = &text.as_bytes()[..span.start.min(text.len())];
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            Error::input(format!("{file}:{line}: {message}"))
        }
        None => Error::input(format!("{file}: {message}")),
    }
}

/// A syntax error, with what it is about where that is more than white space.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let about = error.span().and_then(|span| text.get(span)).map_or("", str::trim);
    let about = if about.is_empty() { String::new() } else { format!(" (at `{}`)", shown(about)) };
    format!("not TOML: {}{about}", error.message())
}

/// What a user wrote, on one line and not too much of it.
fn shown(written: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    let mut shown: String = written.chars().take(40).map(escaped).collect();
    if written.chars().nth(40).is_some() {
        shown += "...";
    }
    shown
}
