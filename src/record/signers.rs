//! Whose keys may sign: a file in the format of `ssh-keygen -Y verify` (ALLOWED SIGNERS in its manual).
//!
//! A line has principals, options, a key and a comment:
//! `alice@example.org namespaces="onedispatch",valid-before="20270101" ssh-ed25519 AAAA... laptop`.

use std::fs;
use std::path::Path;

use chrono::{Days, Local, NaiveDate, NaiveDateTime, TimeZone};
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use super::signature::{NAMESPACE, Signature};
use crate::error::{Error, Result};

pub struct Signers {
    file: String,
    signers: Vec<Signer>,
}

struct Signer {
    line: usize,
    principals: String,
    key: KeyData,
    options: Options,
}

#[derive(Default)]
struct Options {
    /// A key that only certifies others: it signs nothing itself.
    is_authority: bool,
    /// Patterns; any where there are none.
    namespaces: Option<String>,
    /// In UTC.
    valid_after: Option<NaiveDateTime>,
    valid_before: Option<NaiveDateTime>,
}

impl Signers {
    pub fn read(path: &Path) -> Result<Signers> {
        let text = fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Signers::parse(&text, &path.display().to_string())
    }

    pub fn parse(text: &str, file: &str) -> Result<Signers> {
        let mut signers = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let signer = Signer::parse(line, index + 1);
            signers.push(signer.map_err(|why| Error::input(format!("{file}, line {}: {why}", index + 1)))?);
        }
        if signers.is_empty() {
            return Err(Error::input(format!(
                "{file}: no signers; a line of it is `alice@example.org ssh-ed25519 AAAA...`"
            )));
        }
        Ok(Signers { file: file.to_owned(), signers })
    }

    /// The principals of the key that made a signature, where it may sign a run of this date.
    ///
    /// # Errors
    /// What is there, and what was expected, where it may not.
    pub fn principals(&self, signature: &Signature, date: &str) -> std::result::Result<&str, (String, String)> {
        let file = &self.file;
        let mut objection = None;
        for signer in self.signers.iter().filter(|signer| signer.key == *signature.key()) {
            let Signer { line, principals, .. } = signer;
            match signer.options.objection(date) {
                None => return Ok(principals),
                Some((why, expected)) => {
                    objection =
                        Some((format!("signed by {principals}, {why}"), format!("{expected} ({file}, line {line})")));
                }
            }
        }
        let unknown = (format!("signed by an unknown key, {}", signature.fingerprint()), format!("a key of {file}"));
        Err(objection.unwrap_or(unknown))
    }
}

impl Options {
    /// Why its key may not sign a run of this date, and what would be accepted. The format has times, a run has a day: the
    /// key has to be valid for a part of it.
    fn objection(&self, date: &str) -> Option<(String, String)> {
        if self.is_authority {
            let expected = "a line without cert-authority".to_owned();
            return Some(("whose key may certify others, and not sign".to_owned(), expected));
        }
        if let Some(patterns) = self.namespaces.as_ref().filter(|patterns| !matches_list(patterns, NAMESPACE)) {
            let why = format!("who may sign for the namespaces `{patterns}` alone");
            return Some((why, format!("`{NAMESPACE}` among them")));
        }
        let Some(day) = date.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0)) else {
            return Some((format!("at `{date}`"), "a date".to_owned()));
        };
        let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
        if let Some(after) = self.valid_after.filter(|after| *after >= next) {
            return Some((format!("whose key was not valid yet on {date}"), format!("a run of {after} UTC or later")));
        }
        if let Some(before) = self.valid_before.filter(|before| *before <= day) {
            return Some((format!("whose key had expired on {date}"), format!("a run from before {before} UTC")));
        }
        None
    }
}

impl Signer {
    fn parse(text: &str, line: usize) -> std::result::Result<Signer, String> {
        let (principals, rest) = word(text)?;
        let (first, behind) = word(rest)?;
        let has_options = first.contains('=') || first.to_ascii_lowercase().starts_with("cert-authority");
        let (options, key) = if has_options { (Options::parse(first)?, behind) } else { (Options::default(), rest) };
        let key = PublicKey::from_openssh(key)
            .map_err(|error| format!("no public key of `{principals}` ({error}); take the line of its .pub file"))?;
        Ok(Signer { line, principals: principals.trim_matches('"').to_owned(), key: key.key_data().clone(), options })
    }
}

impl Options {
    fn parse(text: &str) -> std::result::Result<Options, String> {
        let mut options = Options::default();
        for option in split(text, ',') {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let quoted = || {
                let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                inner.ok_or_else(|| format!("`{option}`; its value has to be in double quotes"))
            };
            match name.to_ascii_lowercase().as_str() {
                "cert-authority" => options.is_authority = true,
                "namespaces" => options.namespaces = Some(quoted()?.to_owned()),
                "valid-after" => options.valid_after = Some(time(quoted()?)?),
                "valid-before" => options.valid_before = Some(time(quoted()?)?),
                _ => {
                    return Err(format!(
                        "unknown option `{name}`; there are cert-authority, namespaces, valid-after and valid-before"
                    ));
                }
            }
        }
        Ok(options)
    }
}

/// The first word, where spaces within double quotes end none, and what follows it.
fn word(text: &str) -> std::result::Result<(&str, &str), String> {
    let mut words = split(text, ' ').into_iter();
    let first = words.next().unwrap_or_default();
    let rest = text[first.len()..].trim_start();
    if rest.is_empty() {
        Err("no key; a line is `alice@example.org ssh-ed25519 AAAA...`".to_owned())
    } else {
        Ok((first, rest))
    }
}

/// Splits at a separator that is not within double quotes; a tab is a space.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    text.split(|c: char| {
        is_quoted ^= c == '"';
        !is_quoted && (c == separator || (separator == ' ' && c == '\t'))
    })
    .collect()
}

/// `YYYYMMDD[HHMM[SS]]`, in local time, or in UTC with a `Z` behind it.
fn time(text: &str) -> std::result::Result<NaiveDateTime, String> {
    let digits = text.trim_end_matches(['Z', 'z']);
    let full = format!("{digits:0<14}");
    let is_right = [8, 12, 14].contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = NaiveDateTime::parse_from_str(&full, "%Y%m%d%H%M%S").ok().filter(|_| is_right);
    let utc = parsed.and_then(|time| match digits.len() < text.len() {
        true => Some(time),
        false => Some(Local.from_local_datetime(&time).earliest()?.naive_utc()),
    });
    utc.ok_or_else(|| format!("`{text}` is no time; one is 20270131, 202701311200 or 20270131120000, with Z for UTC"))
}

/// Whether a name matches a list of patterns as OpenSSH has them: `*`, `?`, and `!` before what is left out.
fn matches_list(patterns: &str, name: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(out) if matches(out.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(pattern.as_bytes(), name.as_bytes()),
        }
    }
    found
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
        (Some((b'?', rest)), Some((_, others))) => matches(rest, others),
        (Some((a, rest)), Some((b, others))) => a == b && matches(rest, others),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_openssh() {
        for (patterns, is_match) in [
            ("onedispatch", true),
            ("file,onedispatch", true),
            ("one*", true),
            ("*", true),
            ("onedispatc?", true),
            ("file", false),
            ("*,!onedispatch", false),
            ("", false),
        ] {
            assert_eq!(matches_list(patterns, NAMESPACE), is_match, "{patterns}");
        }
    }

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn objection(options: &str, date: &str) -> Option<String> {
        let signer = Signer::parse(&format!("\"a b@x\" {options} {KEY} comment"), 1).unwrap();
        assert_eq!(signer.principals, "a b@x");
        signer.options.objection(date).map(|(why, _)| why)
    }

    #[test]
    fn a_key_is_valid_on_the_days_that_its_line_says() {
        let options = r#"valid-after="20260105Z",valid-before="202601101200Z""#;
        let late = Some("whose key had expired on 2026-01-11".to_owned());
        let early = Some("whose key was not valid yet on 2026-01-04".to_owned());
        let expected = [("2026-01-04", early), ("2026-01-05", None), ("2026-01-10", None), ("2026-01-11", late)];
        for (date, expected) in expected {
            assert_eq!(objection(options, date), expected, "{date}");
        }
        assert_eq!(objection("namespaces=\"file,one*\"", "2026-01-01"), None);
        assert_eq!(objection("", "2026-01-01"), None);
        assert!(objection("cert-authority", "2026-01-01").is_some());
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let refused = |line: &str| Signers::parse(&format!("# keys\n\n{line}\n"), "signers").err().unwrap().to_string();
        for (line, words) in [
            ("alice@example.org", "signers, line 3: no key; a line is"),
            ("alice@example.org ssh-ed25519 AAAA", "signers, line 3: no public key of `alice@example.org`"),
            (&format!("alice@example.org namespace=\"x\" {KEY}"), "signers, line 3: unknown option `namespace`"),
            (&format!("alice@example.org namespaces=x {KEY}"), "`namespaces=x`; its value has to be in double quotes"),
            (&format!("alice@example.org valid-before=\"2027\" {KEY}"), "`2027` is no time; one is 20270131"),
            ("", "signers: no signers; a line of it is"),
        ] {
            assert!(refused(line).contains(words), "{}", refused(line));
        }
    }
}
