// The files of a checkpoint: chosen, dropped, or fetched. Gives `{config, weights, tokenizer, generationConfig, chatTemplate,
// tokenizerConfig}`: texts, and the weights as a Blob; all but the first two are null where there are none. Of a GGUF file, which has all in one, it gives `{gguf, name}`.

import { FileBytes } from "./core.js";
import { download, forgetUnfinished } from "./download.js";
import { pieces } from "./pieces.js";
import { Refusal } from "./refusal.js";

const NAMES = {
  config: "config.json",
  weights: "model.safetensors",
  tokenizer: "tokenizer.json",
  generationConfig: "generation_config.json",
  chatTemplate: "chat_template.jinja",
  tokenizerConfig: "tokenizer_config.json",
};
const NEEDED = ["config", "weights"];
const isGguf = (name) => name.toLowerCase().endsWith(".gguf");

/** From files that were chosen or dropped. */
export async function fromFiles(files) {
  const ggufs = files.filter(({ name }) => isGguf(name));
  if (ggufs.length > 1) throw new Refusal(`There are ${ggufs.length} GGUF files (${listed(ggufs)}); give one.`);
  if (ggufs.length === 1) return { gguf: ggufs[0], name: ggufs[0].name };
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
    const mend = "give both together, or one .gguf";
    throw new Refusal(`There is no ${missing.join(" and no ")} among the files given (${given}); ${mend}.`);
  }
  const { weights, ...texts } = found;
  try {
    for (const [part, file] of Object.entries(texts)) texts[part] = (await file?.text()) ?? null;
    return { ...texts, weights };
  } catch (error) {
    throw unreadable(error);
  }
}

/** The files of what `fromFiles` or `fromUrl` gave, as `fromFiles` takes them. */
export function filesIn({ gguf, name, ...parts }) {
  if (gguf) return [new File([gguf], name)];
  return Object.entries(NAMES).filter(([part]) => parts[part] !== null).map(([part, name]) => new File([parts[part]], name));
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

/** Where a model is: the URL of a GGUF file, or of a folder, for an address that may be relative to `page` or name a file in the folder. */
export function placeOf(address, page = document.baseURI) {
  let place;
  try {
    place = new URL(address, page);
  } catch {
    const mend = "give the one of a folder with config.json and model.safetensors, or of a .gguf";
    throw new Refusal(`“${address}” is no address; ${mend}.`);
  }
  place.hash = "";
  if (!isGguf(place.pathname)) place.pathname = place.pathname.replace(/[^/]*\.(json|safetensors)$/, "").replace(/\/?$/, "/");
  return place;
}

/**
 * From an address, as `placeOf` takes it. `progress(bytes, total)` is told of the weights; `signal` and `stallMs` are those of
 * `download`.
 */
export async function fromUrl(address, { page, progress = () => {}, signal, stallMs } = {}) {
  const base = placeOf(address, page);
  const refuse = (url, mend) => (status) => {
    throw new Refusal(`${url} could not be fetched (status ${status}); ${mend}`);
  };
  if (isGguf(base.pathname)) {
    const name = decodeURIComponent(base.pathname.split("/").at(-1));
    const gguf = await download(base, { name, missing: refuse(base, "look at the address."), progress, signal, stallMs });
    forgetUnfinished();
    return { gguf, name };
  }
  const fetched = (part, told) => {
    const url = new URL(NAMES[part], base);
    url.search = base.search;
    const missing = NEEDED.includes(part) ? refuse(url, "is it the address of the folder?") : () => null;
    return download(url, { name: NAMES[part], missing, progress: told, signal, stallMs });
  };
  const { weights: _, ...texts } = NAMES;
  for (const part of Object.keys(texts)) texts[part] = (await (await fetched(part))?.text()) ?? null;
  const weights = await fetched("weights", progress);
  forgetUnfinished();
  return { ...texts, weights };
}

/** The bytes of a Blob, where the core reads them: a piece at a time, so that they are in memory once. */
export async function bytesOf(blob, progress) {
  const bytes = new FileBytes(blob.size);
  let done = 0;
  try {
    for await (const piece of pieces(blob.stream())) {
      bytes.add(piece);
      done += piece.byteLength;
      progress(done, blob.size);
    }
    return bytes;
  } catch (error) {
    bytes.free();
    throw unreadable(error);
  }
}

/** Too little memory is told of by its own name. */
const unreadable = (error) => (error instanceof RangeError
  ? error
  : new Refusal(`A file could not be read (${error.message}); was it moved since it was chosen?`, { cause: error }));
