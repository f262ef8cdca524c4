// What the module has said, said again: to requests of the same method, URL and names of headers, while the prices are the
// same, and as far as the module allows it (src/edge/door.rs). Nothing is decided here; texts are compared.
import { epoch, unless } from "./index.js";

/** So much is remembered; then all is forgotten. */
const MAX_SAID = 512;
const MAX_KEY_LENGTH = 2048;

const said = new Map();
/** The epoch in which it was said. */
let since;
/** Headers, and texts that make a request another case. */
let forwards, answers;

/** The names of all headers, a line each. */
export function namesOf(headers) {
  let names = "";
  for (const name of headers.keys()) names += `${name}\n`;
  return names;
}

/** What was said to such a request, if it holds for this one. */
export function recalled(key, headers) {
  const now = epoch();
  if (now !== since) {
    since = now;
    said.clear();
    return;
  }
  const what = said.get(key);
  if (what === undefined) return;
  for (const [header, text] of typeof what === "number" ? forwards : answers) {
    if (headers.get(header)?.includes(text)) return;
  }
  return what;
}

/** Remembers what was said: the place of a path in its URL, or body and head of an answer. */
export function remember(key, what) {
  if (since === 0 || key.length > MAX_KEY_LENGTH) return;
  if (forwards === undefined) {
    const texts = unless().split("\n");
    answers = texts.flatMap((text, index) => (index % 2 === 0 ? [[text, texts[index + 1]]] : []));
    forwards = answers.slice(0, 1);
  }
  if (said.size >= MAX_SAID) said.clear();
  said.set(key, what);
}
