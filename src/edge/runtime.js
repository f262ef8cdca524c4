// What takes many steps in the runtime, for one step out of WebAssembly. Headers to remove come as a line each; those to
// set or append as a line for the name and one for the value.

/** A negative time to live: nothing that is paid for comes out of a cache or is kept in one, whatever its status. */
const UNCACHED = { cacheTtlByStatus: { "100-599": -1 } };

/** What comes of the work, or undefined after so many milliseconds. */
async function within(milliseconds, work) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What the Durable Object of this name says to a message; undefined if that is late. */
export async function tell(namespace, name, message, milliseconds) {
  return within(milliseconds, namespace.get(namespace.idFromName(name)).tell(message));
}

/**
 * Sends a request on to a URL, and follows no redirect. Undefined if the answer's head is late; its body takes its time.
 */
export async function send(fetcher, url, request, removed, set, appended, paid, milliseconds) {
  const forwarded = new Request(url, request);
  edit(forwarded.headers, removed, set, appended);
  const abort = new AbortController();
  const init = { redirect: "manual", signal: abort.signal };
  if (paid) init.cf = UNCACHED;
  const answer = await within(milliseconds, fetcher.fetch(forwarded, init));
  if (answer === undefined) abort.abort();
  return answer;
}

/** An answer with another body and other headers. As init, a response gives its status, headers and WebSocket. */
export function edited(answer, body, removed, set, appended) {
  const response = new Response(body, answer);
  edit(response.headers, removed, set, appended);
  return response;
}

/** A native pipe for an answer's body. With its length known, the answer keeps its Content-Length. */
export function pipe({ headers }) {
  const length = headers.get("Content-Length");
  const isKnown = length !== null && /^\d{1,10}$/.test(length) && !headers.has("Content-Encoding");
  return isKnown ? new FixedLengthStream(Number(length)) : new IdentityTransformStream();
}

/**
 * Status and text of an answer from elsewhere; undefined if both are late. Fails where there is no answer, or one that
 * says itself that it has more bytes than `most`.
 */
export async function ask(method, url, body, authorization, milliseconds, most) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const abort = new AbortController();
  const init = { method, headers, body, signal: abort.signal };
  if (authorization !== undefined) {
    headers.Authorization = authorization;
    // A key is for the one it was given for, not for whom that one names.
    init.redirect = "manual";
  }
  const read = async () => {
    const answer = await fetch(url, init);
    if (Number(answer.headers.get("Content-Length")) > most) throw new Error("too long");
    return [answer.status, await answer.text()];
  };
  let said;
  try {
    said = await within(milliseconds, read());
    return said;
  } finally {
    if (said === undefined) abort.abort();
  }
}

function edit(headers, removed, set, appended) {
  if (removed !== "") for (const name of removed.split("\n")) headers.delete(name);
  for (const [name, value] of pairs(set)) headers.set(name, value);
  for (const [name, value] of pairs(appended)) headers.append(name, value);
}

function* pairs(lines) {
  if (lines === "") return;
  const texts = lines.split("\n");
  for (let index = 0; index < texts.length; index += 2) yield [texts[index], texts[index + 1]];
}
