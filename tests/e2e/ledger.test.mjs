// No payment is lost and none is charged twice: a facilitator that turns hostile, copies, clients that go away.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { parseAbiItem } from "viem";
import { decodeHeader, eventually, everythingUnder, merchant, paymentHeaders, startWorld, USDC } from "./world.mjs";
import { startMiniflare } from "./workers.mjs";

const CENT = 10_000n;
const SOME = 1_000_000n;
const NETWORK = "eip155:84532";

describe("the ledger", () => {
  let world, url;
  /** What the facilitator does with a payer's calls, by address. */
  const moods = new Map();
  before(async () => {
    world = await startWorld({ prices: (facilitator) => ({ ...everythingUnder(facilitator), facilitatorTimeoutSeconds: 8 }) });
    url = `${world.gate.url}/paid/page`;
    world.onCall = (operation, body) => moods.get(body.paymentPayload.payload.authorization.from.toLowerCase())?.(operation, body);
  });
  after(() => world?.stop());

  /** A payer for whom the facilitator is in a mood. */
  const payerWith = async (mood, units) => {
    const payer = await world.payer(units);
    moods.set(payer.address.toLowerCase(), mood);
    return payer;
  };
  const isOf = (payer) => ({ body }) => body.paymentPayload.payload.authorization.from.toLowerCase() === payer.address.toLowerCase();
  const calls = (payer, wanted) => world.calls.filter(isOf(payer)).filter(({ operation }) => operation === wanted);
  const originRuns = (payer) => world.site.requests.filter(({ headers }) => headers["x-402-payer"] === payer.address);

  /** The first `times` calls of one operation are answered by `answer(body)`. */
  const atFirst = (wanted, answer, times = 1) => {
    let left = times;
    return (operation, body) => (operation === wanted && left-- > 0 ? answer(body) : undefined);
  };
  /** The money moves, and then something else is said. */
  const settledAnd = (instead) => async (body) => {
    const settled = await world.facilitator.settle(body);
    assert.equal(settled.success, true, JSON.stringify(settled));
    return instead;
  };
  const pending = { status: 500, body: { success: false, errorReason: "settlement_pending", transaction: `0x${"ab".repeat(32)}`, network: NETWORK } };
  const elsewhere = { status: 200, body: { success: true, transaction: "0xabc", network: "eip155:1", payer: "0x" } };
  const slow = (seconds) => () => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

  /**
   * Presents one payment until it is known what it brings. Whatever happens on the way, nobody is asked to sign
   * anew while money may have moved. Returns the statuses on the way; the last is 200 or 402.
   */
  const insist = async (payer, headers) => {
    const seen = [];
    for (;;) {
      const response = await eventually(() => fetch(url, { headers }), ({ status }) => status !== 409);
      const body = await response.text();
      seen.push(response.status);
      if (response.status === 200) {
        assert.equal(body, "GET /paid/page");
        assert.equal(decodeHeader(response.headers.get("PAYMENT-RESPONSE")).success, true);
        return seen;
      }
      if (response.status === 402) {
        const said = response.headers.get("PAYMENT-REQUIRED");
        seen.push(said ? decodeHeader(said).error : body);
        return seen;
      }
      assert.ok([502, 503, 504].includes(response.status), `${seen} ${body}`);
      assert.equal(response.headers.get("PAYMENT-REQUIRED"), null);
      assert.equal(response.headers.get("content-type"), "application/problem+json");
      assert.ok(Number(response.headers.get("retry-after")) > 0);
      assert.match(body, /do not sign again/);
      assert.ok(seen.length < 50, String(seen));
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  };

  describe("under_a_facilitator_that", { concurrency: true }, () => {
    const settling = {
      "settles_slowly": slow(4),
      "settles_more_slowly_than_a_client_waits": slow(10),
      "answers_settle_with_503": () => ({ status: 503, body: {} }),
      "answers_settle_with_400": () => ({ status: 400, body: { error: "bad request" } }),
      "answers_settle_with_500_and_an_x402_body": () => ({ status: 500, body: { success: false, errorReason: "unexpected_settle_error", transaction: "", network: NETWORK } }),
      "answers_settle_with_nonsense": () => ({ status: 200, text: "ok" }),
      "answers_settle_with_nothing": () => ({ status: 200, text: "" }),
      "answers_settle_for_another_network": () => elsewhere,
      "drops_the_connection_before_settling": () => "drop",
      "says_pending_before_settling": () => pending,
      "hangs_before_settling": () => "hang",
      "drops_the_connection_after_settling": settledAnd("drop"),
      "answers_500_after_settling": settledAnd({ status: 500, body: { error: "boom" } }),
      "answers_503_after_settling": settledAnd({ status: 503, body: {} }),
      "answers_nonsense_after_settling": settledAnd({ status: 200, text: "<html>" }),
      "answers_for_another_network_after_settling": settledAnd(elsewhere),
      "names_no_transaction_after_settling": settledAnd({ status: 200, body: { success: true, transaction: "", network: NETWORK } }),
      "says_pending_after_settling": settledAnd(pending),
      "fails_with_a_transaction_after_settling": settledAnd({ status: 500, body: { success: false, errorReason: "settle_exact_node_failure", transaction: "0xabc" } }),
      "says_it_refused_after_settling": settledAnd({ status: 200, body: { success: false, errorReason: "Error: execution reverted", transaction: "" } }),
      "hangs_after_settling": settledAnd("hang"),
    };
    for (const [name, answer] of Object.entries(settling)) {
      test(`${name}_costs_the_payer_one_payment_and_brings_the_content`, async () => {
        const payer = await payerWith(atFirst("settle", answer));
        const headers = await paymentHeaders(payer, url);
        const seen = await insist(payer, headers);
        assert.equal(seen.at(-1), 200, String(seen));
        assert.equal(await payer.balance(), SOME - CENT);
        const keys = new Set(originRuns(payer).map(({ headers }) => headers["idempotency-key"]));
        assert.equal(keys.size, 1);
        const settles = calls(payer, "settle").map(({ body }) => JSON.stringify(body));
        assert.equal(new Set(settles).size, 1, "asked again, it is asked with the identical payload");
        const used = await eventually(() => fetch(url, { headers }), ({ status }) => status !== 409);
        assert.equal(used.status, 402);
        assert.equal(decodeHeader(used.headers.get("PAYMENT-RESPONSE")).success, true);
        assert.equal(await payer.balance(), SOME - CENT);
      });
    }

    const verifying = {
      "answers_verify_with_503": () => ({ status: 503, body: {} }),
      "answers_verify_with_400": () => ({ status: 400, body: { error: "bad request" } }),
      "answers_verify_with_nonsense": () => ({ status: 200, text: "ok" }),
      "answers_verify_with_nothing": () => ({ status: 200, text: "" }),
      "stumbles_over_verify": () => ({ status: 500, body: { isValid: false, invalidReason: "unexpected_verify_error" } }),
      "drops_the_connection_of_verify": () => "drop",
      "hangs_in_verify": () => "hang",
    };
    for (const [name, answer] of Object.entries(verifying)) {
      test(`${name}_charges_nothing_and_the_same_payment_works_later`, async () => {
        const payer = await payerWith(atFirst("verify", answer));
        const headers = await paymentHeaders(payer, url);
        const first = await fetch(url, { headers });
        assert.ok([502, 503].includes(first.status), String(first.status));
        assert.match(await first.text(), /Nothing was charged/);
        assert.equal(await payer.balance(), SOME);
        assert.deepEqual(await insist(payer, headers), [200]);
        assert.equal(await payer.balance(), SOME - CENT);
      });
    }

    test("denies_verify_with_500_is_believed", async () => {
      const payer = await payerWith(atFirst("verify", () => ({ status: 500, body: { isValid: false, invalidReason: "insufficient_funds", payer: null } })));
      const headers = await paymentHeaders(payer, url);
      const denied = await fetch(url, { headers });
      assert.equal(denied.status, 402);
      assert.equal(decodeHeader(denied.headers.get("PAYMENT-REQUIRED")).error, "insufficient_funds");
      assert.equal((await denied.text()).includes("GET /paid/page"), false);
    });

    test("denies_settle_before_sending_anything_is_believed_and_nothing_is_served", async () => {
      const denial = { success: false, errorReason: "invalid_exact_evm_insufficient_balance", transaction: "", network: NETWORK };
      const payer = await payerWith(atFirst("settle", () => ({ status: 200, body: denial })));
      const headers = await paymentHeaders(payer, url);
      const denied = await fetch(url, { headers });
      assert.equal(denied.status, 402);
      assert.equal(await denied.text().then((text) => text.includes("GET /paid/page")), false);
      assert.equal(decodeHeader(denied.headers.get("PAYMENT-RESPONSE")).errorReason, "invalid_exact_evm_insufficient_balance");
      assert.equal(await payer.balance(), SOME);
      assert.deepEqual(await insist(payer, headers), [200]);
    });

    test("hangs_is_waited_for_ten_seconds_at_most_and_the_settlement_is_finished_behind_the_client", async () => {
      const payer = await payerWith(atFirst("settle", slow(11)));
      const headers = await paymentHeaders(payer, url);
      const began = Date.now();
      const first = await fetch(url, { headers });
      const waited = Date.now() - began;
      assert.equal(first.status, 504);
      assert.match(await first.text(), /do not sign again/);
      assert.ok(waited < 10_500, `${waited} ms`);
      await eventually(() => payer.balance(), (balance) => balance === SOME - CENT);
      assert.equal(calls(payer, "settle").length, 1, "the call that was begun went on");
      assert.deepEqual(await insist(payer, headers), [200]);
      assert.equal(originRuns(payer).length, 2);
    });

    test("stays_silent_for_long_is_asked_by_the_alarm_without_the_client", async () => {
      const payer = await payerWith(atFirst("settle", () => "drop", 4));
      const headers = await paymentHeaders(payer, url);
      assert.equal((await fetch(url, { headers })).status, 502);
      await eventually(() => payer.balance(), (balance) => balance === SOME - CENT);
      const settles = calls(payer, "settle").length;
      assert.deepEqual(await insist(payer, headers), [200]);
      assert.equal(calls(payer, "settle").length, settles);
    });
  });

  test("the_chain_is_asked_where_the_owner_names_it", async () => {
    const rpc = { [NETWORK]: [world.chain.url] };
    const worker = await startMiniflare({ prices: { ...world.document, rpc }, originUrl: world.site.url });
    try {
      const payer = await payerWith(atFirst("settle", settledAnd("drop")));
      const page = `${worker.url}/paid/page`;
      const headers = await paymentHeaders(payer, page);
      const paid = await fetch(page, { headers });
      assert.equal(paid.status, 200);
      const { transaction } = decodeHeader(paid.headers.get("PAYMENT-RESPONSE"));
      assert.equal((await world.chain.chain.getTransactionReceipt({ hash: transaction })).status, "success");
      assert.equal(calls(payer, "settle").length, 1);
      assert.equal(await payer.balance(), SOME - CENT);
    } finally {
      await worker.stop();
    }
  });

  test("fifty_copies_at_once_run_the_origin_once_and_are_granted_once", async () => {
    for (const paths of [["/paid/page"], ["/paid/a", "/paid/b", "/paid/c"]]) {
      const payer = await world.payer();
      const headers = await paymentHeaders(payer, `${world.gate.url}${paths[0]}`);
      const ask = (_, index) => fetch(`${world.gate.url}${paths[index % paths.length]}`, { headers }).then(async (response) => (await response.text(), response));
      const responses = await Promise.all(Array.from({ length: 50 }, ask));
      const statuses = responses.map(({ status }) => status);
      assert.equal(statuses.filter((status) => status === 200).length, 1, String(statuses));
      assert.ok(statuses.every((status) => [200, 402, 409].includes(status)), String(statuses));
      for (const response of responses.filter(({ status }) => status === 409)) assert.ok(Number(response.headers.get("retry-after")) >= 0);
      assert.equal(originRuns(payer).length, 1);
      assert.equal(calls(payer, "settle").length, 1);
      assert.equal(await payer.balance(), SOME - CENT);
    }
  });

  test("a_client_that_goes_away_has_its_payment_finished_and_its_content_kept", async () => {
    const gone = new AbortController();
    // The client leaves while the facilitator settles.
    const payer = await payerWith((operation) => (operation === "settle" ? gone.abort() : undefined));
    const headers = await paymentHeaders(payer, url);
    await assert.rejects(fetch(url, { headers, signal: gone.signal }));
    await eventually(() => payer.balance(), (balance) => balance === SOME - CENT);
    assert.deepEqual(await insist(payer, headers), [200]);
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
    const payer = await payerWith(atFirst("settle", () => "drop", 4));
    const headers = await paymentHeaders(payer, url);
    assert.equal((await fetch(url, { headers })).status, 502);
    const other = () => fetch(`${world.gate.url}/paid/other`, { headers });
    const elsewhere = await eventually(other, async (response) => /another request/.test(await response.clone().text()));
    assert.equal(elsewhere.status, 409);
    assert.deepEqual(await insist(payer, headers), [200]);
  });

  test("an_answer_on_its_way_for_longer_than_a_lease_is_not_made_a_second_time", async () => {
    const payer = await world.payer();
    const events = `${world.gate.url}/paid/events`;
    const headers = await paymentHeaders(payer, events);
    const response = await fetch(events, { headers });
    const reader = response.body.getReader();
    await reader.read();
    const copy = await fetch(events, { headers });
    assert.equal(copy.status, 409);
    world.site.release();
    while (!(await reader.read()).done);
    const used = await eventually(() => fetch(events, { headers }), ({ status }) => status !== 409);
    assert.equal(used.status, 402);
    assert.equal(originRuns(payer).length, 1);
  });

  describe("the_books", () => {
    /** One row for each payment that a facilitator was asked to settle, once all is written. */
    const rows = () => world.gate.books("SELECT * FROM payments ORDER BY time");

    test("have_one_row_for_every_transfer_and_no_other", async () => {
      const event = parseAbiItem("event Transfer(address indexed from, address indexed to, uint256 value)");
      const transfers = await world.chain.chain.getLogs({ address: USDC, event, args: { to: merchant.address }, fromBlock: 0n });
      // One of them went through another Worker, with books of its own.
      const wanted = transfers.length - 1;
      const paid = await eventually(rows, (all) => all.filter(({ state }) => state === "delivered").length === wanted);
      assert.equal(new Set(paid.map(({ id }) => id)).size, paid.length);
      const byPayer = new Map(transfers.map(({ args, transactionHash }) => [args.from, transactionHash]));
      for (const row of paid.filter(({ state }) => state === "delivered")) {
        assert.equal(row.amount, "10000");
        assert.equal(row.pay_to, merchant.address);
        assert.equal(row.network, NETWORK);
        assert.equal(row.asset, USDC);
        assert.equal(row.route, "/paid/*");
        assert.equal(row.method, "GET");
        assert.equal(row.host, new URL(world.gate.url).host);
        assert.equal(row.facilitator, world.facilitator.url);
        assert.match(row.prices, /^[0-9a-f]{12}$/);
        assert.ok(byPayer.has(row.payer));
        // Without an rpc the ledger may never learn the transaction of a settlement whose answer was lost.
        if (row.transaction) assert.equal(row.transaction, byPayer.get(row.payer));
      }
    });

    test("are_held_against_the_chain_which_fills_in_what_the_ledger_never_learnt", async () => {
      const status = () => fetch(`${world.gate.url}/.x402/status`).then((response) => response.json());
      const before = (await status()).prices;
      await world.gate.put({ ...world.document, rpc: { [NETWORK]: [world.chain.url] } });
      // The Worker keeps a document for ten seconds.
      await eventually(status, ({ prices }) => prices !== before);
      // Somebody pays without us: a transfer that no row explains.
      const stranger = await world.payer();
      await world.chain.transfer(stranger.account, merchant.address, 7n);
      await world.gate.reconcile();
      const unconfirmed = await world.gate.books("SELECT * FROM payments WHERE state = 'delivered' AND (confirmed_block IS NULL OR \"transaction\" = '')");
      assert.deepEqual(unconfirmed, []);
      const missing = await world.gate.books("SELECT * FROM discrepancies");
      assert.equal(missing.length, 2, JSON.stringify(missing));
      assert.deepEqual(missing.map(({ kind }) => kind), ["not_in_books", "not_in_books"]);
      const ours = missing.filter(({ nonce }) => nonce);
      assert.equal(ours.length, 1, "the one that went through another Worker used an authorization");
      assert.equal(missing.find(({ nonce }) => !nonce).amount, "7");
      // Run again, nothing is found twice.
      await world.gate.reconcile();
      assert.equal((await world.gate.books("SELECT * FROM discrepancies")).length, 2);
    });
  });
});
