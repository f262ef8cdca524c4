// workerd is killed at random points of several hundred payments and started again on the same storage.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseAbiItem } from "viem";
import { merchant, paymentHeaders, startWorld, USDC } from "./world.mjs";
import { startMiniflare } from "./workers.mjs";

const PAYMENTS = 300;
const PAYERS = 6;
const KILLS = 12;
const CENT = 10_000n;

/** The same numbers in every run (mulberry32). */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe("crashes", () => {
  let world, storage, gate;
  before(async () => {
    world = await startWorld();
    storage = mkdtempSync(join(tmpdir(), "x402-edge-ledger-"));
  });
  after(async () => {
    await gate?.stop();
    await world?.stop();
    if (storage) rmSync(storage, { recursive: true, force: true });
  });

  test("nobody_is_charged_twice_and_every_charged_payer_gets_the_content", { timeout: 400_000 }, async () => {
    const dice = random(402);
    // The chain is asked, so that a settlement which nobody saw end is found again with its transaction.
    const prices = { ...world.document, maxTimeoutSeconds: 3600, publicUrl: "https://shop.example", rpc: { "eip155:84532": [world.chain.url] } };
    const start = () => startMiniflare({ prices, originUrl: world.site.url, persist: storage });
    gate = await start();
    const payers = await Promise.all(Array.from({ length: PAYERS }, () => world.payer(BigInt(PAYMENTS) * CENT)));
    const signed = [];
    for (let index = 0; index < PAYMENTS; index++) {
      const path = `/paid/item-${index}`;
      signed.push({ path, headers: await paymentHeaders(payers[index % PAYERS], `${gate.url}${path}`) });
    }
    let done = 0;

    /** Sends the same payment until it brings the content, or is known as spent. */
    const buy = async ({ path, headers }) => {
      const seen = [];
      for (let attempt = 0; attempt < 1000; attempt++) {
        try {
          const response = await fetch(`${gate.url}${path}`, { headers });
          const body = await response.text();
          seen.push(response.status);
          if (response.status === 200) {
            assert.equal(body, `GET ${path}`);
            done += 1;
            return seen;
          }
          // A new bill is an invitation to pay again: only for what is delivered.
          assert.ok([409, 502, 503, 504].includes(response.status), `${path}: ${seen} ${body}`);
        } catch (error) {
          if (error.code === "ERR_ASSERTION") throw error;
          seen.push(error.cause?.code ?? error.message);
        }
        await pause(100 + 200 * dice());
      }
      assert.fail(`${path} was never served: ${seen.slice(-5)}`);
    };

    let next = 0;
    const client = async () => {
      while (next < signed.length) await buy(signed[next++]);
    };
    const killer = async () => {
      for (let kill = 0; kill < KILLS && done < PAYMENTS; kill++) {
        await pause(150 + 500 * dice());
        await gate.kill();
        gate = await start();
      }
    };
    await Promise.all([killer(), ...Array.from({ length: 30 }, client)]);

    assert.equal(done, PAYMENTS);
    const spent = await Promise.all(payers.map(async (payer) => BigInt(PAYMENTS) * CENT - (await payer.balance())));
    assert.equal(spent.reduce((sum, units) => sum + units, 0n), BigInt(PAYMENTS) * CENT);
    const event = parseAbiItem("event Transfer(address indexed from, address indexed to, uint256 value)");
    const transfers = await world.chain.chain.getLogs({ address: USDC, event, args: { to: merchant.address }, fromBlock: 0n });
    assert.equal(transfers.length, PAYMENTS);
    // Every transfer is in the owner's books, with its transaction, once. Where the power went between the last byte and
    // the ledger's word of it, the content still counts as owed.
    const paid = () => gate.books("SELECT * FROM payments WHERE state IN ('delivered', 'settled')");
    let rows = await paid();
    for (const end = Date.now() + 60_000; rows.length < PAYMENTS && Date.now() < end; rows = await paid()) await pause(200);
    const hashes = (all) => all.sort().join();
    assert.equal(hashes(rows.map(({ transaction }) => transaction)), hashes(transfers.map(({ transactionHash }) => transactionHash)));
    // The origin saw a payment again only where its answer had not been delivered.
    const keys = world.site.requests.map(({ headers }) => headers["idempotency-key"]);
    assert.equal(new Set(keys).size, PAYMENTS);
  });
});
