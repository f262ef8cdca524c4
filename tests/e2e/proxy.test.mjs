// Between the client and the site: bodies, headers, streams, redirects, WebSockets; free and paid.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import { bigBody } from "./site.mjs";
import { decodeHeader, merchant, startWorld } from "./world.mjs";
import { startMiniflare } from "./workers.mjs";

describe("the proxy", () => {
  let world, payer, url;
  before(async () => {
    world = await startWorld();
    payer = await world.payer(1_000_000_000n);
    url = world.gate.url;
  });
  after(() => world?.stop());
  beforeEach(() => { world.site.requests.length = 0; });

  test("free_answers_are_the_origins", async () => {
    const response = await fetch(`${url}/free/status-201`);
    assert.equal(response.status, 201);
    assert.equal(response.headers.get("x-from"), "origin");
    assert.equal(response.headers.get("access-control-allow-origin"), null);
    assert.equal((await fetch(`${url}/free/status-404`)).status, 404);
    const gone = await fetch(`${url}/free/drop`);
    assert.equal(gone.status, 502);
    assert.equal((await gone.json()).title, "Origin unreachable");
  });

  test("every_method_goes_through_with_its_body", async () => {
    for (const method of ["PUT", "PATCH", "DELETE", "PROPFIND", "OPTIONS"]) {
      const response = await fetch(`${url}/free/x`, { method, body: method === "OPTIONS" ? undefined : "body" });
      assert.equal(await response.text(), `${method} /free/x`);
    }
    const head = await fetch(`${url}/free/x`, { method: "HEAD" });
    assert.equal(head.status, 200);
  });

  for (const [kind, path, get] of [["free", "free", () => fetch], ["paid", "paid", () => payer.v2]]) {
    test(`several_cookies_stay_apart_${kind}`, async () => {
      const response = await get()(`${url}/${path}/cookies`);
      assert.deepEqual(response.headers.getSetCookie(), ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"]);
    });

    test(`ten_megabytes_arrive_whole_${kind}`, async () => {
      const response = await get()(`${url}/${path}/big`);
      assert.equal(response.headers.get("content-length"), String(bigBody.length));
      assert.ok(Buffer.from(await response.arrayBuffer()).equals(bigBody));
    });

    test(`ten_megabytes_are_uploaded_whole_${kind}`, async () => {
      const response = await get()(`${url}/${path}/upload`, { method: "POST", body: bigBody });
      assert.deepEqual(await response.json(), { length: bigBody.length, sha256: createHash("sha256").update(bigBody).digest("hex") });
    });

    test(`events_arrive_as_they_are_sent_${kind}`, async () => {
      const response = await get()(`${url}/${path}/events`);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      assert.equal((await reader.read()).value, "data: first\n\n");
      world.site.release();
      assert.equal((await reader.read()).value, "data: second\n\n");
    });

    test(`compressed_bodies_stay_readable_${kind}`, async () => {
      assert.equal(await (await get()(`${url}/${path}/gzip`)).text(), "unpacked");
    });

    test(`header_values_beyond_ascii_go_through_${kind}`, async () => {
      const response = await get()(`${url}/${path}/latin1`);
      assert.equal(response.headers.get("x-name"), "Málaga");
    });

    test(`redirects_to_the_origins_own_host_lead_to_ours_${kind}`, async () => {
      const to = (target) => get()(`${url}/${path}/redirect?to=${encodeURIComponent(target)}`, { redirect: "manual" });
      assert.equal((await to(`${world.site.url}/free/x?y#z`)).headers.get("location"), `${url}/free/x?y#z`);
      assert.equal((await to("https://elsewhere.example/x")).headers.get("location"), "https://elsewhere.example/x");
      assert.equal((await to("/free/x")).headers.get("location"), "/free/x");
    });
  }

  test("paid_answers_are_private_and_readable_by_scripts", async () => {
    const response = await payer.v2(`${url}/paid/cached`, { headers: { "If-None-Match": '"1"' } });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("cache-control"), "max-age=60, private");
    assert.equal(response.headers.get("cdn-cache-control"), null);
    assert.match(response.headers.get("access-control-expose-headers"), /PAYMENT-RESPONSE/);
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    assert.equal(world.site.requests.at(-1).headers["if-none-match"], undefined);
    const plain = await payer.v2(`${url}/paid/x`);
    assert.equal(plain.headers.get("cache-control"), "private");
    const free = await fetch(`${url}/free/cached`);
    assert.equal(free.headers.get("cache-control"), "public, max-age=60, s-maxage=600");
  });

  test("the_origins_own_cors_is_kept", async () => {
    const response = await payer.v2(`${url}/paid/cors`);
    assert.equal(response.headers.get("access-control-allow-origin"), "https://app.example");
    assert.match(response.headers.get("access-control-expose-headers"), /^X-Mine, .*PAYMENT-RESPONSE/);
  });

  test("the_origin_cannot_speak_for_us_on_priced_paths", async () => {
    const response = await payer.v2(`${url}/paid/forged`);
    assert.equal(decodeHeader(response.headers.get("PAYMENT-RESPONSE")).success, true);
    assert.equal(response.headers.get("settlement-overrides"), null);
  });

  test("an_unpaid_request_reaches_nobody", async () => {
    world.calls.length = 0;
    for (const method of ["GET", "HEAD", "POST", "PUT", "PROPFIND", "OPTIONS"]) {
      const response = await fetch(`${url}/paid/x`, { method });
      assert.equal(response.status, 402, method);
      assert.equal(response.headers.get("cache-control"), "no-store");
      assert.ok(response.headers.get("PAYMENT-REQUIRED"));
      if (method === "HEAD") assert.equal(await response.text(), "");
    }
    assert.deepEqual([world.site.requests, world.calls], [[], []]);
  });

  test("what_is_said_again_is_said_of_the_url_that_is_asked_for", async () => {
    const bill = async (path) => {
      const response = await fetch(url + path);
      const required = decodeHeader(response.headers.get("PAYMENT-REQUIRED"));
      return { status: response.status, headers: [...response.headers], required, body: await response.json() };
    };
    const first = new Map();
    // More URLs than are kept, in turns, some of them often.
    for (let round = 0; round < 2; round++) {
      for (let number = 0; number < 600; number++) {
        for (const path of [`/paid/${number}`, "/paid/often"]) {
          const { status, headers, required, body } = await bill(path);
          assert.equal(status, 402);
          assert.equal(required.resource.url, url + path);
          assert.deepEqual(body.accepts.map(({ resource }) => resource), [url + path]);
          const seen = JSON.stringify([headers, required, body]);
          assert.equal(seen, first.get(path) ?? seen);
          first.set(path, seen);
        }
      }
    }
  });

  test("what_was_said_to_one_is_not_said_to_another_case_with_the_same_headers", async () => {
    const ask = async (path, accept, agent, cookie, method = "GET") => {
      const response = await fetch(url + path, { method, headers: { accept, "user-agent": agent, cookie } });
      return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
    };
    const [agent, browser] = [["*/*", "agent/1"], ["text/html", "Mozilla/5.0"]];
    const sessions = ["a=b", "__Host-x402-pass=forged; a=b", "a=b; x402-theme=dark"];
    for (let round = 0; round < 3; round++) {
      for (const cookie of sessions) {
        for (const [kind, type] of [[agent, /json/], [browser, /html/]]) {
          const paid = await ask("/paid/case", ...kind, cookie);
          assert.equal(paid.status, 402);
          assert.match(paid.type, type);
          for (const method of ["GET", "POST", "DELETE"]) {
            world.site.requests.length = 0;
            assert.equal((await ask("/free/case", ...kind, cookie, method)).status, 200);
            const [seen] = world.site.requests;
            assert.equal(seen.method, method);
            assert.equal(seen.headers.cookie, cookie.replace("__Host-x402-pass=forged; ", ""));
          }
        }
      }
    }
  });

  test("a_browser_gets_a_page_and_the_header", async () => {
    const response = await fetch(`${url}/paid/x`, { headers: { accept: "text/html", "user-agent": "Mozilla/5.0" } });
    assert.equal(response.status, 402);
    assert.match(response.headers.get("content-type"), /text\/html/);
    assert.match(await response.text(), /0\.01 USDC/);
    assert.equal(decodeHeader(response.headers.get("PAYMENT-REQUIRED")).x402Version, 2);
  });

  test("a_preflight_is_answered_for_free", async () => {
    const headers = { origin: "https://app.example", "access-control-request-method": "GET", "access-control-request-headers": "payment-signature" };
    const response = await fetch(`${url}/paid/x`, { method: "OPTIONS", headers });
    assert.equal(response.status, 204);
    assert.match(response.headers.get("access-control-allow-headers"), /payment-signature/);
    assert.equal(world.site.requests.length, 0);
  });

  test("websockets_pass_on_free_paths", async () => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/free/socket`);
    const message = await new Promise((resolve, reject) => {
      socket.onmessage = ({ data }) => resolve(data);
      socket.onerror = () => reject(new Error("the WebSocket failed"));
    });
    assert.equal(message, "hello");
    socket.close();
  });

  test("an_origin_worker_can_be_bound_as_a_service", async () => {
    const origin = `export default { fetch: (request) => new Response(request.url + " " + request.headers.get("x-402-payer")) }`;
    const worker = await startMiniflare({
      prices: world.document,
      serviceBindings: { ORIGIN: { name: "origin" } },
      extraWorkers: [{ name: "origin", modules: true, script: origin, compatibilityDate: "2026-07-30" }],
    });
    try {
      assert.equal(await (await fetch(`${worker.url}/free//x?y`)).text(), `${worker.url}/free//x?y null`);
      const response = await payer.v2(`${worker.url}/paid/x`);
      assert.equal(await response.text(), `${worker.url}/paid/x ${payer.address}`);
    } finally {
      await worker.stop();
    }
  });

  test("without_an_origin_the_worker_says_so", async () => {
    const worker = await startMiniflare({ prices: world.document });
    try {
      const response = await fetch(`${worker.url}/free`);
      assert.equal(response.status, 503);
      assert.equal((await response.json()).title, "Not configured");
    } finally {
      await worker.stop();
    }
  });

  test("the_merchant_was_paid_for_each_of_these", async () => {
    const spent = 1_000_000_000n - (await payer.balance());
    assert.equal(spent % 10_000n, 0n);
    assert.ok(spent > 0n && (await world.chain.balanceOf(merchant.address)) === spent);
  });
});
