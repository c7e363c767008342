#!/usr/bin/env node
// The peers of browsers on every exported case: in Chromium, or in Node on Dawn.
//
//     node peers/web/run.js DIR_OF_CASES OUT_DIR [--chromium [--executable FILE] [--hardware]] [--dawn FILE.node] [--adapter NAME] [--name NAME]
//         [--peer NAME[:VARIANT,VARIANT]]... [--case NAME]...
//
// Writes OUT_DIR/<case>.<peer>.json for `onedispatch import`. See peers/README.md.

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Refusal } from "../../web/js/refusal.js";
import { median } from "../../web/js/core.js";

const FORMAT = "onedispatch-result-1";
const PEERS = ["onnxruntime-web", "tfjs", "transformers-js"];
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    chromium: { type: "boolean", default: false },
    executable: { type: "string" },
    hardware: { type: "boolean", default: false },
    dawn: { type: "string" },
    adapter: { type: "string" },
    name: { type: "string" },
    peer: { type: "string", multiple: true, default: PEERS },
    case: { type: "string", multiple: true },
  },
});

try {
  // Dawn's threads would keep the process.
  process.exit(await main());
} catch (error) {
  console.error(error instanceof Refusal ? error.message : error);
  process.exit(error instanceof Refusal ? 2 : 1);
}

async function main() {
  if (positionals.length !== 2) throw new Refusal("give DIR_OF_CASES and OUT_DIR; `onedispatch export SPEC --out DIR_OF_CASES` writes the first");
  const [cases, out] = positionals.map((path) => resolve(path));
  const there = (await readdir(cases).catch(() => [])).filter((name) => !options.case || options.case.includes(name)).sort();
  if (there.length === 0) throw new Refusal(`${positionals[0]}: no such case there; \`onedispatch export SPEC --out ${positionals[0]}\` writes some`);
  await mkdir(out, { recursive: true });
  const place = options.chromium ? await inChromium(cases) : await onDawn(cases);
  let failed = 0;
  try {
    for (const name of there) {
      const spec = JSON.parse(await readFile(join(cases, name, "case.json"), "utf8"));
      for (const [peer, variants] of options.peer.map((text) => text.split(":"))) {
        const { device, engine, results } = await place.measured(peer, name, variants?.split(","));
        const { experiment, spec_sha256, weights_sha256 } = spec;
        const report = {
          format: FORMAT, peer, source_sha256: await sourceSha256(peer), case: spec.case, experiment, spec_sha256, weights_sha256,
          date: new Date().toISOString().slice(0, 10), device: { ...device, name: options.name ?? device.name }, engine,
          versions: { [engine.name]: engine.version, ...(await versions(peer)) }, results,
        };
        // Replaced whole: a result that was cut short must not look like one.
        const file = join(out, `${name}.${peer}.json`);
        await writeFile(`${file}.new`, `${JSON.stringify(report, null, 1)}\n`);
        await rename(`${file}.new`, file);
        results.forEach((result) => console.log(`${name} ${peer} ${line(result)}`));
        failed += results.every(({ reason }) => reason) ? 1 : 0;
      }
    }
  } finally {
    await place.close();
  }
  return failed === 0 ? 0 : 1;
}

/** Peers in this process. */
async function onDawn(cases) {
  const { becomePage, exactly, host } = await import("./native.js");
  const { openDawn, plainName } = await import("../../web/native/dawn.js");
  const { Gpu } = await import("../../web/js/gpu.js");
  const { Case } = await import("./case.js");
  const { measure } = await import("./measure.js");
  const { dawn, globals, engine } = await openDawn(options);
  becomePage({ dawn, globals });
  const { info: { name, description } } = await Gpu.open();
  const measured = async (peer, directory, names) => {
    const made = await Case.read(async (file) => exactly(await readFile(join(cases, directory, file))));
    const { variants } = await import(`../${peer}/peer.js`);
    const chosen = variants(made, host).filter((variant) => !names || names.includes(variant.name));
    return { device: { name: plainName(name), driver: description }, engine, results: await measure(made, chosen) };
  };
  return { measured, close: () => {} };
}

/** Peers in Chromium: a page for each, of a server that gives it this repository and the cases. */
async function inChromium(cases) {
  const { browser, open, serve } = await import("../../web/native/browser.js");
  const site = await serve({ peers: join(ROOT, "peers"), web: join(ROOT, "web"), cases });
  const { context, close } = await browser({ executablePath: options.executable, isHardware: options.hardware });
  const measured = async (peer, directory, names) => {
    const page = await open(context, `${site.url}blank.html`);
    try {
      return await page.evaluate(async ([peer, directory, names]) => {
        const { measured } = await import("/peers/web/page.js");
        return measured(peer, new URL(`/cases/${directory}/`, location), names);
      }, [peer, directory, names]);
    } finally {
      await page.close();
    }
  };
  return { measured, close: async () => (await close(), site.close()) };
}

/** Of the npm packages that a peer asks for, by name. */
async function versions(peer) {
  const { dependencies } = JSON.parse(await readFile(join(ROOT, "peers", peer, "package.json"), "utf8"));
  return dependencies;
}

/** Over the lines that sha256sum prints for the peer's files and those of this folder, sorted by path: as `peer/report.py`. */
async function sourceSha256(peer) {
  const folders = [peer, "web"];
  const files = (await Promise.all(folders.map(async (folder) => (await readdir(join(ROOT, "peers", folder))).map((file) => `${folder}/${file}`)))).flat();
  const sources = files.filter((file) => /\.(js|json)$/.test(file)).sort();
  const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
  const lines = await Promise.all(sources.map(async (file) => `${digest(await readFile(join(ROOT, "peers", file)))}  ${file}\n`));
  return digest(lines.join(""));
}

function line({ variant, reason, units, samples_ns }) {
  if (reason) return `${variant}: ${reason}`;
  return `${variant}: ${Math.round((units / median(Float64Array.from(samples_ns))) * 1e9)} tokens/s`;
}
