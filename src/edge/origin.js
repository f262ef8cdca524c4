// Requests to the origin and its answers: one step out of WebAssembly for each (src/edge/origin.rs, response.rs).
// Headers to remove are a line each; those to set or append, a line for the name and one for the value.

/** A negative time to live: nothing that is paid for comes out of a cache or is kept in one, whatever its status. */
const UNCACHED = { cacheTtlByStatus: { "100-599": -1 } };

/**
 * Sends a request on to a URL, and follows no redirect. Undefined if the answer's head takes longer than so many
 * milliseconds; its body takes its time.
 */
export async function send(fetcher, url, request, removed, set, paid, milliseconds) {
  const forwarded = new Request(url, request);
  edit(forwarded.headers, removed, set);
  const abort = new AbortController();
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  const init = { redirect: "manual", signal: abort.signal };
  if (paid) init.cf = UNCACHED;
  try {
    const answer = await Promise.race([fetcher.fetch(forwarded, init), late]);
    if (answer === undefined) abort.abort();
    return answer;
  } finally {
    clearTimeout(timer);
  }
}

/** An answer with another body and other headers. As init, a response gives its status, headers and WebSocket. */
export function edited(answer, body, removed, set, appended) {
  const response = new Response(body, answer);
  edit(response.headers, removed, set);
  for (const [name, value] of pairs(appended)) response.headers.append(name, value);
  return response;
}

/** A native pipe for an answer's body. With its length known, the answer keeps its Content-Length. */
export function pipe({ headers }) {
  const length = headers.get("Content-Length");
  const isKnown = length !== null && /^\d{1,10}$/.test(length) && !headers.has("Content-Encoding");
  return isKnown ? new FixedLengthStream(Number(length)) : new IdentityTransformStream();
}

function edit(headers, removed, set) {
  if (removed !== "") for (const name of removed.split("\n")) headers.delete(name);
  for (const [name, value] of pairs(set)) headers.set(name, value);
}

function* pairs(lines) {
  if (lines === "") return;
  const texts = lines.split("\n");
  for (let index = 0; index < texts.length; index += 2) yield [texts[index], texts[index + 1]];
}
