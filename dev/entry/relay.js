// Sends requests on that nobody prices, or that a pass opens, and gives the origin's answers back.
import * as worker from "./index.js";

/** A negative time to live: nothing that was paid for is kept by a cache, whatever its status. */
const UNCACHED = { cacheTtlByStatus: { "100-599": -1 } };

/**
 * Sends a request on that nobody prices, and gives the answer back as it came; or one without a body that a pass opens.
 * The origin has as long as the platform gives it: a deadline of ours would cost a tenth of the time of a free request.
 * What `said` is made of: src/edge/door.rs; what is asked of the answer: src/edge/relay.rs.
 */
export async function relay(said, request, env) {
  // The version is there for a request that a pass opens.
  const [forward, set, version] = said.split("\n\n");
  const [url, ...removed] = forward.split("\n");
  const opened = version !== undefined;
  let answer;
  try {
    let { headers } = request;
    if (removed.length > 0 || opened) headers = changed(new Headers(headers), removed, set);
    const cf = opened ? UNCACHED : request.cf;
    // What a request is made of takes a tenth less time than a copy of one; but only a copy keeps a body as it is.
    const init = request.body === null
      ? { method: request.method, headers, redirect: "manual", cf }
      : new Request(request, { headers });
    answer = await (env.ORIGIN ?? globalThis).fetch(url, init);
  } catch {
    worker.awake();
    return new Response(...parts(worker.unanswered(version)));
  }
  const { status } = answer;
  const plain = status >= 200 && status < 300 || status >= 400 && status < 600;
  if (plain && !opened && !answer.headers.has("X-402-Prices")) return answer;
  if (!plain || !opened) {
    worker.awake();
    return worker.relayed(answer, request.url, version);
  }
  const copy = new Response(answer.body, answer);
  changed(copy.headers, ...edits(answer, request.url, version));
  return copy;
}

/** What changes in most answers that passes open, by the price document that was asked for last. */
let usual = {};

/** Names of headers to take out of an answer that a pass opened; names and values of those to set, as lines. */
function edits(answer, url, version) {
  if (usual.version !== version) {
    worker.awake();
    const [unless, values] = changes(worker.openedUsually(url, version));
    usual = { version, unless: new Set(unless), edits: [[], values] };
  }
  for (const name of answer.headers.keys()) {
    if (!usual.unless.has(name)) continue;
    worker.awake();
    return changes(worker.opened(answer.status, lines(answer.headers), url, version));
  }
  return usual.edits;
}

/** A list of names, and the lines after it (src/edge/relay.rs). */
function changes(said) {
  const [names, values] = said.split("\n\n");
  return [names === "" ? [] : names.split("\n"), values];
}

/** Takes headers out and sets others, where there are any: names and values in turns, a line each. */
function changed(headers, removed, set) {
  for (const name of removed) headers.delete(name);
  const texts = set?.split("\n") ?? [];
  for (let index = 0; index < texts.length; index += 2) headers.set(texts[index], texts[index + 1]);
  return headers;
}

/** Headers: a line for each name and one for its value. */
function lines(headers) {
  let text = "";
  for (const [name, value] of headers) text += `${name}\n${value}\n`;
  return text;
}

/** Body and head of an answer that the module wrote as lines (src/edge/door.rs). */
export function parts(said) {
  const end = said.indexOf("\n\n");
  const [status, ...texts] = said.slice(0, end).split("\n");
  const headers = new Headers();
  for (let index = 0; index < texts.length; index += 2) headers.set(texts[index], texts[index + 1]);
  return [said.slice(end + 2) || null, { status: Number(status), headers }];
}
