//! Signatures of runs by SSH keys, in the format of `ssh-keygen -Y` (OpenSSH's PROTOCOL.sshsig).
//!
//! What is signed is a run's `manifest.toml`, which holds the digests of its tables, and its `peers.toml` where it has one. The
//! signature lies beside the file and has its name and `.sig` behind it, as `ssh-keygen -Y sign -n onedispatch` leaves it.

use std::fs;
use std::path::{Path, PathBuf};

use ssh_key::public::KeyData;
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

use super::fault::Fault;
use super::line_ends::crlf;
use super::replace::replace;
use super::{manifest, peers};
use crate::error::{Error, Result};

/// What a signature is for: one made for mail or for Git says nothing of a run.
pub const NAMESPACE: &str = "onedispatch";
/// The files of a run that are signed.
pub const SIGNED: [&str; 2] = [manifest::FILE, peers::FILE];
/// Behind the name of a signed file.
pub const ENDING: &str = ".sig";

/// A signature, which may hold or not.
pub struct Signature(SshSig);

impl Signature {
    /// `file` is only for messages.
    pub fn parse(pem: &[u8], file: &str) -> std::result::Result<Signature, Fault> {
        if let Some(fault) = crlf(pem, file) {
            return Err(fault);
        }
        let signature = SshSig::from_pem(pem).map_err(|error| {
            Fault::file(file, format!("no SSH signature ({error})"), "what `onedispatch sign` writes")
        })?;
        Ok(Signature(signature))
    }

    /// What stands against it as a signature of these bytes by its own key, whoever's that is.
    pub fn fault(&self, signed: &[u8], file: &str) -> Option<Fault> {
        let fault = |there: String, expected: &str| Some(Fault::file(file, there, expected));
        let namespace = self.0.namespace();
        if namespace != NAMESPACE {
            return fault(format!("a signature for the namespace `{namespace}`"), "one for `onedispatch`");
        }
        match PublicKey::from(self.key().clone()).verify(NAMESPACE, signed, &self.0) {
            Ok(()) => None,
            Err(ssh_key::Error::AlgorithmUnsupported { .. } | ssh_key::Error::AlgorithmUnknown) => {
                let there = format!("a signature by a key of type {}", self.key().algorithm());
                fault(there, "one by a key of type ed25519 or ecdsa with nistp256")
            }
            Err(_) => {
                let name = file.rsplit('/').next().unwrap_or(file).trim_end_matches(ENDING);
                let there = format!("the signature of another {name} than lies beside it");
                fault(there, "the file as it was signed, or a new signature")
            }
        }
    }

    pub fn key(&self) -> &KeyData {
        self.0.public_key()
    }

    /// The key's, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.key())
    }
}

fn fingerprint(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// A private key that is not encrypted.
pub struct SigningKey(PrivateKey);

impl SigningKey {
    /// # Errors
    /// An input error that says how to sign by `ssh-keygen`, where it can sign with this key and this program cannot.
    pub fn read(path: &Path) -> Result<SigningKey> {
        let refused = |why: &str| Err(Error::input(format!("{}: {why}", path.display())));
        let by_ssh_keygen =
            format!("sign by `ssh-keygen -Y sign -n {NAMESPACE} -f {} RUN/{}`", path.display(), manifest::FILE);
        let text = fs::read(path).map_err(|error| Error::io(path, error))?;
        let text = String::from_utf8_lossy(&text);
        if PublicKey::from_openssh(text.trim()).is_ok() {
            return refused(&format!(
                "is a public key; name the private one, or, where an agent has it, {by_ssh_keygen}"
            ));
        }
        let key = match PrivateKey::from_openssh(text.as_bytes()) {
            Ok(key) => key,
            Err(error) => {
                return refused(&format!("no private key of OpenSSH ({error}); `ssh-keygen -t ed25519` makes one"));
            }
        };
        if key.is_encrypted() {
            return refused(&format!("the key is encrypted; {by_ssh_keygen}, which asks for its passphrase"));
        }
        match key.algorithm() {
            ssh_key::Algorithm::Ed25519 | ssh_key::Algorithm::Ecdsa { curve: ssh_key::EcdsaCurve::NistP256 } => {
                Ok(SigningKey(key))
            }
            ssh_key::Algorithm::SkEd25519 | ssh_key::Algorithm::SkEcdsaSha2NistP256 => {
                refused(&format!("the key is on a token; {by_ssh_keygen}"))
            }
            other => refused(&format!(
                "a key of type {other}, which is not supported; `ssh-keygen -t ed25519` makes one that is"
            )),
        }
    }

    pub fn fingerprint(&self) -> String {
        fingerprint(self.0.public_key().key_data())
    }

    /// The signature of these bytes, as it is written.
    fn sign(&self, bytes: &[u8]) -> Result<String> {
        let signature = self.0.sign(NAMESPACE, HashAlg::Sha512, bytes);
        let text = signature.and_then(|signature| signature.to_pem(LineEnding::LF));
        text.map_err(|error| Error::input(format!("the key cannot sign: {error}")))
    }
}

/// A file of a run and the signature that is to lie beside it.
pub struct Unwritten {
    pub path: PathBuf,
    contents: String,
}

impl Unwritten {
    pub fn write(&self) -> Result<()> {
        replace(&self.path, self.contents.as_bytes())
    }
}

/// The signatures that the run in `directory` lacks to be signed with this key: none where it has them all.
///
/// # Errors
/// Where another key has signed: its signature stays.
pub fn missing(directory: &Path, key: &SigningKey) -> Result<Vec<Unwritten>> {
    let mut missing = Vec::new();
    for signed in SIGNED.map(|file| directory.join(file)).into_iter().filter(|path| path.exists()) {
        let bytes = fs::read(&signed).map_err(|error| Error::io(&signed, error))?;
        let path = PathBuf::from(format!("{}{ENDING}", signed.display()));
        let file = path.display().to_string();
        if let Ok(there) = fs::read(&path) {
            let there = Signature::parse(&there, &file).map_err(|fault| Error::input(fault.to_string()))?;
            if there.key() != key.0.public_key().key_data() {
                let whose = there.fingerprint();
                return Err(Error::input(format!("{file}: signed by another key, {whose}; move it away to sign anew")));
            }
            if there.fault(&bytes, &file).is_none() {
                continue;
            }
        }
        missing.push(Unwritten { path, contents: key.sign(&bytes)? });
    }
    Ok(missing)
}
