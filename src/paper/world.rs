//! Compiles the paper in process: the same files give the same PDF, byte for byte, on any machine.
//!
//! Nothing comes from outside: sources, figures and numbers are handed over in memory, fonts are Typst's own and those
//! under `fonts/`, and there is no date, no package and no network.

use std::collections::{BTreeMap, BTreeSet};

use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration, Label, Output, Selector, Smart, Value};
use typst::introspection::{Introspector, MetadataElem};
use typst::syntax::{DiagSpan, FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::{LazyHash, PicoStr};
use typst::{Library, LibraryExt, World, WorldExt};

use crate::error::{Error, Result};

/// Contents by path from the project's root, with `/`: `paper/main.typ`, `figures/ladder.svg`, `fonts/...`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A compiled paper.
pub struct Compiled {
    pub pdf: Vec<u8>,
    /// Keys of the ledger that the paper prints: every metadata labelled `<number>`.
    pub numbers: BTreeSet<String>,
}

/// Compiles `main`, a path in `files`.
///
/// # Errors
/// A check error with one `file:line: message` for each fault that Typst finds.
pub fn compile(files: &Files, main: &str) -> Result<Compiled> {
    let world = Paper::new(files, main)?;
    let document = typst::compile(&world).output.map_err(|faults| world.describe(&faults))?;
    let options = typst_pdf::PdfOptions {
        ident: Smart::Custom("onedispatch paper".to_owned()),
        timestamp: None,
        ..Default::default()
    };
    let pdf = typst_pdf::pdf(&document, &options).map_err(|faults| world.describe(&faults))?;
    Ok(Compiled { pdf, numbers: labelled(Output::introspector(&document), "number") })
}

/// The strings exposed as `#metadata("...") <label>`.
fn labelled(introspector: &dyn Introspector, label: &str) -> BTreeSet<String> {
    let Some(label) = Label::new(PicoStr::intern(label)) else { return BTreeSet::new() };
    introspector
        .query(&Selector::Label(label))
        .iter()
        .filter_map(|content| match &content.to_packed::<MetadataElem>()?.value {
            Value::Str(key) => Some(key.to_string()),
            _ => None,
        })
        .collect()
}

struct Paper {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    main: FileId,
    sources: BTreeMap<String, Source>,
    files: BTreeMap<String, Bytes>,
}

impl Paper {
    fn new(files: &Files, main: &str) -> Result<Paper> {
        let mut sources = BTreeMap::new();
        for (path, contents) in files.iter().filter(|(path, _)| path.ends_with(".typ")) {
            let text = String::from_utf8(contents.clone())
                .map_err(|_| Error::input(format!("{path}: is not UTF-8; save it as UTF-8")))?;
            sources.insert(path.clone(), Source::new(file_id(path)?, text));
        }
        let shipped = files.iter().filter(|(path, _)| path.ends_with(".ttf") || path.ends_with(".otf"));
        let fonts: Vec<Font> = (typst_assets::fonts().map(Bytes::new))
            .chain(shipped.map(|(_, contents)| Bytes::new(contents.clone())))
            .flat_map(Font::iter)
            .collect();
        Ok(Paper {
            library: LazyHash::new(Library::default()),
            book: LazyHash::new(FontBook::from_fonts(&fonts)),
            fonts,
            main: file_id(main)?,
            sources,
            files: files.iter().map(|(path, contents)| (path.clone(), Bytes::new(contents.clone()))).collect(),
        })
    }

    /// Typst's faults as lines `file:line: message`, with the call that led there where it is in another place.
    fn describe(&self, faults: &[SourceDiagnostic]) -> Error {
        let lines = faults.iter().map(|fault| {
            let mut line = format!("{}: {}", self.place(fault.span), fault.message);
            for hint in &fault.hints {
                line += &format!("; {}", hint.v);
            }
            for point in &fault.trace {
                line += &format!(" ({} at {})", point.v, self.place(point.span.into()));
            }
            line
        });
        Error::checks(lines)
    }

    fn place(&self, span: DiagSpan) -> String {
        let Some(id) = span.id() else { return "paper".to_owned() };
        let path = id.vpath().get_without_slash();
        let text = self.files.get(path).and_then(|bytes| bytes.as_str().ok());
        match (text, self.range(span)) {
            (Some(text), Some(range)) => {
                format!("{path}:{}", 1 + text.bytes().take(range.start).filter(|byte| *byte == b'\n').count())
            }
            _ => path.to_owned(),
        }
    }
}

fn file_id(path: &str) -> Result<FileId> {
    let path = VirtualPath::new(path).map_err(|error| Error::input(format!("{path}: {error}; rename the file")))?;
    Ok(RootedPath::new(VirtualRoot::Project, path).intern())
}

fn find<T: Clone>(map: &BTreeMap<String, T>, id: FileId) -> FileResult<T> {
    let path = id.vpath().get_without_slash();
    match id.root() {
        VirtualRoot::Project => map.get(path).cloned().ok_or_else(|| FileError::NotFound(path.into())),
        VirtualRoot::Package(_) => Err(FileError::Other(Some("the paper uses no packages".into()))),
    }
}

impl World for Paper {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    fn main(&self) -> FileId {
        self.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        find(&self.sources, id)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        find(&self.files, id)
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}
