//! Finds numbers that were typed into a results section instead of being taken from the ledger.

use typst::syntax::{LinkedNode, Source, SyntaxKind};

use super::world::Files;
use crate::analysis::{published, rollouts};

/// Names that hold digits and are no measurements, beside those of claims.
const NAMES: &[&str] =
    &["GPT-2", "124M", "bf16", "f16", "f32", "f64", "SHA-256", "Philox4x32-10", "H100", "H200", "M2", "T4", "TF32"];

/// A line `file:line: ...` for each bare number in the text of `paper/results*.typ`.
pub fn bare_numbers(sources: &Files) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, contents) in sources.iter().filter(|(path, _)| is_results(path)) {
        let source = Source::detached(String::from_utf8_lossy(contents));
        visit(&LinkedNode::new(source.root()), &source, path, &mut faults);
    }
    faults
}

fn is_results(path: &str) -> bool {
    path.starts_with("paper/results") && path.ends_with(".typ")
}

fn visit(node: &LinkedNode, source: &Source, path: &str, faults: &mut Vec<String>) {
    // What a reader sees: text, and code that stands in it as a literal. Other literals are keys and sizes.
    let seen = match node.kind() {
        SyntaxKind::Text | SyntaxKind::MathText => true,
        SyntaxKind::Int | SyntaxKind::Float | SyntaxKind::Numeric | SyntaxKind::Str => {
            node.parent_kind() == Some(SyntaxKind::Markup)
        }
        _ => false,
    };
    if seen {
        for (start, word) in words(node.leaf_text()) {
            let named = NAMES.contains(&word) || published::claim(word).is_some() || rollouts::claim(word).is_some();
            if word.contains(|letter: char| letter.is_ascii_digit()) && !named {
                let line = source.lines().byte_to_line(node.offset() + start).unwrap_or_default() + 1;
                faults.push(format!(
                    "{path}:{line}: `{word}` is a bare number; take it from the ledger with #n(\"key\")"
                ));
            }
        }
    }
    for child in node.children() {
        visit(&child, source, path, faults);
    }
}

/// Words with their place, without the punctuation around them.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let place = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    text.split(|letter: char| letter.is_whitespace() || "–—/".contains(letter)).filter_map(move |word| {
        let word = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        (!word.is_empty()).then(|| (place(word), word))
    })
}
