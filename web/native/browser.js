// A static server and Debian's Chromium, headless: a browser for whoever has no window to open one in.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

export const CHROMIUM = process.env.ONEDISPATCH_CHROMIUM ?? "/usr/bin/chromium";

const FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Without a window Chromium takes its software adapter, unless it is made to look for a GPU by Vulkan. */
const HARDWARE = ["--ignore-gpu-blocklist", "--use-angle=vulkan", "--enable-features=Vulkan", "--disable-vulkan-surface"];

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".wgsl": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
};

/**
 * Serves files: `folders` maps a path's first part to a folder, "" to the one of everything else. Gives `{url, close}`. With
 * the headers that give a fine clock. What `answer(request, response)` says it answers itself is left to it.
 */
export async function serve(folders, answer = () => false) {
  const server = createServer(async (request, response) => {
    if (answer(request, response)) return;
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname)).slice(1);
    const [first, ...rest] = path.split("/");
    const file = first in folders && first !== "" ? join(folders[first], ...rest) : join(folders[""] ?? "/nonexistent", path);
    const headers = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
    try {
      const body = path === "blank.html" ? "<!doctype html><title>blank</title>" : await readFile(path === "" ? join(folders[""], "index.html") : file);
      response.writeHead(200, { ...headers, "content-type": TYPES[extname(path === "" ? "index.html" : path)] ?? "application/octet-stream" });
      response.end(body);
    } catch {
      response.writeHead(404, headers);
      response.end();
    }
  });
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  const { port } = server.address();
  return { url: `http://localhost:${port}/`, close: () => new Promise((resolve) => server.close(resolve)) };
}

/** A browser with WebGPU (or without it), on a GPU or in software, and a profile of its own: `{context, close}`. */
export async function browser({ executablePath = CHROMIUM, webgpu = true, isHardware = false, ...options } = {}) {
  const profile = await mkdtemp(join(tmpdir(), "onedispatch-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: [...FLAGS, ...(isHardware ? HARDWARE : []), ...(webgpu ? ["--enable-unsafe-webgpu"] : ["--disable-features=WebGPU", "--disable-webgpu"])],
    ...options,
  });
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { context, close };
}

/** A page of `url`, whose faults are printed. */
export async function open(context, url) {
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error("in the page:", error));
  await page.goto(url);
  return page;
}
