#!/usr/bin/env node
// The page's measurements without a page: the same modules, cases and shaders on Dawn, Chrome's WebGPU, in Node.
//
//     node web/native/run.js [--site web/dist] [--out FILE.json] [--case NAME]... [--dawn FILE.node] [--adapter NAME]
//         [--name NAME]
//
// Writes what "Save results" writes, for `onedispatch import`. Imports nothing but Node's own modules and the page's; Dawn is
// the npm package `webgpu`, or its `dawn.node` named by --dawn.

import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Gpu } from "../js/gpu.js";
import { measureCase } from "../js/measure.js";
import { Refusal } from "../js/refusal.js";
import { clockResolution, fileName, resultsFile } from "../js/results.js";
import { Site } from "../js/site.js";
import { openDawn, plainName } from "./dawn.js";

const { values: options } = parseArgs({
  options: {
    site: { type: "string", default: "web/dist" },
    out: { type: "string" },
    case: { type: "string", multiple: true },
    dawn: { type: "string" },
    adapter: { type: "string" },
    name: { type: "string" },
  },
});

try {
  await main();
  // Dawn's threads would keep the process.
  process.exit(0);
} catch (error) {
  console.error(error instanceof Refusal ? error.message : error);
  process.exit(error instanceof Refusal ? 2 : 1);
}

async function main() {
  const site = new Site({ read: (path) => readFile(join(options.site, path), "utf8").catch(missing) });
  const about = await site.index();
  const { dawn, engine } = await openDawn(options);
  const gpu = await Gpu.open({ gpu: dawn });
  gpu.info.name = options.name ?? plainName(gpu.info.name);
  console.error(`${gpu.info.name}${gpu.info.is_software ? " (software: no performance claim may rest on it)" : ""}`);
  const runs = [];
  for (const { experiment, spec_sha256, cases } of about.experiments) {
    const chosen = cases.filter(({ case: name }) => name === "control" || !options.case || options.case.includes(name));
    if (chosen.length < 2) continue;
    const measured = [];
    for (const { file } of chosen) {
      const progress = ({ case: name, done, total }) => show(`${experiment} ${name}: ${done} of ${total}`);
      measured.push(await measureCase(gpu, await site.case(file), { source: site.source, progress }));
      show("");
      measured.at(-1).rows.filter(({ replica }) => replica === 0).forEach((row) => console.error(line(row)));
    }
    runs.push({ experiment, spec_sha256, cases: measured });
  }
  const host = { os: process.platform, arch: process.arch, cpus: cpus().length, clock_resolution_ns: clockResolution() };
  const results = resultsFile({ about, gpu, browser: { ...engine, isolated: true }, host, runs });
  const out = options.out ?? fileName(results);
  await writeFile(out, JSON.stringify(results));
  console.error(`${out}: add it with \`onedispatch import\``);
}

function missing(error) {
  throw new Refusal(`${error.path}: not there; make the site with \`onedispatch web\`, and name it with --site`);
}

function show(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function line({ case: name, arm, policy, units_per_s, unit, reason, cap }) {
  const rate = units_per_s === null ? "-" : `${units_per_s.toExponential(3)} ${unit}${unit.endsWith("h") ? "es" : "s"}/s`;
  return `${name.padEnd(18)} ${arm.padEnd(18)} ${policy.padEnd(17)} ${rate}  ${reason || cap}`;
}
