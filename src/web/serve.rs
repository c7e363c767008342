//! A static server for this machine alone, with the two headers that give a page a fine clock. Its own, since a server crate
//! would bring more than the hundred lines that GET and HEAD of files take.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};

/// A request's line and headers are shorter.
const LONGEST_LINE: u64 = 8 << 10;
const MOST_HEADERS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the port (0: any) for connections from this machine.
///
/// # Errors
/// An input error where the port is taken.
pub fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        Error::input(format!("port {port} cannot be used: {error}; choose another with --port, or 0 for any free one"))
    })
}

/// Answers requests for files below `root` until the process ends.
pub fn serve(listener: &TcpListener, root: &Path) -> ! {
    loop {
        let Ok((stream, _)) = listener.accept() else { continue };
        let root = root.to_owned();
        // A browser that goes away is no fault of the server.
        std::thread::spawn(move || answer(&stream, &root).ok());
    }
}

fn answer(stream: &TcpStream, root: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(std::io::Read::take(stream, LONGEST_LINE * MOST_HEADERS as u64)).lines();
    let Some(request) = lines.next().transpose()? else { return Ok(()) };
    for line in lines.by_ref().take(MOST_HEADERS) {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut stream = stream;
    if method != "GET" && method != "HEAD" {
        return respond(&mut stream, "405 Method Not Allowed", "text/plain", b"only GET and HEAD\n", true);
    }
    let found = file_of(root, target).and_then(|path| Some((std::fs::read(&path).ok()?, content_type(&path))));
    match found {
        Some((body, kind)) => respond(&mut stream, "200 OK", kind, &body, method == "GET"),
        None => respond(&mut stream, "404 Not Found", "text/plain", b"no such file\n", method == "GET"),
    }
}

fn respond(stream: &mut impl Write, status: &str, kind: &str, body: &[u8], with_body: bool) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\
         Cache-Control: no-cache\r\nCross-Origin-Opener-Policy: same-origin\r\n\
         Cross-Origin-Embedder-Policy: require-corp\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    if with_body {
        stream.write_all(body)?;
    }
    stream.flush()
}

/// The file that a request's target names; none where it leads elsewhere.
fn file_of(root: &Path, target: &str) -> Option<PathBuf> {
    let path = decoded(target.split(['?', '#']).next()?)?;
    let relative = Path::new(path.strip_prefix('/')?);
    let is_below = relative.components().all(|part| matches!(part, Component::Normal(_)));
    let mut file = root.join(relative);
    if file.is_dir() {
        file.push("index.html");
    }
    is_below.then_some(file)
}

/// A path without its percent signs.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "wgsl" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere_is_not_served() {
        let root = Path::new("site");
        assert_eq!(file_of(root, "/js/gpu.js?x=1"), Some("site/js/gpu.js".into()));
        assert_eq!(file_of(root, "/a%20b.js"), Some("site/a b.js".into()));
        for target in
            ["/../Cargo.toml", "/js/../../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd", "js", "", "/%zz", "/%"]
        {
            assert_eq!(file_of(root, target), None, "{target}");
        }
    }
}
