// Keeps every file of the page, so that it works offline after the first load, on any static host and under any path. It asks
// for nothing that is not in the list, and its answers carry the headers that give a page a fine clock where the host sends none.

importScripts("./files.js");

const SCOPE = new URL("./", self.location).href;
/** Caches are shared by all pages of a host, so the name tells this page's from others'. */
const OWN = `onedispatch ${SCOPE} `;
const CACHE = OWN + self.VERSION;

self.addEventListener("install", (event) => {
  event.waitUntil(keepAll().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = pathOf(request.url);
  if (request.method === "GET" && path !== null) event.respondWith(answer(request, path));
});

async function keepAll() {
  const cache = await caches.open(CACHE);
  try {
    await Promise.all(Object.entries(self.FILES).map(([path, digest]) => keep(cache, path, digest)));
  } catch (error) {
    await caches.delete(CACHE);
    const full = error.name === "QuotaExceededError";
    const why = full
      ? "The browser has no space left to keep this page for offline use; it works as long as it is online."
      : `This page could not be kept for offline use (${error.message}); it works as long as it is online.`;
    for (const client of await self.clients.matchAll({ includeUncontrolled: true })) client.postMessage({ offline: why });
    throw error;
  }
}

async function keep(cache, path, digest) {
  const response = await fetch(new URL(path, SCOPE), { cache: "no-cache" });
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  const body = await response.clone().arrayBuffer();
  const found = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", body)), (byte) => byte.toString(16).padStart(2, "0"));
  if (found.join("") !== digest) throw new Error(`${path} is of another version of the page; reload it`);
  await cache.put(new URL(path, SCOPE).href, response);
}

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(OWN) && name !== CACHE).map((name) => caches.delete(name)));
}

/** The path of a file of the page, or null. */
function pathOf(url) {
  const plain = url.split(/[?#]/)[0];
  if (!plain.startsWith(SCOPE)) return null;
  const path = decodeURIComponent(plain.slice(SCOPE.length)) || "index.html";
  return path in self.FILES ? path : null;
}

async function answer(request, path) {
  const cache = await caches.open(CACHE);
  const response = (await cache.match(new URL(path, SCOPE).href)) ?? (await fetch(request));
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
