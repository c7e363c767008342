// The files of a checkpoint: chosen, dropped, or fetched. Gives `{config, weights, tokenizer,
// generationConfig}`: texts, and the weights as a Blob; the last two are null where there are none.

import { Refusal } from "../refusal.js";

const NAMES = {
  config: "config.json",
  weights: "model.safetensors",
  tokenizer: "tokenizer.json",
  generationConfig: "generation_config.json",
};
const NEEDED = ["config", "weights"];

/** From files that were chosen or dropped. */
export async function fromFiles(files) {
  const found = {};
  for (const [part, name] of Object.entries(NAMES)) found[part] = files.find((file) => file.name === name) ?? null;
  const tensors = files.filter(({ name }) => name.endsWith(".safetensors"));
  if (!found.weights && tensors.length === 1) [found.weights] = tensors;
  if (!found.weights && tensors.length > 1) {
    throw new Refusal(`The weights are in ${tensors.length} files (${listed(tensors)}); save the model as one model.safetensors.`);
  }
  const missing = NEEDED.filter((part) => !found[part]).map((part) => NAMES[part]);
  if (missing.length > 0) {
    const given = listed(files) || "none";
    throw new Refusal(`There is no ${missing.join(" and no ")} among the files given (${given}); give both together.`);
  }
  const text = (file) => file?.text() ?? null;
  try {
    return {
      config: await text(found.config),
      weights: found.weights,
      tokenizer: await text(found.tokenizer),
      generationConfig: await text(found.generationConfig),
    };
  } catch (error) {
    throw new Refusal(`A file could not be read (${error.message}); was it moved since it was chosen?`, { cause: error });
  }
}

/** Every file of a drop, those in folders too. */
export async function droppedFiles({ items, files }) {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return Array.from(files);
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const all = [];
  // A reader gives some entries at a time, and none once there are no more.
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    all.push(...some);
  }
  return (await Promise.all(all.filter(({ isFile }) => isFile).map(filesOf))).flat();
}

const listed = (files) => files.slice(0, 5).map(({ name }) => name).join(", ") + (files.length > 5 ? ", …" : "");

/** From the address of a folder (relative to `page`). `progress(bytes, total)` is told of the weights; `signal` aborts. */
export async function fromUrl(address, { page = document.baseURI, progress = () => {}, signal } = {}) {
  let base;
  try {
    base = new URL(address, page);
  } catch {
    throw new Refusal(`“${address}” is no address; give the one of a folder with config.json and model.safetensors.`);
  }
  base.pathname = base.pathname.replace(/[^/]*\.(json|safetensors)$/, "").replace(/\/?$/, "/");
  const fetched = async (part) => {
    const url = new URL(NAMES[part], base);
    url.search = base.search;
    const response = await reach(url, signal);
    if (response.ok) return response;
    if (!NEEDED.includes(part)) return null;
    throw new Refusal(`${url} could not be fetched (status ${response.status}); is it the address of the folder?`);
  };
  const text = async (part) => (await fetched(part))?.text() ?? null;
  const config = await text("config");
  const tokenizer = await text("tokenizer");
  const generationConfig = await text("generationConfig");
  const weights = await counted(await fetched("weights"), progress);
  return { config, weights, tokenizer, generationConfig };
}

async function reach(url, signal) {
  try {
    return await fetch(url, { signal, credentials: "omit", referrerPolicy: "no-referrer" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(
      `${url} could not be fetched: there is no connection, or that host does not let other pages read its files (CORS). ` +
        "Download the files and drop them here instead.",
      { cause: error },
    );
  }
}

/** The body as a Blob, which a browser may keep on disk. */
async function counted(response, progress) {
  const total = Number(response.headers.get("content-length")) || null;
  let bytes = 0;
  const count = new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      progress(bytes, total);
      controller.enqueue(chunk);
    },
  });
  try {
    return await new Response(response.body.pipeThrough(count)).blob();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const full = error.name === "QuotaExceededError" || error.name === "NotReadableError";
    const why = full ? "this browser has no space left for it" : "the connection broke off";
    const mib = Math.round(bytes / 2 ** 20);
    throw new Refusal(`${NAMES.weights} could not be fetched to its end: ${why} after ${mib} MiB; try again.`, { cause: error });
  }
}
