//! One run of the shards that several machines measured.
//!
//! The rows are those of the shards, byte for byte, in the order in which one machine would have measured them; the column `part`
//! of `cases.csv` says which shard a case comes from. A merge that is stopped goes on like a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::directory::{RunDirectory, device_folder};
use super::manifest::{self, Manifest};
use super::peers;
use super::run::{Run, directories, load, read_manifest};
use super::shard::Shard;
use super::verify::verify;
use crate::digest::sha256_hex;
use crate::error::{Error, Result};
use crate::spec::Spec;
use crate::workload::control::case_of_part;

/// Where the shards are now one run.
pub struct Merged {
    pub path: PathBuf,
    /// Whether it was there before.
    pub was_there: bool,
}

/// Makes one run of these shards under `out`.
///
/// # Errors
/// An input error, with nothing written, where they are not all shards of one run, each once and finished.
pub fn merge(out: &Path, directories: &[PathBuf]) -> Result<Merged> {
    let mut shards: BTreeMap<u32, Run> = BTreeMap::new();
    let mut first: Option<(&Path, Manifest, Shard)> = None;
    for directory in directories {
        let (run, shard) = read_shard(directory)?;
        match &first {
            None => first = Some((directory, run.manifest.clone(), shard)),
            Some((path, manifest, _)) => same_build(path, manifest, directory, &run.manifest)?,
        }
        if let Some(other) = shards.get(&shard.number()) {
            let other = other.path.display();
            return Err(refused(directory, &format!("is shard {shard}, as {other} is; name one of them")));
        }
        shards.insert(shard.number(), run);
    }
    let (_, manifest, shard) = first.ok_or_else(|| Error::input("no shards; name their directories"))?;
    if let Some(missing) = shard.all().find(|shard| !shards.contains_key(&shard.number())) {
        return Err(Error::input(format!(
            "shard {missing} is missing; name its directory, or measure it by `--shard {missing}`"
        )));
    }
    write(out, merged(manifest, &shards)?, &shards)
}

/// A shard that has all its cases.
fn read_shard(directory: &Path) -> Result<(Run, Shard)> {
    if !directory.join(manifest::FILE).is_file() {
        return Err(refused(directory, "no manifest.toml there; name the directory of a shard"));
    }
    let Some(shard) = read_manifest(directory)?.shard else {
        return Err(refused(directory, "is a run of its own and no shard; `run --shard I/N` measures one"));
    };
    if !verify(directory)?.faults.is_empty() {
        return Err(refused(directory, "has faults, and is not merged with them; `onedispatch verify` names each"));
    }
    if directory.join(peers::FILE).exists() {
        return Err(refused(directory, "has peers, which belong to one run; import their results into the merged one"));
    }
    let run = load(directory)?;
    let spec = Spec::parse(&run.manifest.spec, &format!("the spec of {}", directory.display()))?;
    let cases = shard.cases(&spec);
    let finished = cases.iter().filter(|name| run.cases.iter().any(|case| case.case == **name)).count();
    if finished < cases.len() {
        let count = format!("has {finished} of the {} cases of shard {shard}", cases.len());
        return Err(refused(directory, &format!("{count}; the same run started again goes on with it")));
    }
    Ok((run, shard))
}

/// Rows stand under one manifest, so all that it says has to be true of each: only dates and the clock's resolution may differ.
fn same_build(a: &Path, of_a: &Manifest, b: &Path, of_b: &Manifest) -> Result<()> {
    let own = ["date", "host.clock_resolution_ns", "shard", "spec"];
    let values = |manifest: &Manifest| {
        let mut values = manifest.values();
        values.retain(|key, _| !own.contains(&key.as_str()));
        if let Some(shard) = manifest.shard {
            values.insert("number of shards".to_owned(), shard.of().to_string());
        }
        values
    };
    let (there, here) = (values(of_a), values(of_b));
    let differs = there.keys().chain(here.keys()).find(|key| there.get(*key) != here.get(*key));
    let Some(key) = differs else { return Ok(()) };
    let [there, here] = [&there, &here].map(|values| values.get(key).map_or("nothing", String::as_str));
    let mend = "only shards of one spec, build, driver and device make a run";
    Err(refused(b, &format!("its {key} is {here}, that of {} {there}; {mend}", a.display())))
}

/// What is said of the whole run: when it began, and its coarsest clock.
fn merged(first: Manifest, shards: &BTreeMap<u32, Run>) -> Result<Manifest> {
    let mut manifest = Manifest { shard: None, shards: Vec::new(), ..first };
    for run in shards.values() {
        let path = run.path.join(manifest::FILE);
        manifest.shards.push(sha256_hex(&fs::read(&path).map_err(|error| Error::io(&path, error))?));
        let clock = run.manifest.host.clock_resolution_ns;
        manifest.host.clock_resolution_ns = manifest.host.clock_resolution_ns.max(clock);
        manifest.date = manifest.date.min(run.manifest.date.clone());
    }
    Ok(manifest)
}

fn write(out: &Path, manifest: Manifest, shards: &BTreeMap<u32, Run>) -> Result<Merged> {
    let is_there = |path: &PathBuf| read_manifest(path).is_ok_and(|it| it.complete && it.shards == manifest.shards);
    if let Some(path) = directories(&out.join(device_folder(&manifest.device.name)))?.into_iter().find(is_there) {
        return Ok(Merged { path, was_there: true });
    }
    let spec = Spec::parse(&manifest.spec, "the shards' spec")?;
    let (mut directory, finished) = RunDirectory::open(out, manifest)?;
    let controls = shards.keys().map(|number| case_of_part(*number));
    for name in controls.chain(spec.case_names()).filter(|name| !finished.contains(name)) {
        let of_case = shards.values().find_map(|run| Some((run, run.cases.iter().find(|case| case.case == name)?)));
        let (run, case) = of_case.expect("every case was looked for");
        let results: Vec<_> = run.results.iter().filter(|row| row.key.case == name).cloned().collect();
        let samples: Vec<_> = run.samples.iter().filter(|row| row.key.case == name).cloned().collect();
        directory.append(case, &results, &samples)?;
    }
    Ok(Merged { path: directory.finish()?, was_there: false })
}

fn refused(directory: &Path, why: &str) -> Error {
    Error::input(format!("{}: {why}", directory.display()))
}
