// A host whose connections break off, or stall.

/** So that what was sent has arrived: a browser may drop what it has not read by then. */
const ARRIVES_MS = 300;

/**
 * A host of one file: `{path, asked, answer, cuts}`, what was asked for, and the function that `serve` takes. Its first answers end after
 * as many bytes as `cuts` says for each in turn; later ones are whole. `ranges` says whether it sends parts, `ifRange` whether it
 * heeds that header. With `stalls` an answer that is cut stays open; of one that is cut at 0 not even its status is sent. Once `then` is set, `{bytes, headers}`, that is the file after an answer that broke off.
 */
export function breaking(path, bytes, { cuts, headers = { etag: '"one"' }, ranges = true, ifRange = true, stalls = false }) {
  const asked = [];
  const host = { path, asked, answer, cuts, then: null };
  let file = { bytes, headers };
  function answer({ method, url, headers: { range = null, "if-range": tag = null } }, response) {
    if (url !== path) return false;
    asked.push({ method, range, ifRange: tag });
    const { bytes, headers } = file;
    const isSame = !ifRange || !tag || Object.values(headers).includes(tag);
    const [, begin] = (ranges && isSame && range?.match(/^bytes=(\d+)-$/)) || [];
    const part = begin ? { "content-range": `bytes ${begin}-${bytes.length - 1}/${bytes.length}` } : {};
    const rest = bytes.subarray(Number(begin ?? 0));
    // Pages of other hosts may read it.
    const open = { "access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin" };
    const cut = cuts.shift();
    if (stalls && cut === 0) return true;
    response.writeHead(begin ? 206 : 200, { ...open, ...headers, ...part, "content-length": rest.length });
    if (cut === undefined) {
      response.end(rest);
      return true;
    }
    response.write(rest.subarray(0, cut), () => stalls || setTimeout(() => response.destroy(), ARRIVES_MS));
    file = host.then ?? file;
    return true;
  }
  return host;
}
