// Extension payment-identifier, on real workerd: the same name with the same payment gets the same answer.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeHeader, encodeHeader, everythingUnder, paymentHeaders, startWorld } from "./world.mjs";

const CENT = 10_000n;
const SOME = 1_000_000n;

describe("payment_identifiers", () => {
  let world;
  before(async () => {
    world = await startWorld({
      prices: (facilitator) => {
        const prices = everythingUnder(facilitator);
        prices.routes["/paid/named/*"] = { price: "$0.01", extensions: { "payment-identifier": { info: { required: true } } } };
        return prices;
      },
    });
  });
  after(() => world?.stop());

  /** What the official client sends, with a name: the extension is echoed from the 402 and not signed. */
  const named = async (payer, path, id) => {
    const { "PAYMENT-SIGNATURE": header } = await paymentHeaders(payer, `${world.gate.url}${path}`);
    const payload = decodeHeader(header);
    assert.equal(typeof payload.extensions["payment-identifier"].info.required, "boolean", "the client echoes it");
    payload.extensions["payment-identifier"].info.id = id;
    return { "PAYMENT-SIGNATURE": encodeHeader(payload) };
  };
  const ask = (path, headers) => fetch(`${world.gate.url}${path}`, { headers });
  const id = (name) => `pay_${name}_0123456789abcdef`;
  /** Asks again while the first answer is still on its way into the ledger. */
  const settled = async (path, headers) => {
    for (;;) {
      const response = await ask(path, headers);
      if (response.status !== 409 || !/in progress/.test(await response.clone().text())) return response;
    }
  };

  test("a_repeated_request_gets_the_first_answer_and_the_origin_runs_once", async () => {
    for (const path of ["/paid/page", "/paid/cors", "/paid/gzip"]) {
      const payer = await world.payer();
      const headers = await named(payer, path, id(path.slice(6)));
      world.site.requests.length = 0;
      const first = await ask(path, headers);
      assert.equal(first.status, 200);
      const body = Buffer.from(await first.arrayBuffer());
      const again = await settled(path, headers);
      assert.equal(again.status, 200);
      assert.deepEqual(Buffer.from(await again.arrayBuffer()), body);
      for (const name of ["content-type", "payment-response", "cache-control", "access-control-expose-headers"]) {
        assert.equal(again.headers.get(name), first.headers.get(name), name);
      }
      assert.equal(world.site.requests.length, 1);
      assert.equal(await payer.balance(), SOME - CENT);
    }
  });

  test("twenty_copies_at_once_run_the_origin_once", async () => {
    const payer = await world.payer();
    const headers = await named(payer, "/paid/page", id("copies"));
    world.site.requests.length = 0;
    const statuses = await Promise.all(Array.from({ length: 20 }, () => ask("/paid/page", headers).then(({ status }) => status)));
    assert.ok(statuses.includes(200) && statuses.every((status) => [200, 409].includes(status)), String(statuses));
    assert.equal(world.site.requests.length, 1);
    assert.equal(await payer.balance(), SOME - CENT);
  });

  test("another_payment_under_the_same_identifier_is_a_conflict_and_costs_nothing", async () => {
    const payer = await world.payer();
    assert.equal((await ask("/paid/page", await named(payer, "/paid/page", id("conflict")))).status, 200);
    const second = await ask("/paid/page", await named(payer, "/paid/page", id("conflict")));
    assert.equal(second.status, 409);
    assert.match(await second.text(), /nothing was charged/);
    const stranger = await world.payer();
    assert.equal((await ask("/paid/page", await named(stranger, "/paid/page", id("conflict")))).status, 409);
    assert.equal(await payer.balance(), SOME - CENT);
    assert.equal(await stranger.balance(), SOME);
  });

  test("an_identifier_whose_payment_was_refused_takes_the_next_payment", async () => {
    const poor = await world.payer(0n);
    assert.equal((await ask("/paid/page", await named(poor, "/paid/page", id("second-try")))).status, 402);
    const payer = await world.payer();
    assert.equal((await ask("/paid/page", await named(payer, "/paid/page", id("second-try")))).status, 200);
  });

  test("a_required_identifier_that_is_missing_or_malformed_is_refused_before_anything_else", async () => {
    const payer = await world.payer();
    const missing = await ask("/paid/named/page", await paymentHeaders(payer, `${world.gate.url}/paid/named/page`));
    assert.equal(missing.status, 400);
    const malformed = await ask("/paid/named/page", await named(payer, "/paid/named/page", "no"));
    assert.equal(malformed.status, 400);
    assert.equal((await ask("/paid/named/page", await named(payer, "/paid/named/page", id("required")))).status, 200);
    assert.equal(await payer.balance(), SOME - CENT);
  });

  test("an_answer_that_is_too_long_to_keep_is_delivered_whole_and_later_named_as_delivered", async () => {
    const payer = await world.payer();
    const headers = await named(payer, "/paid/big", id("big"));
    const first = await ask("/paid/big", headers);
    assert.equal((await first.arrayBuffer()).byteLength, 10 * 1024 * 1024);
    const again = await settled("/paid/big", headers);
    assert.equal(again.status, 409);
    assert.equal(decodeHeader(again.headers.get("PAYMENT-RESPONSE")).success, true);
    assert.equal(await payer.balance(), SOME - CENT);
  });
});
