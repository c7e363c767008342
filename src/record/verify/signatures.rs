//! Signatures against the files beside them, and against those who may sign.

use std::collections::BTreeMap;

use crate::record::fault::Fault;
use crate::record::signature::{ENDING, SIGNED, Signature};
use crate::record::signers::Signers;

/// A file with a signature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Relative to the data directory.
    pub file: String,
    /// Whose key it was, where it was looked up.
    pub by: Option<String>,
    /// Of the key.
    pub fingerprint: String,
}

/// The faults of a run's signatures; those that hold are added to `signed`. `date` is the run's.
pub fn check(
    files: &BTreeMap<String, Vec<u8>>,
    folder: &str,
    date: &str,
    signers: Option<&Signers>,
    signed: &mut Vec<Signed>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in SIGNED {
        let (file, beside) = (format!("{folder}{name}"), format!("{folder}{name}{ENDING}"));
        let Some(pem) = files.get(&beside) else { continue };
        let Some(bytes) = files.get(&file) else {
            faults.push(Fault::file(&file, "no such file", format!("the one that {beside} is the signature of")));
            continue;
        };
        let checked = Signature::parse(pem, &beside).and_then(|signature| match signature.fault(bytes, &beside) {
            Some(fault) => Err(fault),
            None => Ok(signature),
        });
        let by = checked.and_then(|signature| {
            let by = signers.map(|signers| signers.principals(&signature, date)).transpose();
            let by = by.map_err(|(there, expected)| Fault::file(&beside, there, expected))?;
            Ok(Signed { file, by: by.map(str::to_owned), fingerprint: signature.fingerprint() })
        });
        match by {
            Ok(by) => signed.push(by),
            Err(fault) => faults.push(fault),
        }
    }
    faults
}
