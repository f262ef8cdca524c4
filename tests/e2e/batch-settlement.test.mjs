// Payment channels without our Worker: the contracts of the local chain keep their rules, and the official client,
// server and facilitator run a channel on them from its deposit to its end.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { BatchSettlementEvmScheme as ClientScheme } from "@x402/evm/batch-settlement/client";
import { x402Client, wrapFetchWithPayment } from "@x402/fetch";
import { encodeAbiParameters, hashDomain, hashTypedData, keccak256, parseAbi, parseEventLogs } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { keys } from "../../dev/local/accounts.mjs";
import { BATCH_SETTLEMENT, ERC3009_DEPOSIT_COLLECTOR, PERMIT2_DEPOSIT_COLLECTOR, USDC, startChain } from "../../dev/local/chain.mjs";
import { startFacilitator } from "../../dev/local/facilitator.mjs";
import { highS, settlementAbi, settlementOf } from "./channels.mjs";
import { DELAY, PRICE, startShop } from "./official-server.mjs";

const DOMAIN = { name: "x402 Batch Settlement", version: "1", chainId: 84532, verifyingContract: BATCH_SETTLEMENT };
const newAccount = () => privateKeyToAccount(generatePrivateKey());
const delegate = privateKeyToAccount(keys.receiverAuthorizer);
const stranger = newAccount();

let chain, settlement, facilitator;
const calls = [];
before(async () => {
  chain = await startChain({ port: 0 });
  settlement = settlementOf(chain);
  const onCall = (operation, body) => {
    if (operation !== "supported") calls.push(`${operation} ${body.paymentPayload.payload.type}`);
  };
  facilitator = await startFacilitator({ port: 0, chainUrl: chain.url, onCall });
});
after(async () => {
  facilitator?.stop();
  await chain?.stop();
});

const callsSince = (start) => calls.slice(start);
const balances = (...accounts) => Promise.all(accounts.map(({ address }) => chain.balanceOf(address)));
const refuses = (promise, error) => assert.rejects(promise, new RegExp(`\\b${error}\\b`));

/** A channel between two new accounts, with what each of them can sign. */
async function newChannel(deposited = 1000n, { payerAuthorizer } = {}) {
  const [payer, receiver, authorizer] = [newAccount(), newAccount(), newAccount()];
  const voucherSigner = payerAuthorizer ?? payer;
  const config = {
    payer: payer.address, payerAuthorizer: voucherSigner.address, receiver: receiver.address, receiverAuthorizer: authorizer.address,
    token: USDC, withdrawDelay: DELAY, salt: `0x${"00".repeat(32)}`,
  };
  const id = settlement.id(config);
  await chain.mint(payer.address, 10_000n);
  const channel = {
    payer, receiver, authorizer, config, id,
    state: () => settlement.state(config),
    deposit: async (amount, changes) => settlement.write(stranger, "deposit", ...(await channel.depositArguments(amount, changes))),
    depositArguments: async (amount, { signer = payer, authorized = amount, salt = 7n } = {}) => {
      const validBefore = 2n ** 40n;
      const message = { from: payer.address, to: ERC3009_DEPOSIT_COLLECTOR, value: authorized, validAfter: 0n, validBefore, nonce: keccak256(encodeAbiParameters([{ type: "bytes32" }, { type: "uint256" }], [id, salt])) };
      const signature = await signer.signTypedData({ domain: { name: "USDC", version: "2", chainId: 84532, verifyingContract: USDC }, types: { ReceiveWithAuthorization: fields("address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce") }, primaryType: "ReceiveWithAuthorization", message });
      return [config, amount, ERC3009_DEPOSIT_COLLECTOR, encodeAbiParameters([{ type: "uint256" }, { type: "uint256" }, { type: "uint256" }, { type: "bytes" }], [0n, validBefore, salt, signature])];
    },
    voucher: (maxClaimableAmount, signer = voucherSigner) => signer.signTypedData({ domain: DOMAIN, types: { Voucher: fields("bytes32 channelId,uint128 maxClaimableAmount") }, primaryType: "Voucher", message: { channelId: id, maxClaimableAmount } }),
    row: async (maxClaimableAmount, totalClaimed = maxClaimableAmount, signer) => ({ voucher: { channel: config, maxClaimableAmount }, signature: await channel.voucher(maxClaimableAmount, signer), totalClaimed }),
    refundSignature: (amount, nonce, signer = authorizer) => signer.signTypedData({ domain: DOMAIN, types: { Refund: fields("bytes32 channelId,uint256 nonce,uint128 amount") }, primaryType: "Refund", message: { channelId: id, nonce, amount } }),
  };
  if (deposited > 0n) await channel.deposit(deposited);
  return channel;
}

const fields = (text) => text.split(",").map((field) => field.split(" ")).map(([type, name]) => ({ type, name }));
const signBatch = (signer, rows) => signer.signTypedData({
  domain: DOMAIN,
  types: { ClaimBatch: fields("ClaimEntry[] claims"), ClaimEntry: fields("bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed") },
  primaryType: "ClaimBatch",
  message: { claims: rows.map(({ voucher, totalClaimed }) => ({ channelId: settlement.id(voucher.channel), maxClaimableAmount: voucher.maxClaimableAmount, totalClaimed })) },
});

describe("the settlement contract", () => {
  it("hashes as the specification says, at its own address", async () => {
    const EIP712Domain = fields("string name,string version,uint256 chainId,address verifyingContract");
    const separator = await settlement.read("domainSeparator");
    assert.equal(separator, hashDomain({ domain: DOMAIN, types: { EIP712Domain } }));
    assert.equal(separator, "0xfdef80764086b1e0fc6ba99f0cb9aa1d59109fda7c23d60334c89d2de44dffce");
    assert.equal(await settlement.read("CHANNEL_CONFIG_TYPEHASH"), "0x1c9a06ceab9b0ebbd3301dc56c9111bb6d9af421356dc9ccb3b7084c755db308");
    const { config, id, row } = await newChannel(0n);
    assert.equal(await settlement.read("getChannelId", config), id);
    const digest = (primaryType, list, message) => hashTypedData({ domain: DOMAIN, types: { [primaryType]: fields(list) }, primaryType, message });
    assert.equal(await settlement.read("getVoucherDigest", id, 5n), digest("Voucher", "bytes32 channelId,uint128 maxClaimableAmount", { channelId: id, maxClaimableAmount: 5n }));
    assert.equal(await settlement.read("getRefundDigest", id, 2n, 5n), digest("Refund", "bytes32 channelId,uint256 nonce,uint128 amount", { channelId: id, nonce: 2n, amount: 5n }));
    const rows = [await row(7n, 6n), await row(9n)];
    const types = { ClaimBatch: fields("ClaimEntry[] claims"), ClaimEntry: fields("bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed") };
    const claims = rows.map(({ voucher, totalClaimed }) => ({ channelId: id, maxClaimableAmount: voucher.maxClaimableAmount, totalClaimed }));
    assert.equal(await settlement.read("getClaimBatchDigest", rows), hashTypedData({ domain: DOMAIN, types, primaryType: "ClaimBatch", message: { claims } }));
  });

  it("takes a deposit that the payer has signed, once, and no other", async () => {
    const channel = await newChannel(0n);
    await refuses(channel.deposit(500n, { signer: stranger }), "invalid signature");
    await refuses(channel.deposit(500n, { authorized: 400n }), "invalid signature");
    const { logs } = await channel.deposit(500n);
    assert.deepEqual(parseEventLogs({ abi: settlementAbi, logs }).map(({ eventName }) => eventName), ["ChannelCreated", "Deposited"]);
    assert.deepEqual(await channel.state(), { balance: 500n, totalClaimed: 0n, withdrawal: 0n, withdrawRequestedAt: 0, refundNonce: 0n });
    assert.equal(await chain.balanceOf(channel.payer.address), 9500n);
    await refuses(channel.deposit(500n), "authorization is used or canceled");
    // What is signed for one channel opens no other: the nonce has the channel in it.
    const [config, ...rest] = await channel.depositArguments(300n, { salt: 8n });
    await refuses(settlement.write(stranger, "deposit", { ...config, receiver: stranger.address }, ...rest), "invalid signature");
    await refuses(settlement.write(stranger, "deposit", { ...config, withdrawDelay: 899 }, ...rest), "WithdrawDelayOutOfRange");
    await refuses(settlement.write(stranger, "deposit", { ...config, receiverAuthorizer: `0x${"00".repeat(20)}` }, ...rest), "InvalidChannel");
  });

  it("collectors hand over to nobody but the settlement contract", async () => {
    const abi = parseAbi(["function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes data)", "error OnlySettlement()"]);
    const channel = await newChannel(0n);
    const [, amount, , data] = await channel.depositArguments(100n);
    for (const address of [ERC3009_DEPOSIT_COLLECTOR, PERMIT2_DEPOSIT_COLLECTOR]) {
      await refuses(chain.chain.simulateContract({ account: stranger, address, abi, functionName: "collect", args: [channel.payer.address, USDC, amount, channel.id, data] }), "OnlySettlement");
    }
  });

  it("claims what the payer's authorizer has signed, up to the balance, and only upwards", async () => {
    const payerAuthorizer = newAccount();
    const channel = await newChannel(1000n, { payerAuthorizer });
    const claim = async (rows, account = channel.authorizer) => settlement.write(account, "claim", await Promise.all(rows));
    await refuses(claim([channel.row(400n)], stranger), "NotAuthorized");
    await refuses(claim([channel.row(400n, 400n, channel.payer)]), "InvalidSignature");
    await refuses(claim([channel.row(400n, 401n)]), "ClaimExceedsCeiling");
    await refuses(claim([channel.row(1001n)]), "ClaimExceedsBalance");
    const { signature, ...row } = await channel.row(400n);
    await refuses(claim([{ ...row, signature: highS(signature) }]), "InvalidSignature");
    await claim([channel.row(400n, 300n)]);
    assert.equal((await channel.state()).totalClaimed, 300n);
    // An older voucher, or the same again, moves nothing.
    for (const older of [channel.row(200n), channel.row(400n, 300n)]) assert.deepEqual((await claim([older])).logs, []);
    await claim([channel.row(400n)], channel.receiver);
    assert.deepEqual(await channel.state(), { balance: 1000n, totalClaimed: 400n, withdrawal: 0n, withdrawRequestedAt: 0, refundNonce: 0n });
    assert.deepEqual(await settlement.receiver(channel.receiver.address), { totalClaimed: 400n, totalSettled: 0n });
    assert.equal(await chain.balanceOf(channel.receiver.address), 0n);
  });

  it("a batch needs the signature of its authorizer, and one bad row takes all with it", async () => {
    const [one, other] = [await newChannel(), await newChannel()];
    const rows = [await one.row(100n)];
    await refuses(settlement.write(stranger, "claimWithSignature", rows, await signBatch(stranger, rows)), "InvalidSignature");
    const mixed = [...rows, await other.row(100n)];
    await refuses(settlement.write(stranger, "claimWithSignature", mixed, await signBatch(one.authorizer, mixed)), "NotAuthorized");
    const bad = [...rows, await one.row(1001n)];
    await refuses(settlement.write(stranger, "claimWithSignature", bad, await signBatch(one.authorizer, bad)), "ClaimExceedsBalance");
    assert.equal((await one.state()).totalClaimed, 0n);
    await settlement.write(stranger, "claimWithSignature", rows, await signBatch(one.authorizer, rows));
    assert.equal((await one.state()).totalClaimed, 100n);
  });

  it("settles what is claimed, to the receiver, once", async () => {
    const channel = await newChannel();
    await settlement.write(channel.authorizer, "claim", [await channel.row(250n)]);
    const { logs } = await settlement.write(stranger, "settle", channel.receiver.address, USDC);
    assert.deepEqual(parseEventLogs({ abi: settlementAbi, logs, eventName: "Settled" }).map(({ args }) => args.amount), [250n]);
    assert.equal(await chain.balanceOf(channel.receiver.address), 250n);
    assert.deepEqual((await settlement.write(stranger, "settle", channel.receiver.address, USDC)).logs, []);
    assert.equal(await chain.balanceOf(channel.receiver.address), 250n);
  });

  it("refunds what is not claimed, by the receiver's side, and a signature is good once", async () => {
    const channel = await newChannel();
    await settlement.write(channel.authorizer, "claim", [await channel.row(100n)]);
    await refuses(settlement.write(stranger, "refund", channel.config, 1n), "NotAuthorized");
    await refuses(settlement.write(stranger, "refundWithSignature", channel.config, 200n, 0n, await channel.refundSignature(200n, 0n, channel.payer)), "InvalidSignature");
    const signature = await channel.refundSignature(200n, 0n);
    await refuses(settlement.write(stranger, "refundWithSignature", channel.config, 201n, 0n, signature), "InvalidSignature");
    await settlement.write(stranger, "refundWithSignature", channel.config, 200n, 0n, signature);
    assert.equal(await chain.balanceOf(channel.payer.address), 9200n);
    await refuses(settlement.write(stranger, "refundWithSignature", channel.config, 200n, 0n, signature), "InvalidNonce");
    // More than there is gives what there is.
    await settlement.write(channel.receiver, "refund", channel.config, 5000n);
    assert.equal(await chain.balanceOf(channel.payer.address), 9900n);
    assert.deepEqual(await channel.state(), { balance: 100n, totalClaimed: 100n, withdrawal: 0n, withdrawRequestedAt: 0, refundNonce: 2n });
    await settlement.write(channel.receiver, "refund", channel.config, 1n);
    assert.equal((await channel.state()).refundNonce, 3n);
    assert.equal(await chain.balanceOf(channel.payer.address), 9900n);
  });

  it("a refund shrinks a withdrawal that is under way, and ends it when it is as large", async () => {
    const channel = await newChannel();
    await settlement.write(channel.payer, "initiateWithdraw", channel.config, 600n);
    await settlement.write(channel.receiver, "refund", channel.config, 100n);
    assert.equal((await channel.state()).withdrawal, 500n);
    await settlement.write(channel.receiver, "refund", channel.config, 500n);
    assert.deepEqual(await channel.state(), { balance: 400n, totalClaimed: 0n, withdrawal: 0n, withdrawRequestedAt: 0, refundNonce: 2n });
  });
});

async function newBuyer(options) {
  const payer = newAccount();
  await chain.mint(payer.address, 10_000n);
  const scheme = new ClientScheme(payer, options);
  const pay = wrapFetchWithPayment(fetch, new x402Client().register("eip155:*", scheme));
  return { payer, scheme, pay, address: payer.address };
}

const receiptOf = (response) => JSON.parse(Buffer.from(response.headers.get("PAYMENT-RESPONSE"), "base64"));
const configOf = async ({ scheme }, url) => {
  const { accepts } = JSON.parse(Buffer.from((await fetch(url)).headers.get("PAYMENT-REQUIRED"), "base64"));
  return scheme.buildChannelConfig(accepts[0]);
};

describe("the official client, server and facilitator", () => {
  for (const [whose, authorizer] of [["the server's own key", newAccount()], ["the facilitator's key", undefined]]) {
    it(`run a channel from its deposit to its refund, claimed by ${whose}`, async () => {
      const shop = await startShop(facilitator, { authorizer });
      try {
        const buyer = await newBuyer();
        const start = calls.length;
        const first = await buyer.pay(shop.url);
        assert.equal(first.status, 200, await first.clone().text());
        const config = await configOf(buyer, shop.url);
        assert.equal(config.receiverAuthorizer, (authorizer ?? delegate).address);
        const receipt = receiptOf(first);
        assert.equal(receipt.amount, "1000");
        assert.equal(receipt.extra.chargedAmount, "100");
        assert.deepEqual(callsSince(start), ["verify deposit", "settle deposit"]);
        assert.deepEqual(await balances(buyer, shop.receiver), [9000n, 0n]);

        for (let total = 200n; total <= 500n; total += PRICE) {
          const { extra, transaction } = receiptOf(await buyer.pay(shop.url));
          assert.equal(extra.channelState.chargedCumulativeAmount, String(total));
          assert.equal(transaction, "");
        }
        assert.deepEqual(callsSince(start), ["verify deposit", "settle deposit"]);
        assert.equal(shop.served, 5);
        assert.equal((await settlement.state(config)).totalClaimed, 0n);

        const { claims, settle } = await shop.manager.claimAndSettle();
        assert.deepEqual(claims.map(({ vouchers }) => vouchers), [1]);
        assert.match(settle.transaction, /^0x[0-9a-f]{64}$/);
        assert.equal((await settlement.state(config)).totalClaimed, 500n);
        assert.deepEqual(await balances(buyer, shop.receiver), [9000n, 500n]);
        await assert.rejects(shop.manager.settle(), /nothing_to_settle/);

        // Charged and not claimed yet: the refund claims it first.
        assert.equal((await buyer.pay(shop.url)).status, 200);
        const refund = await buyer.scheme.refund(shop.url);
        assert.equal(refund.success, true);
        assert.equal(refund.amount, "400");
        assert.deepEqual(await settlement.state(config), { balance: 600n, totalClaimed: 600n, withdrawal: 0n, withdrawRequestedAt: 0, refundNonce: 1n });
        await shop.manager.settle();
        assert.deepEqual(await balances(buyer, shop.receiver), [9400n, 600n]);
        assert.equal(shop.served, 6);
      } finally {
        shop.stop();
      }
    });
  }

  it("open a channel by Permit2", async () => {
    const shop = await startShop(facilitator, { extra: { assetTransferMethod: "permit2" } });
    try {
      const buyer = await newBuyer();
      await chain.approvePermit2(buyer.payer, 1000n);
      const response = await buyer.pay(shop.url);
      assert.equal(response.status, 200, await response.clone().text());
      assert.equal((await settlement.state(await configOf(buyer, shop.url))).balance, 1000n);
      assert.deepEqual(await balances(buyer), [9000n]);
    } finally {
      shop.stop();
    }
  });

  it("charge nothing when the site fails, and take the same voucher again", async () => {
    const shop = await startShop(facilitator);
    try {
      const buyer = await newBuyer();
      assert.equal((await buyer.pay(shop.url)).status, 200);
      shop.fails = true;
      assert.equal((await buyer.pay(shop.url)).status, 500);
      shop.fails = false;
      assert.equal(receiptOf(await buyer.pay(shop.url)).extra.channelState.chargedCumulativeAmount, "200");
    } finally {
      shop.stop();
    }
  });

  // Last: the chain's clock does not come back.
  it("a payer who withdraws waits, and gets what was not claimed", async () => {
    const shop = await startShop(facilitator);
    try {
      const buyer = await newBuyer();
      for (let call = 0; call < 3; call++) assert.equal((await buyer.pay(shop.url)).status, 200);
      const config = await configOf(buyer, shop.url);
      await refuses(settlement.write(shop.receiver, "initiateWithdraw", config, 1000n), "NotAuthorized");
      await refuses(settlement.write(buyer.payer, "initiateWithdraw", config, 1001n), "WithdrawalTooLarge");
      await settlement.write(buyer.payer, "initiateWithdraw", config, 1000n);
      await refuses(settlement.write(buyer.payer, "initiateWithdraw", config, 1000n), "WithdrawalPending");
      await refuses(settlement.write(buyer.payer, "finalizeWithdraw", config), "WithdrawalTooEarly");
      assert.ok((await settlement.state(config)).withdrawRequestedAt > 0);
      // The facilitator says so to who asks, and the server claims in time.
      await shop.manager.claimAndSettle();
      await chain.chain.increaseTime({ seconds: DELAY + 1 });
      await chain.chain.mine({ blocks: 1 });
      await settlement.write(buyer.payer, "finalizeWithdraw", config);
      assert.deepEqual(await balances(buyer, shop.receiver), [9700n, 300n]);
      assert.deepEqual(await settlement.state(config), { balance: 300n, totalClaimed: 300n, withdrawal: 0n, withdrawRequestedAt: 0, refundNonce: 0n });
      await refuses(settlement.write(buyer.payer, "finalizeWithdraw", config), "WithdrawalNotPending");
    } finally {
      shop.stop();
    }
  });
});
