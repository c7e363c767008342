//! CRLF, which an editor or a checkout puts in the place of LF.

use super::fault::Fault;

/// What is written here has LF at line ends, and line ends within text are escaped or quoted.
pub const EXPECTED: &str = "LF, as it was written: restore the file, and keep editors and Git from changing line ends";

/// The first line of a file that ends with CRLF.
pub fn crlf(bytes: &[u8], file: &str) -> Option<Fault> {
    let at = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    Some(Fault::file(file, format!("CRLF at the end of line {line}"), EXPECTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_named() {
        assert_eq!(crlf(b"a\nb\rc\n", "f"), None);
        let fault = crlf(b"a\nb\r\nc\r\n", "f").unwrap().to_string();
        assert!(fault.starts_with("f: CRLF at the end of line 2; expected LF"), "{fault}");
    }
}
