//! The one error type: who can mend it decides the exit code.

use std::fmt;

/// An error as the command line reports it: one line that says what is wrong and how to mend it. The functions below keep it one
/// line, whatever text out of files is in it; a list of several lines is put together by the variant itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Something the user can mend (a spec, a path, a device that is too small). Exit code 2.
    Input(String),
    /// A check that did not hold (a digest, a gate, a figure that differs). Exit code 1.
    Check(String),
    /// What a person stopped: not wrong, and not finished. Exit code 130, as a shell gives it.
    Stopped(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn input(message: impl Into<String>) -> Self {
        Error::Input(escaped(&message.into()))
    }

    pub fn check(message: impl Into<String>) -> Self {
        Error::Check(escaped(&message.into()))
    }

    /// Several faults, a line each.
    pub fn checks(lines: impl IntoIterator<Item = String>) -> Self {
        Error::Check(lines.into_iter().map(|line| escaped(&line)).collect::<Vec<_>>().join("\n"))
    }

    pub fn stopped(message: impl Into<String>) -> Self {
        Error::Stopped(escaped(&message.into()))
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Check(_) => 1,
            Error::Input(_) => 2,
            Error::Stopped(_) => 130,
        }
    }

    /// An I/O error with the path it met and what to look at.
    pub fn io(path: &std::path::Path, error: std::io::Error) -> Self {
        use std::io::ErrorKind::*;
        let mend = match error.kind() {
            NotFound => "check the path",
            PermissionDenied => "check the permissions, or choose another place",
            StorageFull | QuotaExceeded => "free some space; finished rows are kept",
            ReadOnlyFilesystem => "choose a place that can be written",
            _ => "check the file",
        };
        Error::input(format!("{}: {error}; {mend}", path.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Input(message) | Error::Check(message) | Error::Stopped(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

/// Text out of a file, fit for one line of a terminal: what would move the cursor, change colours or end the line is written as an
/// escape.
pub fn escaped(text: &str) -> String {
    let is_plain = |c: char| matches!(c, '\'' | '"' | '\\');
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) || is_accent(c) { line.push(c) } else { line.extend(c.escape_debug()) }
    }
    line
}

/// Whether a letter is escaped alone, and not behind another, which it is drawn over.
fn is_accent(c: char) -> bool {
    !c.is_ascii() && ['x', c].iter().collect::<String>().escape_debug().count() == 2
}

/// [`escaped`], where line ends are meant.
pub fn escaped_lines(text: &str) -> String {
    text.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// [`escaped`], and short.
pub fn printable(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", escaped(&text[..end])),
        None => escaped(text),
    }
}

/// Adds where an error happened, on its way up.
pub trait Within<T> {
    fn within(self, place: impl fmt::Display) -> Result<T>;
}

impl<T> Within<T> for Result<T> {
    fn within(self, place: impl fmt::Display) -> Result<T> {
        let place = escaped(&place.to_string());
        self.map_err(|error| match error {
            Error::Input(message) => Error::Input(format!("{place}: {message}")),
            Error::Check(message) => Error::Check(format!("{place}: {message}")),
            Error::Stopped(message) => Error::Stopped(format!("{place}: {message}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_files_stays_on_its_line() {
        assert_eq!(printable("a\n\u{1b}[31mb\t\u{202e}"), r"a\n\u{1b}[31mb\t\u{202e}");
        assert_eq!(printable("`é` is \"not\" C:\\it's"), "`é` is \"not\" C:\\it's");
        assert_eq!(printable(&"é".repeat(121)), format!("{}...", "é".repeat(120)));
        // As macOS writes an accent in a file's name.
        assert_eq!(escaped("e\u{301}.toml"), "e\u{301}.toml");
        assert_eq!(escaped_lines("a\r\nb\u{1b}"), "a\\r\nb\\u{1b}");
    }

    #[test]
    fn an_error_is_one_line() {
        let error = Err::<(), _>(Error::input("a\nb")).within("c\u{1b}").unwrap_err();
        assert_eq!(error.to_string(), r"c\u{1b}: a\nb");
    }
}
