// Load over loopback, from a thread of its own. Bounded: so many connections for so long, and no more.
import { Worker } from "node:worker_threads";

const MAX_CONNECTIONS = 64;
const MAX_MILLISECONDS = 30_000;

/** What an ordinary client sends along. */
const HEADERS = {
  accept: "*/*",
  "accept-encoding": "gzip, br",
  "accept-language": "en",
  "user-agent": "x402-edge-bench/1",
  cookie: "session=3f9c1a7be0d24c58",
};

export function startLoad() {
  const thread = new Worker(new URL("load-thread.mjs", import.meta.url));
  const waiting = new Map();
  let last = 0;
  thread.on("message", ({ id, ...result }) => {
    waiting.get(id)(result);
    waiting.delete(id);
  });
  return {
    /** GETs `path` over and over; fails where an answer has another status than `status`. */
    async run({ port, path, status, headers = {}, connections, milliseconds }) {
      if (connections > MAX_CONNECTIONS || milliseconds > MAX_MILLISECONDS) throw new Error("more load than this machine should bear");
      const lines = Object.entries({ host: `127.0.0.1:${port}`, ...HEADERS, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
      const id = ++last;
      const result = await new Promise((resolve) => {
        waiting.set(id, resolve);
        thread.postMessage({ id, port, request: `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`, connections, milliseconds });
      });
      const others = Object.keys(result.statuses).filter((seen) => seen !== String(status));
      if (others.length > 0 || result.failed > 0 || result.count === 0) {
        throw new Error(`GET ${path} on port ${port}: ${result.count} answers, ${result.failed} failed, by status ${JSON.stringify(result.statuses)}, expected ${status}`);
      }
      return result;
    },
    stop: () => thread.terminate(),
  };
}
