#!/usr/bin/env node
// Peers of the browser on cases of the page: in a browser itself, or on Dawn, Chrome's WebGPU, in Node. See README.md.
//
//     peers/browser/run.js --out DIR [--site web/dist] [--peer NAME]... [--case NAME]... [--variant NAME]...
//         [--chromium | --dawn FILE.node] [--adapter NAME] [--name NAME]
//
// Writes DIR/CASE-PEER.json for each, as `onedispatch import` reads them.

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { median } from "../../web/js/statistics.js";
import { Refusal } from "../../web/js/refusal.js";
import { Site } from "../../web/js/site.js";
import { inChromium, onDawn } from "./places.js";
import { PEERS } from "./session.js";

const FORMAT = "onedispatch-result-1";

const { values: options } = parseArgs({
  options: {
    out: { type: "string" },
    site: { type: "string", default: "web/dist" },
    peer: { type: "string", multiple: true, default: PEERS },
    case: { type: "string", multiple: true },
    variant: { type: "string", multiple: true },
    chromium: { type: "boolean" },
    dawn: { type: "string" },
    adapter: { type: "string" },
    name: { type: "string" },
  },
});

try {
  await main();
  // Threads of Dawn and of WebAssembly would keep the process.
  process.exit(0);
} catch (error) {
  console.error(error instanceof Refusal ? error.message : error);
  process.exit(error instanceof Refusal ? 2 : 1);
}

async function main() {
  if (!options.out) throw new Refusal("--out DIR is missing: where are the results to go?");
  const unknown = options.peer.find((peer) => !PEERS.includes(peer));
  if (unknown) throw new Refusal(`no peer is called ${unknown}; there are ${PEERS.join(" and ")}`);
  const site = new Site({ read: (path) => readFile(join(options.site, path), "utf8").catch(missing) });
  const { experiments } = await site.index();
  const decode = experiments.filter(({ workload }) => workload === "decode").flatMap(({ cases }) => cases);
  const chosen = decode.filter(({ case: name }) => name !== "control" && (!options.case || options.case.includes(name)));
  if (chosen.length === 0) throw new Refusal(`${options.site} has no such case; it has ${decode.map(({ case: name }) => name).join(", ")}`);
  await mkdir(options.out, { recursive: true });
  const place = await (options.chromium ? inChromium(options) : onDawn(options));
  console.error(`${place.device}, ${place.browser.name} ${place.browser.version}`);
  for (const { file: path } of chosen) {
    const file = await site.case(path);
    for (const peer of options.peer) {
      const { versions, results } = await place.run(peer, file, { only: options.variant });
      await write(join(options.out, `${file.case}-${peer}.json`), {
        format: FORMAT,
        peer,
        source_sha256: await sourceSha256(peer),
        case: file.case,
        experiment: file.experiment,
        spec_sha256: file.spec_sha256,
        weights_sha256: file.weights_sha256,
        date: new Date().toISOString().slice(0, 10),
        device: { name: options.name ?? place.device },
        browser: place.browser,
        versions: { [place.browser.name]: place.browser.version, ...versions },
        results,
      });
      for (const { variant, samples_ns, units, reason } of results) {
        const rate = reason || `${Math.round((units / median(samples_ns)) * 1e9)} tokens/s`;
        console.log(`${file.case} ${peer} ${variant}: ${rate}`);
      }
    }
  }
  await place.close();
}

/** Over the lines that sha256sum prints for the peer's files and those of this folder, sorted by path. */
async function sourceSha256(peer) {
  const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
  const peers = join(import.meta.dirname, "..");
  const files = [];
  for (const folder of ["browser", peer]) {
    for (const name of await readdir(join(peers, folder))) {
      if (/\.(js|json)$/.test(name)) files.push(`${folder}/${name}`);
    }
  }
  const lines = await Promise.all(files.sort().map(async (file) => `${digest(await readFile(join(peers, file)))}  ${file}\n`));
  return digest(lines.join(""));
}

/** Replaced whole: a result that was cut short must not look like one. */
async function write(path, result) {
  await writeFile(`${path}.new`, JSON.stringify(result, null, 1));
  await rename(`${path}.new`, path);
}

function missing(error) {
  throw new Refusal(`${error.path}: not there; make the site with \`onedispatch web\`, and name it with --site`);
}
