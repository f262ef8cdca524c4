// Passes and sign-in-with-x on real workerd, with the official clients: what was paid for opens again, and nothing else.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { wrapFetchWithSIWx } from "@x402/extensions/sign-in-with-x";
import { decodeHeader, encodeHeader, merchant, NETWORK, startWorld } from "./world.mjs";
import { startMiniflare } from "./workers.mjs";

const SHOP = "https://shop.example";
const CENT = 10_000n;
const SOME = 1_000_000n;
const key = randomBytes(32);
const PASS_KEYS = JSON.stringify({ k2: key.toString("base64url"), k1: randomBytes(32).toString("base64url") });

const prices = (facilitator) => ({
  payTo: merchant.address,
  network: NETWORK,
  facilitators: [facilitator],
  publicUrl: SHOP,
  routes: {
    "/articles/*": { price: "$0.01", pass: { ttl: 3600, scope: ["/archive/*"] } },
    "/archive/*": { price: "$0.005" },
    "/tickets/*": { price: "$0.01", pass: { ttl: 3600, uses: 3 } },
    "/dear/*": { price: "$0.50", pass: { ttl: 3600 } },
    "/plain/*": { price: "$0.01" },
  },
  hosts: { "other.example": { routes: { "/articles/*": { price: "$0.01", pass: { ttl: 3600 } } } } },
});

/** `fetch` that finds shop.example and other.example at the Worker. */
const through = (gate) => async (input, init) => {
  const request = new Request(input, init);
  const response = await gate.dispatch(request.url, { method: request.method, headers: Object.fromEntries(request.headers), redirect: "manual" });
  const body = [204, 304].includes(response.status) ? null : await response.arrayBuffer();
  const headers = new Headers(Object.entries(Object.fromEntries(response.headers)).filter(([name]) => name !== "set-cookie"));
  const answer = new Response(body, { status: response.status, headers });
  return Object.assign(answer, { cookies: response.headers.getSetCookie() });
};

const claims = (pass) => JSON.parse(Buffer.from(pass.split(".")[1], "base64url").toString("utf8"));

/** A JWS by another implementation than ours. */
const signed = (header, body, secret = key) => {
  const input = [header, body].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
};

describe("passes", () => {
  let world;
  let visit;
  before(async () => {
    world = await startWorld({ prices, worker: { vars: { PASS_KEYS } } });
    visit = through(world.gate);
  });
  after(() => world?.stop());
  beforeEach(() => {
    world.calls.length = 0;
    world.site.requests.length = 0;
  });

  const paying = (payer, over = visit) => wrapFetchWithPayment(over, new x402Client().register("eip155:*", new ExactEvmScheme(payer.account)));
  const bought = async (path, payer) => {
    const answer = await paying(payer ?? await world.payer())(`${SHOP}${path}`);
    assert.equal(answer.status, 200);
    const pass = answer.headers.get("X-402-Pass");
    assert.ok(pass, "no pass");
    world.calls.length = 0;
    world.site.requests.length = 0;
    return pass;
  };
  const open = (path, pass, headers = {}) => visit(path.startsWith("/") ? `${SHOP}${path}` : path, { headers: { "X-402-Pass": pass, ...headers } });
  const statuses = (answers) => answers.map(({ status }) => status).sort();

  test("a_paid_answer_brings_a_pass_that_opens_it_again_without_a_facilitator", async () => {
    const payer = await world.payer();
    const answer = await paying(payer)(`${SHOP}/articles/cookies`);
    assert.equal(answer.status, 200);
    const pass = answer.headers.get("X-402-Pass");
    assert.deepEqual(answer.cookies, [
      "a=1; Path=/",
      "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
      `__Host-x402-pass=${pass}; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax`,
    ], "the site's own cookies stay");
    const { sub, aud, route, amount, exp, iat } = claims(pass);
    assert.deepEqual([sub, aud, route, amount, exp - iat], [payer.address, "shop.example", "/articles/*", "10000", 3600]);
    assert.equal(signed({ alg: "HS256", kid: "k2", typ: "x402-pass" }, claims(pass)), pass, "node's crypto signs the same");

    world.calls.length = 0;
    world.site.requests.length = 0;
    const cookie = `x=y; __Host-x402-pass=${pass}; z="1, 2"`;
    for (const headers of [{ "X-402-Pass": pass }, { cookie }, { cookie, "X-402-Pass": "nonsense" }]) {
      for (const path of ["/articles/1", "/archive/cached"]) {
        const again = await visit(`${SHOP}${path}`, { headers });
        assert.equal(again.status, 200);
        assert.match(again.headers.get("cache-control"), /private$/);
        assert.equal(again.headers.get("cdn-cache-control"), null);
        assert.equal(again.headers.get("X-402-Pass"), null);
      }
    }
    assert.equal(world.calls.length, 0, "no facilitator is asked");
    assert.equal(world.site.requests.length, 6);
    for (const { headers, rawHeaders } of world.site.requests) {
      assert.ok(!rawHeaders.some((text) => text.includes(pass.slice(0, 40)) || text.includes("nonsense")), String(rawHeaders));
      assert.equal(headers["x-402-payer"], payer.address);
      assert.equal(headers["x-402-pass-id"], claims(pass).jti);
      if (headers.cookie) assert.equal(headers.cookie, 'x=y; z="1, 2"');
    }
    assert.equal(await payer.balance(), SOME - CENT);
    // Nor does a free path of the site see it.
    world.site.requests.length = 0;
    assert.equal((await visit(`${SHOP}/free`, { headers: { cookie, "X-402-Pass": pass } })).status, 200);
    assert.ok(!world.site.requests[0].rawHeaders.some((text) => text.includes(pass.slice(0, 40))));
    assert.equal(world.site.requests[0].headers.cookie, 'x=y; z="1, 2"');
  });

  test("a_pass_opens_until_it_ends_and_what_it_opened_a_moment_ago_opens_to_nobody_else", async () => {
    const said = { ...claims(await bought("/articles/1")), exp: Math.floor(Date.now() / 1000) + 3 };
    const pass = signed({ alg: "HS256", kid: "k2", typ: "x402-pass" }, said);
    const forged = `${pass.slice(0, -1)}${pass.endsWith("A") ? "B" : "A"}`;
    let [opened, ended] = [0, 0];
    while (ended < 3) {
      const asked = Date.now();
      const { status } = await open("/articles/1", pass);
      if (status === 402) ended += 1;
      else opened += 1;
      // On its way a request may see the end come.
      const expected = asked >= said.exp * 1000 ? [402] : Date.now() < said.exp * 1000 ? [200] : [200, 402];
      assert.ok(expected.includes(status), `${status}, ${said.exp * 1000 - asked} ms before its end`);
      assert.deepEqual(statuses([await open("/articles/1", forged), await visit(`${SHOP}/articles/1`)]), [402, 402]);
    }
    assert.ok(opened > 10, String(opened));
  });

  test("a_pass_opens_nothing_that_it_was_not_sold_for", async () => {
    const pass = await bought("/articles/1");
    const [header, body, mac] = pass.split(".");
    const ours = { alg: "HS256", kid: "k2", typ: "x402-pass" };
    const said = claims(pass);
    const text = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    assert.equal((await open("/articles/1", signed(ours, said))).status, 200, "the forger works");
    for (const path of ["/tickets/1", "/dear/1", "/plain/1", "https://other.example/articles/1", "https://www.shop.example/articles/1"]) {
      assert.equal((await open(path, pass)).status, 402, path);
    }
    const forged = [
      `${header}.${body}.`,
      `${text({ ...ours, alg: "none" })}.${body}.`,
      `${text({ ...ours, alg: "none" })}.${body}.${mac}`,
      `${header}.${text({ ...said, exp: said.exp + 1 })}.${mac}`,
      `${header}.${text({ ...said, sub: merchant.address })}.${mac}`,
      signed(ours, said, randomBytes(32)),
      signed({ ...ours, kid: "k1" }, said),
      signed({ ...ours, kid: "k3" }, said),
      signed({ ...ours, alg: "RS256" }, said),
      signed({ ...ours, jwk: { kty: "oct", k: key.toString("base64url") } }, said),
      signed(ours, { ...said, exp: Math.floor(Date.now() / 1000) - 1 }),
      signed(ours, { ...said, amount: "9999" }),
      ...Array.from({ length: 20 }, (_, index) => {
        const at = Math.floor((index * pass.length) / 20);
        return `${pass.slice(0, at)}${pass[at] === "A" ? "B" : "A"}${pass.slice(at + 1)}`;
      }),
    ];
    for (const token of forged) assert.equal((await open("/articles/1", token)).status, 402, token);
    for (const cookie of [`__Host-x402-pass=${"A".repeat(30_000)}`, `${"__Host-x402-pass=a.b.c; ".repeat(500)}`, `__Host-x402-pass=${".".repeat(30_000)}`]) {
      assert.equal((await visit(`${SHOP}/articles/1`, { headers: { cookie } })).status, 402);
    }
    assert.equal(world.calls.length, 0);
  });

  test("fifty_at_once_use_three_uses_three_times", async () => {
    const payer = await world.payer();
    const pass = await bought("/tickets/1", payer);
    const found = statuses(await Promise.all(Array.from({ length: 50 }, () => open("/tickets/1", pass))));
    assert.deepEqual(found, [200, 200, 200, ...Array(47).fill(402)]);
    assert.equal(world.site.requests.length, 3);
    assert.equal(await payer.balance(), SOME - CENT);
  });

  test("a_use_for_which_the_site_failed_was_none", async () => {
    const pass = await bought("/tickets/1");
    for (const what of ["status-503", "status-404", "drop", "status-304"]) {
      const { status } = await open(`/tickets/${what}`, pass);
      assert.notEqual(status, 402, what);
    }
    const found = [];
    for (let use = 0; use < 4; use += 1) found.push((await open("/tickets/1", pass)).status);
    assert.deepEqual(found, [200, 200, 200, 402]);
  });

  test("a_wallet_comes_back_by_signing_with_the_official_client_and_pays_nothing", async () => {
    const payer = await world.payer();
    const pass = await bought("/articles/1", payer);
    const sent = [];
    const recorded = async (input, init) => {
      const request = new Request(input, init);
      sent.push(request.headers.get("SIGN-IN-WITH-X"));
      return visit(request);
    };
    const signing = wrapFetchWithSIWx(recorded, payer.account);
    // What was sold is remembered behind the answer.
    const end = Date.now() + 20_000;
    let answer;
    do answer = await signing(`${SHOP}/articles/2?x=1`);
    while (answer.status !== 200 && Date.now() < end);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("X-402-Pass"), pass, "the same pass: the same expiry and uses");
    assert.match(answer.cookies[0], new RegExp(`^__Host-x402-pass=${pass}; Path=/; Max-Age=3[56]\\d\\d; Secure; HttpOnly; SameSite=Lax$`));
    assert.equal(world.calls.length, 0);
    assert.equal(world.site.requests.at(-1).headers["sign-in-with-x"], undefined);
    assert.equal(await payer.balance(), SOME - CENT);

    const proof = sent.at(-1);
    const again = await Promise.all(Array.from({ length: 10 }, () => visit(`${SHOP}/articles/1`, { headers: { "SIGN-IN-WITH-X": proof } })));
    assert.deepEqual(statuses(again), Array(10).fill(402), "a signed message is good once");
    // A fresh one, ten times at once: once.
    const [extension] = [decodeHeader(again[0].headers.get("PAYMENT-REQUIRED")).extensions["sign-in-with-x"]];
    assert.deepEqual(extension.supportedChains, [{ chainId: NETWORK, type: "eip191" }]);
    const fresh = [];
    await wrapFetchWithSIWx(async (input, init) => {
      const request = new Request(input, init);
      if (!request.headers.has("SIGN-IN-WITH-X")) return visit(request);
      fresh.push(request.headers.get("SIGN-IN-WITH-X"));
      return new Response();
    }, payer.account)(`${SHOP}/articles/1`);
    const other = await visit("https://other.example/articles/1", { headers: { "SIGN-IN-WITH-X": fresh[0] } });
    assert.equal(other.status, 402, "another host");
    const once = await Promise.all(Array.from({ length: 10 }, () => visit(`${SHOP}/articles/1`, { headers: { "SIGN-IN-WITH-X": fresh[0] } })));
    assert.deepEqual(statuses(once), [200, ...Array(9).fill(402)]);

    const stranger = await world.payer();
    assert.equal((await wrapFetchWithSIWx(visit, stranger.account)(`${SHOP}/articles/1`)).status, 402, "who has no pass");
    const swapped = { ...decodeHeader(fresh[0]), address: stranger.address };
    assert.equal((await visit(`${SHOP}/articles/1`, { headers: { "SIGN-IN-WITH-X": encodeHeader(swapped) } })).status, 402);
    for (const path of ["/dear/1", "/tickets/1"]) {
      assert.equal((await wrapFetchWithSIWx(visit, payer.account)(`${SHOP}${path}`)).status, 402, path);
    }
  });

  test("signing_in_gives_no_more_uses", async () => {
    const payer = await world.payer();
    const pass = await bought("/tickets/1", payer);
    const signing = wrapFetchWithSIWx(visit, payer.account);
    const end = Date.now() + 20_000;
    let first;
    do first = await signing(`${SHOP}/tickets/1`);
    while (first.status !== 200 && Date.now() < end);
    const found = [first.status, (await open("/tickets/1", pass)).status, (await signing(`${SHOP}/tickets/1`)).status];
    assert.deepEqual(found, [200, 200, 200]);
    assert.deepEqual([(await signing(`${SHOP}/tickets/1`)).status, (await open("/tickets/1", pass)).status], [402, 402]);
    assert.equal(await payer.balance(), SOME - CENT);
  });

  test("a_second_pass_does_not_push_the_first_out_of_a_browsers_cookie", async () => {
    const payer = await world.payer();
    const first = await paying(payer)(`${SHOP}/articles/1`);
    const jar = (answer) => answer.cookies.at(-1).split(";")[0];
    const second = await paying(payer)(`${SHOP}/dear/1`, { headers: { cookie: jar(first) } });
    assert.equal(second.status, 200);
    for (const path of ["/articles/2", "/dear/2"]) {
      assert.equal((await visit(`${SHOP}${path}`, { headers: { cookie: jar(second) } })).status, 200, path);
    }
    assert.equal(await payer.balance(), SOME - CENT - 500_000n);
  });

  test("a_payer_who_is_revoked_pays", async () => {
    const [payer, other] = [await world.payer(), await world.payer()];
    const [pass, others] = [await bought("/articles/1", payer), await bought("/articles/1", other)];
    assert.equal((await open("/articles/1", pass)).status, 200);
    await world.gate.put({ ...world.document, passes: { revoked: [payer.address.toLowerCase()] } });
    const end = Date.now() + 60_000;
    let status;
    do status = (await open("/articles/1", pass)).status;
    while (status !== 402 && Date.now() < end);
    assert.equal(status, 402);
    assert.equal((await open("/articles/1", others)).status, 200);
    assert.equal((await wrapFetchWithSIWx(visit, payer.account)(`${SHOP}/articles/1`)).status, 402);
  });

  test("uses_that_were_taken_stay_taken_when_the_power_fails", async () => {
    const persist = mkdtempSync(join(tmpdir(), "x402-edge-"));
    const options = { originUrl: world.site.url, persist, vars: { PASS_KEYS } };
    let worker = await startMiniflare({ prices: world.document, ...options });
    try {
      const answer = await paying(await world.payer(), through(worker))(`${SHOP}/tickets/1`);
      const pass = answer.headers.get("X-402-Pass");
      const use = async () => (await through(worker)(`${SHOP}/tickets/1`, { headers: { "X-402-Pass": pass } })).status;
      assert.equal(await use(), 200);
      await worker.kill();
      worker = await startMiniflare(options);
      assert.deepEqual([await use(), await use(), await use()], [200, 200, 402]);
    } finally {
      await worker.stop();
      rmSync(persist, { recursive: true, force: true });
    }
  });

  test("without_a_good_secret_requests_pay_and_the_status_says_why", async () => {
    const pass = await bought("/articles/1");
    for (const [secret, why] of [[undefined, /PASS_KEYS is not set/], ['{"k1": "short"}', /32 to 1024 random bytes/]]) {
      const worker = await startMiniflare({ prices: world.document, originUrl: world.site.url, vars: secret ? { PASS_KEYS: secret } : {} });
      try {
        const here = through(worker);
        assert.equal((await here(`${SHOP}/articles/1`, { headers: { "X-402-Pass": pass } })).status, 402);
        const answer = await paying(await world.payer(), here)(`${SHOP}/articles/1`);
        assert.deepEqual([answer.status, answer.headers.get("X-402-Pass"), answer.cookies], [200, null, []]);
        const status = await (await here(`${SHOP}/.x402/status`)).text();
        assert.match(JSON.parse(status).passes, why);
        assert.ok(!status.includes("short"));
      } finally {
        await worker.stop();
      }
    }
    assert.equal((await (await visit(`${SHOP}/.x402/status`)).json()).passes, "ready");
  });
});
