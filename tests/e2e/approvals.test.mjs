// A payer who has never approved Permit2 and has no gas signs the approval, and the facilitator brings it to the chain:
// extension erc20ApprovalGasSponsoring, for tokens that have no permit of their own.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { x402Client, wrapFetchWithPayment } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { PERMIT2, tokenAbi } from "../../dev/local/chain.mjs";
import { NETWORK, USDC, decodeHeader, eventually, merchant, startWorld } from "./world.mjs";

const prices = (facilitatorUrl, chainUrl) => ({
  payTo: merchant.address,
  network: NETWORK,
  facilitators: [facilitatorUrl],
  rpc: { [NETWORK]: [chainUrl] },
  routes: {
    "/exact/*": { price: "$0.01", extra: { assetTransferMethod: "permit2" } },
    "/upto/*": { scheme: "upto", price: "$0.05" },
    "/quote/*": { scheme: "batch-settlement", price: "$0.0001", minDeposit: "$0.01", extra: { assetTransferMethod: "permit2" } },
  },
});

// Where a token has a permit of its own, clients use that: this facilitator brings none.
const onSupported = (supported) => ({ ...supported, extensions: supported.extensions.filter((key) => key !== "eip2612GasSponsoring") });

let world;
before(async () => {
  world = await startWorld({ prices, services: { onSupported } });
});
after(() => world?.stop());

describe("an approval that the facilitator brings", () => {
  const paid = async (path, amount) => {
    const payer = await world.payer();
    const options = { rpcUrl: world.chain.url };
    const client = new x402Client();
    for (const Scheme of [ExactEvmScheme, UptoEvmScheme, BatchSettlementEvmScheme]) client.register("eip155:*", new Scheme(payer.account, options));
    const url = `${world.gate.url}${path}`;
    // What a facilitator has is learnt behind an isolate's first requests.
    const announced = async () => Object.keys(decodeHeader((await fetch(url)).headers.get("PAYMENT-REQUIRED") ?? "e30=").extensions ?? {});
    const sponsoring = (keys) => keys.filter((key) => key.endsWith("GasSponsoring"));
    assert.deepEqual(sponsoring(await eventually(announced, (keys) => sponsoring(keys).length > 0)), ["erc20ApprovalGasSponsoring"]);
    const [before, start] = [await world.earned(), world.calls.length];
    const response = await wrapFetchWithPayment(fetch, client)(url);
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(await world.earned(), before + (path.startsWith("/quote") ? 0n : amount));
    assert.equal(await payer.balance(), 1_000_000n - amount);
    // What the payer sent to the chain is the approval, and nothing else.
    assert.equal(await world.chain.chain.getTransactionCount({ address: payer.address }), 1);
    assert.ok((await world.chain.chain.readContract({ address: USDC, abi: tokenAbi, functionName: "allowance", args: [payer.address, PERMIT2] })) > 10n ** 30n);
    const sent = world.calls.slice(start).map(({ body }) => body.paymentPayload.extensions.erc20ApprovalGasSponsoring.info);
    assert.ok(sent.length > 0 && sent.every(({ from, signedTransaction }) => from === payer.address && signedTransaction.startsWith("0x02")));
    return { payer, client, url };
  };

  it("pays an exact price", async () => {
    const { client, url } = await paid("/exact/a", 10_000n);
    // The second time there is nothing to approve.
    assert.equal((await wrapFetchWithPayment(fetch, client)(url)).status, 200);
    assert.equal(world.calls.at(-1).body.paymentPayload.extensions?.erc20ApprovalGasSponsoring?.info?.signedTransaction, undefined);
  });

  it("opens a channel", async () => {
    const { client, url } = await paid("/quote/a", 10_000n);
    assert.equal((await wrapFetchWithPayment(fetch, client)(url)).status, 200);
  });

  it("pays for what was used", () => paid("/upto/use?overrides=1858", 1858n));
});
