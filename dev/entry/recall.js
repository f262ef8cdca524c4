// What the module has said, said again to requests that are alike, while the prices are the same, and as far as the module
// allows it (src/edge/door.rs). Nothing is decided here; texts are compared.
import { holdsUntil, marks } from "./index.js";

/** So much is remembered; then all is forgotten. */
const MAX_SAID = 512;
const MAX_KEY_LENGTH = 2048;
export const MAX_SAID_LENGTH = 16 * 1024;

const [PASS_HEADER, PASS_MARK, HTML] = marks().split("\n");

const said = new Map();
/** Until when it holds. */
let until = 0;

/** The names of all headers, a line each. */
export function namesOf(headers) {
  let names = "";
  for (const name of headers.keys()) names += `${name}\n`;
  return names;
}

/** What is the same in requests that are alike. A pass in it is looked up by its hash: how long that takes tells nothing. */
export function keyOf(method, url, names, headers) {
  let key = `${method} ${url}\n${names}`;
  const cookies = headers.get("cookie");
  if (cookies?.includes(PASS_MARK)) key += `c ${cookies}\n`;
  if (names.includes(PASS_HEADER)) key += `p ${headers.get(PASS_HEADER)}\n`;
  return key;
}

/** What was said to such a request, if it holds for this one. */
export function recalled(key, headers) {
  const before = said.get(key);
  if (before === undefined) return;
  const now = Date.now();
  if (now >= until || now >= before.ends) return;
  // An answer; for a person there is a page.
  if (typeof before.what === "object" && headers.get("accept")?.includes(HTML)) return;
  return before.what;
}

/** Forgets all: the module, or what it goes by, is another. */
export function forget() {
  said.clear();
  until = 0;
}

/** Remembers what the module has just said, until it ends: where a request goes on to, or body and head of an answer. */
export function remember(key, what, ends) {
  if (key.length > MAX_KEY_LENGTH) return;
  const now = holdsUntil();
  if (now !== until || said.size >= MAX_SAID) said.clear();
  until = now;
  said.set(key, { what, ends });
}
