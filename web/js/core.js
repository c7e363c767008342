// The core in Rust, ready to be called: what `src/page/` offers, compiled to WebAssembly by `make web`.

import load from "./vendor/onedispatch_page.js";

const WASM = new URL("./vendor/onedispatch_page_bg.wasm", import.meta.url);

// Node has no fetch of files.
const isFile = WASM.protocol === "file:";
await load({ module_or_path: isFile ? await (await import("node:fs/promises")).readFile(WASM) : WASM });

export * from "./vendor/onedispatch_page.js";
