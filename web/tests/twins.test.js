// The page's twins of native modules, held to what the native ones make: `digests.json` is checked by `tests/web.rs` too.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { bits, widened } from "../js/decode/format.js";
import { programOf } from "../js/decode/kernel.js";
import { layoutNamed, pack } from "../js/decode/packing.js";
import { randomWeights } from "../js/decode/random.js";
import { sha256 } from "../js/digest.js";
import { plausible } from "../js/executor.js";
import { philox4x32 } from "../js/philox.js";
import { programSha256 } from "../js/program.js";
import { interleaved, samplesWithinCap, warmUp } from "../js/protocol.js";
import { medianInterval } from "../js/statistics.js";

const digests = JSON.parse(await readFile(join(import.meta.dirname, "digests.json"), "utf8"));

test("programs have the digests of the native ones", async () => {
  assert.ok(digests.programs.length > 50);
  for (const { arm, span, config, request, tuning, sha256: expected } of digests.programs) {
    const program = programOf(arm, span, config, request, tuning);
    assert.equal(await programSha256(program), expected, JSON.stringify({ arm, span, config, request, tuning }));
  }
});

test("packed weights have the digests of the native ones", async () => {
  for (const { config, seed, block, sha256: expected } of digests.weights) {
    const packed = pack(config, randomWeights(config, seed), layoutNamed(block));
    assert.equal(await sha256(packed), expected, JSON.stringify({ config, block }));
  }
});

test("Philox gives the known answers of Random123", () => {
  const all = 0xffffffff;
  assert.deepEqual(philox4x32([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  assert.deepEqual(philox4x32([all, all, all, all], [all, all]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  assert.deepEqual(
    philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  );
});

test("two-byte floats survive", () => {
  for (let half = 0; half < 0x10000; half += 1) {
    for (const format of ["f16", "bf16"]) {
      const value = widened(format, half);
      if (Number.isFinite(value)) assert.equal(bits(format, value), half, `${format} ${half}`);
    }
  }
  assert.equal(bits("f16", 65520), 0x7c00, "ties go to even, here to infinity");
  assert.equal(bits("f16", 2 ** -25), 0);
  assert.equal(bits("bf16", 1 + 2 ** -8), 0x3f80);
});

// The numbers of `known_intervals` in `src/measure/statistics.rs`.
test("intervals are the native ones", () => {
  const values = Array.from({ length: 10 }, (_, i) => i * i);
  assert.deepEqual(medianInterval(values, 42n), { low: 4, mid: 20.5, high: 49 });
  assert.equal(medianInterval([], 1n), null);
});

test("order is seeded, complete and interleaved", () => {
  const order = interleaved([3, 1, 3], 7);
  assert.deepEqual(order, interleaved([3, 1, 3], 7));
  assert.deepEqual([...order].sort(), [0, 0, 0, 1, 2, 2, 2]);
  assert.deepEqual(order.slice(0, 3).sort(), [0, 1, 2]);
});

test("warm-up goes on until it settles, and caps say what they cut", async () => {
  const plan = { samples: 15, fewest_samples: 5, warmup_s: 1, arm_cap_s: 10, seed: 1 };
  const times = [300, 280, 250, 230, 200, 180, 100];
  let runs = 0;
  const typical = await warmUp(plan, async () => 1e6 * times[Math.min(runs++, times.length - 1)]);
  assert.deepEqual([typical, runs], [100e6, 11]);
  assert.deepEqual(samplesWithinCap(plan, 1e6), [15, ""]);
  assert.deepEqual(samplesWithinCap(plan, 1e9), [10, "10 of 15 samples, since more would take over 10 s"]);
  assert.equal(samplesWithinCap(plan, 1e12)[0], 5);
});

test("timestamps that cannot be are flagged", () => {
  assert.deepEqual(plausible(10n, 1010n, 2000), { gpu_ns: 1000, gpu_flag: "" });
  assert.equal(plausible(0n, 1010n, 2000).gpu_flag, "zero");
  assert.equal(plausible(10n, 10n, 2000).gpu_flag, "zero");
  assert.equal(plausible(20n, 10n, 2000).gpu_flag, "negative");
  assert.equal(plausible(10n, 10010n, 2000).gpu_flag, "longer-than-wall");
});
