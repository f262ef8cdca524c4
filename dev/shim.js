// The Worker's entry: hands requests, alarms and schedules to the WebAssembly module. Bundled into build/index.js.
//
// After a panic the module is dead until it is made anew; wasm-bindgen does that at the next call
// (`reset_state_function`, `force_enable_abort_handler` in dev/bindgen). Objects of the dead one refuse to work.
import { DurableObject } from "cloudflare:workers";
import * as worker from "./index.js";
import { MAX_SAID_LENGTH, forget, keyOf, namesOf, recalled, remember } from "./recall.js";

export default {
  fetch(request, env, context) {
    if (env !== bindings) begin(env);
    const { headers, method, url } = request;
    const names = namesOf(headers);
    const key = keyOf(method, url, names, headers);
    const before = recalled(key, headers);
    if (before !== undefined) return sent(before, url, request, env);
    worker.awake();
    const said = worker.atOnce(request, names);
    if (said !== undefined) return done(said, key, url, request, env);
    return worker.isNew() ? first(request, names, key, env, context) : whole(request, names, env, context);
  },
  scheduled(event, env, context) {
    return worker.scheduled(event, env, context);
  },
};

/** Sends what the module said, and remembers it where it may be said again. */
function done(said, key, url, request, env) {
  let [what, ends] = [said, Infinity];
  const again = typeof said === "number" || said[0] === "=";
  if (said[0] === "=") {
    const end = said.indexOf("\n");
    what = said.slice(end + 1);
    ends = Number(said.slice(1, end)) * 1000 || Infinity;
  }
  if (typeof what === "string") what = what[0] === "\n" ? what.slice(1) : parts(what);
  if (again && !(said.length > MAX_SAID_LENGTH)) remember(key, what, ends);
  return sent(what, url, request, env);
}

/** A request on its way: the place of its path in its URL, or what it has to become. Or an answer, by its body and head. */
function sent(what, url, request, env) {
  if (typeof what === "object") return new Response(...what);
  return relay(typeof what === "number" ? destination(url, what) : what, request, env);
}

/** The bindings of the last request, and by them the origin's scheme and host; empty where it is the site's own. */
let bindings, origin;

/** Begins anew with these bindings: a deployment that changes nothing else may keep the isolates that are there. */
function begin(env) {
  if (bindings !== undefined) {
    worker.awake();
    worker.forgetBindings();
    forget();
    origin = undefined;
  }
  bindings = env;
}

/** Where a request goes on to whose path begins at `path` in its URL. */
function destination(url, path) {
  if (origin === undefined) {
    worker.awake();
    origin = worker.originUrl(url) ?? "";
  }
  return origin === "" ? url : origin + url.slice(path);
}

/** A request that takes all the gate. */
function whole(request, names, env, context) {
  worker.awake();
  const answer = worker.fetch(request, names, env, context);
  // A payment that has begun is finished, also when its client has gone.
  context.waitUntil(answer.catch(() => {}));
  return answer;
}

/** A request to an isolate that has not read its prices yet. */
async function first(request, names, key, env, context) {
  const { url } = request;
  worker.awake();
  await worker.getReady(url, env, context);
  forget();
  worker.awake();
  const said = worker.atOnce(request, names);
  return said === undefined ? whole(request, names, env, context) : done(said, key, url, request, env);
}

/** Headers: a line for each name and one for its value. */
function lines(headers) {
  let text = "";
  for (const [name, value] of headers) text += `${name}\n${value}\n`;
  return text;
}

/** The answer that the module wrote as lines (src/edge/door.rs). */
const response = (said) => new Response(...parts(said));

/** Its body and its head. */
function parts(said) {
  const end = said.indexOf("\n\n");
  const [status, ...texts] = said.slice(0, end).split("\n");
  const headers = new Headers();
  for (let index = 0; index < texts.length; index += 2) headers.set(texts[index], texts[index + 1]);
  return [said.slice(end + 2) || null, { status: Number(status), headers }];
}

/** A negative time to live: nothing that was paid for is kept by a cache, whatever its status. */
const UNCACHED = { cacheTtlByStatus: { "100-599": -1 } };

/**
 * Sends a request on that nobody prices, and gives the answer back as it came; or one without a body that a pass opens.
 * The origin has as long as the platform gives it: a deadline of ours would cost a tenth of the time of a free request.
 * What `said` is made of: src/edge/door.rs; what is asked of the answer: src/edge/relay.rs.
 */
async function relay(said, request, env) {
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
    return response(worker.unanswered(version));
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

/** A Durable Object class of the module, made anew when the module was. */
const durable = (name) => class extends DurableObject {
  #object;

  /** The reply to a message: at once where the object needs no waiting (src/edge/channel_object.rs). */
  tell(message) {
    return this.#call((object) => object.atOnce?.(message) ?? object.tell(message));
  }

  alarm() {
    return this.#call((object) => object.alarm());
  }

  async #call(work) {
    worker.awake();
    this.#object ??= new worker[name](this.ctx, this.env);
    try {
      return await work(this.#object);
    } catch (error) {
      // Said before anything is done.
      if (!/stale object/.test(error?.message)) throw error;
      this.#object = new worker[name](this.ctx, this.env);
      return work(this.#object);
    }
  }
};

export const ChannelObject = durable("ChannelObject");
export const LedgerObject = durable("LedgerObject");
export const PriceHistoryObject = durable("PriceHistoryObject");
export const QuotaObject = durable("QuotaObject");
