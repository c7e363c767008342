//! What the documentation promises is there: commands, targets, files; and nothing of the machine it was written on.

mod fixture;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixture::verbs;
use onedispatch::analysis::{published, rollouts};
use onedispatch::program::Policy;
use onedispatch::spec::{Spec, Workload};
use onedispatch::workload::decode::arm::{ALGORITHMS, About, CHECKS};
use onedispatch::workload::decode::config::families;
use onedispatch::workload::decode::format::Format;
use onedispatch::workload::rollout;
use onedispatch::workload::rollout::environment::Environment;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What Markdown shows between backticks.
fn spans(markdown: &str) -> impl Iterator<Item = &str> {
    markdown.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Words that follow `command` where Markdown shows it as code, in an indented block or between backticks.
fn shown_after(command: &str, markdown: &str) -> BTreeSet<String> {
    let blocks = markdown.lines().filter_map(|line| line.strip_prefix("    "));
    blocks
        .chain(spans(markdown))
        .filter_map(|code| code.strip_prefix(command)?.strip_prefix(' ')?.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_readme_names_targets_of_the_makefile() {
    let makefile = text("Makefile");
    let shown = shown_after("make", &text("README.md"));
    for target in ["measure", "reproduce", "test"] {
        assert!(shown.contains(target), "the README does not show `make {target}`");
    }
    for target in shown {
        assert!(makefile.contains(&format!("\n{target}:")), "the README shows `make {target}`, which is no target");
    }
}

/// What the README shows and the Makefile calls are verbs, and each verb is one of these.
#[test]
fn every_verb_is_shown_or_called() {
    let (readme, makefile) = (text("README.md"), text("Makefile"));
    let called = makefile.split("$(ONEDISPATCH) ").skip(1).filter_map(|rest| rest.split_whitespace().next());
    let called: BTreeSet<String> = called.map(str::to_owned).collect();
    let (shown, verbs) = (shown_after("onedispatch", &readme), verbs());
    assert!(shown.len() > 5 && shown.is_subset(&verbs), "the README shows {shown:?}, the program has {verbs:?}");
    assert!(called.len() > 5 && called.is_subset(&verbs), "the Makefile calls {called:?}, the program has {verbs:?}");
    for verb in verbs {
        let is_there = called.contains(&verb) || readme.contains(&format!("onedispatch {verb}"));
        assert!(is_there, "the README does not show `onedispatch {verb}`, nor does the Makefile call it");
    }
}

#[test]
fn the_readme_names_files_that_are_there() {
    let readme = text("README.md");
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let rooms = [".ci/", "experiments/", "figures/", "paper/", "shaders/", "src/", "tests/"];
    let paths = spans(&readme).filter(|span| rooms.iter().any(|room| span.starts_with(room)));
    for path in links.chain(paths) {
        assert!(root().join(path).exists(), "the README names {path}, which is not there");
    }
}

#[test]
fn the_readme_describes_every_arm_policy_and_environment() {
    let readme = text("README.md");
    for About { name, text, .. } in &ALGORITHMS {
        assert!(readme.contains(&format!("\n| `{name}` | {text} |\n")), "the README does not say of `{name}`: {text}");
    }
    // A format is described once for all arms that have it.
    for format in Format::ALL.iter().skip(1) {
        let ending = format!("-{}", format.name());
        assert!(readme.contains(&format!("`{ending}`")), "the README does not describe `{ending}`");
    }
    for (ending, _) in CHECKS {
        assert!(readme.contains(&format!("`{ending}`")), "the README does not describe `{ending}`");
    }
    for policy in Policy::ALL {
        assert!(readme.contains(&format!("\n| `{policy}` |")), "the README does not describe the policy `{policy}`");
    }
    for name in Environment::all().map(|environment| environment.name) {
        assert!(readme.contains(&format!("`{name}`")), "the README does not name the environment `{name}`");
    }
    for arm in [rollout::Arm::PerOperation, rollout::Arm::STEP, rollout::Arm::WHOLE].map(rollout::Arm::name) {
        assert!(readme.contains(&format!("\n| `{arm}` |")), "the README does not describe `{arm}`");
    }
}

#[test]
fn families_of_models_are_named_where_models_are_told_of() {
    for path in ["README.md", "web/js/README.md"] {
        // GPT-2 has a hyphen there.
        let told = text(path).to_lowercase().replace("gpt-2", "gpt2");
        for family in families() {
            assert!(told.contains(family), "{path} does not name the family {family}");
        }
    }
}

/// What is to be said of a policy beside its own table: what a browser does, how it is worded, and how the paper puts it.
#[test]
fn a_policy_is_known_to_the_page_and_to_the_paper() {
    for policy in Policy::ALL {
        let places = [
            ("web/js/executor.js", format!("case \"{policy}\":")),
            ("web/js/page/words.js", format!("\"{policy}\": ")),
            ("paper/method.typ", format!("\n/ `{policy}`: ")),
        ];
        for (path, words) in places {
            assert!(text(path).contains(&words), "{path} does not say of {policy}: {}", words.trim());
        }
        let rungs = text("web/js/page/words.js");
        let rungs = rungs.lines().find(|line| line.starts_with("export const RUNGS = ")).expect("rungs in words.js");
        assert!(rungs.contains(&format!("\"{policy}\",")), "RUNGS in web/js/page/words.js lacks {policy}");
    }
}

/// A peer is a folder with a program, what it needs and a page; it is listed, and those in Python run unless others are asked for.
#[test]
fn every_peer_is_whole_and_listed() {
    let (listed, run_all) = (text("peers/README.md"), text("peers/run-all.sh"));
    let run_all = run_all.lines().find_map(|line| line.split_once("|| peers=(")).expect("a list in run-all.sh").1;
    let run_all: Vec<&str> = run_all.trim_end_matches(')').split(' ').collect();
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("peers")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let has = |file: &str| folder.join(file).exists();
        let in_python = has("run.py") || has("rollout.py");
        // `peer` is what those in Python share.
        if has("__init__.py") || !(in_python || has("peer.js")) {
            continue;
        }
        count += 1;
        assert!(has("README.md"), "peers/{name} has no README.md");
        assert!(!in_python || has("requirements.txt"), "peers/{name} has no requirements.txt");
        assert!(
            listed.contains(&format!("\n| [`{name}`]({name}/README.md) |")),
            "peers/README.md has no line of {name}"
        );
        assert_eq!(run_all.contains(&name.as_str()), in_python, "{name} in peers/run-all.sh");
    }
    assert!(count > 10);
}

/// Each claim has a row in `ARTIFACT.md` that names experiments which are there, its own among them. The paper shows these rows.
#[test]
fn the_artifact_names_each_claim_with_its_experiment() {
    let artifact = text("ARTIFACT.md");
    let row = |id: &str| {
        let begin = format!("| {id} |");
        let row = artifact.lines().find(|line| line.starts_with(&begin));
        row.unwrap_or_else(|| panic!("ARTIFACT.md has no row of {id}")).to_owned()
    };
    let ids = published::CLAIMS.iter().map(|claim| claim.id).chain(rollouts::CLAIMS.iter().map(|claim| claim.id));
    for id in ids {
        let cell = row(id).split('|').nth(3).unwrap().to_owned();
        let experiments: Vec<&str> = spans(&cell).collect();
        assert!(!experiments.is_empty(), "{id} names no experiment");
        for experiment in &experiments {
            let path = format!("experiments/{experiment}.toml");
            assert!(root().join(&path).exists(), "{id} names {path}, which is not there");
        }
        if let Some(claim) = published::claim(id) {
            assert!(experiments.contains(&claim.test.experiment()), "{id} is judged on {}", claim.test.experiment());
        }
    }
}

#[test]
fn every_experiment_can_be_run() {
    let entries = std::fs::read_dir(root().join("experiments")).expect("there are experiments");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    assert!(paths.len() >= 4);
    for path in paths {
        let spec = Spec::read(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(spec.name.as_str()), "named as its file");
        let cases = spec.cases().len() + spec.rollout_cases().len();
        assert_eq!(cases == 0, spec.workload == Workload::Control, "{}", spec.name);
        assert_eq!(spec.quick, spec.name.ends_with("-quick"), "{}", spec.name);
    }
}

#[test]
fn the_makefile_measures_experiments_that_are_there() {
    let makefile = text("Makefile");
    let paths: Vec<_> = makefile.split_whitespace().filter(|word| word.starts_with("experiments/")).collect();
    assert!(paths.len() >= 4);
    for path in paths {
        assert!(root().join(path).exists(), "{path}");
    }
}

#[test]
fn the_container_has_the_rust_that_the_program_asks_for() {
    let asked =
        text("Cargo.toml").lines().find_map(|line| line.strip_prefix("rust-version = \"").map(str::to_owned)).unwrap();
    let from = format!("\nFROM docker.io/library/rust:{}-", asked.trim_end_matches('"'));
    assert!(text("Containerfile").contains(&from), "the Containerfile has no{from}");
}

#[test]
fn a_release_has_one_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(text("CITATION.cff").contains(&format!("\nversion: {version}\n")));
    assert!(text("web/js/package.json").contains(&format!("\n  \"version\": \"{version}\",\n")));
    assert!(text("Cargo.toml").contains(&format!("\nonedispatch-core = {{ version = \"{version}\",")));
}

/// Paths of the machine that something was written, built or measured on.
#[test]
fn no_tracked_file_names_a_place_outside() {
    // In pieces, so that this file does not hold them.
    let banned = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names: Vec<_> = output.stdout.split(|&byte| byte == 0).filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 10);
    for name in names {
        let name = std::str::from_utf8(name).expect("file names are UTF-8");
        // A file that is tracked and deleted names nothing.
        let Ok(bytes) = std::fs::read(root().join(name)) else { continue };
        for word in banned {
            let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!found, "{name} names {word}");
        }
    }
}
