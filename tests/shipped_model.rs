//! The model that comes with the program: what its card says of the file, and `generate` without `--model`.

mod fixture;

use fixture::{onedispatch, printed};
use onedispatch::digest::sha256_hex;
use onedispatch::shipped_model;
use onedispatch::workload::decode::format::Format;
use onedispatch::workload::decode::tensor_source::TensorSource;
use onedispatch::workload::decode::text::Tokenizer;
use onedispatch::workload::decode::{checkpoint, gguf};
use serde_json::Value;

/// With a page around it, what a visitor downloads.
const MOST_BYTES: usize = 4_000_000;

#[test]
fn the_card_is_of_this_file() {
    let card = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/models/README.md")).unwrap();
    let (size, digest) = (shipped_model::BYTES.len(), sha256_hex(shipped_model::BYTES));
    assert!(card.contains(&digest), "its SHA-256 is {digest}");
    let named: usize = card
        .split(" bytes with its tokenizer")
        .next()
        .and_then(|before| before.rsplit(' ').next())
        .map(|number| number.replace(',', "").parse().unwrap())
        .unwrap();
    assert_eq!(named, size);
    assert!(size <= MOST_BYTES, "{size} bytes");

    let files = shipped_model::files();
    let model = checkpoint::load(&files).unwrap();
    let file = gguf::Model::parse(shipped_model::BYTES).unwrap();
    let elements = |name: &String| file.shape(name).unwrap().iter().product::<usize>();
    let parameters: usize = file.names().iter().map(elements).sum();
    let named = card.split(" parameters").next().and_then(|before| before.rsplit(' ').next()).unwrap();
    assert_eq!(named.replace(',', "").parse::<usize>().unwrap(), parameters);
    assert_eq!((model.config.vocab_size, model.config.n_positions), (3072, 1024));
    assert_eq!(model.weights.wte.format(), Format::named("q8_0"));
    assert_eq!(model.notes, Vec::<String>::new());
    let text = "\"It is,\" said he; and the whale -- 40 feet of it -- was gone.\n\nNot so!";
    let tokenizer = Tokenizer::load(&files).unwrap();
    let ids = tokenizer.ids_as_written(text).unwrap();
    assert_eq!(tokenizer.decode(&ids).unwrap(), text);
}

#[test]
fn without_a_model_it_writes_prose() {
    let asked = ["generate", "--prompt", "The morning was", "--tokens", "24", "--format", "json"];
    let report: Value = serde_json::from_str(&printed(&mut onedispatch(&asked))).unwrap();
    assert_eq!(report["gate"], "pass");
    assert_eq!(report["token_ids"].as_array().unwrap().len(), 24);
    let text = report["text"].as_str().unwrap();
    assert!(text.split_whitespace().count() >= 8, "{text}");
}
