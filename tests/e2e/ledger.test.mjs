// No payment is lost and none is charged twice: a facilitator that turns hostile, copies, clients that go away.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { decodeHeader, merchant, paymentHeaders, startWorld } from "./world.mjs";
import { startMiniflare } from "./workers.mjs";

const CENT = 10_000n;
const SOME = 1_000_000n;

/** Asks until `wanted` says yes: what the object's alarm does takes a few seconds. */
async function eventually(ask, wanted, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  let last;
  while (Date.now() < end) {
    last = await ask();
    if (wanted(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.fail(`not within ${seconds} s; last seen: ${JSON.stringify(last, (_, value) => (typeof value === "bigint" ? String(value) : value))}`);
}

describe("the ledger", () => {
  let world, url;
  before(async () => {
    world = await startWorld();
    url = `${world.gate.url}/paid/page`;
  });
  after(() => world?.stop());
  beforeEach(() => {
    world.onCall = undefined;
    world.calls.length = 0;
    world.site.requests.length = 0;
  });

  /** Settles for real and then does something else with the answer. */
  const afterSettling = (instead) => {
    let done = false;
    return async (operation, body) => {
      if (operation !== "settle" || done) return undefined;
      done = true;
      await world.facilitator.settle(body);
      return instead;
    };
  };

  const moods = {
    "drops_the_connection_after_settling": "drop",
    "answers_500_after_settling": { status: 500, body: { error: "boom" } },
    "answers_503_after_settling": { status: 503, body: {} },
    "answers_nonsense_after_settling": { status: 200, body: "ok" },
    "answers_for_another_network_after_settling": { status: 200, body: { success: true, transaction: "0xabc", network: "eip155:1" } },
    "names_no_transaction_after_settling": { status: 200, body: { success: true, transaction: "", network: "eip155:84532" } },
    "says_pending_after_settling": { status: 200, body: { success: false, errorReason: "settlement_pending", transaction: "0xabc", network: "eip155:84532" } },
    "says_it_failed_with_a_transaction_after_settling": { status: 500, body: { success: false, errorReason: "settle_exact_node_failure", transaction: "0xabc" } },
  };
  for (const [name, mood] of Object.entries(moods)) {
    test(`a_facilitator_that_${name}_costs_the_payer_one_payment_and_nothing_is_lost`, async () => {
      const payer = await world.payer();
      const headers = await paymentHeaders(payer, url);
      world.onCall = afterSettling(mood);
      const first = await fetch(url, { headers });
      const body = await first.text();
      if (first.status !== 200) {
        assert.ok([502, 504].includes(first.status), `${first.status} ${body}`);
        assert.match(body, /do not sign again/);
        assert.equal(first.headers.get("PAYMENT-REQUIRED"), null);
        const again = await eventually(() => fetch(url, { headers }), ({ status }) => status !== 409);
        assert.equal(again.status, 200);
        assert.equal(await again.text(), "GET /paid/page");
        assert.equal(decodeHeader(again.headers.get("PAYMENT-RESPONSE")).success, true);
      }
      assert.equal(await payer.balance(), SOME - CENT);
      const keys = new Set(world.site.requests.map(({ headers }) => headers["idempotency-key"]));
      assert.equal(keys.size, 1);
      const used = await eventually(() => fetch(url, { headers }), ({ status }) => status !== 409);
      assert.equal(used.status, 402);
      assert.equal(decodeHeader(used.headers.get("PAYMENT-RESPONSE")).success, true);
    });
  }

  test("a_lost_settlement_that_never_happened_is_made_up_for_and_charged_once", async () => {
    const payer = await world.payer();
    const headers = await paymentHeaders(payer, url);
    let lost = false;
    world.onCall = (operation) => (operation === "settle" && !lost ? ((lost = true), "drop") : undefined);
    assert.equal((await fetch(url, { headers })).status, 502);
    const again = await eventually(() => fetch(url, { headers }), ({ status }) => status !== 409);
    assert.equal(again.status, 200);
    assert.equal(await payer.balance(), SOME - CENT);
  });

  test("an_unknown_settlement_is_resolved_without_the_client", async () => {
    const payer = await world.payer();
    const headers = await paymentHeaders(payer, url);
    world.onCall = afterSettling("drop");
    assert.equal((await fetch(url, { headers })).status, 502);
    const settles = () => world.calls.filter(({ operation }) => operation === "settle").length;
    // The object's alarm asks again, with the identical payload.
    await eventually(settles, (count) => count >= 2);
    const [one, two] = world.calls.filter(({ operation }) => operation === "settle").map(({ body }) => JSON.stringify(body));
    assert.equal(one, two);
    const before = settles();
    const again = await eventually(() => fetch(url, { headers }), ({ status }) => status !== 409);
    assert.equal(again.status, 200);
    assert.equal(settles(), before);
    assert.equal(await payer.balance(), SOME - CENT);
  });

  test("the_chain_is_asked_where_the_owner_names_it", async () => {
    const rpc = { "eip155:84532": [world.chain.url] };
    const worker = await startMiniflare({ prices: { ...world.document, rpc }, originUrl: world.site.url });
    try {
      const payer = await world.payer();
      const page = `${worker.url}/paid/page`;
      const headers = await paymentHeaders(payer, page);
      world.onCall = afterSettling("drop");
      assert.equal((await fetch(page, { headers })).status, 502);
      const again = await eventually(() => fetch(page, { headers }), ({ status }) => status !== 409);
      assert.equal(again.status, 200);
      const { transaction } = decodeHeader(again.headers.get("PAYMENT-RESPONSE"));
      const mined = await world.chain.chain.getTransactionReceipt({ hash: transaction });
      assert.equal(mined.status, "success");
      assert.equal(world.calls.filter(({ operation }) => operation === "settle").length, 1);
      assert.equal(await payer.balance(), SOME - CENT);
    } finally {
      await worker.stop();
    }
  });

  test("fifty_copies_at_once_run_the_origin_once_and_are_granted_once", async () => {
    for (const paths of [["/paid/page"], ["/paid/a", "/paid/b", "/paid/c"]]) {
      world.site.requests.length = 0;
      world.calls.length = 0;
      const payer = await world.payer();
      const headers = await paymentHeaders(payer, `${world.gate.url}${paths[0]}`);
      const ask = (_, index) => fetch(`${world.gate.url}${paths[index % paths.length]}`, { headers }).then(async (response) => (await response.text(), response));
      const responses = await Promise.all(Array.from({ length: 50 }, ask));
      const statuses = responses.map(({ status }) => status);
      assert.equal(statuses.filter((status) => status === 200).length, 1, String(statuses));
      assert.ok(statuses.every((status) => [200, 402, 409].includes(status)), String(statuses));
      for (const response of responses.filter(({ status }) => status === 409)) assert.ok(Number(response.headers.get("retry-after")) >= 0);
      assert.equal(world.site.requests.length, 1);
      assert.equal(world.calls.filter(({ operation }) => operation === "settle").length, 1);
      assert.equal(await payer.balance(), SOME - CENT);
    }
  });

  test("a_client_that_goes_away_has_its_payment_finished_and_its_content_kept", async () => {
    const payer = await world.payer();
    const headers = await paymentHeaders(payer, url);
    const gone = new AbortController();
    // The client leaves while the facilitator settles.
    world.onCall = async (operation) => {
      if (operation === "settle") gone.abort();
      return undefined;
    };
    await assert.rejects(fetch(url, { headers, signal: gone.signal }));
    await eventually(() => payer.balance(), (balance) => balance === SOME - CENT);
    world.onCall = undefined;
    const again = await eventually(() => fetch(url, { headers }), ({ status }) => status !== 409);
    // Cut off before or after the last byte: owed and given now, or known as delivered.
    assert.ok([200, 402].includes(again.status), String(again.status));
    assert.equal(await payer.balance(), SOME - CENT);
  });

  test("a_body_cut_off_on_its_way_is_given_again", async () => {
    const payer = await world.payer();
    const big = `${world.gate.url}/paid/big`;
    const headers = await paymentHeaders(payer, big);
    const gone = new AbortController();
    const response = await fetch(big, { headers, signal: gone.signal });
    assert.equal(response.status, 200);
    const reader = response.body.getReader();
    await reader.read();
    gone.abort();
    const again = await eventually(() => fetch(big, { headers }), ({ status }) => status !== 409);
    assert.equal(again.status, 200);
    assert.equal((await again.arrayBuffer()).byteLength, 10 * 1024 * 1024);
    assert.equal(await payer.balance(), SOME - CENT);
  });

  test("what_is_owed_waits_for_its_own_request", async () => {
    const payer = await world.payer();
    const headers = await paymentHeaders(payer, url);
    world.onCall = afterSettling("drop");
    assert.equal((await fetch(url, { headers })).status, 502);
    await eventually(() => world.calls.filter(({ operation }) => operation === "settle").length, (count) => count >= 2);
    const elsewhere = await eventually(() => fetch(`${world.gate.url}/paid/other`, { headers }), async (response) => !/in progress/.test(await response.clone().text()));
    assert.equal(elsewhere.status, 409);
    assert.equal((await fetch(url, { headers })).status, 200);
  });

  test("the_merchant_has_exactly_what_payers_have_lost", async () => {
    const logs = await world.chain.chain.getLogs({ address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e", fromBlock: 0n });
    assert.ok(logs.length > 0);
    assert.equal((await world.chain.balanceOf(merchant.address)) % CENT, 0n);
  });
});
