// Models that a visitor keeps in this browser: a folder for each, with its files, in the part of the disk that is this host's own
// (OPFS).

import { counting } from "./counting.js";
import { Refusal } from "./refusal.js";

const FOLDER = "onedispatch models";

const folder = async () => (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });

/** `[{name, bytes}]` by name; none where this browser keeps none. */
export async function keptModels() {
  const found = [];
  try {
    for await (const name of (await folder()).keys()) found.push({ name, bytes: sum(await keptFiles(name)) });
  } catch {
    return [];
  }
  return found.sort((a, b) => a.name.localeCompare(b.name));
}

/** The files of a model. */
export async function keptFiles(name) {
  const files = [];
  for await (const handle of (await (await folder()).getDirectoryHandle(name)).values()) files.push(await handle.getFile());
  // One that was not written to its end is empty.
  return files.filter(({ size }) => size > 0);
}

/**
 * Keeps `files`, and gives the name that they have there: `name`, with a number where there is one of that name. `progress(bytes,
 * total)` is told of what is written.
 */
export async function keep(name, files, progress = () => {}) {
  let free = name;
  try {
    const there = (await keptModels()).map((model) => model.name);
    for (let number = 2; there.includes(free); number += 1) free = `${name} ${number}`;
    const place = await (await folder()).getDirectoryHandle(free, { create: true });
    let before = 0;
    for (const file of files) {
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
