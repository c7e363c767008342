use proptest::prelude::*;

use super::super::model::Model;
use super::super::tokenizer;
use super::super::written::{Written, list, text};
use super::*;
use crate::workload::decode::tensor_source::TensorSource;

fn written() -> Written {
    let nested = list(9, &[list(4, &[vec![7, 0, 0, 0]])[4..].to_vec(), list(8, &[text("x")])[4..].to_vec()]);
    Written::default()
        .text("general.architecture", "gpt2")
        .whole("gpt2.block_count", 2)
        .number("epsilon", 1e-5)
        .flag("flag", true)
        .texts("tokens", &["a", "", "é"])
        .wholes("types", &[1, -3])
        .key("nested", nested)
        .tensor("norm", &[3], 1.0)
        .tensor("matrix", &[2, 3], 10.0)
}

fn error(bytes: &[u8]) -> String {
    File::parse(bytes).unwrap_err().to_string()
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let bytes = written().bytes();
    let file = File::parse(&bytes).unwrap();
    assert_eq!(file.text("general.architecture"), Some("gpt2"));
    assert_eq!(file.whole("gpt2.block_count"), Some(2));
    assert_eq!(file.number("epsilon"), Some(1e-5));
    assert_eq!(file.flag("flag"), Some(true));
    assert_eq!(file.texts(&bytes, "tokens").unwrap().collect::<Vec<_>>(), ["a", "", "é"]);
    assert_eq!(file.numbers(&bytes, "types").unwrap().collect::<Vec<_>>(), [1.0, -3.0]);
    assert!(matches!(file.get("nested"), Some(Value::Array(Array { count: 2, .. }))));
    assert!(file.texts(&bytes, "types").is_none() && file.numbers(&bytes, "tokens").is_none());
    let matrix = &file.tensors["matrix"];
    assert_eq!(matrix.shape, [3, 2]);
    assert_eq!(matrix.kind.unpack(&bytes[matrix.bytes.clone()]).unwrap(), [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
    let mut second = bytes.clone();
    second[4] = 2;
    assert_eq!(File::parse(&second).unwrap().version, 2);
}

#[test]
fn what_a_file_cannot_hold_is_refused_in_one_line() {
    let with = |number: usize, value: &[u8]| {
        let mut bytes = written().bytes();
        bytes[number..number + value.len()].copy_from_slice(value);
        error(&bytes)
    };
    let key = |key: &str, value: Vec<u8>| error(&Written::default().key(key, value).bytes());
    let tensor = |sizes: &[u64], kind: u32, offset: u64| {
        let mut file = Written::default();
        file.tensors.push(("w".to_string(), sizes.to_vec(), kind, vec![0; 64]));
        error(&file.bytes_at(&[offset]))
    };
    let most = u64::MAX.to_le_bytes();
    let deep = (0..5).fold(vec![], |inner, _| list(9, &[inner])[4..].to_vec());
    let mut twice = Written::default().tensor("w", &[1], 0.0).tensor("w", &[1], 0.0);
    let mut key_twice = Written::default().whole("k", 1);
    key_twice.keys.push(key_twice.keys[0].clone());
    twice.keys.clear();
    let lines = [
        error(b""),
        error(b"GGML"),
        with(4, &[1]),
        with(4, &[0, 0, 0, 3]),
        with(8, &most),
        with(16, &most),
        with(24, &most),
        key("general.alignment", [vec![4, 0, 0, 0], vec![0; 4]].concat()),
        key("general.alignment", [vec![4, 0, 0, 0], vec![24, 0, 0, 0]].concat()),
        key("general.alignment", [vec![8, 0, 0, 0], text("32")].concat()),
        key("a", vec![13, 0, 0, 0]),
        key("a", [&[8, 0, 0, 0][..], &most].concat()),
        key("a", [&[8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0][..], &[255]].concat()),
        key("a", [&[9, 0, 0, 0, 8, 0, 0, 0][..], &most].concat()),
        key("a", [&[9, 0, 0, 0, 12, 0, 0, 0][..], &most].concat()),
        key("a", [&[9, 0, 0, 0, 13, 0, 0, 0][..], &most].concat()),
        key("a", [vec![9, 0, 0, 0], deep].concat()),
        key_twice.bytes().as_slice().pipe(error),
        twice.bytes().as_slice().pipe(error),
        tensor(&[1, 1, 1, 1, 1], 0, 0),
        tensor(&[1 << 40, 1 << 40], 0, 0),
        tensor(&[1 << 32], 0, 0),
        tensor(&[0], 0, 0),
        tensor(&[17], 0, 0),
        tensor(&[16], 0, 32),
        tensor(&[16], 0, u64::MAX - 31),
        tensor(&[16], 0, 1),
        tensor(&[16], 2, 0),
        tensor(&[16], 99, 0),
        error(&Written::default().tensor("a", &[9], 0.0).tensor("b\n", &[9], 0.0).bytes_at(&[0, 32])),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

trait Pipe: Copy {
    fn pipe<T>(self, function: impl FnOnce(Self) -> T) -> T {
        function(self)
    }
}
impl Pipe for &[u8] {}

/// Everything that reads a file, on bytes that may be any.
fn read(bytes: &[u8]) {
    if let Ok(model) = Model::parse(bytes) {
        let _ = model.config();
        for name in model.names() {
            let _ = (model.shape(&name), model.values(&name));
        }
        let _ = (tokenizer::tokenizer(model.file(), bytes), tokenizer::chat_template(model.file()));
    }
}

#[test]
fn no_file_cut_short_is_read_or_panics() {
    let bytes = super::super::model::tests::llama().bytes();
    File::parse(&bytes).unwrap();
    for end in 0..bytes.len() {
        assert!(File::parse(&bytes[..end]).is_err(), "{end} bytes");
    }
}

#[test]
fn no_byte_that_differs_panics() {
    let bytes = super::super::model::tests::llama().bytes();
    let directory = File::parse(&bytes).unwrap().tensors.values().map(|tensor| tensor.bytes.start).min().unwrap();
    for place in 0..directory {
        for value in [0, 9, 0xff, bytes[place] ^ 1] {
            let mut bytes = bytes.clone();
            bytes[place] = value;
            read(&bytes);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400), counts in any::<[u8; 2]>()) {
        read(&bytes);
        // With a head that is right, so that more of the reader is met.
        let head = [b"GGUF\x03\0\0\0", &[counts[0] % 4, 0, 0, 0, 0, 0, 0, 0][..], &[counts[1] % 4, 0, 0, 0, 0, 0, 0, 0]];
        bytes.splice(..0, head.concat());
        read(&bytes);
    }

    #[test]
    fn no_run_of_bytes_that_differs_panics(at in any::<prop::sample::Index>(), run in prop::collection::vec(any::<u8>(), 1..12)) {
        let mut bytes = super::super::model::tests::llama().bytes();
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + run.len());
        bytes[at..end].copy_from_slice(&run[..end - at]);
        read(&bytes);
    }
}
