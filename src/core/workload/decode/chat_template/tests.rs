//! Templates as models have them, and what is said of those that fail.

use super::*;

/// As of Qwen2 and SmolLM2.
const CHATML: &str = "\
{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}
{%- endif %}
";

/// As of Llama 3: the first message has the start token before it, contents are trimmed.
const LLAMA3: &str = "{% set loop_messages = messages %}{% for message in loop_messages %}\
{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}\
{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

/// As of Mistral and Gemma: who speaks has to alternate.
const STRICT: &str = "{{ bos_token }}{% for message in messages %}\
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}\
[INST] {{ message['content'].strip() }} [/INST]{% endfor %}";

fn parsed(template: &str) -> Result<ChatTemplate> {
    let source = Source {
        place: "FILE".into(),
        template: template.into(),
        bos_token: Some("<|begin_of_text|>".into()),
        eos_token: None,
    };
    ChatTemplate::parse(source, |format| format!("now by {format}"))
}

fn rendered(template: &str, messages: &[Message]) -> String {
    parsed(template).unwrap().render(messages).unwrap()
}

fn said() -> [Message; 3] {
    [Message::of("user", " Hi "), Message::of("assistant", "Hello <you> & \"me\"."), Message::of("user", "Bye")]
}

#[test]
fn chatml_is_rendered() {
    let messages = [&[Message::of("system", "Be brief.")], &said()[..]].concat();
    let expected = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n\
                    <|im_start|>assistant\nHello <you> & \"me\".<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n\
                    <|im_start|>assistant\n";
    assert_eq!(rendered(CHATML, &messages), expected);
}

#[test]
fn a_start_token_is_written_once() {
    let expected = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>\
                    <|start_header_id|>assistant<|end_header_id|>\n\nHello <you> & \"me\".<|eot_id|>\
                    <|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>\
                    <|start_header_id|>assistant<|end_header_id|>\n\n";
    assert_eq!(rendered(LLAMA3, &said()), expected);
}

#[test]
fn what_a_template_raises_is_said() {
    assert_eq!(rendered(STRICT, &said()[..1]), "<|begin_of_text|>[INST] Hi [/INST]");
    let line = parsed(STRICT).unwrap().render(&said()[1..]).unwrap_err().to_string();
    let message = "Conversation roles must alternate user/assistant/user/assistant/...";
    assert_eq!(line, format!("FILE: the chat template refuses this: {message}"));
}

#[test]
fn faults_have_their_line() {
    let line = parsed("{% for message in messages %}\n{{ message.content }}\n{% endif %}").err().unwrap().to_string();
    assert!(line.starts_with("FILE: the chat template cannot be read at line 3: syntax error ("), "{line}");
    let line = parsed("a\n{{ messages[0].content.shout() }}").unwrap().render(&said()).unwrap_err().to_string();
    assert!(line.starts_with("FILE: the chat template cannot be rendered at line 2: "), "{line}");
}

#[test]
fn what_templates_use_is_there() {
    let says = |template: &str| rendered(template, &said());
    assert_eq!(says("{{ strftime_now('%d %b') }}"), "now by %d %b");
    assert_eq!(says("{% if tools is none and documents is none %}a{% endif %}{{ eos_token is defined }}"), "aFalse");
    assert_eq!(says("{{ messages[1] | tojson }}"), r#"{"role": "assistant", "content": "Hello <you> & \"me\"."}"#);
    assert_eq!(
        says("{{ [1, {'a': '<'}] | tojson(indent=2, ensure_ascii=False) }}"),
        "[\n  1,\n  {\n    \"a\": \"<\"\n  }\n]"
    );
    assert_eq!(
        says("{% for m in messages %}{% if loop.last %}{% break %}{% endif %}{{ m.role[:1] }}{% endfor %}"),
        "ua"
    );
    assert_eq!(
        says("{% for m in messages[::-1] %}{{ m.content.split(' ')[-1].lstrip('B') }};{% endfor %}"),
        "ye;\"me\".;;"
    );
    assert_eq!(
        says("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}"),
        "3"
    );
    assert_eq!(says("{% macro of(m) %}{{ m.content | trim }}{% endmacro %}{{ of(messages[0]) }}"), "Hi");
}
