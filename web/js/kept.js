// Models that a visitor keeps in this browser: a folder for each, with its files, in the part of the disk that is this host's own
// (OPFS).

import { counting } from "./counting.js";
import { Refusal } from "./refusal.js";

const FOLDER = "onedispatch models";
/** Of a model that was fetched: a file beside its own with the address that it came from. */
const ADDRESS = "address.txt";

const folder = async () => (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });

/** `[{name, bytes}]` by name; none where this browser keeps none. */
export async function keptModels() {
  const found = [];
  try {
    for await (const name of (await folder()).keys()) found.push({ name, bytes: sum(await keptFiles(name)) });
  } catch {
    return [];
  }
  return found.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** The files of a model. */
export const keptFiles = async (name) => (await allFiles(name)).filter((file) => file.name !== ADDRESS);

/** The name of the model that came from `address`, of several the one that was kept last; null where none is kept. */
export async function keptFrom(address) {
  for (const { name } of (await keptModels()).reverse()) {
    const note = (await allFiles(name)).find((file) => file.name === ADDRESS);
    if ((await note?.text()) === address) return name;
  }
  return null;
}

async function allFiles(name) {
  const files = [];
  for await (const handle of (await (await folder()).getDirectoryHandle(name)).values()) files.push(await handle.getFile());
  // One that was not written to its end is empty.
  return files.filter(({ size }) => size > 0);
}

/**
 * Keeps `files`, and the address that they came from where there is one. Gives the name that they have there: `name`, with a number
 * where there is one of that name. `progress(bytes, total)` is told of what is written.
 */
export async function keep(name, files, { address, progress = () => {} } = {}) {
  let free = name;
  try {
    const there = (await keptModels()).map((model) => model.name);
    for (let number = 2; there.includes(free); number += 1) free = `${name} ${number}`;
    const place = await (await folder()).getDirectoryHandle(free, { create: true });
    let before = 0;
    // The address last: it stands for a model that is whole.
    const note = address ? [new File([address], ADDRESS)] : [];
    for (const file of [...files, ...note]) {
      const writable = await (await place.getFileHandle(file.name, { create: true })).createWritable();
      await file.stream().pipeThrough(counting((bytes) => progress(before + bytes, sum(files)))).pipeTo(writable);
      before += file.size;
    }
    return free;
  } catch (error) {
    await forget(free).catch(() => {});
    const why = error.name === "QuotaExceededError"
      ? "this browser has no space left for it; remove another one, or make some on the disk"
      : `${error.message}; it can be used until this tab is closed`;
    throw new Refusal(`“${name}” could not be kept: ${why}.`, { cause: error });
  }
}

/** Removes a model. */
export async function forget(name) {
  await (await folder()).removeEntry(name, { recursive: true });
}

const sum = (files) => files.reduce((bytes, { size }) => bytes + size, 0);
