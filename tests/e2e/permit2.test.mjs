// Any ERC-20 by Permit2, and prices by use (upto): the official client and facilitator, Uniswap's own contract.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { x402Client, wrapFetchWithPayment } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { hashDomain, parseAbi } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { PERMIT2 } from "../../dev/local/chain.mjs";
import { keys } from "../../dev/local/accounts.mjs";
import { walletOf } from "../../dev/local/wallet.mjs";
import { committed, compilePermit2 } from "./permit2.mjs";
import { NETWORK, decodeHeader, merchant, startWorld } from "./world.mjs";

const prices = (facilitatorUrl, chainUrl) => ({
  payTo: merchant.address,
  network: NETWORK,
  facilitators: [facilitatorUrl],
  rpc: { [NETWORK]: [chainUrl] },
  routes: {
    "/exact/*": { price: "$0.01", extra: { assetTransferMethod: "permit2" } },
    "/upto/*": { scheme: "upto", price: "$0.05" },
    "/both": { accepts: [{ scheme: "upto", price: "$0.05" }, { price: "$0.05" }] },
  },
});

let world;
before(async () => {
  world = await startWorld({ prices });
  // Of an isolate's first requests none waits for the facilitator: it is asked behind them.
  await until(async () => decodeHeader((await fetch(`${world.gate.url}/both`)).headers.get("PAYMENT-REQUIRED")).accepts.length === 2);
});
after(() => world?.stop());

async function until(holds) {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("it did not come about in 20 s");
}

/** A new payer whose client pays by Permit2 too. Without `approved` Permit2 may not move anything of theirs. */
async function newPayer({ approved = true, rpc } = {}) {
  const payer = await world.payer();
  if (approved) await world.chain.approvePermit2(payer.account);
  const options = rpc && { rpcUrl: rpc };
  const client = new x402Client().register("eip155:*", new ExactEvmScheme(payer.account, options)).register("eip155:*", new UptoEvmScheme(payer.account, options));
  return { ...payer, client, pay: wrapFetchWithPayment(fetch, client) };
}

const receiptOf = (response) => decodeHeader(response.headers.get("PAYMENT-RESPONSE"));
// `/supported` is asked whenever it is due.
const callsSince = (start) => world.calls.slice(start).map(({ operation }) => operation).filter((operation) => operation !== "supported");

describe("the contracts", () => {
  it("Permit2 on the local chain is what Uniswap's sources compile to", () => {
    assert.deepEqual(committed(), compilePermit2());
  });

  it("Permit2 has the domain separator of its own address and this chain", async () => {
    const separator = await world.chain.chain.readContract({ address: PERMIT2, abi: parseAbi(["function DOMAIN_SEPARATOR() view returns (bytes32)"]), functionName: "DOMAIN_SEPARATOR" });
    const domain = { name: "Permit2", chainId: 84532, verifyingContract: PERMIT2 };
    const types = { EIP712Domain: [{ name: "name", type: "string" }, { name: "chainId", type: "uint256" }, { name: "verifyingContract", type: "address" }] };
    assert.equal(separator, hashDomain({ domain, types }));
    assert.equal(separator, "0x010f27a92fb9a32622f44f001dc4d15706a85b33499cfc2ce9033113ab26592c");
  });
});

describe("exact by Permit2", () => {
  it("the official client pays and is served, once", async () => {
    const payer = await newPayer();
    const before = await world.earned();
    const response = await payer.pay(`${world.gate.url}/exact/a`);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "GET /exact/a");
    assert.equal(await payer.balance(), 1_000_000n - 10_000n);
    assert.equal(await world.earned(), before + 10_000n);
    const receipt = receiptOf(response);
    assert.equal(receipt.success, true);
    const { status } = await world.chain.chain.getTransactionReceipt({ hash: receipt.transaction });
    assert.equal(status, "success");
  });

  it("without an allowance it is 412 with the price, and good once there is one", async () => {
    const payer = await newPayer({ approved: false });
    const response = await payer.pay(`${world.gate.url}/exact/b`);
    assert.equal(response.status, 412);
    const required = decodeHeader(response.headers.get("PAYMENT-REQUIRED"));
    assert.equal(required.error, "permit2_allowance_required");
    assert.equal(required.accepts.length, 1);
    assert.equal(await payer.balance(), 1_000_000n);
    await world.chain.approvePermit2(payer.account);
    assert.equal((await payer.pay(`${world.gate.url}/exact/b`)).status, 200);
  });

  it("a payer without gas pays by a sponsored approval", async () => {
    const payer = await newPayer({ approved: false, rpc: world.chain.url });
    const before = await world.earned();
    const start = world.calls.length;
    const response = await payer.pay(`${world.gate.url}/exact/c`);
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(await world.earned(), before + 10_000n);
    assert.equal(await world.chain.chain.getTransactionCount({ address: payer.address }), 0);
    for (const { body } of world.calls.slice(start).filter(({ body }) => body)) {
      assert.equal(body.paymentPayload.extensions.eip2612GasSponsoring.info.from, payer.address);
    }
  });

  it("fifty copies of a payment are served and charged once", async () => {
    const payer = await newPayer();
    const url = `${world.gate.url}/exact/copies`;
    const unpaid = await fetch(url);
    const payload = await payer.client.createPaymentPayload(decodeHeader(unpaid.headers.get("PAYMENT-REQUIRED")));
    const headers = { "PAYMENT-SIGNATURE": Buffer.from(JSON.stringify(payload)).toString("base64") };
    const statuses = await Promise.all(Array.from({ length: 50 }, () => fetch(url, { headers }).then(({ status }) => status)));
    assert.equal(statuses.filter((status) => status === 200).length, 1, String(statuses));
    assert.ok(statuses.every((status) => [200, 402, 409].includes(status)), String(statuses));
    assert.equal(await payer.balance(), 1_000_000n - 10_000n);
  });
});

describe("upto", () => {
  const charged = async (path, amount) => {
    const payer = await newPayer();
    const before = await world.earned();
    const start = world.calls.length;
    const response = await payer.pay(`${world.gate.url}${path}`);
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(receiptOf(response).amount, String(amount));
    assert.equal(await payer.balance(), 1_000_000n - BigInt(amount));
    assert.equal(await world.earned(), before + BigInt(amount));
    for (const name of ["settlement-overrides", "payment-settlement"]) assert.equal(response.headers.get(name), null);
    return { payer, response, calls: callsSince(start) };
  };

  it("what the origin says was used is charged: units, percent, dollars, and the other gateway's header", async () => {
    await charged("/upto/use?overrides=1858", 1858);
    await charged("/upto/use?overrides=37.5%25", 18750);
    await charged("/upto/use?overrides=$0.02", 20000);
    await charged("/upto/use?settlement=77", 77);
  });

  it("without a word the maximum is charged, and never more", async () => {
    await charged("/upto/silent", 50000);
    await charged("/upto/use?overrides=50001", 50000);
    await charged("/upto/use?overrides=9&settlement=8", 8);
  });

  it("nothing used costs nothing, and the payment is spent", async () => {
    const { payer, response, calls } = await charged("/upto/use?overrides=0", 0);
    assert.equal(receiptOf(response).transaction, "");
    assert.deepEqual(calls, ["verify"]);
    assert.equal(await payer.balance(), 1_000_000n);
    const paid = world.calls.findLast(({ body }) => body).body.paymentPayload;
    const start = world.calls.length;
    const headers = { "PAYMENT-SIGNATURE": Buffer.from(JSON.stringify(paid)).toString("base64") };
    await until(async () => (await fetch(`${world.gate.url}/upto/use?overrides=0`, { headers })).status === 402);
    assert.deepEqual(callsSince(start), []);
  });

  it("an origin that fails is not paid", async () => {
    const payer = await newPayer();
    assert.equal((await payer.pay(`${world.gate.url}/upto/status-500`)).status, 500);
    assert.equal(await payer.balance(), 1_000_000n);
  });

  it("the owner's books say what was charged", async () => {
    await until(async () => {
      const rows = await world.gate.books("SELECT amount FROM payments WHERE route = '/upto/*' AND state = 'delivered'");
      return ["1858", "18750", "50000", "8"].every((amount) => rows.some((row) => row.amount === amount));
    });
  });
});

describe("when somebody else brings a payment to the chain", () => {
  const race = async (settleAs) => {
    const payer = await newPayer();
    const before = await world.earned();
    let raced;
    world.onCall = async (operation, body) => {
      if (operation !== "settle") return;
      raced = await settleByAnybody(world.chain, body.paymentPayload.payload);
      return settleAs;
    };
    try {
      const response = await payer.pay(`${world.gate.url}/exact/raced`);
      assert.equal(response.status, 200, await response.clone().text());
      assert.equal(receiptOf(response).transaction, raced);
    } finally {
      world.onCall = undefined;
    }
    assert.equal(await world.earned(), before + 10_000n);
    assert.equal(await payer.balance(), 1_000_000n - 10_000n);
  };

  it("and the facilitator fails, we were paid all the same", () => race(undefined));
  it("and the facilitator says nothing, it is found there", () => race("drop"));

  it("a nonce that the payer has revoked pays nothing", async () => {
    const payer = await newPayer();
    world.onCall = async (operation, body) => {
      if (operation === "settle") await revoke(world.chain, payer.account, BigInt(body.paymentPayload.payload.permit2Authorization.nonce));
    };
    try {
      assert.equal((await payer.pay(`${world.gate.url}/exact/revoked`)).status, 402);
    } finally {
      world.onCall = undefined;
    }
    assert.equal(await payer.balance(), 1_000_000n);
  });

  it("reconciliation finds payments by Permit2 in the books and on chain", async () => {
    const payer = await newPayer();
    const { transaction } = receiptOf(await payer.pay(`${world.gate.url}/upto/use?overrides=4321`));
    const row = async () => (await world.gate.books(`SELECT confirmed_block AS block FROM payments WHERE "transaction" = '${transaction}'`))[0];
    await until(async () => (await row()) !== undefined);
    await world.gate.reconcile();
    const { blockNumber } = await world.chain.chain.getTransactionReceipt({ hash: transaction });
    assert.equal((await row()).block, Number(blockNumber));
    // Rows that came after their blocks were looked through are found by the next run.
    await until(async () => {
      await world.gate.reconcile();
      return (await world.gate.books("SELECT * FROM discrepancies")).length === 0;
    });
  });
});

async function revoke({ url }, account, nonce) {
  const abi = parseAbi(["function invalidateUnorderedNonces(uint256 wordPos, uint256 mask)"]);
  await walletOf(account, url).writeContract({ address: PERMIT2, abi, functionName: "invalidateUnorderedNonces", args: [nonce >> 8n, 1n << (nonce & 255n)] });
}

/** The exact proxy lets anybody settle: the money goes to the payee all the same. */
function settleByAnybody({ url }, { signature, permit2Authorization: { from, permitted, nonce, deadline, witness, spender } }) {
  const abi = parseAbi([
    "struct TokenPermissions { address token; uint256 amount; }",
    "struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }",
    "struct Witness { address to; uint256 validAfter; }",
    "function settle(PermitTransferFrom permit, address owner, Witness witness, bytes signature)",
  ]);
  const permit = { permitted: { token: permitted.token, amount: BigInt(permitted.amount) }, nonce: BigInt(nonce), deadline: BigInt(deadline) };
  return walletOf(privateKeyToAccount(keys.minter), url).writeContract({ address: spender, abi, functionName: "settle", args: [permit, from, { to: witness.to, validAfter: BigInt(witness.validAfter) }, signature] });
}
