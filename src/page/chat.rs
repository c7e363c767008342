//! A conversation as the text that a model was trained to go on from.

use onedispatch_core::workload::decode::chat_source::{Source, Text};
use onedispatch_core::workload::decode::chat_template::{self, Message};
use onedispatch_core::workload::decode::model_files::GgufFile;
use serde::Deserialize;
use wasm_bindgen::prelude::*;

use crate::{Answer, from_json, refusal};

#[wasm_bindgen]
pub struct ChatTemplate(chat_template::ChatTemplate);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

#[wasm_bindgen]
impl ChatTemplate {
    /// From the texts of `chat_template.jinja` and `tokenizer_config.json`, where they are there; nothing where neither has one.
    #[wasm_bindgen(js_name = ofTexts)]
    pub fn of_texts(template: Option<String>, tokenizer_config: Option<String>) -> Answer<Option<ChatTemplate>> {
        let texts = [("chat_template.jinja", template), ("tokenizer_config.json", tokenizer_config), ("", None)];
        let source =
            Source::of_texts(texts.map(|(place, text)| Text { place: place.into(), text })).map_err(refusal)?;
        source.map(ChatTemplate::read).transpose()
    }

    /// The text of a conversation, `[[role, content]]` in JSON, up to where the model's next answer begins.
    pub fn render(&self, messages: &str) -> Answer<String> {
        let messages: Vec<(Role, String)> = from_json(messages)?;
        let said = messages.into_iter().map(|(role, content)| match role {
            Role::User => Message::of("user", content),
            Role::Assistant => Message::of("assistant", content),
        });
        self.0.render(&said.collect::<Vec<_>>()).map_err(refusal)
    }
}

impl ChatTemplate {
    /// That of a GGUF file, where it has one.
    pub fn of_gguf(file: &GgufFile) -> Answer<Option<ChatTemplate>> {
        Source::of_gguf(file).map_err(refusal)?.map(ChatTemplate::read).transpose()
    }

    fn read(source: Source) -> Answer<ChatTemplate> {
        chat_template::ChatTemplate::parse(source, now).map(ChatTemplate).map_err(refusal)
    }
}

/// The time as templates ask for it: of C's `strftime` what they use.
fn now(format: &str) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let date = js_sys::Date::new_0();
    let month = MONTHS[date.get_month() as usize];
    let two = |number: u32| format!("{number:02}");
    let parts = [
        ("%Y", date.get_full_year().to_string()),
        ("%m", two(date.get_month() + 1)),
        ("%d", two(date.get_date())),
        ("%B", month.into()),
        ("%b", month[..3].into()),
        ("%H", two(date.get_hours())),
        ("%M", two(date.get_minutes())),
        ("%S", two(date.get_seconds())),
    ];
    parts.into_iter().fold(format.to_owned(), |text, (code, part)| text.replace(code, &part))
}
