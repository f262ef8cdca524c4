// The site behind the paywall, for trying it out: an article, two APIs, a stream of events, a model that is paid by use.
import { createServer } from "node:http";
import { generate } from "./model.mjs";

const page = (title, text) => `<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1><p>${text}</p>`;

const routes = {
  "/": (response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end(page("A demo site", `Free. <a href="/articles/42">/articles/42</a> costs one cent, <a href="/api/weather">/api/weather</a> a tenth of one, <a href="/quote">/quote</a> a hundredth, <a href="/events">/events</a> two cents; <a href="/generate?prompt=hello">/generate</a> what it uses, five cents at most.`));
  },
  "/articles/42": (response, request) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "max-age=60" });
    response.end(page("Article 42", `You have read it. Paid by ${request.headers["x-402-payer"] ?? "nobody"}.`));
  },
  "/api/weather": (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ place: "Lisbon", celsius: 21 }));
  },
  "/quote": (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ symbol: "X402", dollars: (100 + Math.sin(Date.now() / 60_000)).toFixed(4) }));
  },
  "/generate": generate,
  "/events": (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let count = 0;
    const timer = setInterval(() => {
      response.write(`data: ${JSON.stringify({ tick: ++count })}\n\n`);
      if (count === 5) response.end(clearInterval(timer));
    }, 300);
    response.once("close", () => clearInterval(timer));
  },
};

/** Starts it on a port of loopback. */
export async function startOrigin({ port }) {
  const server = createServer((request, response) => {
    const answer = routes[new URL(request.url, "http://localhost").pathname];
    // A client that goes away while it is sending is nothing to fall over.
    if (answer) return Promise.resolve(answer(response, request)).catch(() => response.destroy());
    response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
