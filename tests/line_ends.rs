//! Line ends: CRLF is named as such, and no name out of a file ends a line or colours it.

mod fixture;

use fixture::{fault_lines, written};
use onedispatch::record::manifest::Manifest;
use onedispatch::record::peers;
use onedispatch::record::rows::{Case, ResultRow, Sample};
use onedispatch::record::table::Row;

/// What an editor or a checkout does to line ends is told as such, whichever file it did it to.
#[test]
fn crlf_is_named() {
    let (data, run) = written();
    std::fs::write(data.0.join("README.md"), "about\n").unwrap();
    let files = [run.join("manifest.toml"), run.join(Case::FILE), run.join(ResultRow::FILE), run.join(Sample::FILE)];
    let told = files.into_iter().chain([data.0.join("README.md")]).map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace('\n', "\r\n")).unwrap();
        let told = fault_lines(&data.0);
        std::fs::write(&path, text).unwrap();
        told
    });
    insta::assert_snapshot!(told.collect::<String>(), @"
    nvidia-h200/2026-01-31-decode/manifest.toml: CRLF at the end of line 1; expected LF, as it was written: restore the file, and keep editors and Git from changing line ends
    nvidia-h200/2026-01-31-decode/cases.csv, row 0: CRLF at the end of the line; expected LF, as it was written: restore the file, and keep editors and Git from changing line ends
    nvidia-h200/2026-01-31-decode/results.csv, row 0: CRLF at the end of the line; expected LF, as it was written: restore the file, and keep editors and Git from changing line ends
    nvidia-h200/2026-01-31-decode/samples.csv, row 0: CRLF at the end of the line; expected LF, as it was written: restore the file, and keep editors and Git from changing line ends
    README.md: CRLF at the end of line 1; expected LF, as it was written: restore the file, and keep editors and Git from changing line ends
    ");
    assert_eq!(fault_lines(&data.0), "");
    let fault = peers::PeerManifest::parse("schema = 1\r\n", "peers.toml").unwrap_err().to_string();
    assert!(fault.starts_with("peers.toml: CRLF at the end of line 1; expected LF"), "{fault}");
    // A spec may have been written so: within a manifest its line ends are escaped.
    let spec = fixture::manifest().spec.replace('\n', "\r\n");
    let manifest = Manifest { spec, ..fixture::manifest() };
    assert_eq!(Manifest::parse(&manifest.to_text().unwrap(), "manifest.toml").unwrap(), manifest);
}

/// Names of folders and keys of files cannot reach a terminal as they are.
#[test]
fn names_are_escaped() {
    let (data, run) = written();
    std::fs::write(run.join("\u{1b}[31m\n.csv"), "").unwrap();
    assert_eq!(
        fault_lines(&data.0).matches(r"\u{1b}[31m\n.csv: a file that belongs to no run").count(),
        1,
        "{}",
        fault_lines(&data.0)
    );
    assert_eq!(fault_lines(&data.0).lines().count(), 1);
}
