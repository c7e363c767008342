//! What a peer wrote is checked anew before it becomes rows: synthetic results of a tiny case, right and wrong.

mod fixture;
mod running_peers;

use std::path::{Path, PathBuf};

use fixture::{Measured, Temporary, change_every_cell, fault_lines, onedispatch, without_lists};
use onedispatch::cases::decode::{config_of, request_of};
use onedispatch::digest::sha256_hex;
use onedispatch::peer::case::CaseFile;
use onedispatch::peer::export::export;
use onedispatch::peer::import::import;
use onedispatch::record::manifest::{Browser, Manifest};
use onedispatch::record::peers::{PeerRow, PeerSample};
use onedispatch::record::run::{Run, load, load_all};
use onedispatch::record::table::Row;
use onedispatch::spec::Spec;
use onedispatch::workload::decode::format::Format;
use onedispatch::workload::decode::{oracle, random};
use safetensors::SafeTensors;
use serde_json::{Value, json};

const SPEC: &str = r#"name = "peers"
question = "Is what another program made checked again?"
workload = "decode"
seed = 5
quick = true
samples = 6
warmup_s = 0.1
arm_cap_s = 1.0
tolerance = 1e-3
tolerance_reason = "f32"

[decode]
n_embd = [8]
n_layer = [1, 2]
new_tokens = [5]
vocab_size = [19]
prompt_tokens = [1]
"#;

const CASE: &str = "d8-l1-t5";

fn manifest(date: &str) -> Manifest {
    running_peers::manifest(SPEC, "NVIDIA H200", date)
}

/// A case of the spec with the row of an arm.
fn measured(name: &str) -> Measured {
    let cases = Spec::parse(SPEC, "spec").unwrap().cases();
    let case = cases.iter().find(|case| case.name == name).unwrap();
    running_peers::decoded(case, |row| {
        row.units = 5;
        (row.multiply_adds, row.min_bytes) = work(name);
        // It leaves out the head's padding, the 20th token, which the peers' count has.
        row.multiply_adds -= 5 * 8;
    })
}

/// Multiply-adds and bytes by hand: 5 tokens, D = 8, 32 in the middle, 19 padded to 20 at the head; attention over t.
fn work(name: &str) -> (u64, u64) {
    let layers = if name.contains("l2") { 2 } else { 1 };
    let attention: u64 = (1..=5).map(|t| 2 * 8 * t).sum();
    let multiply_adds = layers * (5 * 12 * 8 * 8 + attention) + 5 * 8 * 20;
    let layer = 12 * 8 * 8 + 9 * 8 + 32;
    let cache: u64 = (1..=5).map(|t| t * 2 * 8).sum();
    (multiply_adds, 4 * (5 * (layers * layer + 16) + layers * cache + 5 * (8 * 19 + 16 + 19)))
}

/// A data directory with a run of both cases, and what a right peer would write for the first.
struct World {
    temporary: Temporary,
    data: PathBuf,
    run: PathBuf,
    right: Value,
}

fn world() -> World {
    let temporary = Temporary::new();
    let data = temporary.0.join("data");
    let all = [fixture::controls(), measured(CASE), measured("d8-l2-t5")];
    let run = fixture::write(&data, manifest("2026-01-31"), &all);
    let cases = temporary.0.join("cases");
    let spec = Spec::parse(SPEC, "spec").unwrap();
    export(&spec, &[CASE.to_owned()], &cases, &mut |_| Ok(())).unwrap();
    let right = right(&cases.join(CASE));
    World { temporary, data, run, right }
}

/// The oracle's own output in the layout of `peers/peer/report.py`: two variants with times and one without.
fn right(directory: &Path) -> Value {
    let case: CaseFile = serde_json::from_slice(&std::fs::read(directory.join("case.json")).unwrap()).unwrap();
    let bytes = std::fs::read(directory.join("expected.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let logits: Vec<f64> = bytemuck::pod_collect_to_vec(file.tensor("logits").unwrap().data());
    let last = logits[logits.len() - 19..].to_vec();
    let variant = |name: &str, wall_ns: u64| {
        json!({
            "variant": name, "settings": {"tf32": false, "block": 64}, "prepare_s": 0.5, "check_error": 0.0, "cap": "",
            "samples_ns": (0..6).map(|at| wall_ns + 1000 * (at * 5 % 6)).collect::<Vec<u64>>(),
            "reason": "", "tokens": case.expected_tokens, "last_logits": last,
        })
    };
    json!({
        "format": "onedispatch-result-1", "peer": "pytorch", "source_sha256": sha256_hex(b"source"),
        "case": case.case, "experiment": case.experiment, "spec_sha256": case.spec_sha256,
        "weights_sha256": case.weights_sha256, "date": "2026-02-01",
        "device": {"name": "NVIDIA H200", "driver": "580.95.05"},
        "versions": {"torch": "2.11.0", "python": "3.12.3", "cuda": null},
        "results": [
            variant("eager", 4_000_000),
            variant("graph", 400_000),
            {"variant": "compile", "settings": {}, "samples_ns": [], "reason": "TookTooLong: not ready, says \"NaN\"",
             "last_logits": [null]},
        ],
    })
}

impl World {
    fn write(&self, text: &str) -> PathBuf {
        let path = self.temporary.0.join("result.json");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn runs(&self) -> Vec<Run> {
        load_all(&self.data).unwrap()
    }

    fn import(&self, result: &Value) {
        import(&self.write(&result.to_string()), &self.runs()).unwrap();
    }

    fn verified(&self) -> String {
        fault_lines(&self.data)
    }

    /// Why a text is refused, in one line without places of this machine; nothing may have been written.
    fn refusal(&self, text: &str) -> String {
        let before = self.files();
        let error = import(&self.write(text), &self.runs()).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(self.files() == before, "{error}: something was written");
        let error = error.replace(self.temporary.0.to_str().unwrap(), "DIR");
        error.strip_prefix("DIR/result.json: ").unwrap_or_else(|| panic!("{error} does not name the file")).to_owned()
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(&self.run)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// Refusals of the right result after each change.
    fn refusals(&self, changes: &[fn(&mut Value)]) -> String {
        let refusal = |change: &fn(&mut Value)| {
            let mut result = self.right.clone();
            change(&mut result);
            self.refusal(&result.to_string()) + "\n"
        };
        changes.iter().map(refusal).collect()
    }
}

#[test]
fn a_right_result_becomes_rows_that_pass() {
    let world = world();
    let before = world.files();
    world.import(&world.right);
    assert_eq!(world.verified(), "");
    assert!(before.iter().all(|file| world.files().contains(file)), "a file of the run was touched");

    let run = load(&world.run).unwrap();
    let rows = &run.peers.rows;
    let names: Vec<_> = rows.iter().map(|row| (row.variant.as_str(), row.gate.as_str(), row.samples)).collect();
    assert_eq!(names, [("eager", "pass", 6), ("graph", "pass", 6), ("compile", "fail", 0)]);
    assert!(rows[0].gate_error.unwrap() < 1e-6);
    // 4,000,000 + {0, 1, ..., 5} us
    assert_eq!(rows[0].wall_median_ns, Some(4_002_500.0));
    assert_eq!(rows[0].units_per_s, Some(5.0 / 4_002_500.0 * 1e9));
    assert_eq!((rows[0].multiply_adds, rows[0].min_bytes), work(CASE));
    assert_eq!(rows[2].reason, "TookTooLong: not ready, says \"NaN\"");
    assert_eq!(rows[0].settings, r#"{"block":64,"tf32":false}"#);
    assert_eq!(rows[0].versions, r#"{"cuda":null,"python":"3.12.3","torch":"2.11.0"}"#);
    assert_eq!(run.peers.samples.len(), 12);
    let taken: Vec<u64> = run.peers.samples.iter().take(6).map(|sample| sample.wall_ns - 4_000_000).collect();
    assert_eq!(taken, [0, 5000, 4000, 3000, 2000, 1000], "samples are kept in their order");
}

#[test]
fn an_arm_and_a_peer_give_a_ratio() {
    let world = world();
    world.import(&world.right);
    let run = load(&world.run).unwrap();
    let case = run.decode_cases().find(|case| case.case == CASE).unwrap();
    let arm = run.arm(case, "fused-workgroup").unwrap();
    let ratio = arm.speedup_over(&run.peer(case, "pytorch.eager").unwrap()).unwrap();
    let (arm_ns, peer_ns) = (arm.row.wall_median_ns.unwrap(), 4_002_500.0);
    assert!((ratio.value / (peer_ns / arm_ns) - 1.0).abs() < 1e-12);
    let ends = ratio.interval.unwrap();
    let (low, high) = ends.get();
    assert!(low < ratio.value && ratio.value < high, "{ends:?}");
    let cells: Vec<_> = ratio.cells.iter().map(|cell| (cell.file.as_str(), cell.row.as_str())).collect();
    assert_eq!(
        cells,
        [
            ("nvidia-h200/2026-01-31-peers/results.csv", "d8-l1-t5 fused-workgroup one-submit 0"),
            ("nvidia-h200/2026-01-31-peers/peer-results.csv", "d8-l1-t5 pytorch eager"),
        ]
    );
    assert!(run.arms(case).iter().all(|arm| !arm.is_peer), "a peer is no arm");
    assert!(run.peer(case, "pytorch.compile").unwrap().rate().is_none());
}

#[test]
fn a_reason_names_no_place_of_the_machine() {
    let world = world();
    let mut result = world.right.clone();
    result["results"][2]["reason"] =
        json!("RuntimeError: '/opt/x y/a.cu' and (/srv/user/b.cu:17), at 24/7 of ./c/d; see /tmp/e");
    world.import(&result);
    let reason = &load(&world.run).unwrap().peers.rows[2].reason;
    assert_eq!(reason, "RuntimeError: 'x y/a.cu' and (b.cu:17), at 24/7 of ./c/d; see e");
}

#[test]
fn peers_are_added_one_after_the_other() {
    let world = world();
    world.import(&world.right);
    let first = world.files();
    let mut jax = world.right.clone();
    (jax["peer"], jax["device"]["driver"]) = (json!("jax"), json!(""));
    world.import(&jax);
    assert_eq!(world.verified(), "");
    for name in [PeerRow::FILE, PeerSample::FILE] {
        let before = &first.iter().find(|(path, _)| path.ends_with(name)).unwrap().1;
        assert!(std::fs::read(world.run.join(name)).unwrap().starts_with(before), "{name}: rows are only added");
    }
    assert_eq!(load(&world.run).unwrap().peers.rows.len(), 6);

    let again = world.refusal(&world.right.to_string());
    let mut touched = world.right.clone();
    touched["results"][0]["samples_ns"][0] = json!(3_999_999);
    insta::assert_snapshot!([again, world.refusal(&touched.to_string())].join("\n"));
}

#[test]
fn what_belongs_to_no_run_is_refused() {
    let world = world();
    let lines = world.refusals(&[
        |result| result["spec_sha256"] = json!(sha256_hex(b"another spec")),
        |result| result["case"] = json!("d8-l3-t5"),
        |result| result["case"] = json!("d8-l2-t5"),
        |result| result["weights_sha256"] = json!(sha256_hex(b"other weights")),
        |result| result["engine"] = json!({"name": "Chromium", "version": "156.0.0.0"}),
        |result| result["device"]["name"] = json!("NVIDIA H100 80GB HBM3"),
        |result| result["device"]["driver"] = json!("570.1"),
        |result| result["date"] = json!("2026-02-02"),
        |result| result["date"] = json!("yesterday"),
    ]);
    insta::assert_snapshot!(lines);
}

#[test]
fn of_two_runs_that_fit_one_is_to_be_named() {
    let world = world();
    let all = [fixture::controls(), measured(CASE)];
    let second = fixture::write(&world.data, manifest("2026-02-01"), &all);
    insta::assert_snapshot!(world.refusal(&world.right.to_string()));
    import(&world.write(&world.right.to_string()), &[load(&second).unwrap()]).unwrap();
    assert_eq!(world.verified(), "");
    assert_eq!(load(&second).unwrap().peers.rows.len(), 3);
}

/// Of runs of one spec on one device and day, a browser's peers stand beside the arms of that browser alone.
#[test]
fn a_peer_of_a_browser_belongs_to_the_run_of_that_browser() {
    let world = world();
    let page = |version: &str| {
        let browser = Browser {
            name: "Chromium".into(),
            version: version.into(),
            isolated: true,
            file_sha256: sha256_hex(version.as_bytes()),
        };
        let manifest = Manifest { browser: Some(browser), ..manifest("2026-01-31") };
        fixture::write(&world.data, manifest, &[fixture::controls(), measured(CASE)])
    };
    let (_, newer) = (page("155.0.0.0"), page("156.0.0.0"));
    let mut of_page = world.right.clone();
    of_page["peer"] = json!("tfjs");
    of_page["engine"] = json!({"name": "Chromium", "version": "156.0.0.0"});
    world.import(&of_page);
    world.import(&world.right);
    assert_eq!(world.verified(), "");
    let peers = |run: &Path| load(run).unwrap().peers.rows.into_iter().map(|row| row.peer).collect::<Vec<_>>();
    assert_eq!((peers(&newer), peers(&world.run)), (vec!["tfjs".to_owned(); 3], vec!["pytorch".to_owned(); 3]));

    of_page["engine"]["version"] = json!("157.0.0.0");
    let unknown = world.refusal(&of_page.to_string());
    of_page["engine"] = json!({"name": "Chromium"});
    insta::assert_snapshot!([unknown, world.refusal(&of_page.to_string())].join("\n"));
}

#[test]
fn a_wrong_output_has_a_row_that_fails_without_times() {
    let world = world();
    let nan = world.right.to_string().replacen("\"last_logits\":[", "\"last_logits\":[NaN,", 1);
    let changes: [fn(&mut Value); 7] = [
        |result| {
            let token = result["results"][1]["tokens"][2].as_u64().unwrap();
            result["results"][1]["tokens"][2] = json!((token + 1) % 19);
        },
        |result| result["results"][1]["tokens"][0] = json!(19),
        |result| {
            result["results"][1]["tokens"].as_array_mut().unwrap().pop();
        },
        |result| {
            let logit = result["results"][0]["last_logits"][3].as_f64().unwrap();
            result["results"][0]["last_logits"][3] = json!(logit + 0.5);
        },
        |result| result["results"][0]["last_logits"][3] = json!(null),
        |result| result["results"][0]["last_logits"] = json!([]),
        // What the file says of its own check counts for nothing.
        |result| {
            result["results"][0]["tokens"] = json!([0, 0, 0, 0, 0]);
            result["results"][0]["check_error"] = json!(0.0);
        },
    ];
    let changed = changes.iter().map(|change| {
        let mut result = world.right.clone();
        change(&mut result);
        result.to_string()
    });
    let mut lines = String::new();
    // A peer of its own each, since rows are only added.
    for (at, text) in changed.chain([nan]).enumerate() {
        let text = text.replacen("\"pytorch\"", &format!("\"pytorch{at}\""), 1);
        let imported = import(&world.write(&text), &world.runs()).unwrap();
        assert_eq!((imported.timed, imported.untimed.len()), (1, 2), "the right one has its times");
        let rows = load(&world.run).unwrap().peers.rows;
        let row = rows.iter().rfind(|row| row.variant == imported.untimed[0].0).unwrap();
        assert_eq!((row.gate.as_str(), row.samples, row.wall_median_ns), ("fail", 0, None));
        lines += &format!("{}: {:?} {}\n", row.variant, row.gate_error, row.reason);
    }
    assert_eq!(world.verified(), "");
    insta::assert_snapshot!(lines);
}

/// What a variant with packed weights made is right where the oracle of the weights that are left makes it, and its bytes are theirs.
#[test]
fn weights_in_another_format_have_an_oracle_of_their_own() {
    let world = world();
    let case = Spec::parse(SPEC, "spec").unwrap().cases().remove(0);
    let config = config_of(&case).unwrap();
    let weights = random::weights(&config, case.seed);
    let request = request_of(&case, &config, 0);
    let (tokens, logits) = oracle::expected(&config, &Format::Q4_0.rounded(&config, &weights), &request);
    let mut packed = world.right.clone();
    let variant = &mut packed["results"][0];
    (variant["variant"], variant["settings"]["weights"]) = (json!("q4_0"), json!("q4_0"));
    (variant["tokens"], variant["last_logits"]) = (json!(tokens), json!(logits[logits.len() - 19..]));
    world.import(&packed);
    assert_eq!(world.verified(), "");
    let rows = load(&world.run).unwrap().peers.rows;
    assert!(rows[0].gate_error.unwrap() < 1e-6, "{:?}", rows[0].gate_error);
    assert!(rows[0].min_bytes < rows[1].min_bytes / 2, "{} of {}", rows[0].min_bytes, rows[1].min_bytes);

    let mut mistaken = packed.clone();
    mistaken["peer"] = json!("other");
    mistaken["results"][0]["settings"]["weights"] = json!("f32");
    world.import(&mistaken);
    let rows = load(&world.run).unwrap().peers.rows;
    assert!(rows[3].reason.starts_with("wrong output: "), "{}", rows[3].reason);
}

#[test]
fn times_that_cannot_be_true_are_refused() {
    let world = world();
    let lines = world.refusals(&[
        |result| result["results"][0]["samples_ns"][4] = json!(0),
        |result| result["results"][0]["samples_ns"][4] = json!(-5),
        |result| result["results"][0]["samples_ns"][4] = json!(1.5e6),
        |result| result["results"][0]["samples_ns"][4] = json!(null),
        |result| result["results"][0]["samples_ns"][4] = json!(1),
        |result| result["results"][0]["samples_ns"] = json!([]),
        |result| {
            result["results"][0].as_object_mut().unwrap().remove("samples_ns");
        },
        |result| {
            result["results"][0]["samples_ns"].as_array_mut().unwrap().pop();
        },
        |result| result["results"][0]["samples_ns"].as_array_mut().unwrap().push(json!(4_000_000)),
        |result| result["results"][0]["reason"] = json!("was slow"),
    ]);
    insta::assert_snapshot!(lines);
}

#[test]
fn a_slow_variant_may_have_fewer_samples_and_its_row_says_so() {
    let world = world();
    let mut slow = world.right.clone();
    // Five at 250 ms are more than the cap of a second: the fewest.
    slow["results"][0]["samples_ns"] = json!([250_000_000, 251_000_000, 252_000_000, 250_500_000, 250_100_000]);
    world.import(&slow);
    assert_eq!(world.verified(), "");
    assert_eq!(load(&world.run).unwrap().peers.rows[0].cap, "5 of 6 samples, since more would take over 1 s");
    slow["peer"] = json!("jax");
    slow["results"][0]["samples_ns"].as_array_mut().unwrap().pop();
    assert!(world.refusal(&slow.to_string()).contains("has 4 raw samples, the protocol asks for 6"));
}

#[test]
fn what_is_no_result_is_refused() {
    let world = world();
    let lines = world.refusals(&[
        |result| result["format"] = json!("onedispatch-result-2"),
        |result| {
            result.as_object_mut().unwrap().remove("format");
        },
        |result| {
            result.as_object_mut().unwrap().remove("date");
        },
        |result| result["results"] = json!([]),
        |result| result["results"][1]["variant"] = json!("eager"),
        |result| result["peer"] = json!("../pytorch"),
        |result| result["results"][1]["settings"]["weights"] = json!("q9"),
    ]);
    insta::assert_snapshot!(without_lists(&(lines + &world.refusal("{\"format\": "))));
}

/// Every cell of the peers' tables, and what their digests cannot see.
#[test]
fn a_changed_cell_is_named() {
    let world = world();
    world.import(&world.right);
    change_every_cell::<PeerRow>(&world.data, &world.run);
    change_every_cell::<PeerSample>(&world.data, &world.run);
}

/// A forger who rewrites the digests as well is still held to what rows say of each other.
#[test]
fn rows_of_peers_that_contradict_each_other_are_named() {
    let world = world();
    world.import(&world.right);
    let forged = |edit: &dyn Fn(&mut Vec<PeerRow>)| {
        let before = world.files();
        fixture::forge_peers(&world.run, edit);
        let lines = world.verified();
        before.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        lines
    };
    let lines = [
        forged(&|rows| rows[0].wall_median_ns = Some(2e6)),
        forged(&|rows| rows[0].units = 6),
        forged(&|rows| rows[0].gate = "fail".into()),
        forged(&|rows| rows[0].min_bytes += 4),
        forged(&|rows| rows[0].date = "2025-01-31".into()),
        forged(&|rows| rows[2].case = "d9-l1-t5".into()),
    ];
    insta::assert_snapshot!(lines.join("\n"));

    std::fs::remove_file(world.run.join("peers.toml")).unwrap();
    insta::assert_snapshot!(world.verified());
}

#[test]
fn changed_rows_are_not_signed_anew_and_half_written_ones_are_dropped() {
    let world = world();
    world.import(&world.right);
    let path = world.run.join(PeerRow::FILE);
    let csv = std::fs::read_to_string(&path).unwrap();
    let mut jax = world.right.clone();
    jax["peer"] = json!("jax");

    std::fs::write(&path, csv.replace("eager,5", "eager,6")).unwrap();
    let error = load(&world.run).unwrap_err().to_string();
    assert!(error.contains("peer-results.csv, row 1: changed since it was written"), "{error}");

    // As an import leaves it that is stopped after the tables and before the digests.
    let last = csv.lines().last().unwrap().replace("pytorch,compile", "jax,compile");
    std::fs::write(&path, format!("{csv}{last}\n")).unwrap();
    assert_eq!(load(&world.run).unwrap().peers.rows.len(), 3);
    world.import(&jax);
    assert_eq!(load(&world.run).unwrap().peers.rows.len(), 6);
    assert_eq!(world.verified(), "");
}

/// What a file says reaches the terminal as text alone.
#[test]
fn a_reason_is_printed_without_its_control_characters() {
    let world = world();
    let mut result = world.right.clone();
    result["results"][2]["reason"] = json!("\u{1b}[31mred\u{7}");
    let file = world.write(&result.to_string());
    let said = fixture::printed(onedispatch(&["import"]).arg(file).arg("--data").arg(&world.data));
    assert!(said.ends_with("compile: \\u{1b}[31mred\\u{7}\n"), "{said}");
}

#[test]
fn the_command_imports_what_it_can_and_names_what_it_cannot() {
    let world = world();
    let right = world.temporary.0.join("right.json");
    std::fs::write(&right, world.right.to_string()).unwrap();
    let import = |files: &[&Path]| {
        let output = onedispatch(&["import"]).args(files).arg("--data").arg(&world.data).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        let text = text.replace(world.temporary.0.to_str().unwrap(), "DIR");
        format!("{text}exit {}\n", output.status.code().unwrap())
    };
    let gone = world.temporary.0.join("gone.json");
    insta::assert_snapshot!([import(&[&gone, &right]), import(&[&right, &gone])].join("\n"));
}
