// The origin of the tests: does what the last part of the path says, and remembers what it was asked.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";

export const BIG = 10 * 1024 * 1024;
export const bigBody = Buffer.alloc(BIG, "x402-edge ");

const behaviours = {
  "big": (request, response) => response.writeHead(200, { "content-type": "application/octet-stream", "content-length": BIG }).end(bigBody),
  "cached": (request, response) => response.writeHead(200, { "cache-control": "public, max-age=60, s-maxage=600", "cdn-cache-control": "max-age=600", etag: '"1"' }).end("cached"),
  "cookies": (request, response) => response.writeHead(200, { "set-cookie": ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"] }).end("cookies"),
  "drop": (request) => request.socket.destroy(),
  "events": (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: first\n\n");
    // The second event leaves only after the reader has told that the first one came.
    site.onRelease(() => response.end("data: second\n\n"));
  },
  "gzip": (request, response) => response.writeHead(200, { "content-encoding": "gzip", "content-type": "text/plain" }).end(gzipSync("unpacked")),
  "latin1": (request, response) => response.writeHead(200, { "x-name": Buffer.from("Málaga", "latin1").toString("latin1") }).end("latin1"),
  "forged": (request, response) => response.writeHead(200, { "payment-response": "forged", "settlement-overrides": '{"amount":"0"}' }).end("forged"),
  "cors": (request, response) => response.writeHead(200, { "access-control-allow-origin": "https://app.example", "access-control-expose-headers": "X-Mine" }).end("cors"),
  // Says what was used, as the query has it.
  "use": (request, response) => {
    const { searchParams } = new URL(request.url, "http://site");
    const [overrides, settlement] = ["overrides", "settlement"].map((name) => searchParams.get(name));
    response.writeHead(200, {
      ...(overrides !== null && { "settlement-overrides": JSON.stringify({ amount: overrides }) }),
      ...(settlement !== null && { "payment-settlement": settlement }),
    }).end("used");
  },
  // A language model: `input` and `output` tokens as the query has it; a stream of events, which waits to be released
  // before the last one, and may break off there.
  "model": (request, response) => {
    const { searchParams } = new URL(request.url, "http://site");
    const usage = { prompt_tokens: Number(searchParams.get("input")), completion_tokens: Number(searchParams.get("output")) };
    if (!searchParams.has("stream")) {
      return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ choices: [{ message: { content: "hello" } }], usage }));
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const event = (data) => `data: ${JSON.stringify(data)}\n\n`;
    response.write(event({ choices: [{ delta: { content: "hel" } }] }));
    site.onRelease(() => {
      if (searchParams.has("breaks")) return request.socket.destroy();
      response.write(event({ choices: [{ delta: { content: "lo" } }] }));
      return response.end(`${event({ choices: [], usage })}data: [DONE]\n\n`);
    });
  },
  // Ten bytes, version "v1", as RFC 9110 has it.
  "ranged": (request, response) => {
    const { range, "if-match": match, "if-range": ifRange, "if-none-match": noneMatch } = request.headers;
    const headers = { etag: '"v1"', "accept-ranges": "bytes", "content-type": "text/plain" };
    if (match && match !== '"v1"') return response.writeHead(412, headers).end();
    if (noneMatch === '"v1"') return response.writeHead(304, headers).end();
    const [, from, to] = (!ifRange || ifRange === '"v1"') && range?.match(/^bytes=(\d+)-(\d+)$/) || [];
    if (from === undefined) return response.writeHead(200, { ...headers, "content-length": 10 }).end("0123456789");
    if (Number(from) > 9) return response.writeHead(416, { ...headers, "content-range": "bytes */10" }).end();
    const part = "0123456789".slice(Number(from), Number(to) + 1);
    return response.writeHead(206, { ...headers, "content-range": `bytes ${from}-${Number(from) + part.length - 1}/10`, "content-length": part.length }).end(part);
  },
  "upload": async (request, response) => {
    const hash = createHash("sha256");
    let length = 0;
    for await (const chunk of request) {
      hash.update(chunk);
      length += chunk.length;
    }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ length, sha256: hash.digest("hex") }));
  },
};

const site = {
  requests: [],
  releases: [],
  onRelease: (release) => site.releases.push(release),
};

/** Starts it. `requests` are those seen, newest last; `release()` lets waiting streams go on. */
export async function startSite() {
  const server = createServer((request, response) => {
    site.requests.push({ method: request.method, url: request.url, headers: request.headers, rawHeaders: request.rawHeaders });
    const url = new URL(request.url.replace(/^\/+/, "/"), "http://site");
    const what = url.pathname.split("/").at(-1);
    const status = what.match(/^status-(\d+)$/)?.[1];
    if (status) return response.writeHead(Number(status), { "x-from": "origin" }).end(`status ${status}`);
    if (what === "redirect") return response.writeHead(302, { location: url.searchParams.get("to") }).end("moved");
    const behave = behaviours[what];
    if (behave) return behave(request, response);
    response.writeHead(200, { "content-type": "text/plain" }).end(`${request.method} ${request.url}`);
  });
  server.on("upgrade", (request, socket) => {
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.on("error", () => {});
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    // One unmasked text frame, "hello".
    socket.write(Buffer.from([0x81, 5, ...Buffer.from("hello")]));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests: site.requests,
    release: () => site.releases.splice(0).forEach((release) => release()),
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
