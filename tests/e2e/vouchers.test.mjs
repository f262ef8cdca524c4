// Payments by channel (scheme batch-settlement): the official client and facilitator, the local chain's contract, and
// the Worker between them.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { newBuyer } from "./buyer.mjs";
import { highS, settlementOf } from "./channels.mjs";
import { NETWORK, decodeHeader, eventually, merchant, startWorld } from "./world.mjs";

const PRICE = 100n;
const DEPOSIT = 10_000n;

const prices = (facilitatorUrl, chainUrl) => ({
  payTo: merchant.address,
  network: NETWORK,
  facilitators: [facilitatorUrl],
  rpc: { [NETWORK]: [chainUrl] },
  routes: {
    "/quote/*": { scheme: "batch-settlement", price: "$0.0001", minDeposit: "$0.01" },
    "/permit2/*": { scheme: "batch-settlement", price: "$0.0001", minDeposit: "$0.01", extra: { assetTransferMethod: "permit2" } },
  },
});

let world, settlement, url;
before(async () => {
  world = await startWorld({ prices });
  settlement = settlementOf(world.chain);
  url = `${world.gate.url}/quote/x`;
  // Whose key signs claims is learnt behind an isolate's first requests.
  await eventually(() => fetch(url), ({ status }) => status === 402);
});
after(() => world?.stop());

const receiptOf = (response) => decodeHeader(response.headers.get("PAYMENT-RESPONSE"));
const errorOf = (response) => decodeHeader(response.headers.get("PAYMENT-REQUIRED")).error;
const callsSince = (start) => world.calls.slice(start).map(({ operation, body }) => `${operation} ${body.paymentPayload.payload.type}`);
const runsOf = ({ address }) => world.site.requests.filter(({ headers }) => headers["x-402-payer"] === address);
/** What the Worker says was charged in all: a voucher that cannot be right is told it. */
const chargedOf = async (buyer) => {
  const response = await fetch(url, { headers: await buyer.voucher(url, 1n) });
  assert.equal(response.status, 402);
  assert.equal(errorOf(response), "invalid_batch_settlement_evm_cumulative_amount_mismatch");
  return BigInt(decodeHeader(response.headers.get("PAYMENT-REQUIRED")).accepts[0].extra.channelState.chargedCumulativeAmount);
};
/** A buyer whose channel is open: one call is paid. */
const newcomer = async (options) => {
  const buyer = await newBuyer(world, options);
  const response = await buyer.pay(url);
  assert.equal(response.status, 200, await response.clone().text());
  return buyer;
};

describe("a channel", () => {
  it("is offered with its terms", async () => {
    const { offer } = await (await newBuyer(world)).bill(url);
    assert.equal(offer.amount, String(PRICE));
    assert.equal(offer.payTo, merchant.address);
    assert.equal(offer.extra.minDeposit, String(DEPOSIT));
    assert.equal(typeof offer.extra.withdrawDelay, "number");
    assert.match(offer.extra.receiverAuthorizer, /^0x[0-9a-fA-F]{40}$/);
  });

  it("is opened by the first call: the deposit is on chain, and the call is served", async () => {
    const buyer = await newBuyer(world);
    const start = world.calls.length;
    const response = await buyer.pay(url);
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(await response.text(), "GET /quote/x");
    const receipt = receiptOf(response);
    const { config } = await buyer.channel(url);
    assert.equal(receipt.success, true);
    assert.equal(receipt.amount, String(DEPOSIT));
    assert.equal(receipt.payer.toLowerCase(), buyer.address.toLowerCase());
    assert.equal(receipt.extra.chargedAmount, String(PRICE));
    assert.equal(receipt.extra.channelState.chargedCumulativeAmount, String(PRICE));
    assert.equal(receipt.extra.channelState.balance, String(DEPOSIT));
    assert.equal((await world.chain.chain.getTransactionReceipt({ hash: receipt.transaction })).status, "success");
    assert.deepEqual(callsSince(start), ["verify deposit", "settle deposit"]);
    assert.equal((await settlement.state(config)).balance, DEPOSIT);
    assert.equal(await buyer.balance(), 1_000_000n - DEPOSIT);
    assert.equal(response.headers.get("cache-control")?.includes("private") ?? true, true);
  });

  it("pays for twenty more calls without a word to the facilitator, nor to the chain", async () => {
    const buyer = await newcomer();
    const [start, block] = [world.calls.length, await world.chain.chain.getBlockNumber()];
    for (let call = 2n; call <= 21n; call++) {
      const response = await buyer.pay(url);
      assert.equal(response.status, 200, await response.clone().text());
      const { transaction, amount, extra } = receiptOf(response);
      assert.deepEqual([transaction, amount, extra.chargedAmount], ["", "", String(PRICE)]);
      assert.equal(extra.channelState.chargedCumulativeAmount, String(call * PRICE));
    }
    assert.deepEqual(callsSince(start), []);
    assert.equal(await world.chain.chain.getBlockNumber(), block);
    assert.equal(runsOf(buyer).length, 21);
  });

  it("asks nobody while the facilitator is down", async () => {
    const buyer = await newcomer();
    world.onCall = () => "drop";
    try {
      for (let call = 0; call < 3; call++) assert.equal((await buyer.pay(url)).status, 200);
    } finally {
      world.onCall = undefined;
    }
  });

  it("takes another deposit when it is used up", async () => {
    const buyer = await newBuyer(world, { depositStrategy: ({ minimumDepositAmount }) => String(3n * BigInt(minimumDepositAmount)) });
    const start = world.calls.length;
    for (let call = 0; call < 5; call++) {
      const response = await buyer.pay(url);
      assert.equal(response.status, 200, await response.clone().text());
    }
    assert.deepEqual(callsSince(start), ["verify deposit", "settle deposit", "verify deposit", "settle deposit"]);
    assert.equal((await settlement.state((await buyer.channel(url)).config)).balance, 600n);
    assert.equal(await chargedOf(buyer), 500n);
  });

  it("is opened by Permit2 too: without an allowance it is refused, with one, or a sponsored one, it is paid", async () => {
    const permit2 = `${world.gate.url}/permit2/x`;
    const buyer = await newBuyer(world, { rpc: false });
    const refused = await buyer.pay(permit2);
    assert.equal(refused.status, 402);
    assert.match(errorOf(refused), /permit2_allowance_required$/);
    assert.equal(await buyer.balance(), 1_000_000n);
    await world.chain.approvePermit2(buyer.account);
    // Who looks at the chain signs the approval themselves, and needs no gas.
    for (const one of [buyer, await newBuyer(world)]) {
      for (let call = 0; call < 2; call++) {
        const response = await one.pay(permit2);
        assert.equal(response.status, 200, await response.clone().text());
      }
      assert.equal((await settlement.state((await one.channel(permit2)).config)).balance, DEPOSIT);
      assert.equal(await one.balance(), 1_000_000n - DEPOSIT);
    }
  });

  it("charges what the origin says was used, and no more than the price", async () => {
    const buyer = await newcomer();
    for (const [used, charged] of [["overrides=30", 30n], ["overrides=25%25", 25n], ["overrides=0", 0n], ["overrides=5000", PRICE]]) {
      const response = await buyer.pay(`${world.gate.url}/quote/use?${used}`);
      assert.equal(response.status, 200, await response.clone().text());
      assert.equal(receiptOf(response).extra.chargedAmount, String(charged), used);
    }
    assert.equal(await chargedOf(buyer), PRICE + 155n);
  });

  it("costs nothing when the origin fails, and the same voucher is good again", async () => {
    const buyer = await newcomer();
    assert.equal((await buyer.pay(`${world.gate.url}/quote/status-500`)).status, 500);
    assert.equal(await chargedOf(buyer), PRICE);
    assert.equal((await buyer.pay(url)).status, 200);
    assert.equal(await chargedOf(buyer), 2n * PRICE);
  });
});

describe("a voucher", () => {
  it("whose answer was lost brings the content when it is sent again, and is charged once", async () => {
    const buyer = await newcomer();
    const big = `${world.gate.url}/quote/big`;
    const { payload, headers } = await buyer.sign(big);
    const gone = new AbortController();
    const cut = await fetch(big, { headers, signal: gone.signal });
    assert.equal(cut.status, 200);
    await cut.body.getReader().read();
    gone.abort();
    const again = await eventually(() => fetch(big, { headers }), ({ status }) => status !== 409);
    assert.equal(again.status, 200);
    assert.equal((await again.arrayBuffer()).byteLength, 10 * 1024 * 1024);
    assert.equal(receiptOf(again).extra.channelState.chargedCumulativeAmount, String(2n * PRICE));
    await buyer.read(payload, again);
    assert.equal(await chargedOf(buyer), 2n * PRICE);
    assert.equal((await buyer.pay(url)).status, 200);
    assert.equal(await chargedOf(buyer), 3n * PRICE);
  });

  it("that was delivered buys nothing more", async () => {
    const buyer = await newcomer();
    const { payload, headers } = await buyer.sign(url);
    const first = await fetch(url, { headers });
    assert.equal(await first.text(), "GET /quote/x");
    await buyer.read(payload, first);
    const runs = runsOf(buyer).length;
    const again = await eventually(() => fetch(url, { headers }), ({ status }) => status !== 409);
    assert.equal(again.status, 402);
    assert.equal((await fetch(`${world.gate.url}/quote/other`, { headers })).status, 402);
    assert.equal(runsOf(buyer).length, runs);
    assert.equal(await chargedOf(buyer), 2n * PRICE);
  });

  it("for another sum than the next is told what was charged, by the client's own signature", async () => {
    const buyer = await newcomer();
    const { id } = await buyer.channel(url);
    for (const max of [PRICE, 3n * PRICE, DEPOSIT]) {
      const response = await fetch(url, { headers: await buyer.voucher(url, max) });
      assert.equal(response.status, 402);
      const { error, accepts: [{ extra }] } = decodeHeader(response.headers.get("PAYMENT-REQUIRED"));
      assert.equal(error, "invalid_batch_settlement_evm_cumulative_amount_mismatch");
      assert.deepEqual({ ...extra.channelState, channelId: extra.channelState.channelId.toLowerCase() }, { channelId: id.toLowerCase(), balance: String(DEPOSIT), totalClaimed: "0", withdrawRequestedAt: 0, refundNonce: "0", chargedCumulativeAmount: String(PRICE) });
      assert.equal(extra.voucherState.signedMaxClaimable, String(PRICE));
      assert.match(extra.voucherState.signature, /^0x[0-9a-f]{130}$/i);
    }
  });

  it("of a client that has lost its records is put right, and paid", async () => {
    const buyer = await newcomer();
    await buyer.pay(url);
    buyer.forget();
    const response = await buyer.pay(url);
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(receiptOf(response).extra.channelState.chargedCumulativeAmount, String(3n * PRICE));
  });

  it("that is forged, altered or for other terms reaches neither the origin nor the facilitator", async () => {
    const [buyer, other] = [await newcomer(), await newBuyer(world)];
    const [start, runs] = [world.calls.length, runsOf(buyer).length];
    const max = 2n * PRICE;
    const good = decodeHeader((await buyer.voucher(url, max))["PAYMENT-SIGNATURE"]).payload.voucher;
    const wrong = {
      "invalid_batch_settlement_evm_voucher_signature": [
        { signer: other.account },
        { voucher: { signature: `${good.signature.slice(0, -4)}beef` } },
        { voucher: { signature: highS(good.signature) } },
      ],
      "invalid_batch_settlement_evm_channel_id_mismatch": [{ config: { salt: `0x${"01".repeat(32)}` } }, { voucher: { channelId: `0x${"ab".repeat(32)}` } }],
      "invalid_batch_settlement_evm_channel_id_invalid": [{ voucher: { channelId: "0x12" } }],
    };
    for (const [code, cases] of Object.entries(wrong)) {
      for (const changes of cases) {
        const response = await fetch(url, { headers: await buyer.voucher(url, max, changes) });
        assert.equal(response.status, 402);
        assert.equal(errorOf(response), code, JSON.stringify(changes, (_, value) => (typeof value === "function" ? undefined : value)));
      }
    }
    assert.deepEqual(callsSince(start), []);
    assert.equal(runsOf(buyer).length, runs);
    assert.equal(await chargedOf(buyer), PRICE);
  });

  it("for more than is in the channel is refused", async () => {
    const buyer = await newBuyer(world, { depositStrategy: ({ minimumDepositAmount }) => minimumDepositAmount });
    assert.equal((await buyer.pay(url)).status, 200);
    const response = await fetch(url, { headers: await buyer.voucher(url, 2n * PRICE) });
    assert.equal(response.status, 402);
    assert.equal(errorOf(response), "invalid_batch_settlement_evm_cumulative_exceeds_balance");
    assert.equal(await chargedOf(buyer), PRICE);
  });

  it("for a channel that is not there is refused, and nothing is kept of it", async () => {
    const buyer = await newBuyer(world);
    for (let attempt = 0; attempt < 2; attempt++) {
      const response = await fetch(url, { headers: await buyer.voucher(url, PRICE) });
      assert.equal(response.status, 402);
      assert.equal(errorOf(response), "invalid_batch_settlement_evm_channel_not_found");
    }
    assert.equal(runsOf(buyer).length, 0);
  });
});

describe("calls at the same time on one channel", () => {
  it("with fifty copies of a voucher run the origin once and are charged once", async () => {
    const buyer = await newcomer();
    const headers = await buyer.voucher(url, 2n * PRICE);
    const statuses = await Promise.all(Array.from({ length: 50 }, () => fetch(url, { headers }).then(async (response) => (await response.text(), response.status))));
    assert.equal(statuses.filter((status) => status === 200).length, 1, String(statuses));
    assert.ok(statuses.every((status) => [200, 402, 409].includes(status)), String(statuses));
    assert.equal(runsOf(buyer).length, 2);
    assert.equal(await chargedOf(buyer), 2n * PRICE);
  });

  it("are never charged beyond what was signed, and only for what was served", async () => {
    const buyer = await newcomer();
    const signed = await Promise.all(Array.from({ length: 20 }, (_, index) => buyer.voucher(url, PRICE * BigInt(index + 2))));
    const statuses = await Promise.all([...signed, ...signed].map((headers) => fetch(url, { headers }).then(async (response) => (await response.text(), response.status))));
    const served = statuses.filter((status) => status === 200).length;
    assert.ok(served >= 1 && statuses.every((status) => [200, 402, 409].includes(status)), String(statuses));
    assert.equal(await chargedOf(buyer), PRICE * BigInt(1 + served));
    assert.ok(runsOf(buyer).length >= 1 + served);
  });

  it("by the official client: who is served is charged, who is refused is not", async () => {
    const buyer = await newcomer();
    const responses = await Promise.all(Array.from({ length: 10 }, () => buyer.pay(url)));
    const served = responses.filter(({ status }) => status === 200).length;
    assert.ok(served >= 1, String(responses.map(({ status }) => status)));
    assert.equal(await chargedOf(buyer), PRICE * BigInt(1 + served));
    buyer.forget();
    assert.equal((await buyer.pay(url)).status, 200);
  });
});
