// What a page of tests measures.

/** To be evaluated in a page of the site: what it would save of every case. */
export async function measureAll() {
  const { Gpu } = await import("/js/gpu.js");
  const { Site } = await import("/js/site.js");
  const { measureCase } = await import("/js/measure.js");
  const { describeBrowser, resultsFile } = await import("/js/results.js");
  const gpu = await Gpu.open();
  const files = new Site();
  const about = await files.index();
  const runs = [];
  for (const { experiment, spec_sha256, cases } of about.experiments) {
    const measured = [];
    for (const { file } of cases) measured.push(await measureCase(gpu, await files.case(file), { source: files.source }));
    runs.push({ experiment, spec_sha256, cases: measured });
  }
  const file = resultsFile({ about, gpu, ...describeBrowser(), runs });
  gpu.close();
  return file;
}
