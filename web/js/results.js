// The one file that "Save results" writes, and `onedispatch import` reads.

/** Version of the layout. */
export const FORMAT = "onedispatch-browser-1";

/**
 * Everything that was measured, as plain data. `about` is the site's index, `runs` is `[{experiment, spec_sha256, cases}]` with
 * what `measureCase` gives for each case, `browser` and `host` are those of `describeBrowser` (or of whatever else ran it).
 */
export function resultsFile({ about, gpu, browser, host, runs, date = new Date() }) {
  return {
    format: FORMAT,
    date: date.toISOString().slice(0, 10),
    page: { onedispatch: about.onedispatch, commit: about.commit, clean: about.clean },
    browser,
    host,
    device: gpu.info,
    timestamps: gpu.hasTimestamps,
    runs,
  };
}

/** A name for the file: `onedispatch-nvidia-geforce-rtx-4090-chrome-2026-03-01.json`. */
export function fileName(results) {
  const plain = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return `onedispatch-${plain(results.device.name)}-${plain(results.browser.name)}-${results.date}.json`;
}

/** The browser and its host, as far as they tell: nothing that names a person or a machine. */
export function describeBrowser(navigator = globalThis.navigator) {
  const agent = navigator.userAgent ?? "";
  const known = [["Edge", /Edg\/([\d.]+)/], ["Opera", /OPR\/([\d.]+)/], ["Firefox", /Firefox\/([\d.]+)/],
    ["Chromium", /Headless()Chrome\/([\d.]+)/], ["Chrome", /Chrome\/([\d.]+)/], ["Safari", /Version\/([\d.]+).*Safari/]];
  const [name, pattern] = known.find(([, candidate]) => candidate.test(agent)) ?? ["unknown browser", /()/];
  const version = pattern.exec(agent)?.filter(Boolean).slice(1).at(-1) ?? "";
  const platform = navigator.userAgentData?.platform ?? navigator.platform ?? "";
  return {
    browser: { name, version, isolated: globalThis.crossOriginIsolated === true },
    host: { os: platform, arch: "", cpus: navigator.hardwareConcurrency ?? 0, clock_resolution_ns: clockResolution() },
  };
}

/** The smallest step seen between readings of the clock that times runs, in nanoseconds. */
export function clockResolution() {
  let smallest = Infinity;
  const begun = performance.now();
  for (let last = begun; last - begun < 20;) {
    const now = performance.now();
    if (now > last) smallest = Math.min(smallest, now - last);
    last = now;
  }
  return Math.round(smallest * 1e6);
}
