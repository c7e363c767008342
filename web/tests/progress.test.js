// How the reading of a large file is told of.

import assert from "node:assert/strict";
import { test } from "node:test";
import { counting } from "../js/counting.js";
import { progress } from "../js/page/progress.js";

const MIB = 2 ** 20;

test("a file that takes a while is told of with its rate, and not with each piece", (context) => {
  let now = 0;
  context.mock.method(performance, "now", () => now);
  const said = [];
  const told = progress("Reading the weights", (text) => said.push(text));
  for (now = 100; now <= 4500; now += 100) told((now / 100) * MIB, 100 * MIB);
  assert.deepEqual(said, ["Reading the weights: 20 of 100 MiB, 10.0 MiB/s …", "Reading the weights: 40 of 100 MiB, 10.0 MiB/s …"]);
  told(50 * MIB, null);
  now = 7000;
  told(70 * MIB, null);
  assert.equal(said.at(-1), "Reading the weights: 70 MiB, 10.0 MiB/s …");
});

test("bytes are counted as they pass", async () => {
  const told = [];
  const stream = new Blob([new Uint8Array(1000)]).stream().pipeThrough(counting((...all) => told.push(all), 1000));
  assert.equal((await new Response(stream).arrayBuffer()).byteLength, 1000);
  assert.deepEqual(told.at(-1), [1000, 1000]);
});
