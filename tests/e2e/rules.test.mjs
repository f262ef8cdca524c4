// Rules, free quotas, challenges and observing in workerd: with what Cloudflare says of clients, and real counters.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeHeader, everythingUnder, paymentHeaders, startWorld } from "./world.mjs";
import { startMiniflare } from "./workers.mjs";

const CF = { country: "DE", continent: "EU", asn: 64500, botManagement: { score: 12, verifiedBot: true } };

const routes = {
  "/de/*": { price: "$0.01", rules: [{ when: { country: "DE", asn: 64500, botScore: { max: 12 } }, price: "$0.05" }] },
  "/bots/*": { price: "$0.01", rules: [{ when: { verifiedBot: true, userAgent: "*GPTBot*" }, deny: true }] },
  "/query/*": { price: "$0.01", rules: [{ when: { query: { preview: "1" } }, free: true }, { when: { header: { "X-Key": "s3cret" } }, free: true }] },
  "/ip/*": { price: "$0.01", rules: [{ when: { ip: "203.0.113.0/24" }, free: true }] },
  "/quota/*": { price: "$0.01", quota: { requests: 3, total: 7 } },
  "/challenge/*": { price: "$0.01", challenge: "401" },
  "/watched/*": { mode: "observe", price: "$0.01", rules: [{ when: { continent: "EU" }, price: "$0.02" }] },
};

describe("rules", () => {
  let world;
  const url = (path) => `${world.gate.url}${path}`;
  const get = async (path, headers = {}, method = "GET") => {
    const response = await fetch(url(path), { method, headers });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  const from = (ip) => ({ "CF-Connecting-IP": ip });
  const amount = ({ headers }) => decodeHeader(headers.get("PAYMENT-REQUIRED")).accepts[0].amount;

  before(async () => {
    const prices = (facilitatorUrl) => ({ ...everythingUnder(facilitatorUrl), routes });
    world = await startWorld({ prices, worker: { cf: CF } });
  });
  after(() => world?.stop());

  test("what_cloudflare_says_of_a_client_is_compared", async () => {
    assert.equal(amount(await get("/de/x")), "50000");
    const denied = await get("/bots/x", { "User-Agent": "GPTBot/1.2" });
    assert.equal(denied.status, 403);
    assert.equal(denied.headers.get("Content-Type"), "application/problem+json");
    assert.match(denied.headers.get("X-402-Prices"), /^[0-9a-f]{12}$/);
    assert.equal((await get("/bots/x", { "User-Agent": "curl" })).status, 402);
    assert.equal((await get("/ip/x", from("203.0.113.9"))).status, 200);
    assert.equal((await get("/ip/x", from("203.0.114.9"))).status, 402);
  });

  test("headers_and_parameters_are_compared_as_servers_could_read_them", async () => {
    assert.equal((await get("/query/x?preview=1")).status, 200);
    assert.equal((await get("/query/x?preview=1&preview=2")).status, 402);
    assert.equal((await get("/query/x?PREVIEW=1")).status, 402);
    assert.equal((await get("/query/x", { "X-Key": "s3cret" })).status, 200);
    assert.equal((await get("/query/x", { "X-Key": "S3cret" })).status, 402);
    const twice = new Headers([["X-Key", "s3cret"], ["X-Key", "other"]]);
    assert.equal((await get("/query/x", twice)).status, 402);
  });

  test("a_payment_pays_what_its_rule_asks", async () => {
    const payer = await world.payer();
    const before = await world.earned();
    const response = await payer.v2(url("/de/paid"));
    assert.equal(response.status, 200, await response.text());
    assert.equal(await world.earned() - before, 50_000n);
    assert.match(response.headers.get("X-402-Prices"), /^[0-9a-f]{12}$/);
  });

  test("a_quota_is_counted_by_address_and_in_all_however_many_ask_at_once", async () => {
    const ask = async (ip, times) => {
      const answers = await Promise.all(Array.from({ length: times }, () => get("/quota/x", from(ip))));
      return answers.filter(({ status }) => status === 200).length;
    };
    assert.equal(await ask("203.0.113.1", 10), 3);
    assert.equal(await ask("2001:db8::1", 2), 2);
    assert.equal(await ask("2001:db8::2", 2), 1, "the same /64");
    assert.equal(await ask("203.0.113.1", 2), 0);
    assert.equal(await ask("203.0.113.2", 5), 1, "seven in all");
    assert.equal((await get("/quota/x", from("nonsense"))).status, 402);
  });

  test("a_challenge_asks_the_origin_first", async () => {
    world.site.requests.length = 0;
    assert.equal((await get("/challenge/status-401")).status, 402);
    assert.equal((await get("/challenge/status-401", {}, "HEAD")).status, 402);
    assert.equal((await get("/challenge/free")).status, 200);
    assert.equal(world.site.requests.length, 3);
    assert.equal((await get("/challenge/status-401", {}, "POST")).status, 402);
    assert.equal(world.site.requests.length, 3, "nothing but reading reaches it unpaid");
    const payer = await world.payer();
    const before = await world.earned();
    const headers = await paymentHeaders(payer, url("/challenge/status-401"));
    const refused = await get("/challenge/status-401", headers);
    assert.equal(refused.status, 401);
    assert.equal(await world.earned(), before, "a 401 after all is not charged");
  });

  test("observed_prices_are_free_and_counted_in_the_books", async () => {
    const payer = await world.payer();
    const before = await world.earned();
    const headers = await paymentHeaders(payer, url("/query/x"));
    for (let n = 0; n < 5; n += 1) assert.equal((await get("/watched/x", headers)).status, 200);
    const end = Date.now() + 60_000;
    let rows = [];
    while (rows.length === 0 && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      rows = await world.gate.books("SELECT * FROM observed");
    }
    assert.equal(rows.length, 1);
    const { hour, prices, ...row } = rows[0];
    assert.ok(hour % 3600 === 0 && Math.abs(Date.now() / 1000 - hour) < 7200);
    assert.match(prices, /^[0-9a-f]{12}$/);
    assert.deepEqual(row, {
      host: "", route: "/watched/*", rule: 0, reason: "observe", network: "eip155:84532",
      asset: decodeHeader((await get("/de/x")).headers.get("PAYMENT-REQUIRED")).accepts[0].asset, amount: "20000", requests: 5,
    });
    assert.equal(await world.earned(), before, "the payment was ignored");
  });

  test("without_its_counter_a_quota_frees_nothing", async () => {
    const worker = await startMiniflare({ prices: world.document, originUrl: world.site.url, history: false });
    try {
      const response = await fetch(`${worker.url}/quota/x`, { headers: from("203.0.113.1") });
      assert.equal(response.status, 402);
      await response.arrayBuffer();
    } finally {
      await worker.stop();
    }
  });
});
