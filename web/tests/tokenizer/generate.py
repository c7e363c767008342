"""Trains a small byte-level BPE tokenizer as GPT-2 has it, and writes what Hugging Face's own implementation makes of texts.

    pip install tokenizers==0.23.3
    python web/tests/tokenizer/generate.py
"""

import json
import pathlib

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
VOCABULARY = 400

TEXTS = [
    "",
    " ",
    "The GPU decodes a whole answer in one dispatch.",
    " leading, and trailing ",
    "it's we'll they've I'm don't CAN'T",
    "3.14159 and 1,000,000 in 2026",
    "two  spaces   three\n\nlines\tand a tab \n",
    "Größe, Übermut, naïve café, São Paulo",
    "cafe\u0301 is not caf\u00e9",
    "日本語のテキスト und Текст",
    "👩‍🔬 measures 🚀🚀",
    "<|endoftext|>",
    "before<|endoftext|> after",
    "supercalifragilisticexpialidocious" * 3,
    "let x = fn(a[i] << 2) != 0; // {code}",
    "\u00a0no-break\u2003em space\u200bzero width",
]


def main() -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken("<|endoftext|>", special=True, normalized=False)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((ROOT / "README.md").read_text().splitlines(keepends=True), trainer)
    tokenizer.save(str(HERE / "tokenizer.json"))
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
    (HERE / "expected.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
