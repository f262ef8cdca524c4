// Calls over the network: one step out of WebAssembly, one back into it (src/edge/fetch.rs).

/**
 * Status and text of an answer; undefined if both are not there within so many milliseconds. Fails where there is no
 * answer, or one that says itself that it has more bytes than `most`.
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
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  let said;
  try {
    said = await Promise.race([read(), late]);
    return said;
  } finally {
    clearTimeout(timer);
    if (said === undefined) abort.abort();
  }
}
