//! Where a model keeps its chat template, and the special tokens that one may write.

use std::path::Path;

use serde_json::{Map, Value};

use super::gguf::{self, file::File};
use super::model_files::{GgufFile, ModelFiles};
use super::python_json;
use crate::error::{Error, Result, Within};

/// Largest file of JSON or Jinja that is read: the tokens that some models add take a few MiB.
const MOST_MIB: u64 = 16;

/// A chat template as it is written, and what it may write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file, which messages name.
    pub place: String,
    pub template: String,
    pub bos_token: Option<String>,
    pub eos_token: Option<String>,
}

impl Source {
    /// That of a model.
    ///
    /// # Errors
    /// One line where there is none, or where a file cannot be read.
    pub fn load(files: &ModelFiles) -> Result<Source> {
        match files {
            ModelFiles::Directory(dir) => of_directory(dir)?.ok_or_else(|| missing(dir.display())),
            ModelFiles::Gguf(file) => Source::of_gguf(file)?.ok_or_else(|| missing(&file.name)),
        }
    }

    /// That of a GGUF file; nothing where it has none.
    ///
    /// # Errors
    /// One line where the file cannot be read.
    pub fn of_gguf(model: &GgufFile) -> Result<Option<Source>> {
        let file = File::parse(model.bytes()).within(&model.name)?;
        let Some(template) = gguf::tokenizer::chat_template(&file) else { return Ok(None) };
        let [bos_token, eos_token] = ["bos", "eos"].map(|name| gguf::tokenizer::special(&file, model.bytes(), name));
        Ok(Some(Source { place: model.name.clone(), template: template.to_owned(), bos_token, eos_token }))
    }

    /// That of `chat_template.jinja`, `tokenizer_config.json` and `special_tokens_map.json`; nothing where they have none.
    ///
    /// # Errors
    /// One line where one of them is not what it has to be.
    pub fn of_texts([alone, settings, tokens]: [Text; 3]) -> Result<Option<Source>> {
        let config = settings.keys()?;
        let (place, template) = match alone.text {
            Some(template) => (alone.place, Some(template)),
            None => (settings.place.clone(), template(&config).within(&settings.place)?),
        };
        let Some(template) = template else { return Ok(None) };
        let others = tokens.keys()?;
        let token = |name: &str| token(&config, name).or_else(|| token(&others, name));
        let (bos_token, eos_token) = (token("bos_token"), token("eos_token"));
        Ok(Some(Source { place, template, bos_token, eos_token }))
    }
}

/// A file of text that may be there.
pub struct Text {
    /// What messages call it.
    pub place: String,
    pub text: Option<String>,
}

impl Text {
    fn keys(&self) -> Result<Map<String, Value>> {
        let Some(text) = &self.text else { return Ok(Map::new()) };
        python_json::object(text)
            .map_err(|error| Error::input(format!("{}: not a JSON object ({error}); mend it", self.place)))
    }
}

fn missing(model: impl std::fmt::Display) -> Error {
    Error::input(format!("{model} has no chat template; use `onedispatch generate`"))
}

fn of_directory(dir: &Path) -> Result<Option<Source>> {
    let text = |name: &str| {
        let path = dir.join(name);
        let text = path.exists().then(|| python_json::text(&path, MOST_MIB)).transpose()?;
        Ok(Text { place: path.display().to_string(), text })
    };
    Source::of_texts([text("chat_template.jinja")?, text("tokenizer_config.json")?, text("special_tokens_map.json")?])
}

/// `chat_template`: one, or of several by name the one called `default`.
fn template(config: &Map<String, Value>) -> Result<Option<String>> {
    match config.get("chat_template") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(template)) => Ok(Some(template.clone())),
        Some(Value::Array(named)) => {
            let is_default = |entry: &&Value| entry["name"] == "default";
            let template = named.iter().find(is_default).and_then(|entry| entry["template"].as_str());
            let none = || Error::input("of its chat templates none is called `default`; name one so");
            template.map(|template| Some(template.to_owned())).ok_or_else(none)
        }
        Some(other) => Err(Error::input(format!(
            "chat_template is {}; it must be a template or a list of them",
            python_json::brief(other)
        ))),
    }
}

/// A special token: its text, or an object that has it as `content`.
fn token(keys: &Map<String, Value>, name: &str) -> Option<String> {
    let token = keys.get(name)?;
    token.as_str().or_else(|| token["content"].as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(config: Value) -> Result<Option<String>> {
        template(config.as_object().unwrap())
    }

    #[test]
    fn a_template_stands_alone_or_among_others() {
        assert_eq!(of(json!({})).unwrap(), None);
        assert_eq!(of(json!({"chat_template": null})).unwrap(), None);
        assert_eq!(of(json!({"chat_template": "a"})).unwrap().unwrap(), "a");
        let tool = json!({"name": "tool_use", "template": "b"});
        let list = json!({"chat_template": [tool, {"name": "default", "template": "a"}]});
        assert_eq!(of(list).unwrap().unwrap(), "a");
        let line = |config| of(config).unwrap_err().to_string();
        let none = "of its chat templates none is called `default`; name one so";
        assert_eq!(line(json!({"chat_template": [tool]})), none);
        assert_eq!(line(json!({"chat_template": 1})), "chat_template is 1; it must be a template or a list of them");
    }

    #[test]
    fn a_token_is_a_text_or_an_object() {
        let keys = json!({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null});
        let token = |name| token(keys.as_object().unwrap(), name);
        assert_eq!([token("bos_token").unwrap(), token("eos_token").unwrap()], ["<s>", "</s>"]);
        assert_eq!((token("pad_token"), token("unk_token")), (None, None));
    }
}
