// A file from an address, to its end: where the connection breaks off or sends nothing more, the rest is asked for by its
// range of bytes.

import { pieces } from "./pieces.js";
import { Refusal } from "./refusal.js";

/** Before it is asked for again, while nothing more of it comes. */
const WAITS_MS = [500, 1000, 2000, 4000, 8000];
/** Bytes that are handed to the browser at a time, which may keep them on disk. */
const PIECE = 2 ** 22;
/** A connection that sends nothing for this long counts as broken off. */
const STALL_MS = 30_000;
/** A browser ends a longer timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What is there of a file that did not come to its end: the next attempt goes on from there. */
let unfinished = null;

/** Lets go of it, once a model is there. */
export function forgetUnfinished() {
  unfinished = null;
}

/**
 * The file as a Blob, or what `missing(status)` gives where the host has none. `progress(bytes, total)` is told of what is there,
 * and never of less than before; `total` is null where it is not known. `signal` aborts. `stallMs` is how long a connection may send
 * nothing.
 */
export async function download(url, { name, missing, progress = () => {}, signal, stallMs = STALL_MS }) {
  const file = unfinished?.url === url.href ? unfinished : new Unfinished(url);
  // Not to be taken twice.
  if (unfinished === file) forgetUnfinished();
  let most = file.bytes;
  for (let failures = 0; ; failures += 1) {
    let status = 0;
    const connection = new Connection(stallMs, signal);
    try {
      if (failures > 0) await wait(WAITS_MS[failures - 1], signal);
      const response = await connection.sends(reach(url, { signal: connection.signal, ...file.rest() }));
      ({ status } = response);
      if (most === 0 && !response.ok) return missing(status);
      file.take(response);
      for await (const piece of pieces(response.body, (next) => connection.sends(next))) {
        await file.add(piece);
        if (file.bytes <= most) continue;
        [most, failures] = [file.bytes, 0];
        progress(most, file.total);
      }
      return file.whole();
    } catch (error) {
      // Of a file that never began, its own words say more.
      if (most === 0 && error instanceof Refusal) throw error;
      const isFull = error.name === "QuotaExceededError" || error.name === "NotReadableError";
      if (!isFull && !signal?.aborted && failures < WAITS_MS.length) continue;
      unfinished = isFull ? null : file;
      if (signal?.aborted) throw error;
      const begun = `${name} could not be fetched to its end`;
      const cause = { cause: error };
      if (isFull) throw new Refusal(`${begun}: this browser has no space left for it; make some, or choose a smaller model.`, cause);
      const why = status >= 400
        ? `the host answers with status ${status}`
        : connection.isStalled
          ? `the host sent nothing for ${stallMs / 1000} s, again and again`
          : "the connection broke off again and again";
      const [there, all] = [most, file.total].map((bytes) => (bytes / 2 ** 20).toFixed(1));
      const of = file.total ? ` of ${all}` : "";
      throw new Refusal(`${begun}: ${why}, after ${there}${of} MiB; once the connection is better, fetch it again to go on.`, cause);
    }
  }
}

/** What a host answers; a `Refusal` where it cannot be asked. */
async function reach(url, options) {
  try {
    return await fetch(url, { ...options, credentials: "omit", referrerPolicy: "no-referrer" });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refusal(
      `${url} could not be fetched: there is no connection, or that host does not let other pages read its files (CORS). ` +
        "Download the files and drop them here instead.",
      { cause: error },
    );
  }
}

/** One attempt: `signal` ends it, by the caller's or once nothing was sent for `stallMs`. */
class Connection {
  #stallMs;
  #stalled = new AbortController();

  constructor(stallMs, signal) {
    if (!(stallMs > 0 && stallMs <= LONGEST_TIMER_MS)) {
      throw new Refusal(`stallMs is ${stallMs}; give milliseconds from 1 to ${LONGEST_TIMER_MS}.`);
    }
    this.#stallMs = stallMs;
    this.signal = AbortSignal.any([this.#stalled.signal, ...(signal ? [signal] : [])]);
  }

  get isStalled() {
    return this.#stalled.signal.aborted;
  }

  /** What the host sends next, if it does in time. What is done with it meanwhile does not count. */
  async sends(next) {
    const timer = setTimeout(() => this.#stalled.abort(), this.#stallMs);
    try {
      return await next;
    } finally {
      clearTimeout(timer);
    }
  }
}

class Unfinished {
  constructor(url) {
    this.url = url.href;
    this.isOurHost = url.origin === globalThis.location?.origin;
    this.#begin(new Headers());
  }

  /** Begins anew with an answer of these headers. */
  #begin(headers) {
    // Bytes come unpacked, and ranges would be of what is packed.
    const isPacked = headers.has("content-encoding");
    const said = (header) => (isPacked ? null : headers.get(header));
    /** By which the file is told from a later one at its address. */
    this.tags = { etag: said("etag"), "last-modified": said("last-modified") };
    this.total = Number(said("content-length")) || null;
    this.bytes = 0;
    this.blobs = [];
    /** What is in no Blob yet: the first bytes of a buffer. */
    this.loose = new Uint8Array(PIECE);
    this.looseBytes = 0;
  }

  /** How to ask for the rest, or for the whole where nothing would tell the rest from that of another file. */
  rest() {
    const { etag, "last-modified": modified } = this.tags;
    if (this.bytes === 0 || !(etag || modified || this.total)) return {};
    const headers = { range: `bytes=${this.bytes}-` };
    // A weak tag is none for ranges. Another host would have to allow this header, and one that does not could not be asked at all.
    const tag = etag?.startsWith('"') ? etag : modified;
    if (tag && this.isOurHost) headers["if-range"] = tag;
    return { headers, cache: "no-store" };
  }

  /** Takes an answer: the rest, or the whole of a host that sends no ranges or has another file by now. */
  take({ status, ok, headers }) {
    if (status === 206 && this.#isRest(headers)) return;
    if (!ok && status !== 416) throw new Error(`status ${status}`);
    this.#begin(status === 200 ? headers : new Headers());
    if (status !== 200) throw new Error("the rest is of another file");
  }

  #isRest(headers) {
    const [, begin] = headers.get("content-range")?.match(/^bytes (\d+)-/) ?? [];
    const length = Number(headers.get("content-length")) || null;
    const ends = !length || !this.total || this.bytes + length === this.total;
    const isSame = Object.entries(this.tags).every(([header, tag]) => !tag || !headers.has(header) || headers.get(header) === tag);
    return ends && isSame && (begin === undefined || Number(begin) === this.bytes);
  }

  /** Takes a copy of what follows. */
  async add(bytes) {
    for (let rest = bytes; rest.byteLength > 0;) {
      const now = rest.subarray(0, PIECE - this.looseBytes);
      this.loose.set(now, this.looseBytes);
      this.looseBytes += now.byteLength;
      this.bytes += now.byteLength;
      rest = rest.subarray(now.byteLength);
      if (this.looseBytes < PIECE) continue;
      const blob = new Blob([this.loose]);
      this.looseBytes = 0;
      this.blobs.push(blob);
      // Cannot be read where there was no space left for it.
      await blob.slice(0, 1).arrayBuffer();
    }
  }

  whole() {
    return new Blob([...this.blobs, this.loose.subarray(0, this.looseBytes)]);
  }
}

const wait = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(signal.reason);
  }, { once: true });
});
