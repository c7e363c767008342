// The page: opens the GPU, says what it found, and hands it to the measurement and the generation.

import { breathe } from "./breathe.js";
import { Gpu } from "./gpu.js";
import { keepOffline } from "./offline.js";
import { casesOf, Site } from "./site.js";
import { element, say, the } from "./page/element.js";
import { Generation } from "./page/generation.js";
import { Measurement } from "./page/measurement.js";
import { Own } from "./page/own.js";
import { Results } from "./page/results.js";
import { sentence } from "./page/words.js";

const MIB = 2 ** 20;

/** Chrome and Chromium for Linux have a GPU, and do not use it for pages unless they are asked to. */
const ON_LINUX = /Linux(?!.*Android).*Chrome/.test(navigator.userAgent)
  ? " Where there is a GPU, Chrome on Linux takes it once chrome://flags/#enable-unsafe-webgpu and #enable-vulkan are on."
  : "";

// A host that does not isolate the page gives it a clock in steps of a tenth of a millisecond; the worker isolates it.
const finer = globalThis.crossOriginIsolated ? "" : " Reload it once for a finer clock.";
keepOffline().then((why) => say("offline", why ?? `This page is kept for offline use.${finer}`));

const site = new Site();
const [gpu, files] = await Promise.all([openGpu(), loadSite()]);
await breathe();
if (files) {
  const results = new Results(files.devices, files.cases, gpu?.info ?? null);
  await breathe();
  if (gpu) new Measurement({ gpu, ...files, results, busy });
}
await breathe();
const generation = new Generation({ gpu, busy });
generation.shipped = files?.index.model ?? null;
const own = new Own(generation);
busy(false);
gpu?.lost.then((why) => {
  say("device", why, { bad: true });
  busy(generation.isBusy);
});
const model = new URLSearchParams(location.search).get("model");
if (model) {
  own.open(model);
} else if (gpu && generation.shipped) {
  generation.loadShipped();
}

/** Who has the GPU has it alone: times of one would suffer from the other. */
function busy(is) {
  generation.isBusy = is;
  const off = is || !gpu || gpu.isLost;
  the("measure").disabled = off || !files;
  the("generate").disabled = off || !generation.generator;
  for (const id of ["model-back", "pick-files", "pick-folder"]) the(id).disabled = off;
  the("fetch").querySelector("button").disabled = is || !gpu;
}

async function openGpu() {
  try {
    const opened = await Gpu.open();
    await breathe();
    describe(opened.info);
    return opened;
  } catch (error) {
    say("device", sentence(error) + ON_LINUX, { bad: true });
    return null;
  }
}

async function loadSite() {
  try {
    const [index, devices] = await Promise.all([site.index(), site.devices()]);
    const changed = index.clean ? "" : " with changes";
    the("build").textContent = `onedispatch ${index.onedispatch}, ${index.commit.slice(0, 7)}${changed}`;
    return { index, devices, cases: casesOf(index) };
  } catch (error) {
    say("measure-status", sentence(error), { bad: true });
    return null;
  }
}

function describe({ name, vendor, architecture, is_software, subgroup_min_size, subgroup_max_size, features, limits }) {
  const kind = [vendor, architecture].filter((word) => word && !name.toLowerCase().includes(word.toLowerCase())).join(" ");
  the("device").replaceChildren(element("strong", {}, name), kind ? ` (${kind})` : "", is_software
    ? ". This is a software adapter: it runs on the processor. Outputs can be checked with it, but its times are no performance " +
      `of any GPU.${ON_LINUX}`
    : ".");
  const sizes = [...new Set([subgroup_min_size, subgroup_max_size])].join(" to ");
  const size = (value) => (value >= MIB && value % MIB === 0 ? `${value / MIB} MiB` : value.toLocaleString("en"));
  const rows = [
    ["Subgroups", subgroup_max_size === 0 ? "none" : sizes],
    ...Object.entries(limits).map(([limit, value]) => [limit.replaceAll("_", " "), size(value)]),
    ["Features", features.join(", ") || "none"],
  ];
  the("limits").querySelector("table").replaceChildren(element("tbody", {}, ...rows.map(([what, value]) =>
    element("tr", {}, element("th", { scope: "row" }, what), element("td", {}, value)))));
  the("limits").hidden = false;
}
