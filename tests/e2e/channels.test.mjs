// Payment channels sold by our Worker: the official client and facilitator, real contracts, balances on chain.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { x402Client, wrapFetchWithPayment } from "@x402/fetch";
import { BatchSettlementEvmScheme, InMemoryClientChannelStorage } from "@x402/evm/batch-settlement/client";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { settlementOf } from "./channels.mjs";
import { decodeHeader, encodeHeader, eventually, NETWORK, startWorld } from "./world.mjs";
import { startMiniflare } from "./workers.mjs";

const PRICE = 1000n;
const DEPOSIT = 50_000n;
const authorizerKey = generatePrivateKey();
const authorizer = privateKeyToAccount(authorizerKey);

describe("channels", () => {
  let world, settlement;
  const receiver = privateKeyToAccount(generatePrivateKey());
  const prices = (facilitatorUrl, chainUrl, more = {}) => ({
    payTo: receiver.address,
    network: NETWORK,
    facilitators: [facilitatorUrl],
    rpc: { [NETWORK]: [chainUrl] },
    claims: { idle: 3600 },
    routes: {
      "/calls/*": { scheme: "batch-settlement", price: "$0.001", withdrawDelay: 900, minDeposit: "$0.05", description: "One call" },
      "/paid/*": { price: "$0.01" },
    },
    ...more,
  });
  before(async () => {
    world = await startWorld({ prices, worker: { vars: { RECEIVER_AUTHORIZER_KEY: authorizerKey } } });
    settlement = settlementOf(world.chain);
  });
  after(async () => {
    await world?.stop();
  });

  /** A payer with the official client. What it sends is kept, to be sent again. */
  async function newBuyer(units = 1_000_000n) {
    const account = privateKeyToAccount(generatePrivateKey());
    if (units > 0n) await world.chain.mint(account.address, units);
    const signer = Object.assign(account, { readContract: (args) => world.chain.chain.readContract(args) });
    const storage = new InMemoryClientChannelStorage();
    const scheme = new BatchSettlementEvmScheme(signer, { storage });
    const sent = [];
    const keeping = async (input, init) => {
      const request = new Request(input, init);
      const payment = request.headers.get("PAYMENT-SIGNATURE");
      if (payment) sent.push({ "PAYMENT-SIGNATURE": payment });
      return fetch(request);
    };
    const pay = wrapFetchWithPayment(keeping, new x402Client().register("eip155:*", scheme));
    return { account, scheme, storage, pay, sent, balance: () => world.chain.balanceOf(account.address) };
  }

  const url = (path, gate = world.gate) => `${gate.url}${path}`;
  const receiptOf = (response) => decodeHeader(response.headers.get("PAYMENT-RESPONSE"));
  const offerAt = async (path, gate = world.gate) => decodeHeader((await fetch(url(path, gate))).headers.get("PAYMENT-REQUIRED")).accepts[0];
  const configOf = async ({ scheme }, path, gate) => scheme.buildChannelConfig(await offerAt(path, gate));
  const callsSince = (start) => world.calls.slice(start).map(({ operation, body }) => `${operation} ${body.paymentPayload.payload.type ?? "exact"}`);
  const siteCalls = (path) => world.site.requests.filter((request) => request.url === path).length;
  /** A voucher for the next call of a channel, signed now. */
  async function voucherFor(buyer, path, charged, gate) {
    const offer = await offerAt(path, gate);
    const storage = new InMemoryClientChannelStorage();
    const scheme = new BatchSettlementEvmScheme(buyer.account, { storage });
    const config = scheme.buildChannelConfig(offer);
    await storage.set(settlement.id(config), { balance: String(DEPOSIT), chargedCumulativeAmount: String(charged) });
    const { payload } = await scheme.createPaymentPayload(2, offer);
    return { "PAYMENT-SIGNATURE": encodeHeader({ x402Version: 2, accepted: offer, payload }) };
  }

  test("an_official_client_opens_a_channel_pays_many_times_and_gets_the_rest_back", async () => {
    const buyer = await newBuyer();
    const start = world.calls.length;
    const first = await buyer.pay(url("/calls/first"));
    assert.equal(first.status, 200, await first.clone().text());
    assert.equal(await first.text(), "GET /calls/first");
    const opened = receiptOf(first);
    assert.match(opened.transaction, /^0x[0-9a-f]{64}$/);
    assert.equal(opened.amount, String(DEPOSIT));
    assert.equal(opened.extra.chargedAmount, String(PRICE));
    const offer = await offerAt("/calls/first");
    assert.equal(offer.extra.receiverAuthorizer, authorizer.address);
    const config = await configOf(buyer, "/calls/first");
    assert.equal((await settlement.state(config)).balance, DEPOSIT);
    assert.deepEqual(callsSince(start), ["verify deposit", "settle deposit"]);
    for (let count = 2n; count <= 20n; count++) {
      const response = await buyer.pay(url(`/calls/${count}`));
      assert.equal(response.status, 200, await response.clone().text());
      const receipt = receiptOf(response);
      assert.equal(receipt.transaction, "");
      assert.equal(receipt.extra.channelState.chargedCumulativeAmount, String(count * PRICE));
      assert.equal(await response.text(), `GET /calls/${count}`);
    }
    assert.deepEqual(callsSince(start), ["verify deposit", "settle deposit"], "vouchers need no facilitator");
    const asked = world.site.requests.at(-1).headers;
    assert.equal(asked["x-402-payer"], buyer.account.address);
    assert.equal(asked["x-402-amount"], String(PRICE));
    assert.equal(asked["payment-signature"], undefined);
    const refund = await buyer.scheme.refund(url("/calls/refund"));
    assert.equal(refund.success, true);
    assert.equal(refund.amount, String(DEPOSIT - 20n * PRICE));
    assert.deepEqual(callsSince(start).slice(2), ["verify refund", "settle refund"]);
    assert.equal(siteCalls("/calls/refund"), 0);
    const state = await settlement.state(config);
    assert.deepEqual([state.balance, state.totalClaimed], [20n * PRICE, 20n * PRICE]);
    assert.equal(await buyer.balance(), 1_000_000n - 20n * PRICE);
    // The channel opens again, and goes on from what was claimed.
    const again = await buyer.pay(url("/calls/again"));
    assert.equal(again.status, 200, await again.clone().text());
    assert.equal(receiptOf(again).extra.channelState.chargedCumulativeAmount, String(21n * PRICE));
  });

  test("a_voucher_sent_again_gets_its_answer_or_is_told_the_state_and_is_charged_once", async () => {
    const buyer = await newBuyer();
    await buyer.pay(url("/calls/a"));
    const voucher = await voucherFor(buyer, "/calls/b", PRICE);
    const answers = await Promise.all(Array.from({ length: 20 }, async () => {
      const response = await fetch(url("/calls/b"), { headers: voucher });
      await response.text();
      return response;
    }));
    const statuses = answers.map(({ status }) => status);
    assert.ok(statuses.includes(200), statuses.join());
    assert.ok(statuses.every((status) => [200, 402, 409].includes(status)), statuses.join());
    assert.equal(statuses.filter((status) => status === 200).length, 1, statuses.join());
    assert.equal(siteCalls("/calls/b"), 1);
    // Delivered: from then on the client is told where its channel stands.
    const late = await eventually(() => fetch(url("/calls/b"), { headers: voucher }), ({ status }) => status === 402);
    const { error, accepts: [{ extra }] } = decodeHeader(late.headers.get("PAYMENT-REQUIRED"));
    assert.equal(error, "invalid_batch_settlement_evm_cumulative_amount_mismatch");
    assert.equal(extra.channelState.chargedCumulativeAmount, String(2n * PRICE));
    assert.equal(extra.voucherState.signedMaxClaimable, String(2n * PRICE));
    // The official client, which knows nothing of that call, is set right by it and pays.
    const response = await buyer.pay(url("/calls/c"));
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(receiptOf(response).extra.channelState.chargedCumulativeAmount, String(3n * PRICE));
  });

  test("an_answer_that_was_cut_off_is_given_again_without_a_second_charge", async () => {
    const buyer = await newBuyer();
    await buyer.pay(url("/calls/a"));
    const voucher = await voucherFor(buyer, "/calls/big", PRICE);
    const gone = new AbortController();
    const first = await fetch(url("/calls/big"), { headers: voucher, signal: gone.signal });
    assert.equal(first.status, 200);
    await first.body.getReader().read();
    gone.abort();
    const again = await eventually(() => fetch(url("/calls/big"), { headers: voucher }), ({ status }) => status !== 409);
    assert.equal(again.status, 200, await again.clone().text());
    assert.equal((await again.arrayBuffer()).byteLength, 10 * 1024 * 1024);
    assert.equal(again.headers.get("PAYMENT-RESPONSE"), first.headers.get("PAYMENT-RESPONSE"), "the same receipt");
    assert.equal(receiptOf(again).extra.channelState.chargedCumulativeAmount, String(2n * PRICE));
    const next = await fetch(url("/calls/x"), { headers: await voucherFor(buyer, "/calls/x", 2n * PRICE) });
    assert.equal(next.status, 200, await next.text());
  });

  test("concurrent_vouchers_of_one_channel_never_charge_beyond_what_was_signed", async () => {
    const buyer = await newBuyer();
    await buyer.pay(url("/calls/a"));
    let [charged, served] = [PRICE, 0n];
    for (let round = 0; round < 5; round++) {
      // The same next voucher for ten different requests: one of them gets it.
      const answers = await Promise.all(Array.from({ length: 10 }, async (_, index) => {
        const path = `/calls/round-${round}-${index}`;
        const response = await fetch(url(path), { headers: await voucherFor(buyer, path, charged) });
        await response.text();
        return response;
      }));
      const paid = answers.filter(({ status }) => status === 200);
      served += BigInt(paid.length);
      assert.equal(paid.length, 1, answers.map(({ status }) => status).join());
      charged += PRICE;
      assert.equal(receiptOf(paid[0]).extra.channelState.chargedCumulativeAmount, String(charged));
    }
    assert.equal(served * PRICE + PRICE, charged);
  });

  test("what_the_site_says_was_used_is_charged_and_a_failure_costs_nothing", async () => {
    const buyer = await newBuyer();
    const used = await buyer.pay(url("/calls/use?overrides=250"));
    assert.equal(receiptOf(used).extra.chargedAmount, "250");
    assert.equal(used.headers.get("Settlement-Overrides"), null);
    const failed = await buyer.pay(url("/calls/status-500"));
    assert.equal(failed.status, 500);
    assert.equal(failed.headers.get("PAYMENT-RESPONSE"), null);
    const next = await buyer.pay(url("/calls/use?settlement=0"));
    assert.equal(receiptOf(next).extra.chargedAmount, "0");
    assert.equal(receiptOf(await buyer.pay(url("/calls/last"))).extra.channelState.chargedCumulativeAmount, String(250n + PRICE));
  });

  test("vouchers_that_are_forged_or_for_nothing_cost_nobody_a_call", async () => {
    const buyer = await newBuyer(0n);
    const start = world.calls.length;
    const forged = await voucherFor(buyer, "/calls/a", 0n);
    const payload = decodeHeader(forged["PAYMENT-SIGNATURE"]);
    payload.payload.voucher.maxClaimableAmount = String(2n * PRICE);
    const refused = await fetch(url("/calls/a"), { headers: { "PAYMENT-SIGNATURE": encodeHeader(payload) } });
    assert.equal(decodeHeader(refused.headers.get("PAYMENT-REQUIRED")).error, "invalid_batch_settlement_evm_voucher_signature");
    // A channel of which the chain knows nothing.
    const empty = await fetch(url("/calls/a"), { headers: forged });
    assert.equal(decodeHeader(empty.headers.get("PAYMENT-REQUIRED")).error, "invalid_batch_settlement_evm_channel_not_found");
    assert.deepEqual(callsSince(start), []);
  });

  test("what_channels_owe_is_claimed_and_paid_out_and_stands_in_the_books", { timeout: 120_000 }, async () => {
    const document = { ...world.document, claims: { idle: 10 } };
    const gate = await startMiniflare({ prices: document, originUrl: world.site.url, vars: { RECEIVER_AUTHORIZER_KEY: authorizerKey } });
    try {
      const before = await world.chain.balanceOf(receiver.address);
      const buyers = await Promise.all(Array.from({ length: 3 }, () => newBuyer()));
      const start = world.calls.length;
      for (const buyer of buyers) {
        for (let count = 0; count < 4; count++) {
          const response = await buyer.pay(url(`/calls/${count}`, gate));
          assert.equal(response.status, 200, await response.text());
        }
      }
      for (const buyer of buyers) {
        const config = await configOf(buyer, "/calls/0", gate);
        const { totalClaimed } = await eventually(() => settlement.state(config), ({ totalClaimed }) => totalClaimed > 0n, 90);
        assert.equal(totalClaimed, 4n * PRICE);
      }
      // All that is credited is paid out.
      await eventually(() => settlement.receiver(receiver.address), ({ totalClaimed, totalSettled }) => totalClaimed === totalSettled, 60);
      assert.ok((await world.chain.balanceOf(receiver.address)) >= before + 12n * PRICE);
      const calls = callsSince(start).filter((call) => !call.startsWith("verify"));
      assert.ok(calls.filter((call) => call === "settle claim").length <= 2, calls.join());
      const rows = await eventually(() => gate.books("SELECT * FROM channels"), (rows) => rows.length === 3 && rows.every(({ claimable }) => claimable === "0"), 60);
      for (const row of rows) {
        assert.equal(row.charged, String(4n * PRICE));
        assert.equal(row.claimed, String(4n * PRICE));
        assert.equal(row.requests, 4);
        assert.equal(row.state, "open");
      }
      const moves = await eventually(() => gate.books('SELECT * FROM channel_moves ORDER BY time'), (moves) => moves.some(({ kind }) => kind === "settle"));
      assert.equal(moves.filter(({ kind }) => kind === "deposit").length, 3);
      // Vouchers go on from there.
      const response = await buyers[0].pay(url("/calls/more", gate));
      assert.equal(response.status, 200, await response.clone().text());
      assert.equal(receiptOf(response).extra.channelState.totalClaimed, String(4n * PRICE));
      await gate.reconcile();
      const discrepancies = await gate.books("SELECT * FROM discrepancies WHERE kind = 'not_in_books'");
      const ours = new Set(moves.map(({ transaction }) => transaction));
      assert.ok(discrepancies.every(({ transaction }) => !ours.has(transaction)));
    } finally {
      await gate.stop();
    }
  });

  test("without_a_key_of_the_owners_the_facilitators_key_claims", { timeout: 120_000 }, async () => {
    const document = { ...world.document, claims: { idle: 10 } };
    const gate = await startMiniflare({ prices: document, originUrl: world.site.url });
    try {
      await eventually(() => fetch(url("/calls/a", gate)), ({ status }) => status === 402);
      const buyer = await newBuyer();
      const response = await buyer.pay(url("/calls/a", gate));
      assert.equal(response.status, 200, await response.clone().text());
      const config = await configOf(buyer, "/calls/a", gate);
      assert.notEqual(config.receiverAuthorizer, authorizer.address);
      await eventually(() => settlement.state(config), ({ totalClaimed }) => totalClaimed === PRICE, 90);
    } finally {
      await gate.stop();
    }
  });

  test("a_key_that_cannot_be_read_sells_nothing_and_says_so", async () => {
    const gate = await startMiniflare({ prices: world.document, originUrl: world.site.url, vars: { RECEIVER_AUTHORIZER_KEY: "0x12" } });
    try {
      assert.equal((await fetch(url("/calls/a", gate))).status, 503);
      assert.equal((await fetch(url("/paid/a", gate))).status, 402);
      const { channels } = await (await fetch(url("/.x402/status", gate))).json();
      assert.match(channels, /RECEIVER_AUTHORIZER_KEY/);
      assert.doesNotMatch(channels, /0x12/);
    } finally {
      await gate.stop();
    }
  });

  test("channels_outlive_a_power_cut_and_nothing_is_charged_twice", { timeout: 180_000 }, async () => {
    const storage = mkdtempSync(join(tmpdir(), "x402-edge-channels-"));
    // Claimed when the channel was quiet for ten seconds: also after a restart.
    const options = { prices: { ...world.document, publicUrl: "https://shop.example", claims: { idle: 10 } }, originUrl: world.site.url, persist: storage, vars: { RECEIVER_AUTHORIZER_KEY: authorizerKey } };
    let gate = await startMiniflare(options);
    try {
      const buyer = await newBuyer();
      const first = await buyer.pay(url("/calls/0", gate));
      assert.equal(first.status, 200, await first.clone().text());
      const config = await configOf(buyer, "/calls/0", gate);
      let charged = PRICE;
      for (let round = 0; round < 3; round++) {
        const path = `/calls/round-${round}`;
        const voucher = await voucherFor(buyer, path, charged, gate);
        const asked = fetch(url(path, gate), { headers: voucher }).then((response) => response.text()).catch(() => "the power went");
        await new Promise((resolve) => setTimeout(resolve, round * 7));
        await gate.kill();
        await asked;
        gate = await startMiniflare(options);
        // Until it brings the content, or is known as delivered.
        const last = await eventually(async () => {
          const response = await fetch(url(path, gate), { headers: voucher });
          await response.text();
          return response;
        }, ({ status }) => status === 200 || status === 402, 90);
        charged += PRICE;
        if (last.status === 402) {
          const { error, accepts: [{ extra }] } = decodeHeader(last.headers.get("PAYMENT-REQUIRED"));
          assert.equal(error, "invalid_batch_settlement_evm_cumulative_amount_mismatch");
          assert.equal(extra.channelState.chargedCumulativeAmount, String(charged));
        } else {
          assert.equal(receiptOf(last).extra.channelState.chargedCumulativeAmount, String(charged));
        }
      }
      await gate.kill();
      gate = await startMiniflare(options);
      await fetch(url("/calls/wake", gate));
      const { totalClaimed } = await eventually(() => settlement.state(config), ({ totalClaimed }) => totalClaimed === charged, 90);
      assert.equal(totalClaimed, charged);
    } finally {
      await gate.stop();
      rmSync(storage, { recursive: true, force: true });
    }
  });

  // Last: the payer's withdrawal is seen on chain.
  test("a_payer_who_withdraws_is_claimed_at_once", { timeout: 120_000 }, async () => {
    const buyer = await newBuyer();
    for (let count = 0; count < 3; count++) assert.equal((await buyer.pay(url(`/calls/${count}`))).status, 200);
    const config = await configOf(buyer, "/calls/0");
    await settlement.write(buyer.account, "initiateWithdraw", config, DEPOSIT);
    assert.equal((await settlement.state(config)).totalClaimed, 0n);
    // Seen when the chain is looked at next: within a sixth of the delay, here 150 s; a voucher after that would see it
    // too. The test does not wait for it: a refund asks the chain.
    const refund = await buyer.scheme.refund(url("/calls/refund"), { amount: "1000" });
    assert.equal(refund.success, true);
    assert.equal((await settlement.state(config)).totalClaimed, 3n * PRICE);
  });
});
