//! A conversation as the text that a model was trained to go on from: by its own chat template, in the Jinja of `transformers`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, ErrorKind, context};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::chat_source::Source;
use super::python_json;
use crate::error::{Error, Result, printable};

/// What somebody said: `system`, `user` or `assistant`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub role: &'static str,
    pub content: String,
}

impl Message {
    /// What `role` said.
    pub fn of(role: &'static str, content: impl Into<String>) -> Message {
        Message { role, content: content.into() }
    }

    fn value(&self) -> Value {
        Value::from_pairs([("role", self.role), ("content", &self.content)])
    }
}

/// A template that was read and can be rendered.
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: Source,
}

/// The name under which the environment has the one template. It has no ending, so that nothing is escaped.
const NAME: &str = "chat";

impl ChatTemplate {
    /// Reads a template. `now` writes the time by a format of C's `strftime`, for templates that ask for the date.
    ///
    /// # Errors
    /// One line with the template's own line where it is no Jinja.
    pub fn parse(source: Source, now: impl Fn(&str) -> String + Send + Sync + 'static) -> Result<ChatTemplate> {
        let mut environment = Environment::new();
        // As transformers has its environment.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("Jinja's own delimiters"));
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_function("raise_exception", raise);
        environment.add_function("strftime_now", move |format: &str| now(format));
        environment.add_filter("tojson", to_json);
        environment
            .add_template_owned(NAME, source.template.clone())
            .map_err(|error| refused(&source.place, "cannot be read", &error))?;
        Ok(ChatTemplate { environment, source })
    }

    /// The text of `messages`, up to where the model's next answer begins.
    ///
    /// # Errors
    /// One line: the template's own message where it raises one, else its line and what is wrong there.
    pub fn render(&self, messages: &[Message]) -> Result<String> {
        let Source { bos_token, eos_token, .. } = &self.source;
        let tokens = [("bos_token", bos_token), ("eos_token", eos_token)];
        // A token that the model lacks is undefined, as in transformers.
        let tokens = Value::from_pairs(tokens.into_iter().filter_map(|(name, token)| Some((name, token.as_deref()?))));
        let variables = context! {
            messages => messages.iter().map(Message::value).collect::<Vec<_>>(),
            add_generation_prompt => true,
            // transformers gives these too, and some templates ask whether they are none.
            tools => (),
            documents => (),
            ..tokens
        };
        let rendered = self.environment.get_template(NAME).and_then(|template| template.render(variables));
        rendered.map_err(|error| refused(&self.source.place, "cannot be rendered", &error))
    }
}

/// What a template says by `raise_exception`.
#[derive(Debug)]
struct Raised(String);

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

fn raise(message: String) -> std::result::Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
}

/// As transformers has it: nothing is escaped for HTML. Python's other arguments change nothing here.
fn to_json(value: Value, arguments: Kwargs) -> std::result::Result<String, minijinja::Error> {
    let indent: Option<usize> = arguments.get("indent")?;
    python_json::written(&value, indent)
        .map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))
}

fn refused(place: &str, what: &str, error: &minijinja::Error) -> Error {
    if let Some(Raised(message)) = std::error::Error::source(error).and_then(|source| source.downcast_ref()) {
        return Error::input(format!("{place}: the chat template refuses this: {}", printable(message)));
    }
    let line = error.line().map_or(String::new(), |line| format!(" at line {line}"));
    let detail = error.detail().map_or(String::new(), |detail| format!(" ({})", printable(detail)));
    Error::input(format!("{place}: the chat template {what}{line}: {}{detail}", error.kind()))
}

#[cfg(test)]
mod tests;
