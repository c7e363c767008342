//! `onedispatch rollout`: follows a population of one's own through an episode on the GPU, and checks what came out.

use std::path::PathBuf;

use super::generate::of_policy;
use super::{destination, names};
use crate::device::Gpu;
use crate::error::{Error, Result, Within};
use crate::measure::episodes::{check_single, found, prepare};
use crate::output;
use crate::program::Policy;
use crate::workload::rollout::environment::Environment;
use crate::workload::rollout::gate::{Found, Reference};
use crate::workload::rollout::population::{Population, initial_states};
use crate::workload::rollout::{Arm, Span, Tuning, file, portfolio};

/// Largest error of a state relative to its range, and of a return: WGSL allows a sine to be off by 2^-11, 5e-4, and what
/// hangs on such errors is not compared.
const TOLERANCE: f64 = 1e-3;

const WORKGROUP_SIZE: u32 = 64;

#[derive(clap::Args)]
pub struct Args {
    #[arg(long, value_name = "NAME", help = names::environments())]
    env: String,
    /// The population: a safetensors file with `genomes`, f32 [population, parameters], and where it matters
    /// `initial_state`, f32 [population, state]
    #[arg(long, value_name = "FILE")]
    genomes: PathBuf,
    /// What becomes of each individual, as CSV: individual, episode_return, length, terminated (0 or 1)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Every state: a safetensors file with `trajectory`, f32 [population, steps + 1, state], NaN after the end
    #[arg(long, value_name = "FILE")]
    trajectory: Option<PathBuf>,
    /// Longest length of an episode [default: the environment's]
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// per-operation or fused [default: fused]
    #[arg(long, value_name = "NAME")]
    arm: Option<String>,
    /// What one dispatch of fused covers: step, steps:N or episode [default: episode; with --policy, step]
    #[arg(long, value_name = "NAME")]
    span: Option<String>,
    #[arg(long, value_name = "NAME", help = format!("How dispatches are sent, where a token is a step: {}", names::policies()))]
    policy: Option<Policy>,
    /// Seed of the initial states where the file has none [default: 0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// What portfolio trades on: CSV with a header and one day a line, oldest first; the first three columns [default: DAX,
    /// SMI and CAC, 1991-1998]
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Part of the adapter's name, as `onedispatch devices` shows it
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
}

pub fn run(args: Args) -> Result<()> {
    destinations(&args)?;
    let priced;
    let environment = match &args.prices {
        Some(path) if args.env == "portfolio" => {
            let csv = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
            priced = portfolio::on_prices(&csv).within(path.display())?;
            &priced
        }
        Some(_) => return Err(Error::input(format!("--prices is for portfolio; {} has none", args.env))),
        None => Environment::named(&args.env)?,
    };
    let arm = arm_of(&args)?;
    let policy = args.policy.unwrap_or(Policy::OneSubmit);
    let steps = args.steps.unwrap_or(environment.steps);
    environment.check_steps(steps)?;
    arm.span().check(steps)?;
    let population = file::read(&args.genomes, environment, args.seed.unwrap_or(0))?;
    if let Some(why) = args.seed.and_then(|seed| seed_is_idle(environment, &population, seed)) {
        output::note(format_args!("--seed changes nothing: {why}"))?;
    }

    let gpu = Gpu::open(args.adapter.as_deref())?;
    let tuning = Tuning { traced: args.trajectory.is_some(), ..Tuning::of(WORKGROUP_SIZE) };
    let program = arm.program(environment, population.individuals, steps, &tuning);
    of_policy(policy, &program)?;
    let prepared = prepare(&gpu, &program, || population.blocks(environment))?;
    // The first run may still compile; the second one is what a program that runs again would see.
    prepared.run(policy)?;
    let timing = prepared.run(policy)?;
    let found = found(&prepared)?;
    write_csv(&args.out, &found)?;
    if let Some(path) = &args.trajectory {
        let trajectory: Vec<f32> = bytemuck::pod_collect_to_vec(&prepared.read("trajectory")?);
        let shape = vec![population.individuals as usize, steps as usize + 1, environment.components.len()];
        file::write(path, &[("trajectory", shape, &trajectory)], &[])?;
    }
    output::line(summary(environment, &found))?;
    let steps_per_s = found.steps() as f64 / (timing.wall_ns as f64 * 1e-9);
    let traffic = program.traffic(policy);
    output::note(format_args!(
        "{} ({policy}) on {}: {steps_per_s:.3e} environment steps/s, dispatches {}, submits {}, waits {}",
        arm.name(),
        gpu.info.name,
        traffic.dispatches,
        traffic.submits,
        traffic.waits
    ))?;
    check(&gpu, environment, (arm, &tuning), &population, steps, &found)
}

/// Nothing is computed for a place that cannot be written to.
fn destinations(args: &Args) -> Result<()> {
    let trajectory = args.trajectory.as_deref().map(|path| ("--trajectory", path));
    let written: Vec<_> = [("--out", args.out.as_path())].into_iter().chain(trajectory).collect();
    written.iter().try_for_each(|(_, path)| destination::file(path))?;
    destination::apart(&[&[("--genomes", args.genomes.as_path())][..], &written].concat())
}

/// Why no initial state comes from this seed, where none does.
fn seed_is_idle(environment: &Environment, population: &Population, seed: u64) -> Option<String> {
    let drawn = |seed| initial_states(environment, population.individuals, seed);
    if population.initial != drawn(seed) {
        return Some("the file has initial states".into());
    }
    (drawn(seed) == drawn(!seed)).then(|| format!("{} has one initial state", environment.name))
}

/// The arm that is asked for, and how it is to be cut.
fn arm_of(args: &Args) -> Result<Arm> {
    let arm = args.arm.as_ref().map(|name| Arm::named(name)).transpose()?;
    match (arm, &args.span) {
        (Some(arm @ (Arm::PerOperation | Arm::WHOLE)), Some(span)) => arm.cut(Span::named(span)?),
        (Some(arm), Some(_)) => Err(Error::input(format!("the arm {} has its span; leave out --span", arm.name()))),
        (None, Some(span)) => Arm::WHOLE.cut(Span::named(span)?),
        (Some(arm), None) => Ok(arm),
        (None, None) if args.policy.is_some() => Ok(Arm::STEP),
        (None, None) => Ok(Arm::WHOLE),
    }
}

fn write_csv(path: &std::path::Path, found: &Found) -> Result<()> {
    let mut csv = String::from("individual,episode_return,length,terminated\n");
    for (individual, episode) in found.episodes.iter().enumerate() {
        let (episode_return, length) = (episode.episode_return, episode.length);
        csv += &format!("{individual},{episode_return:?},{length},{}\n", u32::from(episode.terminated));
    }
    std::fs::write(path, csv).map_err(|error| Error::io(path, error))
}

/// One line for a person.
fn summary(environment: &Environment, found: &Found) -> String {
    let returns: Vec<f64> = found.episodes.iter().map(|episode| episode.episode_return.into()).collect();
    let mean = returns.iter().sum::<f64>() / returns.len() as f64;
    let best = (0..returns.len()).max_by(|&a, &b| returns[a].total_cmp(&returns[b]).then(b.cmp(&a))).unwrap_or(0);
    let terminated = found.episodes.iter().filter(|episode| episode.terminated).count();
    format!(
        "{} episodes of {}: mean return {mean:.3}, best {:.3} (individual {best}), {terminated} terminated, {} environment steps",
        returns.len(),
        environment.name,
        returns[best],
        found.steps()
    )
}

/// Compares a sample with the f64 oracle.
fn check(
    gpu: &Gpu,
    environment: &Environment,
    (arm, tuning): (Arm, &Tuning),
    population: &Population,
    steps: u32,
    found: &Found,
) -> Result<()> {
    let reference = Reference::new(environment, population, steps, TOLERANCE);
    for gate in [check_single(gpu, environment, arm, tuning, &reference)?, reference.check(found)] {
        if !gate.reason.is_empty() {
            return Err(Error::check(format!("the output does not match the f64 oracle: {}", gate.reason)));
        }
    }
    if let Some(correlation) = reference.ranking(found).correlation_of_all {
        let sample = reference.sample();
        output::note(format_args!(
            "{sample} individuals followed in f64: their returns have a rank correlation of {correlation:.6} with these"
        ))?;
    }
    Ok(())
}
