// The tokenizer against what Hugging Face's own implementation makes of the same texts; tokenizer/generate.py wrote them.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { loadTokenizer, parseIds } from "../js/tokenizer.js";

const FOLDER = join(import.meta.dirname, "tokenizer");

test("texts become the golden ids, and ids the golden texts", async () => {
  const tokenizer = loadTokenizer(await readFile(join(FOLDER, "tokenizer.json"), "utf8"));
  for (const { text, ids, decoded } of JSON.parse(await readFile(join(FOLDER, "expected.json"), "utf8"))) {
    assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
    assert.equal(tokenizer.decode(ids), decoded, JSON.stringify(text));
  }
});

test("a broken tokenizer.json is a sentence", () => {
  assert.throws(() => loadTokenizer("{"), /^Refusal: tokenizer\.json cannot be read .*; give the prompt as token ids\.$/);
  assert.throws(() => loadTokenizer("{}"), /^Refusal: tokenizer\.json cannot be read/);
});

test("ids are read as they are written", () => {
  assert.deepEqual(parseIds(" 1, 2\n3;4 "), [1, 2, 3, 4]);
  assert.deepEqual(parseIds(""), []);
  assert.throws(() => parseIds("1 two"), /^Refusal: “two” is no token id/);
});
