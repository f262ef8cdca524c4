// Calls to a Durable Object: one step out of WebAssembly, one back into it (src/edge/object.rs).

/** What the object of this name says to a message; undefined if it takes longer than so many milliseconds. */
export async function tell(namespace, name, message, milliseconds) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    return await Promise.race([namespace.get(namespace.idFromName(name)).tell(message), late]);
  } finally {
    clearTimeout(timer);
  }
}
