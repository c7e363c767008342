#!/usr/bin/env node
// The page's measurements without a window: on Dawn, Chrome's WebGPU, in Node; or the page itself in a Chromium.
//
//     node web/native/run.js [--site web/dist] [--out FILE.json] [--case NAME]... [--dawn FILE.node] [--adapter NAME]
//         [--name NAME]
//     node web/native/run.js --chromium [--executable FILE] [--hardware] [--site web/dist] [--out FILE.json] [--name NAME]
//
// Writes what "Save results" writes, for `onedispatch import`. On Dawn it imports nothing but Node's own modules and the
// page's; Dawn is the npm package `webgpu`, or its `dawn.node` named by --dawn.

import { access, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Gpu } from "../js/gpu.js";
import { measureCase } from "../js/measure.js";
import { Refusal } from "../js/refusal.js";
import { clockResolution, fileName, resultsFile } from "../js/results.js";
import { Site } from "../js/site.js";

const { values: options } = parseArgs({
  options: {
    site: { type: "string", default: "web/dist" },
    out: { type: "string" },
    case: { type: "string", multiple: true },
    dawn: { type: "string" },
    adapter: { type: "string" },
    name: { type: "string" },
    chromium: { type: "boolean", default: false },
    executable: { type: "string" },
    hardware: { type: "boolean", default: false },
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
  const results = options.chromium ? await inChromium() : await onDawn();
  results.device.name = options.name ?? results.device.name;
  const { name, is_software } = results.device;
  console.error(`${name}${is_software ? " (software: no performance claim may rest on it)" : ""}`);
  const rows = results.runs.flatMap(({ cases }) => cases.flatMap((measured) => measured.rows));
  rows.filter(({ replica }) => replica === 0).forEach((row) => console.error(line(row)));
  const out = options.out ?? fileName(results);
  await writeFile(out, JSON.stringify(results));
  console.error(`${out}: add it with \`onedispatch import\``);
}

/** The page's modules in this process. */
async function onDawn() {
  const { openDawn, plainName } = await import("./dawn.js");
  const site = new Site({ read: (path) => readFile(join(options.site, path), "utf8").catch(missing) });
  const about = await site.index();
  const { dawn, engine } = await openDawn(options);
  const gpu = await Gpu.open({ gpu: dawn });
  gpu.info.name = plainName(gpu.info.name);
  const runs = [];
  for (const { experiment, spec, spec_sha256, cases } of about.experiments) {
    const chosen = cases.filter(({ case: name }) => name === "control" || !options.case || options.case.includes(name));
    if (chosen.length < 2) continue;
    const measured = [];
    for (const outline of chosen) {
      const progress = ({ case: name, done, total }) => show(`${experiment} ${name}: ${done} of ${total}`);
      measured.push(await measureCase(gpu, { experiment, spec, ...outline }, { progress }));
    }
    runs.push({ experiment, spec_sha256, cases: measured });
  }
  show("");
  const host = { os: process.platform, arch: process.arch, cpus: cpus().length, clock_resolution_ns: clockResolution() };
  return resultsFile({ about, gpu, browser: { ...engine, isolated: true }, host, runs });
}

/** The page of a visitor: every case, for there is nothing to choose. */
async function inChromium() {
  const { visit } = await import("./visit.js");
  if (options.case) throw new Refusal("a visitor's page measures every case; leave --case out, or --chromium");
  await access(join(options.site, "index.html")).catch(missing);
  return visit(options.site, { executablePath: options.executable, isHardware: options.hardware, progress: show });
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
