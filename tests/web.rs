//! The page's files, without a browser.

mod fixture;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use fixture::{Temporary, onedispatch, printed, refusal};
use onedispatch::cases::page::programs::{PageProgram, of_decode};
use onedispatch::digest::sha256_hex;
use onedispatch::spec::Spec;
use onedispatch::workload::decode::{Arm, Tuning};

const SPEC: &str = "web/tests/experiments/decode.toml";

/// Every file below a folder, by its path there.
fn files(root: &Path, below: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(root, &path, found),
            false => found.push(path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/")),
        }
    }
}

#[test]
fn a_site_lists_every_file_with_its_digest_and_is_made_the_same_again() {
    let folder = Temporary::new();
    let out = folder.0.join("site");
    let make = || printed(onedispatch(&["web", "--spec", SPEC, "--out"]).arg(&out));
    make();
    let list = std::fs::read_to_string(out.join("files.js")).unwrap();
    let json = list.split_once("self.FILES = ").unwrap().1.trim_end().trim_end_matches(';');
    let listed: std::collections::BTreeMap<String, String> = serde_json::from_str(json).unwrap();
    let mut there = Vec::new();
    files(&out, &out, &mut there);
    // The worker and its list are looked up by the browser itself.
    there.retain(|name| !["sw.js", "files.js"].contains(&name.as_str()));
    there.sort();
    assert_eq!(listed.keys().cloned().collect::<Vec<_>>(), there);
    for (name, digest) in &listed {
        assert_eq!(sha256_hex(&std::fs::read(out.join(name)).unwrap()), *digest, "{name}");
    }
    let shown = [
        "js/executor.js",
        "js/vendor/onedispatch_page_bg.wasm",
        "experiments.json",
        "devices.json",
        "models/prose-3m.gguf",
    ];
    assert!(shown.iter().all(|name| listed.contains_key(*name)), "{listed:?}");
    let not_shown =
        |name: &&String| name.starts_with("tests/") || name.contains("node_modules") || name.contains("package");
    assert_eq!(listed.keys().find(not_shown), None);
    make();
    assert_eq!(std::fs::read_to_string(out.join("files.js")).unwrap(), list);
}

#[test]
fn what_is_no_page_is_not_overwritten_and_what_no_page_can_run_is_refused() {
    let folder = Temporary::new();
    std::fs::write(folder.0.join("thesis.tex"), "years of work").unwrap();
    let line = refusal(onedispatch(&["web", "--spec", SPEC, "--out"]).arg(&folder.0), &folder);
    assert!(line.ends_with("holds something that is no page; choose another place with --out"), "{line}");
    assert!(folder.0.join("thesis.tex").exists());
    let out = folder.0.join("site");
    let spec = folder.0.join("spec.toml");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SPEC)).unwrap();
    std::fs::write(&spec, text.replace("\"fused-subgroup\"", "\"fused-grid\"")).unwrap();
    let line = refusal(onedispatch(&["web", "--spec"]).arg(&spec).arg("--out").arg(&out), &folder);
    assert!(line.ends_with("the arm fused-grid cannot run in a browser; leave it out of the spec"), "{line}");
    let line = refusal(onedispatch(&["web", "--spec", SPEC, "--model", "README.md", "--out"]).arg(&out), &folder);
    assert!(
        line.ends_with("README.md: not a GGUF file (its first bytes are not `GGUF`); give a model's .gguf"),
        "{line}"
    );
    let line = refusal(onedispatch(&["web", "--spec", SPEC, "--data", "no/such/data", "--out"]).arg(&out), &folder);
    assert_eq!(line, "onedispatch: no/such/data: no results there yet; `onedispatch run` writes some");
    assert!(!out.exists());
    let line = refusal(onedispatch(&["serve"]).arg(&out), &folder);
    assert!(line.ends_with("there is no index.html; make the page with `onedispatch web`"), "{line}");
}

/// Ends the server with the test.
struct Server(std::process::Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_server_isolates_the_page_and_keeps_to_its_folder() {
    let folder = Temporary::new();
    std::fs::write(folder.0.join("index.html"), "<!doctype html>").unwrap();
    std::fs::write(folder.0.join("x.js"), "1").unwrap();
    let mut command = onedispatch(&["serve", "--port", "0"]);
    let mut server = Server(command.arg(&folder.0).stdout(std::process::Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").unwrap().trim_end_matches('/').to_string();
    let asked = |request: &str| {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let page = asked("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html"), "{page}");
    assert!(page.contains("\r\nCross-Origin-Opener-Policy: same-origin\r\n"), "{page}");
    assert!(page.contains("\r\nCross-Origin-Embedder-Policy: require-corp\r\n"), "{page}");
    assert!(page.ends_with("\r\n\r\n<!doctype html>"), "{page}");
    assert!(asked("GET /x.js?v=1 HTTP/1.1\r\n\r\n").contains("Content-Type: text/javascript"));
    assert!(asked("HEAD /x.js HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
    assert!(asked("GET /../Cargo.toml HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(asked("POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
}

#[test]
fn every_size_of_subgroup_has_a_program_for_every_workgroup_that_holds_it() {
    let spec = Spec::read(Path::new("experiments/browser.toml")).unwrap();
    let arm = Arm::named("fused-subgroup").unwrap();
    for case in spec.cases() {
        let programs = of_decode(&spec, &case).unwrap();
        for subgroup in [4, 8, 16, 32, 64, 128] {
            for &size in arm.workgroup_sizes().iter().filter(|&&size| size >= subgroup) {
                let is = |program: &&PageProgram| {
                    (program.arm.as_str(), program.for_subgroup) == ("fused-subgroup", Some(subgroup))
                        && (program.workgroup_size, program.least_lanes) == (size, Tuning::LEAST_LANES[0])
                };
                assert_eq!(programs.iter().filter(is).count(), 1, "{}, {subgroup} of {size}", case.name);
            }
        }
    }
}
