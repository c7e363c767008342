//! `onedispatch chat`: talks with a model, turn by turn, on a key-value cache that is kept.

mod args;
mod check;
mod context;
mod conversation;
mod line;
mod turn;

use std::fmt::Write;
use std::io::{BufRead, IsTerminal};

pub use self::args::Args;
use self::conversation::Conversation;
use self::line::Line;
use self::turn::{Model, Turn, warm_up};
use crate::commands::arm::{self, Task};
use crate::device::Gpu;
use crate::device::executor::Kept;
use crate::error::{Error, Result};
use crate::output;
use crate::workload::decode::chat_source::Source;
use crate::workload::decode::chat_template::ChatTemplate;
use crate::workload::decode::model::{Draw, Request, Sampling};
use crate::workload::decode::model_files::ModelFiles;
use crate::workload::decode::text::Tokenizer;
use crate::workload::decode::{checkpoint, request};

pub fn run(args: Args) -> Result<()> {
    let files = ModelFiles::open(&args.model)?;
    let checkpoint = checkpoint::load(&files)?;
    let config = &checkpoint.config;
    let tokenizer = Tokenizer::load_or(&files, "`onedispatch generate` takes token ids, and needs none")?;
    let template = ChatTemplate::parse(Source::load(&files)?, now)?;
    let conversation = Conversation::new(args.system.as_deref());
    // What the template refuses, such as a system's message, is said before anything is made ready.
    template.render(&conversation.with("Hello"))?;
    let sampling = args.sampling.sampling(config.vocab_size)?;
    let format = arm::format(&args.arm, &checkpoint)?;
    format.check(config, &checkpoint.weights)?;
    let gpu = Gpu::open(args.adapter.as_deref())?;
    let capacity = context::capacity(&gpu, config, args.context)?;
    let longest = context::longest(capacity, sampling);
    request::validate(config, &longest)?;
    let typical = context::typical(capacity, sampling);
    let task = Task {
        span: None,
        has_policy: false,
        prompt_tile: None,
        keep_logits: false,
        longest: &longest,
        typical: &typical,
    };
    let chosen = arm::choose(&gpu, &args.arm, &checkpoint, &task, format)?;
    let model = Model { gpu: &gpu, checkpoint: &checkpoint, tokenizer: &tokenizer, chosen: &chosen };
    warm_up(&model, &[typical, context::shortest(sampling)])?;
    checkpoint.notes.iter().try_for_each(|note| output::note(format_args!("{}: {note}", files.name())))?;
    let (arm, device) = (chosen.arm.name(), &gpu.info.name);
    output::note(format_args!("{arm} on {device}, a context of {capacity} tokens; /help shows commands"))?;
    let most = args.tokens.map_or(u32::MAX, u32::from);
    Chat { model, template: &template, capacity, most, sampling, conversation, cache: None, is_checked: false }.talk()
}

/// The time as a template asks for it; a format that is none stays as it is.
fn now(format: &str) -> String {
    let mut text = String::new();
    match write!(text, "{}", chrono::Local::now().format(format)) {
        Ok(()) => text,
        Err(_) => format.to_owned(),
    }
}

struct Chat<'a> {
    model: Model<'a>,
    template: &'a ChatTemplate,
    /// Tokens that the cache holds.
    capacity: u32,
    /// Tokens of an answer at most.
    most: u32,
    sampling: Sampling,
    conversation: Conversation,
    cache: Option<Kept>,
    /// Whether an answer was held against the oracle.
    is_checked: bool,
}

impl Chat<'_> {
    /// Follows standard input to its end.
    fn talk(&mut self) -> Result<()> {
        let input = std::io::stdin();
        let is_terminal = input.is_terminal();
        let mut lines = input.lock().lines();
        loop {
            if is_terminal {
                output::text("> ")?;
            }
            let Some(line) = lines.next() else { break };
            let line = line.map_err(|error| Error::input(format!("standard input: {error}; give UTF-8 text")))?;
            match Line::of(&line) {
                Line::Nothing => {}
                Line::Message(message) => self.turn(message)?,
                Line::Reset => {
                    self.conversation.reset();
                    self.cache = None;
                }
                Line::Seed(seed) => self.seed(seed)?,
                Line::Help => output::note(line::HELP)?,
                Line::Quit => return Ok(()),
                Line::Unknown(why) => output::note(why)?,
            }
        }
        // The shell's own prompt is to begin a line.
        if is_terminal { output::line("") } else { Ok(()) }
    }

    fn seed(&mut self, seed: u64) -> Result<()> {
        match &mut self.sampling.draw {
            Some(draw) => draw.seed = seed,
            None => output::note("no token is drawn without --temperature, so a seed changes nothing")?,
        }
        Ok(())
    }

    /// Answers a message, where the context has place for an answer.
    fn turn(&mut self, message: &str) -> Result<()> {
        let rendered = self.template.render(&self.conversation.with(message))?;
        let prompt = self.model.tokenizer.ids_as_written(&rendered)?;
        let (count, capacity) = (prompt.len(), self.capacity);
        let left = capacity.saturating_sub(count as u32);
        if left == 0 {
            return output::note(format_args!(
                "with this message the conversation has {count} tokens, and its context of {capacity} has no place for an \
                 answer; /reset forgets it, or give a shorter message"
            ));
        }
        let new_tokens = left.min(self.most);
        let sampling = self.sampling_of_turn();
        let end_tokens = self.model.checkpoint.end_tokens.clone();
        let request = Request { prompt, new_tokens, sampling, end_tokens };
        request::validate(&self.model.checkpoint.config, &request)?;
        let cached = self.conversation.cached(&request.prompt);
        let turn = Turn { request: &request, cached };
        let (answer, cache) = turn.answer(&self.model, self.cache.as_ref())?;
        self.cache = Some(cache);
        if answer.followed.tokens.is_empty() {
            self.conversation.unanswered(cached);
            return output::note("stopped before the first token; the message is not kept");
        }
        let tokens = &answer.followed.tokens;
        self.conversation.answered(message, &answer.followed.text, &request.prompt, tokens);
        output::note(turn.rates(&answer, capacity))?;
        if !self.is_checked {
            check::first_answer(&self.model, &request, tokens)?;
            self.is_checked = true;
        }
        Ok(())
    }

    /// Each answer of a conversation draws by a seed of its own, or all would draw alike.
    fn sampling_of_turn(&self) -> Sampling {
        let draw = |draw: Draw| Draw { seed: draw.seed.wrapping_add(self.conversation.answers()), ..draw };
        Sampling { draw: self.sampling.draw.map(draw), ..self.sampling }
    }
}
