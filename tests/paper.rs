//! The paper: its numbers come from the ledger, it compiles to the same bytes each time, and what is wrong is named.

mod paper_runs;
mod synthetic_peers;

use std::fs;
use std::path::{Path, PathBuf};

use onedispatch::analysis::number::{Cell, Number};
use onedispatch::analysis::published;
use onedispatch::commands::paper as command;
use onedispatch::error::Error;
use onedispatch::figures::{FIGURES, Figure};
use onedispatch::paper::ledger::Ledger;
use onedispatch::paper::print::Print;
use onedispatch::paper::world::Files;
use onedispatch::paper::{build, prose, read_sources, survey, world};
use onedispatch::record::manifest::Browser;
use onedispatch::record::rows::ResultRow;
use onedispatch::record::run::Run;

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The paper's own sources, with stand-ins for figures that are not there.
fn sources() -> Files {
    let mut files = read_sources(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    for Figure { name, .. } in &FIGURES {
        let svg = r##"<svg xmlns="http://www.w3.org/2000/svg" width="1600" height="800"><rect width="1600" height="800" fill="#ddd"/></svg>"##;
        files.entry(format!("figures/{name}.svg")).or_insert_with(|| svg.as_bytes().to_vec());
    }
    files
}

fn with(mut files: Files, path: &str, text: &str) -> Files {
    files.insert(path.to_owned(), text.as_bytes().to_vec());
    files
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paper").join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn message(error: Error) -> String {
    assert_eq!(error.exit_code(), 1, "{error}");
    error.to_string()
}

#[test]
fn two_builds_are_the_same_bytes_and_pass_the_check() {
    let built = build(sources(), &paper_runs::runs(), DIGEST).unwrap();
    let again = build(sources(), &paper_runs::runs(), DIGEST).unwrap();
    assert!(built.pdf.starts_with(b"%PDF-"));
    assert!(built.pdf == again.pdf);
    assert_eq!(built.numbers.to_toml(), again.numbers.to_toml());
    let out = folder("built");
    command::write(&built, &out).unwrap();
    command::check(&again, &out).unwrap();
    assert_eq!(Ledger::parse(&built.numbers.to_toml(), "numbers.toml").unwrap(), built.numbers);
}

#[test]
fn the_ledger_holds_what_the_paper_prints_and_no_more() {
    let all = survey::ledger(&paper_runs::runs(), DIGEST);
    let kept = build(sources(), &paper_runs::runs(), DIGEST).unwrap().numbers;
    assert!(kept.number.contains_key("nvidia-h200.claim.c3.verdict"));
    assert!(kept.number.len() < all.number.len());
    assert_eq!(all.faults(&kept, "numbers.toml"), Vec::<String>::new());
}

/// The verdict on a claim, for a device of these runs.
fn verdict(runs: &[Run], device: &str, claim: &str) -> String {
    survey::ledger(runs, DIGEST).number[&format!("{device}.claim.{claim}.verdict")].printed.clone()
}

#[test]
fn verdicts_follow_the_rule() {
    let mut runs = paper_runs::runs();
    for (claim, expected) in [
        ("c1", "not measured here"),
        ("c2", "holds only against a weak baseline"),
        ("c3", "not measured here"),
        ("c4", "does not hold here"),
        ("c5", "holds"),
        ("c6", "not measured here"),
        ("c9", "not measured here"),
    ] {
        assert_eq!(verdict(&runs, "nvidia-h200", claim), expected, "{claim}");
    }
    assert_eq!(verdict(&runs, "llvmpipe", "c5"), "not measured here", "a software device takes no part");

    let row = |runs: &mut Vec<Run>, case: &str, arm: &str, policy: &str, change: fn(&mut ResultRow)| {
        let run = runs.iter_mut().find(|run| run.path.ends_with("nvidia-h200/2030-01-01-decode")).unwrap();
        let is = |row: &&mut ResultRow| row.key.case == case && row.key.arm == arm && row.key.policy == policy;
        change(run.results.iter_mut().find(is).unwrap());
    };
    row(&mut runs, "d32-l1-t64", "fused-workgroup", "one-submit", |row| {
        (row.wall_median_ns, row.wall_low_ns) = (Some(64.0 / 16_400.0 * 1e9), Some(64.0 / 16_400.0 * 1e9));
    });
    assert_eq!(verdict(&runs, "nvidia-h200", "c5"), "does not hold here");
    row(&mut runs, "d512-l4-t64", "stepwise", "wait-each", |row| row.gate_error = Some(2.9e-6));
    assert_eq!(verdict(&runs, "nvidia-h200", "c12"), "does not hold here", "another row has a larger error");

    runs.retain(|run| run.manifest.experiment != "decode");
    assert_eq!(verdict(&runs, "nvidia-h200", "c4"), "not measured here");
}

/// C1, C3 and C9 are about dispatching, so they are judged on rungs of one kernel and on nothing else.
#[test]
fn claims_of_dispatching_are_judged_on_rungs_of_one_kernel() {
    let with_spans = |change: fn(&mut ResultRow)| {
        let mut spans = paper_runs::spans("nvidia-h200");
        spans.results.iter_mut().for_each(change);
        spans.samples.clear();
        let runs = [paper_runs::runs(), vec![spans]].concat();
        ["c1", "c3", "c9"].map(|claim| verdict(&runs, "nvidia-h200", claim))
    };
    fn times(row: &mut ResultRow, times: f64) {
        for ns in [&mut row.wall_median_ns, &mut row.wall_low_ns, &mut row.wall_high_ns] {
            *ns = ns.map(|ns| times * ns);
        }
    }
    let (fails, weak) = ("does not hold here", "holds only against a weak baseline");
    // Many dispatches at their fastest policy take 1.1 to 1.6 times as long as one, and waits up to 28 times.
    assert_eq!(with_spans(|_| ()), [fails, fails, fails]);
    let slow_waits = |row: &mut ResultRow| {
        if row.key.arm == "fused-grid@operation" && row.key.policy == "wait-each" {
            times(row, 30.0);
        }
    };
    assert_eq!(with_spans(slow_waits), [weak, weak, fails]);
    let fast_whole = |row: &mut ResultRow| {
        if row.key.arm == "fused-grid" {
            times(row, 0.5);
        }
    };
    assert_eq!(with_spans(fast_whole), [fails, fails, "holds"]);
    let fast_stepwise = |row: &mut ResultRow| {
        if row.key.arm == "fused-grid" || row.key.arm == "stepwise" {
            times(row, 0.5);
        }
    };
    assert_eq!(with_spans(fast_stepwise), [fails, fails, "holds"], "another kernel takes no part");
    let one_failed = |row: &mut ResultRow| {
        if row.key.arm == "fused-grid" {
            times(row, 0.5);
            if row.key.case == "d256-l4-t64" {
                (row.units_per_s, row.wall_median_ns, row.gate) = (None, None, "fail".to_owned());
            }
        }
    };
    assert_eq!(with_spans(one_failed), [fails, fails, fails], "a failed gate is no case less");
}

/// By how much two kernels overstate fusion is computed from one run, case by case.
#[test]
fn the_paper_says_by_how_much_the_first_ladder_overstated_fusion() {
    let runs = [paper_runs::runs(), vec![paper_runs::spans("nvidia-h200")]].concat();
    let numbers = build(sources(), &runs, DIGEST).unwrap().numbers.number;
    for case in ["d32-l1-t64", "d256-l4-t64", "d1024-l1-t64"] {
        let value = |key: &str| numbers[&format!("nvidia-h200.span.{case}.ladder.{key}")].value.unwrap();
        let [two, one, overstated] = ["over.two-kernels", "over.unfused", "overstated"].map(value);
        assert!((two / one / overstated - 1.0).abs() < 1e-12, "{case}: {two} / {one} is not {overstated}");
        assert!((value("overstated-by-kernel") - 2.0).abs() < 0.05, "{case}");
        assert!(overstated > 2.0, "{case}: a stage is fewer dispatches");
        let cells = &numbers[&format!("nvidia-h200.span.{case}.ladder.overstated")].cells;
        assert!(cells.iter().all(|cell| cell.file == "nvidia-h200/2030-01-01-span/results.csv"), "{cells:?}");
    }
    let without = build(sources(), &paper_runs::runs(), DIGEST).unwrap().numbers.number;
    assert!(!without.keys().any(|key| key.contains(".ladder.")));
}

/// The paper speaks of the device that has the ladder of one kernel beside what it needs else.
#[test]
fn the_device_with_the_ladder_is_the_subject() {
    let subject = |runs: &[Run]| survey::ledger(runs, DIGEST).lists["subject"].clone();
    let another = |run: Run| {
        let name = run.path.file_name().unwrap().to_owned();
        Run { path: Path::new("data/nvidia-h300").join(name), ..run }
    };
    let of_h200 = || paper_runs::runs().into_iter().filter(|run| run.device_folder() == "nvidia-h200");
    let mut runs = paper_runs::runs();
    runs.push(another(paper_runs::spans("nvidia-h200")));
    assert_eq!(subject(&runs), ["nvidia-h200"], "a ladder alone is not enough");
    let numbers = build(sources(), &runs, DIGEST).unwrap().numbers;
    assert!(numbers.number.contains_key("nvidia-h300.claim.c9.verdict"), "its ladder is told of all the same");
    runs.extend(of_h200().map(another));
    assert_eq!(subject(&runs), ["nvidia-h200"], "nor is it without peers");
    runs.push(another(paper_runs::peers("nvidia-h200")));
    assert_eq!(subject(&runs), ["nvidia-h300"]);
    build(sources(), &runs, DIGEST).unwrap();
    runs.extend([paper_runs::spans("nvidia-h200"), paper_runs::peers("nvidia-h200")]);
    assert_eq!(subject(&runs), ["nvidia-h200"], "of equals the first by name");
    runs.extend(paper_runs::rollouts("nvidia-h200", 2.0).into_iter().map(another));
    assert_eq!(subject(&runs), ["nvidia-h300"], "the one with more");
    runs.retain(|run| run.manifest.experiment != "span");
    assert_eq!(subject(&runs), ["nvidia-h200"]);
}

/// The runs with one of the experiment `peers`, whose peers are there or not.
fn runs_with_peers() -> Vec<Run> {
    let mut runs = paper_runs::runs();
    runs.extend(["llvmpipe", "nvidia-h200"].map(|slug| synthetic_peers::with_peers(paper_runs::peers(slug))));
    runs
}

#[test]
fn claims_about_peers_follow_the_rule() {
    let runs = runs_with_peers();
    // PyTorch's loop takes 20 times as long, its CUDA graph 4 times; by TF32 it would win. CUDA takes half as long.
    for (claim, expected) in [("c6", "holds only against a weak baseline"), ("c10", "holds")] {
        assert_eq!(verdict(&runs, "nvidia-h200", claim), expected, "{claim}");
        assert_eq!(verdict(&runs, "llvmpipe", claim), "not measured here", "a software device takes no part");
    }
    let spoiled = |spoil: fn(&mut Run)| {
        let mut runs = runs_with_peers();
        runs.iter_mut().filter(|run| run.manifest.experiment == "peers").for_each(spoil);
        ["c6", "c10"].map(|claim| verdict(&runs, "nvidia-h200", claim))
    };
    let slow_jax = |run: &mut Run| {
        for row in run.peers.results.iter_mut().filter(|row| row.key.arm == "jax" && row.key.case == "d32-l1-t64") {
            for ns in [&mut row.wall_median_ns, &mut row.wall_low_ns, &mut row.wall_high_ns] {
                *ns = ns.map(|ns| 3.0 * ns);
            }
        }
        // Without samples the ratio is what the rows say, and no interval speaks for the claim.
        run.peers.samples.clear();
    };
    assert_eq!(spoiled(slow_jax), ["holds only against a weak baseline", "does not hold here"]);
    let eager_gone = |run: &mut Run| run.peers.results.retain(|row| row.key.policy != "eager-wait-each");
    assert_eq!(spoiled(eager_gone), ["does not hold here", "holds"]);
    let pytorch_gone = |run: &mut Run| run.peers.results.retain(|row| row.key.arm != "pytorch");
    assert_eq!(spoiled(pytorch_gone), ["not measured here", "holds"]);
    let cuda_gone = |run: &mut Run| run.peers.results.retain(|row| row.key.arm != "cuda");
    assert_eq!(spoiled(cuda_gone)[1], "not measured here");
}

#[test]
fn the_paper_speaks_of_peers_where_there_are_any() {
    let mut none = runs_with_peers();
    none.iter_mut().for_each(|run| run.peers = Default::default());
    let keys = survey::ledger(&none, DIGEST).number;
    assert!(!keys.contains_key("nvidia-h200.peers.peers.rows"), "arms alone are no peers");

    let numbers = build(sources(), &runs_with_peers(), DIGEST).unwrap().numbers.number;
    let printed = |key: &str| numbers[&format!("nvidia-h200.peers.{key}")].printed.as_str();
    assert_eq!([printed("peers.rows"), printed("peers.untimed"), printed("peers.samples")], ["48", "6", "630"]);
    assert_eq!(printed("peers.pytorch.versions"), "python 3.12, release 9");
    assert_eq!(printed("d32-l1-t64.best.over.best"), "0.500");
    assert_eq!(printed("min.fused-workgroup.over.cuda.one-workgroup"), "0.500");
    assert_eq!(printed("min.pytorch.over.eager-wait-each"), "5.00");
    let cells = &numbers["nvidia-h200.peers.d32-l1-t64.jax.tokens_per_s"].cells;
    assert_eq!(cells[0].file, "nvidia-h200/2030-01-01-peers/peer-results.csv");
    assert_eq!(cells[0].row, "d32-l1-t64 jax scan-unroll-4");
}

#[test]
fn peers_of_a_browser_are_compared_with_its_arms() {
    let of_browser = |with_peers: bool| {
        let mut native = paper_runs::peers("nvidia-h200");
        native.manifest.experiment = "browser".into();
        native.path = native.path.with_file_name("2030-01-01-browser");
        let mut browser = native.clone();
        browser.path = native.path.with_file_name("2030-01-01-browser-2");
        let (name, version) = ("Chrome".into(), "156".into());
        browser.manifest.browser = Some(Browser { name, version, isolated: true, file_sha256: DIGEST.into() });
        // Half as fast as natively, the peers with it.
        browser.results.iter_mut().for_each(|row| row.units_per_s = row.units_per_s.map(|rate| rate / 2.0));
        let mut runs = paper_runs::runs();
        runs.extend([native, if with_peers { synthetic_peers::with_peers(browser) } else { browser }]);
        build(sources(), &runs, DIGEST).unwrap().numbers.number
    };
    let numbers = of_browser(true);
    let key = |key: &str| &numbers[&format!("nvidia-h200.in-browser.chrome.{key}")];
    assert_eq!(key("peers.rows").printed, "48");
    let rate = key("d32-l1-t64.jax.scan-unroll-4.tokens_per_s");
    assert_eq!(rate.cells[0].file, "nvidia-h200/2030-01-01-browser-2/peer-results.csv");
    let over = &key("d32-l1-t64.best.over.best").cells;
    assert!(
        over.iter().all(|cell| cell.file.contains("/2030-01-01-browser-2/")),
        "a ratio is taken in one run: {over:?}"
    );
    assert!(!of_browser(false).keys().any(|key| key.contains("in-browser.chrome.best.over")));
}

#[test]
fn the_paper_speaks_of_the_fused_kernels_where_they_were_measured() {
    let with_kernels = |with_peers: bool| {
        let mut kernels = paper_runs::kernels("nvidia-h200");
        if with_peers {
            let peers = synthetic_peers::with_peers(kernels.remove(0));
            kernels.push(peers);
        }
        [paper_runs::runs(), kernels].concat()
    };
    let built = |runs: &[Run]| build(sources(), runs, DIGEST).unwrap().numbers.number;
    let all = built(&with_kernels(false));
    let printed = |key: &str| all[&format!("nvidia-h200.{key}")].printed.clone();
    assert_eq!([printed("peers.many.l1.from"), printed("peers.many.l4.from")], ["512", "512"]);
    assert_eq!([printed("peers.fused-grid-unchecked.over.fused-grid.faster"), printed("peers.cases")], ["6", "6"]);
    let grid = "peers.d32-l4-t64.fused-grid";
    assert_eq!(printed(&format!("{grid}.rounds_per_token")), "22.0");
    assert_eq!(printed(&format!("{grid}.barriers_per_token")), "66.0");
    assert_eq!(printed("peers-gpt2.d768-l12-t64.best-fused"), "fused-grid-unchecked", "two bytes are not f32");
    let over = all["nvidia-h200.peers-gpt2.d768-l12-t64.fused-grid-f16-unchecked.over.fused-grid-unchecked"].value;
    assert!((over.unwrap() - 2.0).abs() < 0.05, "{over:?}");
    let grown = all["nvidia-h200.decode-batch.d64-l4-t64-s256.fused-batch.over.one-sequence"].value;
    assert!((grown.unwrap() - 256.0 / 3.0).abs() < 1.0, "{grown:?}");

    let peer = "nvidia-h200.peers.min.best-fused.over.best-peer";
    assert!(!all.contains_key(peer) && built(&with_kernels(true)).contains_key(peer));
    for gone in ["peers", "peers-gpt2", "decode-batch"] {
        let mut runs = with_kernels(true);
        runs.retain(|run| run.manifest.experiment != gone);
        let key = format!("nvidia-h200.{gone}.");
        assert!(!built(&runs).keys().any(|number| number.starts_with(&key)), "{gone}");
    }
}

#[test]
fn many_workgroups_win_only_where_they_win_at_every_wider_one() {
    let from = |slow: &[&str]| {
        let mut runs = [paper_runs::runs(), paper_runs::kernels("nvidia-h200")].concat();
        for run in &mut runs {
            let (results, samples) = (&mut run.results, &mut run.samples);
            let is = |case: &str, arm: &str| slow.contains(&case) && arm == "fused-grid";
            for row in results.iter_mut().filter(|row| is(&row.key.case, &row.key.arm)) {
                row.wall_median_ns = row.wall_median_ns.map(|ns| 100.0 * ns);
            }
            samples.retain(|sample| !is(&sample.key.case, &sample.key.arm));
        }
        let numbers = survey::ledger(&runs, DIGEST).number;
        numbers.get("nvidia-h200.peers.many.l1.from").map(|from| from.printed.clone())
    };
    assert_eq!(from(&[]).as_deref(), Some("512"));
    assert_eq!(from(&["d512-l1-t64"]), None);
    assert_eq!(from(&["d512-l4-t64"]).as_deref(), Some("512"), "of other layers");
}

#[test]
fn the_paper_is_built_of_its_device_alone_and_not_without_it() {
    let of = |device: &str| -> Vec<Run> {
        paper_runs::runs().into_iter().filter(|run| run.device_folder() == device).collect()
    };
    build(sources(), &of("nvidia-h200"), DIGEST).unwrap();
    let mut runs = of("nvidia-h200");
    runs.retain(|run| run.manifest.experiment != "decode-tokens");
    for (runs, missing) in
        [(runs, "decode-tokens"), (of("llvmpipe"), "decode, decode-tokens, controls"), (Vec::new(), "decode, ")]
    {
        let error = build(sources(), &runs, DIGEST).err().unwrap();
        let message = error.to_string();
        assert_eq!((error.exit_code(), message.lines().count()), (2, 1), "{message}");
        assert!(message.contains(&format!("its runs of {missing}")), "{message}");
    }
}

#[test]
fn without_results_the_command_says_so() {
    let out = folder("none");
    let args = command::Args { check: false, root: out.clone(), data: None, out: None };
    let error = command::run(args).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(
        error.to_string(),
        format!("{}: no results there yet; `onedispatch run` writes some", out.join("data").display())
    );
}

#[test]
fn a_quick_run_supports_no_claim() {
    let mut runs = paper_runs::runs();
    for run in &mut runs {
        run.manifest.spec += "quick = true\n";
    }
    let ledger = survey::ledger(&runs, DIGEST);
    assert_eq!(ledger.number["nvidia-h200.claim.c3.verdict"].printed, "not measured here");
    assert!(ledger.number["nvidia-h200.claim.c12.strong.max"].value > Some(0.0), "its outputs count");
}

#[test]
fn the_newest_whole_run_is_taken() {
    let mut runs = paper_runs::runs();
    let mut partial = paper_runs::runs().pop().unwrap();
    partial.path = PathBuf::from("data/nvidia-h200/2030-01-02-controls");
    partial.manifest.complete = false;
    partial.manifest.date = "2030-01-02".to_owned();
    runs.push(partial);
    assert_eq!(survey::ledger(&runs, DIGEST).number["nvidia-h200.controls.date"].printed, "2030-01-01");
    runs.last_mut().unwrap().manifest.complete = true;
    assert_eq!(survey::ledger(&runs, DIGEST).number["nvidia-h200.controls.date"].printed, "2030-01-02");
}

#[test]
fn several_runs_are_compared_with_each_other() {
    let mut runs = paper_runs::runs();
    let key = |name: &str| format!("nvidia-h200.decode.repeats.{name}");
    assert!(
        !survey::ledger(&runs, DIGEST).number.contains_key(&key("runs")),
        "one run has nothing to be compared with"
    );
    let mut again =
        paper_runs::runs().into_iter().find(|run| run.path.ends_with("nvidia-h200/2030-01-01-decode")).unwrap();
    again.path.set_file_name("2030-01-01-decode-2");
    let is = |row: &&mut ResultRow| row.key.case == "d64-l4-t64" && row.key.policy == "submit-each";
    let row = again.results.iter_mut().find(is).unwrap();
    row.workgroup_size *= 2;
    for ns in [&mut row.wall_median_ns, &mut row.wall_low_ns, &mut row.wall_high_ns] {
        *ns = ns.map(|ns| 4.0 * ns);
    }
    row.units_per_s = row.units_per_s.map(|rate| rate / 4.0);
    runs.push(again);
    let numbers = build(sources(), &runs, DIGEST).unwrap().numbers.number;
    let printed = |name: &str| numbers[&key(name)].printed.as_str();
    assert_eq!([printed("runs"), printed("beyond"), printed("sizes"), printed("max")], ["2", "1", "1", "4.00"]);
    assert_eq!([printed("max.arm"), printed("wait-each.max")], ["submit-each", "1.00"]);
    let claims = published::CLAIMS.iter().filter(|claim| claim.test.experiment() == "decode").count().to_string();
    assert_eq!([printed("verdicts"), printed("claims")], [claims.as_str(); 2]);
    runs.last_mut().unwrap().results.iter_mut().for_each(|row| row.shaders_sha256 = DIGEST.into());
    assert!(!survey::ledger(&runs, DIGEST).number.contains_key(&key("runs")), "other kernels are no repetition");
}

#[test]
fn a_changed_number_is_named() {
    let built = build(sources(), &paper_runs::runs(), DIGEST).unwrap();
    let out = folder("changed");
    command::write(&built, &out).unwrap();
    let key = "nvidia-h200.decode.d64-l4-t64.wait-each.waits";
    let printed = &built.numbers.number[key].printed;
    let path = out.join("numbers.toml");
    let text = fs::read_to_string(&path).unwrap();
    let entry = format!("[number.\"{key}\"]\nprinted = \"{printed}\"");
    assert!(text.contains(&entry));
    fs::write(&path, text.replace(&entry, &entry.replace(printed.as_str(), "7"))).unwrap();
    let fault = message(command::check(&built, &out).unwrap_err());
    assert!(fault.contains(key) && fault.contains("printed is \"7\"") && fault.contains(printed), "{fault}");
    assert_eq!(fault.lines().count(), 1, "{fault}");
}

#[test]
fn a_changed_cell_shows_in_the_numbers_it_feeds() {
    let mut runs = paper_runs::runs();
    let committed = survey::ledger(&runs, DIGEST);
    let run = runs.iter_mut().find(|run| run.path.ends_with("nvidia-h200/2030-01-01-decode")).unwrap();
    run.results[0].waits += 1;
    let faults = survey::ledger(&runs, DIGEST).faults(&committed, "numbers.toml");
    assert!(faults.iter().any(|fault| fault.contains("nvidia-h200.decode.d32-l1-t64.wait-each.waits")), "{faults:?}");
}

#[test]
fn a_changed_pdf_is_named() {
    let mut built = build(sources(), &paper_runs::runs(), DIGEST).unwrap();
    let out = folder("pdf");
    command::write(&built, &out).unwrap();
    built.pdf[1000] ^= 1;
    let fault = message(command::check(&built, &out).unwrap_err());
    assert!(fault.contains("paper.pdf: differs") && fault.contains("byte 1000"), "{fault}");
}

#[test]
fn a_number_that_the_ledger_does_not_have_stops_the_paper() {
    let threats = "#import \"lib.typ\": *\n= Threats\nAbout #n(\"nvidia-h200.decode.no-such-number\").\n";
    let fault =
        message(build(with(sources(), "paper/threats.typ", threats), &paper_runs::runs(), DIGEST).err().unwrap());
    assert!(fault.contains("nvidia-h200.decode.no-such-number") && fault.contains("paper/threats.typ:3"), "{fault}");
}

#[test]
fn a_fault_in_the_source_is_named_by_file_and_line() {
    let threats = "#import \"lib.typ\": *\n\n= Threats\n\nAs #undefined-name says.\n";
    let fault =
        message(build(with(sources(), "paper/threats.typ", threats), &paper_runs::runs(), DIGEST).err().unwrap());
    assert!(fault.starts_with("paper/threats.typ:5: unknown variable: undefined-name"), "{fault}");
    let fault =
        message(world::compile(&with(Files::new(), "main.typ", "#image(\"gone.svg\")"), "main.typ").err().unwrap());
    assert!(fault.starts_with("main.typ:1: file not found"), "{fault}");
}

#[test]
fn a_bare_number_in_the_results_is_named() {
    assert_eq!(prose::bare_numbers(&sources()), Vec::<String>::new());
    let bare = |text: &str| prose::bare_numbers(&with(Files::new(), "paper/results-c3.typ", text));
    for (text, word) in [
        ("It is 42 times as fast.", "42"),
        ("Up to\n4.5x faster.", "4.5x"),
        ("The share is 92%.", "92"),
        ("#figure([ten rows], caption: [Of 512 wide models.])", "512"),
        ("A rate of $10^6$ tokens.", "10"),
        ("As `1024` says.", "1024"),
        ("About #12 rows, #\"99\" in all.", "12"),
        ("About #\"99\" in all.", "\"99"),
    ] {
        let faults = bare(text);
        assert!(!faults.is_empty(), "{text}");
        assert!(
            faults[0].starts_with("paper/results-c3.typ:") && faults[0].contains(word.trim_matches('"')),
            "{faults:?}"
        );
    }
    assert!(bare("Up to\n4.5x faster.")[0].starts_with("paper/results-c3.typ:2:"));
    let fine = "== C3: f32 on an H200\nGPT-2 gives #n(\"a.d32-l1.b\") (@fig-2) // 17\n#v(3pt) <tab-1> of #text(9pt)[claims C1–C6]";
    assert_eq!(bare(fine), Vec::<String>::new());
    let fault = message(
        build(with(sources(), "paper/results.typ", "It is 42 times."), &paper_runs::runs(), DIGEST).err().unwrap(),
    );
    assert!(fault.contains("results.typ:1: `42`"), "{fault}");
}

#[test]
fn an_interval_gives_three_entries_with_one_source() {
    let mut ledger = Ledger::default();
    let cell =
        Cell::new("nvidia-h200/2030-01-01-decode/results.csv", "d32-l1-t64 stepwise one-submit 0", "units_per_s");
    ledger.add("a", &Number::cell(78214.5, cell).within(77000.25, 79000.0, "units / wall"), Print::Significant);
    insta::assert_snapshot!(ledger.to_toml());
}

/// The paper speaks of rollouts where they were measured, and says so where they were not.
#[test]
fn rollouts_are_judged_where_there_are_some() {
    let with_gain = |gain: f64| {
        let mut runs = paper_runs::runs();
        runs.extend(paper_runs::rollouts("nvidia-h200", gain));
        runs
    };
    let verdict = |runs: &[Run], claim: &str| {
        survey::ledger(runs, DIGEST).number[&format!("nvidia-h200.rollouts.{claim}.verdict")].printed.clone()
    };
    for (gain, expected) in [(3.0, "holds"), (1.5, "holds only against a weak baseline"), (0.1, "does not hold here")] {
        let mut runs = with_gain(gain);
        assert_eq!(verdict(&runs, "c9"), expected, "{gain}");
        // A step was a kernel of its own; now it is the same one, by another name.
        let results =
            runs.iter_mut().filter(|run| run.manifest.experiment == "rollout").flat_map(|run| &mut run.results);
        results.filter(|row| row.key.arm == "stepwise").for_each(|row| row.key.arm = "fused@step".into());
        assert_eq!(verdict(&runs, "c9"), expected, "{gain}");
    }
    let runs = with_gain(3.0);
    assert_eq!(verdict(&runs, "c11"), "holds", "one submit is as fast as one dispatch");
    assert_eq!(verdict(&runs, "c12"), "holds");
    for claim in ["c7", "c8"] {
        assert_eq!(verdict(&runs, claim), "not measured here", "{claim} needs peers");
    }
    // Errors and ranks both count.
    let mut wrong = runs.clone();
    wrong.iter_mut().flat_map(|run| &mut run.results).for_each(|row| row.rank_correlation = Some(0.99));
    assert_eq!(verdict(&wrong, "c12"), "does not hold here");
    // Work that gains is named.
    let mut gains = runs.clone();
    let controls = gains.iter_mut().find(|run| run.manifest.experiment == "rollout-controls").unwrap();
    for sample in controls.samples.iter_mut().filter(|sample| sample.key.arm == "per-operation") {
        sample.wall_ns *= 2;
    }
    for row in controls.results.iter_mut().filter(|row| row.key.arm == "per-operation") {
        for time in [&mut row.wall_median_ns, &mut row.wall_low_ns, &mut row.wall_high_ns] {
            *time = time.map(|ns| 2.0 * ns);
        }
    }
    assert_eq!(verdict(&gains, "c11"), "does not hold here");

    let built = build(sources(), &runs, DIGEST).unwrap();
    let numbers = &built.numbers.number;
    let printed = |key: &str| numbers[&format!("nvidia-h200.{key}")].printed.as_str();
    assert_eq!(printed("rollout-evolution.acrobot.solved"), "2");
    assert_eq!(printed("rollouts.c12.weak.min"), "1.000");
    assert!(numbers.contains_key("nvidia-h200.rollout.acrobot-n4096-t500.fused.over.per-operation.wait-each"));
    let without = build(sources(), &paper_runs::runs(), DIGEST).unwrap().numbers.number;
    assert_eq!(without["nvidia-h200.rollouts.c9.verdict"].printed, "not measured here");
    assert!(!without.contains_key("nvidia-h200.rollouts.c9.strong.0"));
}
