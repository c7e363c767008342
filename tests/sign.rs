//! A run carries the key of who signed it, here and for `ssh-keygen -Y` alike.
//!
//! What needs ssh-keygen says what it leaves out where there is none; with ONEDISPATCH_SSH_TESTS=required, as in `.ci/run`, it fails.

mod fixture;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fixture::{Temporary, onedispatch, printed, refusal, text};
use onedispatch::record::verify::verify;
use ssh_key::private::Ed25519Keypair;
use ssh_key::{LineEnding, PrivateKey};

const RUN: &str = "nvidia-h200/2026-01-31-decode";

/// A place with a complete run under `data/` and the keys of two people.
struct Place {
    directory: Temporary,
    run: PathBuf,
    alice: String,
    bob: String,
}

impl Place {
    fn new() -> Place {
        let directory = Temporary::new();
        let run = fixture::write(&directory.0.join("data"), fixture::manifest(), &fixture::all());
        let [alice, bob] = [("alice", 1), ("bob", 2)].map(|(name, seed)| {
            let key = PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
            std::fs::write(directory.0.join(name), key.to_openssh(LineEnding::LF).unwrap()).unwrap();
            key.public_key().to_openssh().unwrap()
        });
        Place { directory, run, alice, bob }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = onedispatch(arguments);
        command.current_dir(&self.directory.0);
        command
    }

    fn sign(&self, key: &str) -> Command {
        let mut command = self.command(&["sign", "--key", key]);
        command.arg(&self.run);
        command
    }

    fn signed(&self, key: &str) -> String {
        printed(&mut self.sign(key))
    }

    fn refusal(&self, key: &str) -> String {
        refusal(&mut self.sign(key), &self.directory)
    }

    /// What `verify` says where these lines tell who may sign.
    fn verify(&self, signers: &str) -> (Option<i32>, String) {
        std::fs::write(self.directory.0.join("signers"), signers).unwrap();
        let Output { status, stdout, stderr } =
            self.command(&["verify", "data", "--signers", "signers"]).output().unwrap();
        (status.code(), if status.success() { text(&stdout) } else { text(&stderr) })
    }

    /// The one fault that `verify` names.
    fn fault(&self, signers: &str) -> String {
        let (code, said) = self.verify(signers);
        assert_eq!(code, Some(1), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[1..], ["onedispatch: data: 1 fault"], "{said}");
        lines[0].to_owned()
    }
}

#[test]
fn a_signed_run_tells_who_signed_it() {
    let place = Place::new();
    let alice = format!("alice@example.org namespaces=\"onedispatch\",valid-before=\"20270101Z\" {}\n", place.alice);
    let (_, said) = place.verify(&alice);
    assert!(said.contains("\nunsigned: 1 of 1 runs\n"), "{said}");

    place.signed("alice");
    let (code, said) = place.verify(&alice);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("\nsigned by alice@example.org: {RUN}/manifest.toml\n")), "{said}");
    assert!(!said.contains("unsigned"), "{said}");

    // Nobody has to know the signers: then it is a key's.
    let said = text(&place.command(&["verify", "data"]).output().unwrap().stdout);
    assert!(
        said.contains("\nsigned by SHA256:") && said.contains("; --signers FILE tells whose key that is\n"),
        "{said}"
    );

    let before = std::fs::read(place.run.join("manifest.toml.sig")).unwrap();
    assert!(place.signed("alice").ends_with(": signed already\n"));
    let line = place.refusal("bob");
    assert!(line.contains("manifest.toml.sig: signed by another key, SHA256:"), "{line}");
    assert!(line.ends_with("; move it away to sign anew"), "{line}");
    assert_eq!(std::fs::read(place.run.join("manifest.toml.sig")).unwrap(), before);
}

#[test]
fn a_signature_that_does_not_do_is_named() {
    let place = Place::new();
    place.signed("alice");
    let (alice, bob) = (&place.alice, &place.bob);
    let faults = [
        place.fault(&format!("bob@example.org {bob}\n")),
        place.fault(&format!("alice@example.org namespaces=\"file,git\" {alice}\n")),
        place.fault(&format!("alice@example.org valid-before=\"20260131Z\" {alice}\n")),
        place.fault(&format!("alice@example.org valid-after=\"202602010000Z\" {alice}\n")),
        place.fault(&format!("*@example.org cert-authority {alice}\n")),
    ];
    insta::assert_snapshot!(faults.join("\n"), @"
    nvidia-h200/2026-01-31-decode/manifest.toml.sig: signed by an unknown key, SHA256:fe85JkIjo8VPe+XqXJGH5Mau1EMFdK1OdKvJUFicyA8; expected a key of signers
    nvidia-h200/2026-01-31-decode/manifest.toml.sig: signed by alice@example.org, who may sign for the namespaces `file,git` alone; expected `onedispatch` among them (signers, line 1)
    nvidia-h200/2026-01-31-decode/manifest.toml.sig: signed by alice@example.org, whose key had expired on 2026-01-31; expected a run from before 2026-01-31 00:00:00 UTC (signers, line 1)
    nvidia-h200/2026-01-31-decode/manifest.toml.sig: signed by alice@example.org, whose key was not valid yet on 2026-01-31; expected a run of 2026-02-01 00:00:00 UTC or later (signers, line 1)
    nvidia-h200/2026-01-31-decode/manifest.toml.sig: signed by *@example.org, whose key may certify others, and not sign; expected a line without cert-authority (signers, line 1)
    ");
    // On the day itself it was valid, and any line that allows it will do.
    let (code, said) =
        place.verify(&format!("alice valid-before=\"20260101\" {alice}\nalice valid-before=\"20260201Z\" {alice}\n"));
    assert_eq!(code, Some(0), "{said}");

    // A forger who has every digest right has no key.
    fixture::forge::<onedispatch::record::rows::Sample>(&place.run, |rows| rows[0].order = 7);
    let changed = place.fault(&format!("alice@example.org {alice}\n"));
    insta::assert_snapshot!(changed, @"nvidia-h200/2026-01-31-decode/manifest.toml.sig: the signature of another manifest.toml than lies beside it; expected the file as it was signed, or a new signature");
    // Whoever has the key may sign what is there now.
    place.signed("alice");
    assert_eq!(place.verify(&format!("alice@example.org {alice}\n")).0, Some(0));
    std::fs::write(place.run.join("manifest.toml.sig"), "-----BEGIN SSH SIGNATURE-----\n").unwrap();
    let broken = place.fault(&format!("alice@example.org {alice}\n"));
    assert!(broken.contains("manifest.toml.sig: no SSH signature ("), "{broken}");
}

#[test]
fn peers_are_signed_beside_their_run() {
    let place = Place::new();
    place.signed("alice");
    onedispatch::record::peers::append(&place.run, &[], &[]).unwrap();
    place.signed("alice");
    let (_, said) = place.verify(&format!("alice@example.org {}\n", place.alice));
    for file in ["manifest.toml", "peers.toml"] {
        assert!(said.contains(&format!("\nsigned by alice@example.org: {RUN}/{file}\n")), "{said}");
    }
    std::fs::remove_file(place.run.join("peers.toml")).unwrap();
    for table in ["peer-results.csv", "peer-samples.csv"] {
        std::fs::remove_file(place.run.join(table)).unwrap();
    }
    let fault = place.fault(&format!("alice@example.org {}\n", place.alice));
    assert!(fault.contains("peers.toml: no such file; expected the one that"), "{fault}");
}

#[test]
fn the_description_has_no_signatures_and_the_root_digest_has() {
    let place = Place::new();
    let data = place.directory.0.join("data");
    let describe = || onedispatch::record::verify::describe(&data).unwrap();
    describe();
    let before = (std::fs::read(data.join("datapackage.json")).unwrap(), verify(&data).unwrap().root_digest);
    place.signed("alice");
    let after = verify(&data).unwrap();
    assert_eq!(after.faults, [], "the description stands");
    assert_ne!(after.root_digest, before.1);
    describe();
    assert_eq!(std::fs::read(data.join("datapackage.json")).unwrap(), before.0);
}

#[test]
fn what_cannot_be_signed_is_refused_in_one_line() {
    let place = Place::new();
    let keys = place.directory.0.join("alice.pub");
    std::fs::write(keys, &place.alice).unwrap();
    let line = place.refusal("alice.pub");
    assert!(line.contains("alice.pub: is a public key; name the private one"), "{line}");
    let line = place.refusal("data/nvidia-h200/2026-01-31-decode/cases.csv");
    assert!(line.contains("cases.csv: no private key of OpenSSH") && line.contains("ssh-keygen -t ed25519"), "{line}");
    assert!(place.refusal("nowhere").contains("nowhere: No such file"));
    let line = refusal(&mut place.command(&["sign", "--key", "alice", "data"]), &place.directory);
    assert_eq!(line, "onedispatch: data: no manifest.toml there; name the directory of a run");

    let samples = place.run.join("samples.csv");
    let csv = std::fs::read_to_string(&samples).unwrap();
    std::fs::write(&samples, csv.replacen("1000000", "1000001", 1)).unwrap();
    let line = place.refusal("alice");
    assert!(line.ends_with(": has faults, and is not signed with them; `onedispatch verify` names each"), "{line}");

    let stopped = place.directory.0.join("stopped");
    let (directory, _) = onedispatch::record::directory::RunDirectory::open(&stopped, fixture::manifest()).unwrap();
    let line = refusal(place.command(&["sign", "--key", "alice"]).arg(directory.path()), &place.directory);
    assert!(line.contains("the run is not complete") && line.ends_with("start it again first"), "{line}");
    assert!(!place.run.join("manifest.toml.sig").exists());
}

/// In a folder; gives its exit code and what it says.
fn ssh_keygen(folder: &Path, arguments: &[&str], input: &[u8]) -> Option<(bool, String)> {
    let spawned = Command::new("ssh-keygen")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        let required = std::env::var("ONEDISPATCH_SSH_TESTS").is_ok_and(|value| value == "required");
        assert!(!required, "there is no ssh-keygen; install OpenSSH's client");
        let _ = writeln!(std::io::stderr(), "skipped: there is no ssh-keygen");
        return None;
    };
    // It need not read what it is given.
    let _ = child.stdin.take().unwrap().write_all(input);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Some((status.success(), text(&stdout) + &text(&stderr)))
}

#[test]
fn ssh_keygen_takes_what_is_signed_here_and_the_other_way_round() {
    for kind in ["ed25519", "ecdsa"] {
        let place = Place::new();
        let folder = &place.directory.0;
        let Some((true, _)) = ssh_keygen(folder, &["-q", "-t", kind, "-N", "", "-f", "carol"], b"") else { return };
        let public = std::fs::read_to_string(folder.join("carol.pub")).unwrap();
        let signers = format!("carol@example.org namespaces=\"onedispatch\" {public}");
        std::fs::write(folder.join("signers"), &signers).unwrap();
        let (manifest, signature) = (place.run.join("manifest.toml"), place.run.join("manifest.toml.sig"));

        place.signed("carol");
        let bytes = std::fs::read(&manifest).unwrap();
        let signature_path = signature.to_str().unwrap();
        let check =
            ["-Y", "verify", "-f", "signers", "-I", "carol@example.org", "-n", "onedispatch", "-s", signature_path];
        let (is_good, said) = ssh_keygen(folder, &check, &bytes).unwrap();
        assert!(is_good && said.starts_with("Good \"onedispatch\" signature for carol@example.org"), "{said}");
        assert!(!ssh_keygen(folder, &check, &bytes[1..]).unwrap().0);

        std::fs::remove_file(&signature).unwrap();
        let sign = |namespace| ["-Y", "sign", "-n", namespace, "-f", "carol", manifest.to_str().unwrap()];
        let (is_signed, said) = ssh_keygen(folder, &sign("onedispatch"), b"").unwrap();
        assert!(is_signed, "{said}");
        let (code, said) = place.verify(&signers);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("\nsigned by carol@example.org: {RUN}/manifest.toml\n")), "{said}");

        std::fs::remove_file(&signature).unwrap();
        ssh_keygen(folder, &sign("git"), b"").unwrap();
        let fault = place.fault(&signers);
        assert!(fault.ends_with("a signature for the namespace `git`; expected one for `onedispatch`"), "{fault}");
    }
}

#[test]
fn keys_that_only_ssh_keygen_can_sign_with_are_answered_with_its_command() {
    let place = Place::new();
    let folder = &place.directory.0;
    let Some((true, _)) = ssh_keygen(folder, &["-q", "-t", "ed25519", "-N", "secret", "-f", "locked"], b"") else {
        return;
    };
    let command = "`ssh-keygen -Y sign -n onedispatch -f locked RUN/manifest.toml`, which asks for its passphrase";
    assert_eq!(place.refusal("locked"), format!("onedispatch: locked: the key is encrypted; sign by {command}"));
    ssh_keygen(folder, &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "rsa"], b"").unwrap();
    let line = place.refusal("rsa");
    assert!(
        line.ends_with("rsa: a key of type ssh-rsa, which is not supported; `ssh-keygen -t ed25519` makes one that is"),
        "{line}"
    );
}
