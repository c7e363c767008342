//! The page's files, without a browser: what the native program makes of sizes that the page's modules are held to as well.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use onedispatch::measure::decode::weight_blocks;
use onedispatch::record::digest::sha256_hex;
use onedispatch::spec::Spec;
use onedispatch::web::programs::{PageProgram, of_decode};
use onedispatch::workload::decode::model::{Config, Request, Sampling};
use onedispatch::workload::decode::span::Span;
use onedispatch::workload::decode::{Algorithm, Arm, Tuning, random};
use serde_json::{Value, json};

const DIGESTS: &str = "web/tests/digests.json";

fn config(n_embd: u32, n_head: u32, n_layer: u32, n_inner: u32, vocab_size: u32, layer_norm_epsilon: f64) -> Config {
    Config {
        vocab_size,
        n_positions: 24,
        n_embd,
        n_head,
        n_layer,
        n_inner,
        layer_norm_epsilon,
        scale_attn_weights: true,
    }
}

/// Digests of programs and of packed weights: of even sizes, of odd ones, of a model that needs exponents in its JSON.
fn digests() -> Value {
    let configs = [
        config(32, 2, 1, 128, 64, 1e-5),
        config(30, 3, 2, 50, 37, 1e-6),
        config(96, 6, 1, 200, 101, 2.5e-6),
        config(7, 1, 3, 9, 5, 1e-12),
        Config { scale_attn_weights: false, ..config(256, 4, 1, 1024, 64, 1e-5) },
    ];
    let greedy = Request { prompt: vec![1, 2], new_tokens: 20, sampling: Sampling::Greedy, end_token: None };
    let sampling = Sampling::TopK { temperature: 0.7, top_k: 3, seed: 0x0123_4567_89ab_cdef };
    let drawn = Request { prompt: vec![4], new_tokens: 9, sampling, end_token: Some(3) };
    // In little memory vectors come in tiles.
    let tunings = [
        (1, 8, 0, false, 16_384, "generation"),
        (1, 8, 0, true, 1024, "chunk:7"),
        (64, 2, 4, true, 16_384, "chunk:1"),
        (64, 4, 8, false, 2560, "stage"),
        (64, 8, 16, false, 16_384, "operation"),
        (256, 4, 32, false, 16_384, "chunk:7"),
        (256, 8, 8, true, 8192, "layer"),
        (256, 8, 64, false, 32_768, "token"),
        (1024, 8, 8, true, 32_768, "generation"),
    ];
    let mut programs = Vec::new();
    let mut weights = Vec::new();
    for config in &configs {
        let arms = ["fused-scalar", "fused-workgroup", "fused-subgroup", "fused-subgroup-f16", "fused-subgroup-bf16"];
        let arms = arms.map(|name| Arm::named(name).unwrap());
        for arm in arms {
            for (workgroup_size, least_lanes, subgroup_size, keep_logits, memory, span) in tunings {
                let needs = arm.algorithm == Algorithm::FusedSubgroup;
                if (arm.algorithm == Algorithm::FusedScalar) != (workgroup_size == 1) || needs && subgroup_size == 0 {
                    continue;
                }
                let cut = arm.cut(Span::named(span).unwrap()).unwrap();
                for request in [&greedy, &drawn] {
                    let capacity = request.positions() + 1;
                    let tuning = Tuning {
                        least_lanes,
                        subgroup_size,
                        keep_logits,
                        memory,
                        ..Tuning::of(workgroup_size, capacity)
                    };
                    programs.push(json!({
                        "arm": arm.name(),
                        "span": span,
                        "config": plain(config),
                        "request": {
                            "prompt": request.prompt,
                            "new_tokens": request.new_tokens,
                            "sampling": match request.sampling {
                                Sampling::Greedy => Value::Null,
                                Sampling::TopK { temperature, top_k, seed } => json!({
                                    "temperature": f64::from(temperature), "top_k": top_k, "seed": seed.to_string(),
                                }),
                            },
                            "end_token": request.end_token,
                        },
                        "tuning": {
                            "workgroup_size": workgroup_size, "least_lanes": least_lanes, "subgroup_size": subgroup_size,
                            "keep_logits": keep_logits, "capacity": capacity, "memory": memory,
                        },
                        "sha256": cut.program(config, request, &tuning).sha256(),
                    }));
                }
            }
        }
        let blocks = weight_blocks(config, &random::weights(config, 7), &arms.map(|arm| arm.layout()));
        for (name, bytes) in &blocks {
            weights.push(json!({ "config": plain(config), "seed": 7, "block": name, "sha256": sha256_hex(bytes) }));
        }
    }
    json!({ "programs": programs, "weights": weights })
}

fn plain(config: &Config) -> Value {
    json!({
        "vocab_size": config.vocab_size,
        "n_positions": config.n_positions,
        "n_embd": config.n_embd,
        "n_head": config.n_head,
        "n_layer": config.n_layer,
        "n_inner": config.n_inner,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "scale_attn_weights": config.scale_attn_weights,
    })
}

const SPEC: &str = "web/tests/experiments/decode.toml";

/// A folder of this test's own, which goes with it.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Temporary {
        let path = std::env::temp_dir().join(format!("onedispatch-web-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Temporary(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn onedispatch(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onedispatch"));
    command.args(words).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap().trim_end().to_string()
}

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
    let folder = Temporary::new("site");
    let out = folder.0.join("site");
    let make = || onedispatch(&["web", "--spec", SPEC, "--out"]).arg(&out).output().unwrap();
    assert!(make().status.success());
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
    let shown =
        ["js/executor.js", "shaders/decode/workgroup.wgsl", "cases/browser-test/d32-l1-t4.json", "devices.json"];
    assert!(shown.iter().all(|name| listed.contains_key(*name)), "{listed:?}");
    let not_shown =
        |name: &&String| name.starts_with("tests/") || name.contains("node_modules") || name.contains("package");
    assert_eq!(listed.keys().find(not_shown), None);
    assert!(make().status.success());
    assert_eq!(std::fs::read_to_string(out.join("files.js")).unwrap(), list);
}

#[test]
fn what_is_no_page_is_not_overwritten_and_what_no_page_can_run_is_refused() {
    let folder = Temporary::new("refused");
    std::fs::write(folder.0.join("thesis.tex"), "years of work").unwrap();
    let line = refusal(onedispatch(&["web", "--spec", SPEC, "--out"]).arg(&folder.0));
    assert!(line.ends_with("holds something that is no page; choose another place with --out"), "{line}");
    assert!(folder.0.join("thesis.tex").exists());
    let out = folder.0.join("site");
    let spec = folder.0.join("spec.toml");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SPEC)).unwrap();
    std::fs::write(&spec, text.replace("\"fused-subgroup\"", "\"fused-grid\"")).unwrap();
    let line = refusal(onedispatch(&["web", "--spec"]).arg(&spec).arg("--out").arg(&out));
    assert!(line.ends_with("the arm fused-grid cannot run in a browser; leave it out of the spec"), "{line}");
    assert!(!out.exists());
    let line = refusal(onedispatch(&["serve"]).arg(&out));
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
    let folder = Temporary::new("serve");
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

/// The page's own tests hold its modules to the same file. Written anew where UPDATE_DIGESTS is set.
#[test]
fn the_page_is_held_to_what_is_native() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DIGESTS);
    let made = serde_json::to_string_pretty(&digests()).unwrap() + "\n";
    if std::env::var_os("UPDATE_DIGESTS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap();
    assert!(there == made, "{DIGESTS} is not what the programs are now; write it anew with UPDATE_DIGESTS=1");
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
