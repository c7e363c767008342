//! The command line of onedispatch.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
#[cfg(feature = "gpu")]
use onedispatch::commands::{chat, devices, evolve, export, generate, import, review, rollout, run, serve, web};
use onedispatch::commands::{compare, describe, figures, merge, paper, sign, verify};
use onedispatch::error::{Error, Result};
use onedispatch::output;

/// How much of a GPU's time is lost by sending work one piece at a time, and what one dispatch gains
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What a program without a GPU has too is all that reproducing takes; see `features` in `Cargo.toml`.
#[derive(Subcommand)]
enum Command {
    #[cfg(feature = "gpu")]
    #[command(flatten)]
    OnGpu(OnGpu),
    #[command(flatten)]
    OfResults(OfResults),
    #[cfg(not(feature = "gpu"))]
    #[command(external_subcommand)]
    Unknown(Vec<String>),
}

/// Measuring, decoding, and the page.
#[cfg(feature = "gpu")]
#[derive(Subcommand)]
enum OnGpu {
    /// Show every GPU: its limits and features, and which arms can run there and why not
    Devices(devices::Args),
    /// Measure experiments; stopped and started again, it goes on where it was
    Run(run::Args),
    /// Write the cases of an experiment as files, for the same work in other frameworks
    Export(export::Args),
    /// Add what other frameworks measured to the run that was measured with it
    Import(import::Args),
    /// Measure within minutes what the claims rest on, and say beside committed data which are confirmed
    Review(review::Args),
    /// Go on from a prompt by a model, and check the result
    Generate(generate::Args),
    /// Talk with a model by its own chat template, and check the first answer
    Chat(chat::Args),
    /// Follow a population of policies through an environment, and check the result
    Rollout(rollout::Args),
    /// Evolve policies for an environment on the GPU
    Evolve(evolve::Args),
    /// Make the page that measures a visitor's GPU, as static files
    Web(web::Args),
    /// Serve the page on this machine
    Serve(serve::Args),
}

/// What is done with results that are there.
#[derive(Subcommand)]
enum OfResults {
    /// Make one run of the shards that several machines measured
    Merge(merge::Args),
    /// Render figures/ from data/, or check that they are what data/ renders to
    Figures(figures::Args),
    /// Render paper/ from data/ and figures/, or check that it is what they render to
    Paper(paper::Args),
    /// Write data/datapackage.json and data/croissant.json: every column with type, unit and meaning
    Describe(describe::Args),
    /// Check data/: digests, schema, gates, bounds, and the paper's numbers
    Verify(verify::Args),
    /// Sign runs by an SSH key, so that a contributor's rows carry it
    Sign(sign::Args),
    /// Compare two result sets of one experiment, and what they say of the claims
    Compare(compare::Args),
}

#[cfg(feature = "gpu")]
impl OnGpu {
    fn run(self) -> Result<()> {
        match self {
            OnGpu::Devices(args) => devices::run(args),
            OnGpu::Run(args) => run::run(args),
            OnGpu::Export(args) => export::run(args),
            OnGpu::Import(args) => import::run(args),
            OnGpu::Review(args) => review::run(args),
            OnGpu::Generate(args) => generate::run(args),
            OnGpu::Chat(args) => chat::run(args),
            OnGpu::Rollout(args) => rollout::run(args),
            OnGpu::Evolve(args) => evolve::run(args),
            OnGpu::Web(args) => web::run(args),
            OnGpu::Serve(args) => serve::run(args),
        }
    }
}

impl OfResults {
    fn run(self) -> Result<()> {
        match self {
            OfResults::Merge(args) => merge::run(args),
            OfResults::Figures(args) => figures::run(args),
            OfResults::Paper(args) => paper::run(args),
            OfResults::Describe(args) => describe::run(args),
            OfResults::Verify(args) => verify::run(args),
            OfResults::Sign(args) => sign::run(args),
            OfResults::Compare(args) => compare::run(args),
        }
    }
}

/// A reader that goes away (`| head`) ends the program without a word, as it ends others; Rust would have it panic.
#[cfg(unix)]
fn end_with_the_reader() {
    unsafe extern "C" {
        fn signal(signal: i32, handler: usize) -> usize;
    }
    const SIGPIPE: i32 = 13;
    const SIG_DFL: usize = 0;
    // SAFETY: the C library's own function, given a signal that exists and the default handler.
    unsafe { signal(SIGPIPE, SIG_DFL) };
}

/// Help, or what is wrong with the arguments.
fn usage(words: &clap::Error) -> ExitCode {
    match words.print() {
        Ok(()) => ExitCode::from(words.exit_code() as u8),
        Err(error) => {
            let name = if words.use_stderr() { "standard error" } else { "standard output" };
            say(&output::cannot_be_written(name, &error));
            ExitCode::from(2)
        }
    }
}

/// Where not even standard error can be written, the exit code has to do.
fn say(error: &Error) {
    let _ = output::note(format_args!("onedispatch: {error}"));
}

fn main() -> ExitCode {
    #[cfg(unix)]
    end_with_the_reader();
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(words) => return usage(&words),
    };
    let result = match command {
        #[cfg(feature = "gpu")]
        Command::OnGpu(command) => command.run(),
        Command::OfResults(command) => command.run(),
        #[cfg(not(feature = "gpu"))]
        Command::Unknown(words) => Err(Error::input(format!(
            "{}: this program was built for reproducing alone; `make build` builds it with all commands",
            words[0]
        ))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
