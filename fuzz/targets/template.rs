//! A chat template, and a conversation in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onedispatch_core::workload::decode::chat_source::Source;
use onedispatch_core::workload::decode::chat_template::{ChatTemplate, Message};

fuzz_target!(|text: &str| {
    let source = Source { place: "chat_template.jinja".into(), template: text.into(), ..Source::default() };
    if let Ok(template) = ChatTemplate::parse(source, |_| "26 Nov 2026".into()) {
        let _ = template.render(&[Message::of("system", "Be short."), Message::of("user", "Why?")]);
    }
});
