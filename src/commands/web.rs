//! `onedispatch web`: the page that measures a visitor's GPU, as static files.

use std::path::{Path, PathBuf};

use super::destination;
use crate::error::Result;
use crate::output;
use crate::record::run::load_all;
use crate::spec::Spec;
use crate::web::site::make;

/// The experiments of the page, unless others are named.
pub const SPECS: [(&str, &str); 2] = [
    ("experiments/browser.toml", include_str!("../../experiments/browser.toml")),
    ("experiments/browser-rollout.toml", include_str!("../../experiments/browser-rollout.toml")),
];

#[derive(clap::Args)]
pub struct Args {
    /// Where the page goes; made anew where one is there already
    #[arg(long, default_value = "web/dist", value_name = "DIR")]
    out: PathBuf,
    /// The page's own files
    #[arg(long, default_value = "web", value_name = "DIR")]
    from: PathBuf,
    /// Results of devices that the page shows beside the visitor's [default: data, if there are any]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The model that the page answers with before a visitor brings one [default: the one that comes with the program]
    #[arg(long, value_name = "GGUF")]
    model: Option<PathBuf>,
    /// Another experiment instead of the page's own; may be given again
    #[arg(long, value_name = "SPEC")]
    spec: Vec<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    let specs = specs(&args.spec)?;
    destination::folder(&args.out)?;
    let runs = match &args.data {
        Some(data) => super::results(data)?,
        None => load_all(Path::new("data"))?,
    };
    let site = make(&args.from, &specs, &runs, args.model.as_deref(), &args.out)?;
    let out = args.out.display();
    let (files, kib) = (site.files, site.bytes.div_ceil(1024));
    output::line(format_args!("{files} files, {kib} KiB in {out}; `onedispatch serve {out}` shows them"))
}

/// The specs at these paths, or those of the page.
pub fn specs(paths: &[PathBuf]) -> Result<Vec<Spec>> {
    match paths {
        [] => SPECS.iter().map(|(file, text)| Spec::parse(text, file)).collect(),
        paths => paths.iter().map(|path| Spec::read(path)).collect(),
    }
}
