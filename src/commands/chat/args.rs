//! The arguments of `onedispatch chat`.

use std::path::PathBuf;

use crate::commands::{arm, sampling};

#[derive(clap::Args)]
#[command(
    after_help = "Each line of standard input is a message. Lines that begin with a / are commands; /help lists them."
)]
pub struct Args {
    /// A model of the GPT-2 or Llama family with a chat template: a Hugging Face directory, or a GGUF file
    #[arg(long, value_name = "MODEL")]
    pub model: PathBuf,
    /// What the model is told before the first message
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub system: Option<String>,
    /// How many tokens an answer has at most [default: as many as the context leaves]
    #[arg(long, value_name = "N")]
    pub tokens: Option<std::num::NonZeroU32>,
    /// How many tokens a conversation has at most [default: those of the model, as far as the device holds them, up to 4096]
    #[arg(long, value_name = "N")]
    pub context: Option<std::num::NonZeroU32>,
    #[command(flatten)]
    pub arm: arm::Args,
    /// Part of the adapter's name, as `onedispatch devices` shows it
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    #[command(flatten)]
    pub sampling: sampling::Args,
}
