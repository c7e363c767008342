//! Options that would change nothing: refused where that is known from the command line, else told of.

use super::args::{Args, Format};
use crate::commands::arm::Chosen;
use crate::error::{Error, Result};
use crate::output;
use crate::program::{Policy, Program};
use crate::workload::decode::Tuning;
use crate::workload::decode::model::{Config, Request};

/// # Errors
/// Where text is to be streamed and none is printed.
pub fn check(args: &Args) -> Result<()> {
    let instead = match args.format {
        Format::Json => "leave out --format json",
        Format::Text if args.prompt.is_none() => "give the prompt as text, with --prompt",
        Format::Text => return Ok(()),
    };
    if args.stream { Err(Error::input(format!("--stream prints text as it is made; {instead}"))) } else { Ok(()) }
}

/// A line for each option that makes no difference to `program`.
pub fn notes(args: &Args, config: &Config, request: &Request, chosen: &Chosen, program: &Program) -> Result<()> {
    let Chosen { arm, tuning, .. } = chosen;
    if let Some(policy) = args.policy {
        of_policy(policy, program)?;
    }
    if let Some(tile) = args.prompt_tile.filter(|tile| *tile > 1) {
        let alone = arm.program(config, request, &Tuning { tile: 1, ..*tuning });
        if alone == *program {
            output::note(format_args!(
                "--prompt-tile {tile} changes nothing: {} feeds each token of this prompt alone",
                arm.name()
            ))?;
        }
    }
    Ok(())
}

/// Policies differ where there is something between two dispatches.
pub fn of_policy(policy: Policy, program: &Program) -> Result<()> {
    if policy != Policy::OneSubmit && program.traffic(policy).dispatches == 1 {
        output::note(format_args!("--policy {policy} changes nothing: all is one dispatch, which --span can cut"))?;
    }
    Ok(())
}
