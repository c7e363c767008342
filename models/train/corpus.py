"""Turns the prose into token ids: `corpus.py FOLDER` downloads the sources and writes FOLDER/corpus.npz and FOLDER/tokenizer.json.

Of each source every 20th document is held out: neither the tokenizer nor the model sees it. The one halfway between two of them
is for choosing how to train, and not trained on either.
"""

import pathlib
import sys

import numpy
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import sources
from shape import VOCABULARY

END = "<|endoftext|>"
HELD_OUT = 20


def main(folder):
    folder = pathlib.Path(folder)
    documents = sources.documents(folder / "downloads")
    chosen = {name: texts[HELD_OUT // 2 :: HELD_OUT] for name, texts in documents.items()}
    held_out = {name: texts[::HELD_OUT] for name, texts in documents.items()}
    seen = {name: [text for at, text in enumerate(texts) if at % (HELD_OUT // 2)] for name, texts in documents.items()}

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END], initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator((text for texts in seen.values() for text in texts), trainer)
    tokenizer.save(str(folder / "tokenizer.json"))

    arrays = {}
    for name in documents:
        for part, texts in {"train": seen, "choose": chosen, "held-out": held_out}.items():
            arrays[f"{part}/{name}"] = ids(tokenizer, texts[name])
            size = sum(len(text.encode()) for text in texts[name])
            print(f"{part} {name}: {len(texts[name])} documents, {size} bytes, {arrays[f'{part}/{name}'].size} tokens")
    numpy.savez_compressed(folder / "corpus.npz", **arrays)


def ids(tokenizer, texts):
    """The documents one after another, the end token before each and after the last."""
    end = tokenizer.token_to_id(END)
    flat = [end]
    for encoding in tokenizer.encode_batch(texts):
        flat += [*encoding.ids, end]
    return numpy.array(flat, dtype=numpy.uint16)


if __name__ == "__main__":
    main(sys.argv[1])
