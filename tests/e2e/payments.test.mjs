// The main job: official clients pay a real token on a real chain and get the origin's page.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { startMiniflare } from "./workers.mjs";
import { decodeHeader, encodeHeader, merchant, paymentHeaders, startWorld, USDC } from "./world.mjs";

const CENT = 10_000n;
const SOME = 1_000_000n;

describe("payments", () => {
  let world;
  before(async () => { world = await startWorld(); });
  after(() => world?.stop());
  beforeEach(() => {
    world.onCall = undefined;
    world.calls.length = 0;
    world.site.requests.length = 0;
  });

  test("a_v2_client_pays_and_gets_the_page", async () => {
    const payer = await world.payer();
    const earned = await world.earned();
    const response = await payer.v2(`${world.gate.url}/paid/page?a=b`);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "GET /paid/page?a=b");
    const receipt = decodeHeader(response.headers.get("PAYMENT-RESPONSE"));
    assert.equal(receipt.success, true);
    assert.equal(receipt.network, "eip155:84532");
    assert.equal(receipt.payer, payer.address);
    const mined = await world.chain.chain.getTransactionReceipt({ hash: receipt.transaction });
    assert.equal(mined.status, "success");
    assert.equal(await payer.balance(), 1_000_000n - CENT);
    assert.equal(await world.earned(), earned + CENT);
    assert.deepEqual(world.calls.map(({ operation }) => operation), ["verify", "settle"]);
  });

  test("a_v1_client_pays_and_gets_the_page", async () => {
    const payer = await world.payer();
    const response = await payer.v1(`${world.gate.url}/paid/page`);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "GET /paid/page");
    const receipt = decodeHeader(response.headers.get("X-PAYMENT-RESPONSE"));
    assert.equal(receipt.network, "base-sepolia");
    assert.equal(response.headers.get("PAYMENT-RESPONSE"), null);
    assert.equal(await payer.balance(), 1_000_000n - CENT);
  });

  test("the_origin_learns_who_paid_what_and_sees_no_payment", async () => {
    const payer = await world.payer();
    await payer.v2(`${world.gate.url}/paid/page`, { headers: { "X-402-Payer": "0xforged", X_402_Amount: "1", "X-402-Else": "x" } });
    const [{ headers }] = world.site.requests;
    assert.equal(headers["x-402-payer"], payer.address);
    assert.equal(headers["x-402-asset"], USDC);
    assert.equal(headers["x-402-amount"], "10000");
    assert.equal(headers["x-402-network"], "eip155:84532");
    for (const name of ["payment-signature", "x-payment", "x_402_amount", "x-402-else"]) assert.equal(headers[name], undefined, name);
    await fetch(`${world.gate.url}/free`, { headers: { "X-402-Payer": "0xforged", "PAYMENT-SIGNATURE": "x", "X-PAYMENT": "y" } });
    const free = world.site.requests.at(-1).headers;
    for (const name of ["x-402-payer", "payment-signature", "x-payment"]) assert.equal(free[name], undefined, name);
  });

  test("a_paid_post_carries_its_body_once", async () => {
    const payer = await world.payer();
    const response = await payer.v2(`${world.gate.url}/paid/upload`, { method: "POST", body: "x".repeat(100_000) });
    assert.equal((await response.json()).length, 100_000);
    assert.equal(world.site.requests.length, 1);
  });

  test("a_payer_without_money_is_told_so_and_makes_the_origin_read_twice_at_most", async () => {
    const payer = await world.payer(0n);
    for (let index = 0; index < 5; index++) {
      const response = await payer.v2(`${world.gate.url}/paid/page`);
      assert.equal(response.status, 402);
      const required = decodeHeader(response.headers.get("PAYMENT-REQUIRED"));
      assert.equal(required.error, "invalid_exact_evm_insufficient_balance");
      assert.equal((await response.text()).includes("GET /paid/page"), false);
    }
    assert.equal(world.site.requests.length, 2);
    const written = await payer.v2(`${world.gate.url}/paid/page`, { method: "POST", body: "x" });
    assert.equal(written.status, 402);
    assert.equal(world.site.requests.length, 2);
  });

  test("a_payer_who_has_settled_before_is_not_verified_again", async () => {
    const payer = await world.payer();
    for (let index = 0; index < 3; index++) assert.equal((await payer.v2(`${world.gate.url}/paid/page`, { method: "POST", body: "x" })).status, 200);
    assert.deepEqual(world.calls.map(({ operation }) => operation), ["verify", "settle", "settle", "settle"]);
    assert.equal(await payer.balance(), SOME - 3n * CENT);
  });

  test("money_that_is_wanted_upfront_moves_before_the_origin_is_asked_and_what_it_fails_to_give_stays_owed", async () => {
    const prices = structuredClone(world.document);
    prices.routes["/paid/*"].settle = "upfront";
    const worker = await startMiniflare({ prices, originUrl: world.site.url });
    try {
      const payer = await world.payer();
      world.onCall = (operation) => {
        assert.equal(world.site.requests.length, 0);
        return undefined;
      };
      const response = await payer.v2(`${worker.url}/paid/page`);
      assert.equal(response.status, 200);
      assert.equal(await response.text(), "GET /paid/page");
      assert.deepEqual(world.calls.map(({ operation }) => operation), ["settle"]);
      assert.equal(world.calls[0].body.paymentRequirements.extra.paymentFlow, "upfront");
      world.onCall = undefined;
      const headers = await paymentHeaders(payer, `${worker.url}/paid/status-500`);
      for (let attempt = 0; attempt < 2; attempt++) {
        const failed = await fetch(`${worker.url}/paid/status-500`, { headers });
        assert.equal(failed.status, 500);
        assert.equal(decodeHeader(failed.headers.get("PAYMENT-RESPONSE")).success, true);
      }
      assert.equal(await payer.balance(), SOME - 2n * CENT);
    } finally {
      world.onCall = undefined;
      await worker.stop();
    }
  });

  test("nobody_is_charged_when_the_origin_fails", async () => {
    const payer = await world.payer();
    for (const status of [400, 404, 418, 500, 503]) {
      const response = await payer.v2(`${world.gate.url}/paid/status-${status}`);
      assert.equal(response.status, status);
      assert.equal(await response.text(), `status ${status}`);
      assert.equal(response.headers.get("x-from"), "origin");
    }
    assert.equal((await payer.v2(`${world.gate.url}/paid/drop`)).status, 502);
    const elsewhere = `${world.gate.url}/paid/other`;
    const redirect = await payer.v2(`${world.gate.url}/paid/redirect?to=${encodeURIComponent(elsewhere)}`, { redirect: "manual" });
    assert.equal(redirect.status, 302);
    assert.equal(redirect.headers.get("location"), elsewhere);
    assert.equal(await payer.balance(), 1_000_000n);
    assert.ok(world.calls.every(({ operation }) => operation === "verify"));
  });

  test("a_forged_or_changed_payment_costs_no_call", async () => {
    const payer = await world.payer();
    // Another isolate, which knows nothing of facilitators yet.
    const unsuspected = await startMiniflare({ prices: world.document, originUrl: world.site.url });
    const url = `${unsuspected.url}/paid/page`;
    const supported = world.supported;
    const { "PAYMENT-SIGNATURE": header } = await paymentHeaders(payer, url);
    const change = (edit) => {
      const payload = decodeHeader(header);
      edit(payload, payload.payload.authorization);
      return encodeHeader(payload);
    };
    const changes = {
      to: (_, authorization) => { authorization.to = payer.address; },
      value: (_, authorization) => { authorization.value = "1"; },
      "the accepted amount": (payload, authorization) => { payload.accepted.amount = authorization.value = "1"; },
      nonce: (_, authorization) => { authorization.nonce = `0x${"00".repeat(32)}`; },
      validity: (_, authorization) => { authorization.validBefore = "99999999999"; },
      from: (_, authorization) => { authorization.from = merchant.address; },
      signature: (payload) => { payload.payload.signature = payload.payload.signature.replace(/..$/, "1d"); },
    };
    for (const [name, edit] of Object.entries(changes)) {
      const response = await fetch(url, { headers: { "PAYMENT-SIGNATURE": change(edit) } });
      assert.equal(response.status, 402, name);
    }
    for (const garbage of ["", "%%%", "bnVsbA==", "A".repeat(16_385)]) {
      const response = await fetch(url, { headers: { "PAYMENT-SIGNATURE": garbage } });
      assert.equal(response.status, 400, garbage.slice(0, 10));
    }
    assert.deepEqual(world.calls, []);
    assert.deepEqual(world.site.requests, []);
    await unsuspected.stop();
    assert.equal(world.supported, supported);
  });

  test("what_the_facilitators_settle_is_learnt_after_a_paid_request_and_kept", async () => {
    const worker = await startMiniflare({ prices: world.document, originUrl: world.site.url });
    try {
      const before = world.supported;
      const payer = await world.payer();
      for (let index = 0; index < 3; index++) assert.equal((await payer.v2(`${worker.url}/paid/page`)).status, 200);
      for (const end = Date.now() + 20_000; world.supported === before && Date.now() < end;) await new Promise((resolve) => setTimeout(resolve, 50));
      // One isolate asks for its requests, another for its ledger's objects if they live apart.
      assert.ok(world.supported - before >= 1 && world.supported - before <= 2, String(world.supported - before));
    } finally {
      await worker.stop();
    }
  });

  test("a_replayed_payment_buys_nothing_more", async () => {
    const payer = await world.payer();
    const url = `${world.gate.url}/paid/page`;
    const headers = await paymentHeaders(payer, url);
    assert.equal((await fetch(url, { headers })).status, 200);
    const replay = await fetch(url, { headers });
    assert.equal(replay.status, 402);
    assert.equal(decodeHeader(replay.headers.get("PAYMENT-REQUIRED")).error, "invalid_exact_evm_nonce_already_used");
    assert.equal(await payer.balance(), 1_000_000n - CENT);
  });

  test("copies_sent_at_once_are_served_once", async () => {
    const payer = await world.payer();
    const url = `${world.gate.url}/paid/page`;
    const headers = await paymentHeaders(payer, url);
    const statuses = await Promise.all(Array.from({ length: 8 }, () => fetch(url, { headers }).then(({ status }) => status)));
    assert.equal(statuses.filter((status) => status === 200).length, 1, String(statuses));
    assert.equal(await payer.balance(), 1_000_000n - CENT);
  });

  test("a_signature_with_parity_v_settles", async () => {
    const payer = await world.payer();
    const url = `${world.gate.url}/paid/page`;
    const { "PAYMENT-SIGNATURE": header } = await paymentHeaders(payer, url);
    const payload = decodeHeader(header);
    payload.payload.signature = payload.payload.signature.replace(/1b$/, "00").replace(/1c$/, "01");
    const response = await fetch(url, { headers: { "PAYMENT-SIGNATURE": encodeHeader(payload) } });
    assert.equal(response.status, 200);
    assert.equal(await payer.balance(), 1_000_000n - CENT);
  });

  test("an_unpaid_upload_gets_the_402_and_not_a_reset_connection", async () => {
    for (const size of [70_000, 1_000_000, 10_000_000]) {
      for (let round = 0; round < 10; round++) {
        const response = await fetch(`${world.gate.url}/paid/upload`, { method: "POST", body: "x".repeat(size) });
        assert.equal(response.status, 402);
        await response.arrayBuffer();
      }
    }
  });

  test("a_contract_wallets_signature_is_the_facilitators_to_judge_where_the_owner_says_so", async () => {
    const payer = await world.payer();
    const url = `${world.gate.url}/paid/page`;
    const payload = decodeHeader((await paymentHeaders(payer, url))["PAYMENT-SIGNATURE"]);
    payload.payload.signature = `0x${"12".repeat(200)}`;
    const headers = { "PAYMENT-SIGNATURE": encodeHeader(payload) };
    assert.equal((await fetch(url, { headers })).status, 402);
    assert.deepEqual(world.calls, []);
    const deferring = await startMiniflare({ prices: { ...world.document, smartWallets: "defer", publicUrl: world.gate.url }, originUrl: world.site.url });
    try {
      const response = await fetch(`${deferring.url}/paid/page`, { headers });
      assert.equal(response.status, 402);
      const required = decodeHeader(response.headers.get("PAYMENT-REQUIRED"));
      assert.equal(required.resource.url, url);
      assert.deepEqual(world.calls.map(({ operation }) => operation), ["verify"]);
    } finally {
      await deferring.stop();
    }
  });

  test("a_v1_refusal_is_in_v1_words", async () => {
    const payer = await world.payer(0n);
    const response = await payer.v1(`${world.gate.url}/paid/page`);
    assert.equal(response.status, 402);
    const body = await response.json();
    assert.equal(body.x402Version, 1);
    assert.equal(body.accepts[0].network, "base-sepolia");
    assert.match(body.error, /^[a-z_]+$/);
  });

  test("a_lost_settle_answer_is_never_a_402", async () => {
    const payer = await world.payer();
    const url = `${world.gate.url}/paid/page`;
    const headers = await paymentHeaders(payer, url);
    world.onCall = (operation) => (operation === "settle" ? "drop" : undefined);
    const response = await fetch(url, { headers });
    assert.equal(response.status, 502);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.match((await response.json()).detail, /do not sign again/);
    assert.ok(Number(response.headers.get("retry-after")) > 0);
    // Resolved here, so that the ledger's alarm does not settle it in the midst of the next test.
    world.onCall = undefined;
    let again;
    do {
      again = await fetch(url, { headers });
      await again.arrayBuffer();
    } while (again.status === 409);
    assert.equal(again.status, 200);
  });

  test("a_facilitator_that_is_down_or_talks_nonsense_is_never_a_402", async () => {
    const payer = await world.payer();
    const ask = async (init) => {
      const response = await payer.v2(`${world.gate.url}/paid/page`, init);
      assert.equal((await response.text()).includes("/paid/page"), false);
      return response.status;
    };
    for (const [init, runs] of [[{ method: "POST", body: "x" }, 0], [{}, 2]]) {
      world.onCall = () => "drop";
      assert.equal(await ask(init), 503);
      world.onCall = () => ({ status: 500, body: { error: "boom" } });
      assert.equal(await ask(init), 502);
      // What only reads is asked for beside, and held back.
      assert.equal(world.site.requests.length, runs);
    }
    assert.equal(await payer.balance(), 1_000_000n);
  });

  test("a_site_without_the_ledger_still_sells", async () => {
    const payer = await world.payer();
    const plain = await startMiniflare({ prices: world.document, originUrl: world.site.url, ledger: false });
    try {
      for (const client of [payer.v2, payer.v1]) assert.equal((await client(`${plain.url}/paid/page`)).status, 200);
      assert.equal(await payer.balance(), 1_000_000n - 2n * CENT);
    } finally {
      await plain.stop();
    }
  });

  test("many_payers_at_once_are_each_charged_once", async () => {
    const payers = await Promise.all(Array.from({ length: 10 }, () => world.payer()));
    const responses = await Promise.all(payers.map((payer, index) => payer.v2(`${world.gate.url}/paid/item-${index}`)));
    for (const [index, response] of responses.entries()) {
      assert.equal(response.status, 200);
      assert.equal(await response.text(), `GET /paid/item-${index}`);
    }
    for (const payer of payers) assert.equal(await payer.balance(), 1_000_000n - CENT);
  });
});
