//! What is printed: a full disk or a closed pipe behind it is an error like any other, where `println!` would panic.

use std::fmt::Display;
use std::io::{self, Write};

use crate::error::{Error, Result, escaped_lines};

/// A line on standard output. Text out of files in it does nothing to a terminal.
pub fn line(words: impl Display) -> Result<()> {
    text(format_args!("{words}\n"))
}

/// Lines on standard output, likewise.
pub fn text(text: impl Display) -> Result<()> {
    raw(escaped_lines(&text.to_string()))
}

/// What a model wrote, or what another program reads: as it is.
pub fn raw(text: impl Display) -> Result<()> {
    write(&mut io::stdout().lock(), "standard output", text)
}

/// A line on standard error. Text out of files in it does nothing to a terminal.
pub fn note(text: impl Display) -> Result<()> {
    write(&mut io::stderr().lock(), "standard error", escaped_lines(&format!("{text}\n")))
}

fn write(to: &mut impl Write, name: &str, text: impl Display) -> Result<()> {
    // What stays in a buffer would be lost without a word at the end.
    write!(to, "{text}").and_then(|()| to.flush()).map_err(|error| cannot_be_written(name, &error))
}

/// The one line of it.
pub fn cannot_be_written(name: &str, error: &io::Error) -> Error {
    let mend = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space, or send it elsewhere",
        _ => "send it elsewhere",
    };
    Error::input(format!("{name}: {error}; {mend}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes what it is given, and has no place for it.
    struct Full;

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let error = write(&mut Full, "standard output", "words").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_eq!(error.to_string(), "standard output: no storage space; free some space, or send it elsewhere");
    }
}
