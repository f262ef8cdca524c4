// Answers that leave before they are settled: at most so many, and the money comes all the same.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { decodeHeader, eventually, everythingUnder, paymentHeaders, startWorld } from "./world.mjs";
import { startMiniflare } from "./workers.mjs";

const CENT = 10_000n;
const SOME = 1_000_000n;
/** An address that takes money and has no part in anything. */
const NOBODY = "0x00000000000000000000000000000000000000aa";
/** What one payer may owe, in cents. */
const LIMIT = 5;

const background = (facilitator, chain) => {
  const document = everythingUnder(facilitator);
  Object.assign(document.routes["/paid/*"], { settle: "background", maxExposure: { payer: `$0.0${LIMIT}`, route: "$0.40" } });
  return { ...document, rpc: { "eip155:84532": [chain] } };
};

describe("settled in the background", () => {
  let world, url;
  before(async () => {
    world = await startWorld({ prices: background });
    url = `${world.gate.url}/paid/page`;
  });
  after(() => world?.stop());
  beforeEach(() => {
    world.onCall = undefined;
    world.calls.length = 0;
  });

  const receiptOf = (response) => decodeHeader(response.headers.get("PAYMENT-RESPONSE"));
  const rows = (payer) => world.gate.books(`SELECT state, "transaction" FROM payments WHERE payer = '${payer.address}'`);

  /** A payer whose answers leave at once: it has settled, and its object has leased a part of the budget. */
  const knownPayer = async (gate = world.gate) => {
    const payer = await world.payer();
    let payments = 0;
    const pay = async () => {
      payments += 1;
      return receiptOf(await payer.v2(`${gate.url}/paid/page`));
    };
    await eventually(pay, ({ extra }) => extra?.settlement === "queued");
    // Nothing of this is under way any more.
    const books = () => gate.books(`SELECT state FROM payments WHERE payer = '${payer.address}'`);
    await eventually(books, (rows) => rows.length === payments && rows.every(({ state }) => state === "delivered"));
    return payer;
  };

  test("the_answer_leaves_without_a_call_to_the_facilitator_and_the_money_comes", async () => {
    const payer = await knownPayer();
    const before = await payer.balance();
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    world.calls.length = 0;
    world.onCall = () => held;
    const response = await payer.v2(url);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "GET /paid/page");
    assert.deepEqual(receiptOf(response), {
      success: true, transaction: "", network: "eip155:84532", payer: payer.address, extra: { settlement: "queued" },
    });
    assert.equal(await payer.balance(), before, "nothing has moved yet");
    await eventually(() => rows(payer), (rows) => rows.some(({ state }) => state === "queued"));
    release();
    await eventually(() => payer.balance(), (balance) => balance === before - CENT);
    const paid = await eventually(() => rows(payer), (rows) => rows.every(({ state }) => state === "delivered"));
    assert.ok(paid.every(({ transaction }) => /^0x[0-9a-f]{64}$/.test(transaction)));
    assert.deepEqual(world.calls.map(({ operation }) => operation), ["settle"]);
  });

  test("the_same_payment_is_spent_once_it_is_settled_and_not_sold_again_before", async () => {
    const payer = await knownPayer();
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    const headers = await paymentHeaders(payer, url);
    world.onCall = () => held;
    assert.equal((await fetch(url, { headers })).status, 200);
    assert.equal((await fetch(url, { headers })).status, 409);
    release();
    const again = await eventually(() => fetch(url, { headers }), ({ status }) => status !== 409);
    assert.equal(again.status, 402);
    assert.match(receiptOf(again).transaction, /^0x[0-9a-f]{64}$/);
  });

  test("a_wallet_that_was_emptied_gets_no_more_than_the_limit", async () => {
    const payer = await knownPayer();
    const signed = await Promise.all(Array.from({ length: 20 }, () => paymentHeaders(payer, url)));
    await world.chain.transfer(payer.account, NOBODY, await payer.balance());
    const runs = () => world.site.requests.filter(({ headers }) => headers["x-402-payer"] === payer.address).length;
    const before = runs();
    const statuses = await Promise.all(signed.map(async (headers) => (await fetch(url, { headers })).status));
    const served = statuses.filter((status) => status === 200).length;
    assert.ok(served <= LIMIT, `${served} of ${statuses}`);
    // Two more for a payer who was in good standing, until verifying comes first.
    assert.ok(runs() - before <= LIMIT + 2, `${runs() - before} runs`);
    const lost = (rows) => rows.filter(({ state }) => state === "lost").length;
    await eventually(() => rows(payer), (rows) => lost(rows) === served && rows.every(({ state }) => state !== "queued"));
    // Who has failed pays first, and has to.
    world.calls.length = 0;
    assert.equal((await payer.v2(url)).status, 402);
    await world.chain.mint(payer.address, SOME);
    const first = await payer.v2(url);
    assert.equal(first.status, 200);
    assert.match(receiptOf(first).transaction, /^0x[0-9a-f]{64}$/);
  });

  test("an_outage_of_the_facilitator_costs_nobody_his_standing_and_nothing_is_lost", async () => {
    const payer = await knownPayer();
    const before = await payer.balance();
    world.onCall = () => "drop";
    for (let index = 0; index < 3; index++) assert.equal(receiptOf(await payer.v2(url)).extra?.settlement, "queued");
    world.onCall = undefined;
    await eventually(() => payer.balance(), (balance) => balance === before - 3n * CENT);
    await eventually(() => rows(payer), (rows) => rows.every(({ state }) => state === "delivered"));
    assert.equal(receiptOf(await payer.v2(url)).extra?.settlement, "queued");
  });

  test("what_is_queued_outlives_a_power_cut", async () => {
    const storage = mkdtempSync(join(tmpdir(), "x402-edge-background-"));
    const start = () => startMiniflare({ prices: background(world.facilitator.url, world.chain.url), originUrl: world.site.url, persist: storage });
    let gate = await start();
    try {
      const payer = await knownPayer(gate);
      const before = await payer.balance();
      world.onCall = () => "hang";
      assert.equal(receiptOf(await payer.v2(`${gate.url}/paid/page`)).extra?.settlement, "queued");
      await eventually(() => world.calls.length, (length) => length > 0);
      await gate.kill();
      world.onCall = undefined;
      gate = await start();
      await eventually(() => payer.balance(), (balance) => balance === before - CENT);
    } finally {
      await gate.stop();
      rmSync(storage, { recursive: true, force: true });
    }
  });
});
