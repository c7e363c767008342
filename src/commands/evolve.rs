//! `onedispatch evolve`: evolves policies for an environment, the whole loop on the GPU.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::{destination, names};
use crate::device::Gpu;
use crate::error::{Error, Result};
use crate::figures::{learning, png};
use crate::measure::evolution::{Evolved, evaluation_alone, evolve, reached, returns_of};
use crate::output;
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::evolution::{Evolution, Generation, POPULATION_STEP};
use crate::workload::rollout::file;

/// Generations of one submit, after which there is news.
const AT_ONCE: u32 = 10;
/// States that the best policy has not seen, from which it is tried at the end.
const FRESH: u32 = 128;
/// As for `rollout`.
const TOLERANCE: f64 = 1e-3;

#[derive(clap::Args)]
pub struct Args {
    #[arg(long, value_name = "NAME", help = names::environments())]
    env: String,
    /// Individuals, a multiple of 64
    #[arg(long, value_name = "N", default_value_t = 1024)]
    population: u32,
    /// Generations at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    generations: u32,
    /// Initial states that each individual starts from; what counts is its mean return
    #[arg(long, value_name = "N", default_value_t = 8)]
    episodes: u32,
    /// Seed of everything that is drawn; on one device the same seed gives the same policy
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Stop when the best mean return is at least this
    #[arg(long, value_name = "RETURN", allow_negative_numbers = true)]
    until: Option<f64>,
    /// Where best.safetensors, which `rollout` reads, and the learning curve go
    #[arg(long, value_name = "DIR", default_value = "evolved")]
    out: PathBuf,
    /// Part of the adapter's name, as `onedispatch devices` shows it
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
}

pub fn run(args: Args) -> Result<()> {
    let environment = Environment::named(&args.env)?;
    let evolution = Evolution {
        environment,
        population: args.population,
        steps: environment.steps,
        episodes: args.episodes,
        generations: args.generations,
        // So many that they add up.
        at_once: (1..=AT_ONCE).rev().find(|&count| args.generations.is_multiple_of(count)).unwrap_or(1),
        seed: args.seed,
    };
    check(&args)?;
    // Where nothing can be written, that is known before anything is evolved.
    destination::folder(&args.out)?;
    let gpu = Gpu::open(args.adapter.as_deref())?;
    std::fs::create_dir_all(&args.out).map_err(|error| Error::io(&args.out, error))?;
    let bar = ProgressBar::new(evolution.generations.into()).with_style(
        ProgressStyle::with_template("{bar:30} {pos:>5}/{len} generations  {msg}")
            .map_err(|error| Error::input(error.to_string()))?,
    );
    let evolved = evolve(&gpu, &evolution, args.until, &mut |generations| {
        bar.set_position(generations.len() as u64);
        if let Some(last) = generations.last() {
            bar.set_message(format!("best {:.3}, mean {:.3}", last.best, last.mean));
        }
    })?;
    bar.finish_and_clear();
    write(&args.out, &args, environment, &evolved)?;
    report(&evolved, args.until)?;
    let (steps, wall_ns) = evaluation_alone(&gpu, &evolution)?;
    output::line(format_args!(
        "evaluation alone, one episode each of the first generation: {:.1} evaluations/s, {:.3e} environment steps/s",
        1e9 / wall_ns,
        steps as f64 / wall_ns * 1e9
    ))?;
    let returns = returns_of(&gpu, environment, &evolved.genome, FRESH, !args.seed, TOLERANCE)?;
    let mean = returns.iter().sum::<f64>() / returns.len() as f64;
    let worst = returns.iter().copied().fold(f64::INFINITY, f64::min);
    output::line(format_args!(
        "the best policy from {FRESH} states that it has not seen: mean return {mean:.3}, worst {worst:.3}"
    ))?;
    output::line(args.out.join("best.safetensors").display())
}

fn check(args: &Args) -> Result<()> {
    let refused = |option: &str, value: u32, accepted: String| {
        Err(Error::input(format!("--{option} is {value}; accepted: {accepted}")))
    };
    if args.population == 0 || !args.population.is_multiple_of(POPULATION_STEP) {
        return refused("population", args.population, format!("a multiple of {POPULATION_STEP}"));
    }
    if !(1..=1_000_000).contains(&args.generations) {
        return refused("generations", args.generations, "1 to 1000000".into());
    }
    if !(1..=256).contains(&args.episodes) {
        return refused("episodes", args.episodes, "1 to 256".into());
    }
    if let Some(until) = args.until.filter(|until| !until.is_finite()) {
        return Err(Error::input(format!("--until is {until}; accepted: a finite number")));
    }
    Ok(())
}

/// What came of it, in lines for a person.
fn report(evolved: &Evolved, until: Option<f64>) -> Result<()> {
    let Evolved { generations, wall_ns, .. } = evolved;
    if let Some(until) = until {
        match reached(generations, Some(until)) {
            Some(generation) => output::line(format_args!("mean return {until} reached in generation {generation}"))?,
            None => {
                output::line(format_args!("mean return {until} not reached in {} generations", generations.len()))?;
            }
        }
    }
    if let Some(last) = generations.last() {
        let (best, mean) = (last.best, last.mean);
        output::line(format_args!("best mean return {best:.3}, mean of the last generation {mean:.3}"))?;
    }
    let seconds = *wall_ns as f64 * 1e-9;
    let steps: u64 = generations.iter().map(|generation| generation.steps).sum();
    output::line(format_args!(
        "with evolution: {:.1} generations/s, {:.3e} environment steps/s",
        generations.len() as f64 / seconds,
        steps as f64 / seconds
    ))
}

fn write(out: &Path, args: &Args, environment: &Environment, evolved: &Evolved) -> Result<()> {
    let Evolved { genome, generations, .. } = evolved;
    let metadata = [("environment", environment.name.to_string()), ("seed", args.seed.to_string())];
    file::write(&out.join("best.safetensors"), &[("genomes", vec![1, genome.len()], genome)], &metadata)?;
    let mut csv = String::from("generation,best,mean,environment_steps\n");
    for (number, Generation { best, mean, steps }) in generations.iter().enumerate() {
        csv += &format!("{number},{best:?},{mean:?},{steps}\n");
    }
    let curve: Vec<(f64, f64)> =
        generations.iter().map(|generation| (generation.best.into(), generation.mean.into())).collect();
    let subtitle = format!(
        "Mean return over {} initial states, {} individuals, seed {}: the best individual, and the mean of all.",
        args.episodes, args.population, args.seed
    );
    let svg = learning::draw(&format!("How {} is learnt", environment.name), &subtitle, &curve)?;
    let files = [
        ("learning.csv", csv.into_bytes()),
        ("learning.png", png::rasterise(&svg)?),
        ("learning.svg", svg.into_bytes()),
    ];
    for (name, contents) in files {
        let path = out.join(name);
        std::fs::write(&path, contents).map_err(|error| Error::io(&path, error))?;
    }
    Ok(())
}
