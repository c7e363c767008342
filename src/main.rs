//! The command line of onedispatch.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use onedispatch::commands::{
    chat, compare, describe, devices, evolve, export, figures, generate, import, paper, review, rollout, run, serve,
    verify, web,
};
use onedispatch::error::Error;
use onedispatch::output;

/// How much of a GPU's time is lost by sending work one piece at a time, and what one dispatch gains
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show every GPU: its limits and features, and which arms can run there and why not
    Devices(devices::Args),
    /// Measure experiments; stopped and started again, it goes on where it was
    Run(run::Args),
    /// Write the cases of an experiment as files, for the same work in other frameworks
    Export(export::Args),
    /// Add what other frameworks measured to the run that was measured with it
    Import(import::Args),
    /// Decode with a GPT-2 checkpoint, and check the result
    Generate(generate::Args),
    /// Talk with a model by its own chat template, and check the first answer
    Chat(chat::Args),
    /// Follow a population of policies through an environment, and check the result
    Rollout(rollout::Args),
    /// Evolve policies for an environment on the GPU
    Evolve(evolve::Args),
    /// Render figures/ from data/, or check that they are what data/ renders to
    Figures(figures::Args),
    /// Render paper/ from data/ and figures/, or check that it is what they render to
    Paper(paper::Args),
    /// Write data/datapackage.json and data/croissant.json: every column with type, unit and meaning
    Describe(describe::Args),
    /// Check data/: digests, schema, gates, bounds, and the paper's numbers
    Verify(verify::Args),
    /// Make the page that measures a visitor's GPU, as static files
    Web(web::Args),
    /// Serve the page on this machine
    Serve(serve::Args),
    /// Compare two result sets of one experiment, and what they say of the claims
    Compare(compare::Args),
    /// Measure within minutes what the claims rest on, and say beside committed data which are confirmed
    Review(review::Args),
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
        Command::Devices(args) => devices::run(args),
        Command::Run(args) => run::run(args),
        Command::Web(args) => web::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Export(args) => export::run(args),
        Command::Import(args) => import::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Chat(args) => chat::run(args),
        Command::Rollout(args) => rollout::run(args),
        Command::Evolve(args) => evolve::run(args),
        Command::Figures(args) => figures::run(args),
        Command::Paper(args) => paper::run(args),
        Command::Describe(args) => describe::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Review(args) => review::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
