// Everything a payment needs, for real: a chain, a token, the official facilitator and clients, a site, the Worker.
import assert from "node:assert/strict";
import { x402Client, wrapFetchWithPayment as wrapV2 } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { createSigner, wrapFetchWithPayment as wrapV1 } from "x402-fetch";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { USDC, startChain } from "../../dev/local/chain.mjs";
import { startFacilitator } from "../../dev/local/facilitator.mjs";
import { merchant } from "../../dev/local/accounts.mjs";
import { startSite } from "./site.mjs";
import { startMiniflare } from "./workers.mjs";

export { USDC, merchant };
export const NETWORK = "eip155:84532";

/**
 * Starts all of it. `prices(facilitatorUrl, chainUrl)` makes the document; `world.onCall` looks into the facilitator.
 * `worker` and `services` are more options of Miniflare and of the facilitator.
 */
export async function startWorld({ prices = everythingUnder, worker = {}, services = {} } = {}) {
  const parts = [];
  const stop = async () => {
    for (const part of parts.reverse()) await part.stop();
  };
  const part = async (starting) => {
    const started = await starting;
    parts.push(started);
    return started;
  };
  try {
    const calls = [];
    const onCall = (operation, body, { headers }) => {
      if (operation === "supported") {
        world.supported += 1;
        return undefined;
      }
      calls.push({ operation, body, headers });
      return world.onCall?.(operation, body);
    };
    const chain = await part(startChain({ port: 0 }));
    const facilitator = await part(startFacilitator({ port: 0, chainUrl: chain.url, onCall, ...services }));
    const site = await part(startSite());
    const document = prices(facilitator.url, chain.url);
    const gate = await part(startMiniflare({ prices: document, originUrl: site.url, ...worker }));
    const earned = () => chain.balanceOf(merchant.address);
    const world = { chain, facilitator, site, gate, document, calls, supported: 0, earned, stop, payer: (units) => newPayer(chain, units) };
    return world;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A new payer with money of their own, so that tests do not see each other's balances. */
async function newPayer(chain, units = 1_000_000n) {
  const key = generatePrivateKey();
  const account = privateKeyToAccount(key);
  if (units > 0n) await chain.mint(account.address, units);
  return {
    address: account.address,
    account,
    balance: () => chain.balanceOf(account.address),
    v2: wrapV2(fetch, new x402Client().register("eip155:*", new ExactEvmScheme(account))),
    v1: wrapV1(fetch, await createSigner("base-sepolia", key)),
  };
}

/** One cent for everything under /paid. */
export const everythingUnder = (facilitatorUrl) => ({
  payTo: merchant.address,
  network: NETWORK,
  facilitators: [facilitatorUrl],
  routes: { "/paid/*": { price: "$0.01", description: "A test" } },
});

/** What an official client makes of the 402 of `url`: the headers of a paid request, not yet sent. */
export async function paymentHeaders(payer, url, init) {
  let headers;
  const recording = async (input, options) => {
    const request = new Request(input, options);
    if (!request.headers.has("PAYMENT-SIGNATURE")) return fetch(request);
    headers = { "PAYMENT-SIGNATURE": request.headers.get("PAYMENT-SIGNATURE") };
    return new Response("recorded");
  };
  await wrapV2(recording, new x402Client().register("eip155:*", new ExactEvmScheme(payer.account)))(url, init);
  return headers;
}

export const decodeHeader = (value) => JSON.parse(Buffer.from(value, "base64").toString("utf8"));
export const encodeHeader = (value) => Buffer.from(JSON.stringify(value), "utf8").toString("base64");

/** Asks until `wanted` says yes: what an object does on its own takes a few seconds. */
export async function eventually(ask, wanted, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  let last;
  while (Date.now() < end) {
    last = await ask();
    if (await wanted(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.fail(`not within ${seconds} s; last seen: ${JSON.stringify(last, (_, value) => (typeof value === "bigint" ? String(value) : value))}`);
}
