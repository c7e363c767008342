// The files that the peer WebLLM is given of a case.

import assert from "node:assert/strict";
import { test } from "node:test";
import { files } from "../../peers/web-llm/model.js";
import { halves } from "../../peers/web/half.js";

const tensor = (...shape) => ({ shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i) });

const WRITTEN = files({
  config: { vocab_size: 3 },
  weights: new Map([["wte.weight", tensor(3, 2)], ["wpe.weight", tensor(5, 2)], ["h.0.mlp.c_fc.weight", tensor(2, 3)], ["h.0.mlp.c_fc.bias", tensor(3)]]),
});

const shard = (name) => [...WRITTEN[`${name}.bin`]()];

test("weights are in f16, with matrices turned and a row for each position of the model library", () => {
  assert.deepEqual(shard("transformer.wte.weight"), [...halves([0, 1, 2, 3, 4, 5])]);
  assert.deepEqual(shard("lm_head.weight"), shard("transformer.wte.weight"));
  assert.deepEqual(shard("transformer.h.0.mlp.c_fc.weight"), [...halves([0, 3, 1, 4, 2, 5])]);
  assert.deepEqual(shard("transformer.h.0.mlp.c_fc.bias"), [...halves([0, 1, 2])]);
  assert.deepEqual(shard("transformer.wpe.weight"), [...halves(Array.from({ length: 2048 }, (_, i) => (i < 10 ? i : 0)))]);
});

test("each shard is as long as its record says", () => {
  const { records } = JSON.parse(WRITTEN["ndarray-cache.json"]());
  assert.equal(records.length, 5);
  for (const { dataPath, nbytes, records: [{ shape }] } of records) {
    assert.equal(WRITTEN[dataPath]().byteLength, nbytes);
    assert.equal(2 * shape.reduce((a, b) => a * b), nbytes);
  }
});

test("a token's word is its number", () => {
  assert.deepEqual(JSON.parse(WRITTEN["tokenizer.json"]()).model.vocab, { 0: 0, 1: 1, 2: 2 });
});
