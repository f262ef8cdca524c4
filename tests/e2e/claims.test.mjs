// What channels have earned reaches the receiver: claimed by schedule, at once when a payer leaves, again when it fails.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { parseEventLogs } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { keys } from "../../dev/local/accounts.mjs";
import { BATCH_SETTLEMENT } from "../../dev/local/chain.mjs";
import { newBuyer } from "./buyer.mjs";
import { settlementAbi, settlementOf } from "./channels.mjs";
import { NETWORK, decodeHeader, eventually, startWorld } from "./world.mjs";

const PRICE = 100n;
const DEPOSIT = 10_000n;
const facilitatorsKey = privateKeyToAccount(keys.receiverAuthorizer);

/** A shop whose receiver has nothing yet; what channels earn is claimed ten seconds after their last request. */
async function startShop({ claims = { idle: 10 }, withdrawDelay = 900, worker, services } = {}) {
  const receiver = privateKeyToAccount(generatePrivateKey());
  const prices = (facilitatorUrl, chainUrl) => ({
    payTo: receiver.address,
    network: NETWORK,
    facilitators: [facilitatorUrl],
    rpc: { [NETWORK]: [chainUrl] },
    claims,
    routes: { "/quote/*": { scheme: "batch-settlement", price: "$0.0001", minDeposit: "$0.01", withdrawDelay } },
  });
  const world = await startWorld({ prices, worker, services });
  const url = `${world.gate.url}/quote/x`;
  const settlement = settlementOf(world.chain);
  await eventually(() => fetch(url), ({ status }) => status === 402);
  return {
    ...world, world, url, receiver, settlement,
    earned: () => world.chain.balanceOf(receiver.address),
    calls: (type) => world.calls.filter(({ body }) => body.paymentPayload.payload.type === type),
    /** A buyer who has called so often. */
    buyer: async (times, options) => {
      const buyer = await newBuyer(world, options);
      for (let call = 0; call < times; call++) {
        const response = await buyer.pay(url);
        assert.equal(response.status, 200, await response.clone().text());
      }
      return Object.assign(buyer, { config: (await buyer.channel(url)).config });
    },
  };
}

const receiptOf = (response) => decodeHeader(response.headers.get("PAYMENT-RESPONSE"));

describe("what channels have earned", () => {
  let shop;
  before(async () => { shop = await startShop(); });
  after(() => shop?.stop());

  it("is claimed for all in one transaction, and settled once, when the channels are quiet", async () => {
    const before = await shop.earned();
    const buyers = await Promise.all([2, 1, 4].map((times) => shop.buyer(times)));
    // The last calls come at about the same time: what falls quiet within five seconds is claimed together.
    await Promise.all([buyers[0], buyers[2]].map((buyer) => buyer.pay(shop.url)));
    await buyers[1].pay(shop.url);
    const block = await shop.chain.chain.getBlockNumber();
    await eventually(shop.earned, (earned) => earned === before + 10n * PRICE);
    const states = await Promise.all(buyers.map(({ config }) => shop.settlement.state(config)));
    assert.deepEqual(states.map(({ totalClaimed }) => totalClaimed), [3n * PRICE, 2n * PRICE, 5n * PRICE]);
    const logs = parseEventLogs({ abi: settlementAbi, logs: await shop.chain.chain.getLogs({ address: BATCH_SETTLEMENT, fromBlock: block + 1n }) });
    const transactions = (name) => new Set(logs.filter(({ eventName }) => eventName === name).map(({ transactionHash }) => transactionHash)).size;
    assert.deepEqual([transactions("Claimed"), transactions("Settled")], [1, 1]);
    assert.deepEqual([shop.calls("claim").length, shop.calls("settle").length], [1, 1]);
    assert.equal(buyers[0].config.receiverAuthorizer, facilitatorsKey.address);
    // What is signed and not charged stays with the payer, and the channel stays open.
    for (const buyer of buyers) assert.equal((await buyer.pay(shop.url)).status, 200);
  });

  it("is claimed at once when a payer begins to withdraw, as soon as that is seen", async () => {
    const buyer = await shop.buyer(2);
    await shop.settlement.write(buyer.account, "initiateWithdraw", buyer.config, 1000n);
    // A deposit has the facilitator look at the channel.
    const { offer } = await buyer.channel(shop.url);
    buyer.storage.channels.get((await buyer.channel(shop.url)).id.toLowerCase()).balance = String(2n * PRICE);
    const response = await buyer.pay(shop.url);
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(receiptOf(response).amount, offer.extra.minDeposit);
    const since = Date.now();
    await eventually(() => shop.settlement.state(buyer.config), ({ totalClaimed }) => totalClaimed === 3n * PRICE);
    assert.ok(Date.now() - since < 9_000, `${Date.now() - since} ms: at once, not when the channel is quiet`);
  });

  it("is claimed with a refund, which gives the rest back", async () => {
    const buyer = await shop.buyer(4);
    const before = await shop.earned();
    const refund = await buyer.scheme.refund(shop.url);
    assert.equal(refund.success, true, JSON.stringify(refund));
    assert.equal(refund.amount, String(DEPOSIT - 4n * PRICE));
    assert.equal(await buyer.balance(), 1_000_000n - 4n * PRICE);
    const { balance, totalClaimed, refundNonce } = await shop.settlement.state(buyer.config);
    assert.deepEqual([balance, totalClaimed, refundNonce], [4n * PRICE, 4n * PRICE, 1n]);
    await eventually(shop.earned, (earned) => earned >= before + 4n * PRICE);
    // The same channel is opened again by a deposit.
    const again = await buyer.pay(shop.url);
    assert.equal(again.status, 200, await again.clone().text());
    assert.equal(receiptOf(again).amount, String(DEPOSIT));
  });

  it("is not refunded: only what is neither charged nor claimed is, once", async () => {
    const buyer = await shop.buyer(1);
    const partial = await buyer.scheme.refund(shop.url, { amount: "1000" });
    assert.equal(partial.amount, "1000");
    assert.equal((await shop.settlement.state(buyer.config)).balance, DEPOSIT - 1000n);
    assert.equal((await buyer.pay(shop.url)).status, 200);
    await buyer.scheme.refund(shop.url);
    await assert.rejects(buyer.scheme.refund(shop.url), /no remaining balance|refund_no_balance/);
    assert.equal(await buyer.balance(), 1_000_000n - 2n * PRICE);
  });

  it("is claimed again when the facilitator fails", async () => {
    let left = 2;
    shop.world.onCall = (operation, body) => (body.paymentPayload.payload.type === "claim" && left-- > 0 ? { status: 500, body: { error: "boom" } } : undefined);
    try {
      const buyer = await shop.buyer(2);
      await eventually(() => shop.settlement.state(buyer.config), ({ totalClaimed }) => totalClaimed === 2n * PRICE, 120);
      assert.ok(left <= 0);
    } finally {
      shop.world.onCall = undefined;
    }
  });

  it("is claimed once although the claim's answer is lost", async () => {
    let lost = 0;
    shop.world.onCall = async (operation, body) => {
      if (body.paymentPayload.payload.type !== "claim" || lost++ > 0) return undefined;
      assert.equal((await shop.world.facilitator.settle(body)).success, true);
      return "drop";
    };
    try {
      const buyer = await shop.buyer(3);
      const before = await shop.earned();
      await eventually(shop.earned, (earned) => earned >= before + 3n * PRICE, 120);
      assert.equal((await shop.settlement.state(buyer.config)).totalClaimed, 3n * PRICE);
    } finally {
      shop.world.onCall = undefined;
    }
  });

  it("is claimed of all other channels when one of them is empty, and of one that holds too little what it holds", async () => {
    const [good, emptied, other, short] = await Promise.all([2, 3, 1, 4].map((times) => shop.buyer(times)));
    // The facilitator, who holds the key, gives all of it back behind our back, or nearly all.
    await shop.settlement.write(facilitatorsKey, "refund", emptied.config, DEPOSIT);
    await shop.settlement.write(facilitatorsKey, "refund", short.config, DEPOSIT - 3n * PRICE);
    for (const [buyer, claimed] of [[good, 2n * PRICE], [other, PRICE], [short, 3n * PRICE]]) {
      await eventually(() => shop.settlement.state(buyer.config), ({ totalClaimed }) => totalClaimed === claimed, 120);
    }
    assert.equal((await shop.settlement.state(emptied.config)).totalClaimed, 0n);
  });
});

describe("with the owner's own key", () => {
  it("claims and refunds are signed here, and the facilitator has none", async () => {
    const key = generatePrivateKey();
    const shop = await startShop({ worker: { vars: { RECEIVER_AUTHORIZER_KEY: key } }, services: { authorizer: undefined } });
    try {
      const buyer = await shop.buyer(3);
      assert.equal(buyer.config.receiverAuthorizer, privateKeyToAccount(key).address);
      await eventually(shop.earned, (earned) => earned === 3n * PRICE);
      assert.equal((await shop.settlement.state(buyer.config)).totalClaimed, 3n * PRICE);
      assert.equal((await buyer.pay(shop.url)).status, 200);
      assert.equal((await buyer.scheme.refund(shop.url)).success, true);
      assert.equal(await buyer.balance(), 1_000_000n - 4n * PRICE);
      await eventually(shop.earned, (earned) => earned === 4n * PRICE);
    } finally {
      await shop.stop();
    }
  });
});

describe("a threshold", () => {
  it("claims while a channel is in use", async () => {
    const shop = await startShop({ claims: { threshold: "$0.0004" } });
    try {
      const buyer = await shop.buyer(4);
      await eventually(() => shop.settlement.state(buyer.config), ({ totalClaimed }) => totalClaimed === 4n * PRICE, 30);
      await eventually(shop.earned, (earned) => earned === 4n * PRICE, 30);
    } finally {
      await shop.stop();
    }
  });
});
