// The Worker's entry: hands requests, alarms and schedules to the WebAssembly module. Bundled into build/index.js.
//
// After a panic the module is dead until it is made anew; wasm-bindgen does that at the next call
// (`reset_state_function`, `force_enable_abort_handler` in dev/bindgen). Objects of the dead one refuse to work.
import * as worker from "./index.js";
import { MAX_SAID_LENGTH, forget, keyOf, namesOf, recalled, remember } from "./recall.js";
import { parts, relay } from "./relay.js";

export * from "./objects.js";

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
