// The site behind all contenders, in a thread of its own. /wait/<ms>/… answers after so long, …/big with 10 MB.
import { createServer } from "node:http";
import { Worker, isMainThread, parentPort } from "node:worker_threads";

export const BIG = 10 * 1024 * 1024;

if (!isMainThread) {
  const small = Buffer.from(`${JSON.stringify({ place: "Lisbon", celsius: 21, text: "x".repeat(480) })}\n`);
  const big = Buffer.alloc(BIG, "x402-edge ");
  const server = createServer((request, response) => {
    const { url } = request;
    const body = url.endsWith("/big") ? big : small;
    const answer = () => {
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
      response.end(body);
    };
    const wait = /\/wait\/(\d+)\//.exec(url)?.[1];
    if (wait) setTimeout(answer, Number(wait));
    else answer();
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
}

export async function startOrigin() {
  const thread = new Worker(new URL(import.meta.url));
  const port = await new Promise((resolve, reject) => thread.once("message", resolve).once("error", reject));
  return { port, url: `http://127.0.0.1:${port}`, stop: () => thread.terminate() };
}
