//! The arguments of `onedispatch generate`.

use std::path::PathBuf;

use crate::commands::{arm, names, sampling};
use crate::program::Policy;

fn help_of_policy() -> String {
    format!(
        "How dispatches are sent: {} [default: one-submit]; without --arm and --span, those of stepwise",
        names::policies()
    )
}

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["prompt", "prompt_ids"])))]
pub struct Args {
    /// A model of the GPT-2 or Llama family: a Hugging Face directory (config.json, model.safetensors, tokenizer.json where text is used), or a
    /// GGUF file [default: a small model of English prose that comes with this program]
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// The prompt as text; - reads it from standard input
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// The prompt as token ids
    #[arg(long, value_name = "1,2,3", value_delimiter = ',')]
    pub prompt_ids: Option<Vec<u32>>,
    /// How many tokens to make at most [default: 128, or as many as the model's context leaves]
    #[arg(long, value_name = "N")]
    pub tokens: Option<u32>,
    #[command(flatten)]
    pub arm: arm::Args,
    /// How much one dispatch covers: operation, stage, layer, token, chunk:N or generation [default: generation; of stepwise
    /// operation]
    #[arg(long, value_name = "SPAN")]
    pub span: Option<String>,
    #[arg(long, value_name = "NAME", help = help_of_policy())]
    pub policy: Option<Policy>,
    /// Part of the adapter's name, as `onedispatch devices` shows it
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    #[command(flatten)]
    pub sampling: sampling::Args,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Print text as it is made, as on a terminal: a run in chunks before the one that is timed
    #[arg(long)]
    pub stream: bool,
    /// Feed N tokens in each dispatch: --span chunk:N
    #[arg(long, value_name = "N", conflicts_with = "span")]
    pub chunk: Option<std::num::NonZeroU32>,
    /// Tokens of the prompt that share a reading of the weights: 8, 16, 32 or 64; 1 feeds each alone [default: 64; on a software
    /// device 1]
    #[arg(long, value_name = "N", value_parser = prompt_tile)]
    pub prompt_tile: Option<u32>,
    /// Write the logits that chose each new token: a safetensors file with `logits`, f32 [N, vocab]
    #[arg(long, value_name = "FILE")]
    pub logits: Option<PathBuf>,
}

fn prompt_tile(text: &str) -> Result<u32, String> {
    let tile = text.parse().ok().filter(|tile: &u32| matches!(tile, 1 | 8 | 16 | 32 | 64));
    tile.ok_or_else(|| "give 8, 16, 32 or 64; or 1, which feeds each token alone".into())
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}
