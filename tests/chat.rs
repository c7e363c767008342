//! `onedispatch chat` as a person meets it: turns by standard input, with a tiny model that has words for tokens.

mod checkpoints;
mod fixture;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use checkpoints::{bytes, config, stored};
use fixture::{Temporary, onedispatch, printed, text};
use onedispatch::workload::decode::model::Config;
use onedispatch::workload::decode::{random, tensors};
use safetensors::tensor::Dtype;
use serde_json::{Value, json};

/// Tokens 0 to 55 are words; these follow.
const SPECIAL: [&str; 5] = ["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"];
const WORDS: usize = 56;
const VOCAB: usize = WORDS + SPECIAL.len();

const TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}\
{{ '<|' + message.role + '|>' + message.content + eos_token }}{% endfor %}\
{% if add_generation_prompt %}<|assistant|>{% endif %}";

/// The id of a special token.
fn special(name: &str) -> usize {
    WORDS + SPECIAL.iter().position(|token| *token == name).unwrap()
}

/// A directory of a model with random weights, whose context has so many tokens. Its chat template is `TEMPLATE`.
fn model(positions: u32) -> Temporary {
    let directory = Temporary::new();
    let write = |name: &str, contents: &[u8]| std::fs::write(directory.0.join(name), contents).unwrap();
    let config = Config { vocab_size: VOCAB as u32, n_positions: positions, ..config() };
    let Config { n_embd, n_head, n_layer, n_inner, .. } = config;
    let keys = json!({"model_type": "gpt2", "vocab_size": VOCAB, "n_positions": positions, "n_embd": n_embd,
        "n_head": n_head, "n_layer": n_layer, "n_inner": n_inner});
    write("config.json", keys.to_string().as_bytes());
    let weights = random::weights(&config, 1);
    let all = tensors::tensors(&config).zip(tensors::values(&weights));
    let file =
        all.map(|(tensor, values)| (tensor.name.clone(), stored(&values.of(&tensor), &tensor.shape, Dtype::F32)));
    write("model.safetensors", &bytes(&file.collect()));
    let mut vocab: serde_json::Map<String, Value> = (0..WORDS).map(|id| (format!("w{id}"), id.into())).collect();
    vocab.extend(SPECIAL.map(|token| (token.to_string(), special(token).into())));
    let added = SPECIAL.map(|token| {
        json!({"id": special(token), "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    });
    // It adds a start token to a text; the template writes its own.
    let start = json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
        {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [special("<s>")], "tokens": ["<s>"]}}});
    let tokenizer = json!({"version": "1.0", "added_tokens": added, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": start, "decoder": null, "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"}});
    write("tokenizer.json", tokenizer.to_string().as_bytes());
    write("generation_config.json", json!({"eos_token_id": special("</s>")}).to_string().as_bytes());
    let tokens = json!({"bos_token": {"content": "<s>"}, "eos_token": "</s>"});
    write("special_tokens_map.json", tokens.to_string().as_bytes());
    write("tokenizer_config.json", json!({"chat_template": TEMPLATE}).to_string().as_bytes());
    directory
}

fn command(model: &Temporary, verb: &str, rest: &[&str]) -> Command {
    let mut command = onedispatch(&[verb, "--model"]);
    command.arg(&model.0).args(rest);
    command
}

fn given(mut command: Command, lines: &[&str]) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // One that ends before it reads is seen by what it says.
    let _ = child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes());
    child.wait_with_output().unwrap()
}

/// What a conversation prints, a line for each answer, and what it says beside them.
fn talk(model: &Temporary, rest: &[&str], lines: &[&str]) -> (Vec<String>, String) {
    let Output { status, stdout, stderr } = given(command(model, "chat", rest), lines);
    assert!(status.success(), "{}", text(&stderr));
    (text(&stdout).lines().map(String::from).collect(), text(&stderr))
}

/// The answer to a whole conversation, decoded at once, with no cache from before.
fn decoded(model: &Temporary, conversation: &[usize], rest: &[&str]) -> Vec<usize> {
    let ids = conversation.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let all = [&["--prompt-ids", &ids, "--format", "json"], rest].concat();
    let report: Value = serde_json::from_str(&printed(&mut command(model, "generate", &all))).unwrap();
    report["token_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as usize).collect()
}

/// Ids of words.
fn ids(words: &str) -> Vec<usize> {
    let id = |word: &str| word.strip_prefix('w').map_or_else(|| special(word), |number| number.parse().unwrap());
    words.split_whitespace().map(id).collect()
}

/// What the template makes of turns, up to the next answer.
fn rendered(turns: &[(&str, &str)], message: &str) -> Vec<usize> {
    let turn = |(said, answer): &(&str, &str)| format!("<|user|> {said} </s> <|assistant|> {answer} </s> ");
    ids(&format!("<s> {}<|user|> {message} </s> <|assistant|>", turns.iter().map(turn).collect::<String>()))
}

#[test]
fn a_kept_cache_changes_nothing() {
    let model = model(64);
    for arm in ["fused-workgroup", "stepwise", "fused-subgroup", "fused-grid"] {
        let asked = ["--arm", arm, "--tokens", "7"];
        // Long enough that its tokens share readings of the weights.
        let long = "w3 w4 w5 w6 w7 w8 w9 w10 w11 w12";
        let (answers, said) = talk(&model, &asked, &["w1 w2", "", long]);
        assert_eq!(answers.len(), 2, "{said}");
        let [before, conversation] = [rendered(&[], "w1 w2"), rendered(&[("w1 w2", &answers[0])], long)];
        let mut tokens = decoded(&model, &conversation, &asked);
        tokens.pop_if(|last| *last == special("</s>"));
        assert_eq!(ids(&answers[1]), tokens, "{arm}: {said}");
        assert_eq!(said.matches("tokens are those of the f64 oracle").count(), 1, "{said}");
        // The last token of the first answer is fed, and what follows it.
        let fed = conversation.len() - before.len() - ids(&answers[0]).len() + 1;
        assert!(said.contains(&format!("\nprompt {fed} tokens at ")), "{fed}: {said}");
    }
}

#[test]
fn what_was_said_is_forgotten_by_reset() {
    let model = model(64);
    let asked = ["--arm", "stepwise", "--tokens", "5", "--system", "w9 w8"];
    let (answers, said) = talk(&model, &asked, &["w1 w2", "w3", "/reset", "w1 w2", "/help", "/rest", "/quit", "w5"]);
    assert_eq!(answers.len(), 3, "{said}");
    assert_eq!(answers[0], answers[2]);
    let conversation = ids("<s> <|system|> w9 w8 </s> <|user|> w1 w2 </s> <|assistant|>");
    assert_eq!(ids(&answers[0]), decoded(&model, &conversation, &asked[..4]));
    assert!(said.contains("\n/seed N "), "{said}");
    assert!(said.contains("\nno command is called /rest; /help lists them\n"), "{said}");
}

#[test]
fn a_seed_repeats_a_conversation() {
    let model = model(64);
    let drawn = |seed: &str, lines: &[&str]| {
        talk(&model, &["--arm", "stepwise", "--tokens", "6", "--temperature", "2", "--seed", seed], lines).0
    };
    let one = drawn("1", &["w1", "w2"]);
    assert_eq!(drawn("1", &["w1", "w2"]), one);
    assert_ne!(drawn("2", &["w1", "w2"]), one);
    assert_eq!(drawn("2", &["/seed 1", "w1", "w2", "/reset", "w1", "w2"]), [&one[..], &one].concat());
    let said = talk(&model, &["--arm", "stepwise", "--tokens", "2"], &["/seed 4", "/seed x", "w1"]).1;
    assert!(said.contains("\nno token is drawn without --temperature, so a seed changes nothing\n"), "{said}");
    assert!(said.contains("\ngive /seed a whole number from 0 on, as in /seed 7\n"), "{said}");
}

#[test]
fn a_full_context_is_said() {
    let model = model(64);
    let long = ["w5"; 20].join(" ");
    let lines = ["w1 w2", &long, "w3", "/reset", "w1 w2"];
    let (answers, said) = talk(&model, &["--tokens", "4", "--context", "24"], &lines);
    assert!(answers.len() == 3 && answers[0] == answers[2], "{said}");
    let full = "with this message the conversation has 34 tokens, and its context of 24 has no place for an answer; /reset \
                forgets it, or give a shorter message";
    assert_eq!(said.lines().filter(|line| *line == full).count(), 1, "{said}");
    // The long message was not kept.
    assert_eq!(ids(&answers[1]), decoded(&model, &rendered(&[("w1 w2", &answers[0])], "w3"), &["--tokens", "4"]));
    let line = refusal(&model, &["--context", "65"]);
    assert_eq!(line, "--context is 65; the model has 64 positions; give at most these");
}

/// The one line of a chat that does not begin, without the model's path.
fn refusal(model: &Temporary, rest: &[&str]) -> String {
    let Output { status, stdout, stderr } = given(command(model, "chat", rest), &["w1"]);
    let said = text(&stderr);
    assert_eq!((status.code(), text(&stdout).as_str(), said.lines().count()), (Some(2), "", 1), "{said}");
    let line = said.strip_prefix("onedispatch: ").unwrap().trim_end();
    line.replace(&format!("{}/", model.0.display()), "").replace(&model.0.display().to_string(), "DIR")
}

#[test]
fn faults_of_a_template_are_named() {
    let model = model(64);
    let alone = model.0.join("chat_template.jinja");
    let says = |template: &str, rest: &[&str]| {
        std::fs::write(&alone, template).unwrap();
        refusal(&model, rest)
    };
    let no_system = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system, please') }}{% endif %}{% endfor %}";
    let faults = [
        says("{{ bos_token }}\n{% for %}", &[]),
        says("{{ bos_token }}\n\n{{ messages[0].text.strip() }}", &[]),
        says(no_system, &["--system", "w1"]),
    ];
    std::fs::remove_file(&alone).unwrap();
    let settings = model.0.join("tokenizer_config.json");
    let list = json!({"chat_template": [{"name": "rag", "template": ""}]});
    std::fs::write(&settings, list.to_string()).unwrap();
    let unnamed = refusal(&model, &[]);
    std::fs::write(&settings, "{}").unwrap();
    let none = refusal(&model, &[]);
    std::fs::remove_file(model.0.join("tokenizer.json")).unwrap();
    let faults = faults.into_iter().chain([unnamed, none, refusal(&model, &[])]).collect::<Vec<_>>();
    insta::assert_snapshot!(faults.join("\n"), @"
    chat_template.jinja: the chat template cannot be read at line 2: syntax error (unexpected end of block, expected in)
    chat_template.jinja: the chat template cannot be rendered at line 3: unknown method (undefined has no method named strip)
    chat_template.jinja: the chat template refuses this: no system, please
    tokenizer_config.json: of its chat templates none is called `default`; name one so
    DIR has no chat template; use `onedispatch generate`
    tokenizer.json: there is no such file; `onedispatch generate` takes token ids, and needs none
    ");
}

/// Ctrl-C ends an answer with what there is of it, and the conversation goes on.
#[cfg(unix)]
#[test]
fn an_answer_can_be_stopped() {
    use std::io::{BufRead, BufReader, Read};

    unsafe extern "C" {
        fn kill(process: i32, signal: i32) -> i32;
    }

    let model = model(4096);
    // No token ends an answer, so that the first one goes on until it is stopped.
    std::fs::write(model.0.join("generation_config.json"), "{}").unwrap();
    let mut chat = command(&model, "chat", &["--arm", "fused-workgroup"]);
    let mut child = chat.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    input.write_all(b"w1 w2\n").unwrap();
    let mut begin = [0; 8];
    output.read_exact(&mut begin).unwrap();
    // SAFETY: the C library's own function, given a process that runs.
    unsafe { kill(child.id() as i32, 2) };
    let mut rest = String::new();
    output.read_line(&mut rest).unwrap();
    let first = text(&begin) + &rest;
    let count = ids(&first).len();
    input.write_all(b"/reset\n/help\n").unwrap();
    drop(input);
    let said = text(&child.wait_with_output().unwrap().stderr);
    assert!(count < 4000 && said.contains("(stopped)") && said.contains("\n/reset "), "{count}: {said}");
}
