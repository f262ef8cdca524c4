// Prices by what an answer's body says: charged when it has ended, whatever becomes of the client.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { x402Client, wrapFetchWithPayment } from "@x402/fetch";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { NETWORK, decodeHeader, eventually, merchant, startWorld } from "./world.mjs";
import { BIG } from "./site.mjs";
import { startWorkerd } from "./workers.mjs";

const SOME = 1_000_000n;
const metered = (usage) => ({ scheme: "upto", price: "$0.50", usage, maxExposure: { payer: "$1", route: "$100" } });

const prices = (facilitator, chain) => ({
  payTo: merchant.address,
  network: NETWORK,
  facilitators: [facilitator],
  rpc: { [NETWORK]: [chain] },
  routes: {
    "/tokens/*": metered({ tokens: { input: "$3", output: "$15" } }),
    "/bytes/*": metered({ bytes: "$0.02" }),
  },
});

describe("metered answers", () => {
  let world;
  before(async () => {
    world = await startWorld({ prices });
    // Of an isolate's first requests none waits for the facilitator: it is asked behind them.
    await eventually(() => fetch(`${world.gate.url}/bytes/big`), ({ status }) => status === 402);
  });
  after(() => world?.stop());
  beforeEach(() => {
    world.onCall = undefined;
    world.calls.length = 0;
  });

  const newPayer = async (gate = world.gate) => {
    const payer = await world.payer(SOME);
    await world.chain.approvePermit2(payer.account);
    const client = new x402Client().register("eip155:*", new UptoEvmScheme(payer.account));
    return { ...payer, pay: (path, init) => wrapFetchWithPayment(fetch, client)(`${gate.url}${path}`, init) };
  };
  const receiptOf = (response) => decodeHeader(response.headers.get("PAYMENT-RESPONSE"));
  const settled = (payer) => eventually(
    () => world.gate.books(`SELECT state, amount FROM payments WHERE payer = '${payer.address}'`),
    (rows) => rows.length > 0 && rows.every(({ state }) => state === "delivered"),
  );

  test("tokens_are_charged_as_the_answer_names_them", async () => {
    const payer = await newPayer();
    const response = await payer.pay("/tokens/model?input=1000&output=200");
    assert.equal(response.status, 200);
    assert.equal((await response.json()).usage.completion_tokens, 200);
    assert.equal(receiptOf(response).extra.settlement, "queued");
    // 1000 × $3 and 200 × $15, for a million.
    await eventually(() => payer.balance(), (balance) => balance === SOME - 6000n);
    assert.deepEqual((await settled(payer)).map(({ amount }) => amount), ["6000"]);
    assert.equal(world.site.requests.at(-1).headers["accept-encoding"], "identity");
  });

  test("a_stream_flows_while_it_is_metered_and_is_settled_at_its_end", async () => {
    const payer = await newPayer();
    const response = await payer.pay("/tokens/model?stream=1&input=1000&output=200");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    // The first event is here before the origin has sent the last.
    assert.match((await reader.read()).value, /hel/);
    assert.deepEqual(world.calls.map(({ operation }) => operation), ["verify"]);
    world.site.release();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) rest += part.value;
    assert.match(rest, /lo[^]*\[DONE\]/);
    await eventually(() => payer.balance(), (balance) => balance === SOME - 6000n);
  });

  test("a_client_that_goes_away_pays_for_what_the_origin_did", async () => {
    const payer = await newPayer();
    const leave = new AbortController();
    const response = await payer.pay("/tokens/model?stream=1&input=1000&output=200", { signal: leave.signal });
    await response.body.getReader().read();
    leave.abort();
    world.site.release();
    await eventually(() => payer.balance(), (balance) => balance === SOME - 6000n);
  });

  test("an_origin_that_breaks_off_is_not_paid_and_the_client_sees_it", async () => {
    // Bare: Miniflare's own door makes a whole answer of a broken one.
    const storage = mkdtempSync(join(tmpdir(), "x402-edge-metering-"));
    const gate = await startWorkerd({ prices: world.document, originUrl: world.site.url, storage });
    try {
      await eventually(() => fetch(`${gate.url}/bytes/big`), ({ status }) => status === 402);
      const payer = await newPayer(gate);
      const response = await payer.pay("/tokens/model?stream=1&breaks=1&input=1000&output=200");
      const reader = response.body.getReader();
      await reader.read();
      world.site.release();
      await assert.rejects(async () => {
        for (let part = await reader.read(); !part.done; part = await reader.read());
      });
      // What comes next is charged, and only that.
      assert.equal((await (await payer.pay("/tokens/model?input=1000&output=0")).json()).usage.prompt_tokens, 1000);
      await eventually(() => payer.balance(), (balance) => balance === SOME - 3000n);
      assert.equal(world.calls.filter(({ operation }) => operation === "settle").length, 1);
    } finally {
      gate.stop();
      rmSync(storage, { recursive: true, force: true });
    }
  });

  test("bytes_are_charged_as_they_were_sent", async () => {
    const payer = await newPayer();
    const response = await payer.pay("/bytes/big");
    assert.equal(Number(response.headers.get("content-length")), BIG);
    assert.equal((await response.arrayBuffer()).byteLength, BIG);
    // $0.02 for a million, rounded up.
    const cost = BigInt(Math.ceil((BIG * 20_000) / 1_000_000));
    await eventually(() => payer.balance(), (balance) => balance === SOME - cost);
  });

  test("nothing_used_costs_nothing_and_what_says_nothing_costs_the_maximum", async () => {
    const payer = await newPayer();
    await (await payer.pay("/tokens/model?input=0&output=0")).text();
    const silent = await payer.pay("/tokens/page");
    assert.equal(await silent.text(), "GET /tokens/page");
    await eventually(() => payer.balance(), (balance) => balance === SOME - 500_000n);
    assert.equal(world.calls.filter(({ operation }) => operation === "settle").length, 1);
  });

  test("parallel_answers_owe_no_more_than_the_owner_allows", async () => {
    const payer = await newPayer();
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    world.onCall = (operation) => (operation === "settle" ? held : undefined);
    const answers = await Promise.all(Array.from({ length: 6 }, () => payer.pay("/tokens/model?input=1000&output=200")));
    const statuses = answers.map(({ status }) => status).sort();
    // Two of at most $0.50 each.
    assert.deepEqual(statuses, [200, 200, 503, 503, 503, 503]);
    assert.ok(answers.filter(({ status }) => status === 503).every(({ headers }) => headers.get("Retry-After")));
    release();
    await eventually(() => payer.balance(), (balance) => balance === SOME - 12_000n);
    assert.equal((await payer.pay("/tokens/model?input=1000&output=200")).status, 200);
  });
});
