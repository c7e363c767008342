//! `onedispatch run SPEC…`: measures experiments and writes their rows.

use std::path::PathBuf;

use indicatif::MultiProgress;

use super::destination;
use super::measuring::Measuring;
use crate::device::Gpu;
use crate::device::adapter::open_several;
use crate::error::Result;
use crate::output;
use crate::parallel;
use crate::record::shard::Shard;
use crate::spec::Spec;

#[derive(clap::Args)]
pub struct Args {
    /// Experiments, as in `experiments/`
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Part of the adapter's name, as `onedispatch devices` shows it [default: the first one, hardware before software]
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// Several adapters at once, by their numbers in `onedispatch devices`, such as 0,1; or `all`. Those that are alike share one run
    #[arg(long, value_name = "LIST", conflicts_with = "adapter")]
    adapters: Option<String>,
    /// Measure the Ith of N shares of each experiment's cases, for `onedispatch merge`; others measure the rest
    #[arg(long, value_name = "I/N", conflicts_with = "adapters")]
    shard: Option<Shard>,
    /// Where rows go: DIR/<device>/<date>-<experiment>/
    #[arg(long, default_value = "data", value_name = "DIR")]
    out: PathBuf,
    /// Cut each experiment down to minutes on a software device; its rows are kept apart and support no claim
    #[arg(long)]
    quick: bool,
}

pub fn run(args: Args) -> Result<()> {
    // All specs are read before anything is measured: a typing error in the last one must not wait for hours.
    let specs = args.specs.iter().map(|path| Spec::read(path)).collect::<Result<Vec<_>>>()?;
    destination::folder(&args.out)?;
    let gpus = match &args.adapters {
        Some(names) => open_several(names)?,
        None => vec![Gpu::open(args.adapter.as_deref())?],
    };
    let specs: Vec<Spec> = specs.into_iter().map(|spec| if args.quick { spec.quick() } else { spec }).collect();
    let alike = alike(gpus);
    for name in alike.iter().map(|gpus| &gpus[0].info).filter(|info| info.is_software).map(|info| &info.name) {
        output::line(format_args!(
            "{name} is a software device: its rows check that things work, never how fast they are"
        ))?;
    }
    let bars = MultiProgress::new();
    let measured = parallel::at_once(&alike, |gpus| {
        let measuring = Measuring { gpus, out: &args.out, shard: args.shard, end: None, bars: bars.clone() };
        specs.iter().try_for_each(|spec| measuring.measure(spec).map(drop))
    });
    measured.into_iter().collect()
}

/// GPUs of one kind together: what is recorded of them is the same.
fn alike(gpus: Vec<Gpu>) -> Vec<Vec<Gpu>> {
    let mut alike: Vec<Vec<Gpu>> = Vec::new();
    for gpu in gpus {
        match alike.iter_mut().find(|others| others[0].info == gpu.info) {
            Some(others) => others.push(gpu),
            None => alike.push(vec![gpu]),
        }
    }
    alike
}
