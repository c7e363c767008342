// What a page of tests measures.

/** To be evaluated in a page of the site: what it would save of every case. */
export async function measureAll() {
  const { Gpu } = await import("/js/gpu.js");
  const { casesOf, Site } = await import("/js/site.js");
  const { measureCase } = await import("/js/measure.js");
  const { describeBrowser, resultsFile } = await import("/js/results.js");
  const gpu = await Gpu.open();
  const about = await new Site().index();
  const runs = [];
  for (const outline of casesOf(about)) {
    const { experiment, spec_sha256 } = outline;
    if (!runs.some((run) => run.experiment === experiment)) runs.push({ experiment, spec_sha256, cases: [] });
    runs.at(-1).cases.push(await measureCase(gpu, outline));
  }
  const file = resultsFile({ about, gpu, ...describeBrowser(), runs });
  gpu.close();
  return file;
}
