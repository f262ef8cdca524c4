// workerd is killed while channels are in use and started again on the same storage: no voucher is lost, none is charged
// twice, and what was charged is claimed.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { newBuyer } from "./buyer.mjs";
import { settlementOf } from "./channels.mjs";
import { NETWORK, decodeHeader, eventually, merchant, startWorld } from "./world.mjs";
import { startMiniflare } from "./workers.mjs";

const PRICE = 100n;
const BUYERS = 6;
const CALLS = 40;
const KILLS = 10;
/** A deposit that a crash cut off holds its channel for 170 s: it may be on its way to the chain. */
const WITHIN = 200_000;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

let world, storage, gate;
before(async () => {
  world = await startWorld();
  storage = mkdtempSync(join(tmpdir(), "x402-edge-channels-"));
});
after(async () => {
  await gate?.stop();
  await world?.stop();
  if (storage) rmSync(storage, { recursive: true, force: true });
});

test("nobody_is_charged_twice_and_no_voucher_is_lost", { timeout: 400_000 }, async () => {
  const prices = {
    payTo: merchant.address, network: NETWORK, facilitators: world.document.facilitators, publicUrl: "https://shop.example",
    rpc: { [NETWORK]: [world.chain.url] }, claims: { idle: 10 },
    routes: { "/quote/*": { scheme: "batch-settlement", price: "$0.0001", minDeposit: "$0.004" } },
  };
  const start = () => startMiniflare({ prices, originUrl: world.site.url, persist: storage });
  gate = await start();
  const settlement = settlementOf(world.chain);
  // One of them deposits again in the middle.
  const half = { depositStrategy: () => String(PRICE * BigInt(CALLS / 2)) };
  const buyers = await Promise.all(Array.from({ length: BUYERS }, (_, index) => newBuyer(world, index === 0 ? half : {})));
  await eventually(() => fetch(`${gate.url}/quote/x`), ({ status }) => status === 402);
  let done = 0;

  /** What `attempt` brings once it brings something; while the Worker is away or busy, again. */
  const insist = async (attempt) => {
    const seen = [];
    for (const end = Date.now() + WITHIN; Date.now() < end;) {
      try {
        const found = await attempt(seen);
        if (found !== undefined) return found;
      } catch (error) {
        if (error.code === "ERR_ASSERTION") throw error;
        seen.push(error.cause?.code ?? error.message);
      }
      await pause(50 + 150 * Math.random());
    }
    assert.fail(`nothing came of it in ${WITHIN / 1000} s: ${seen.slice(-5)}`);
  };

  /** One call: the same voucher is sent until its answer is here. */
  const call = async (buyer, path) => {
    const { payload, headers } = await insist(async () => (await fetch(`${gate.url}${path}`)).status === 402 ? buyer.sign(`${gate.url}${path}`) : undefined);
    const response = await insist(async (seen) => {
      const answer = await fetch(`${gate.url}${path}`, { headers });
      const body = await answer.text();
      seen.push(answer.status);
      if (answer.status === 200) {
        assert.equal(body, `GET ${path}`);
        return answer;
      }
      // Another bill would be an invitation to sign again: only for what is over. A request that a crash cut off holds the
      // channel until its lease is over.
      const error = answer.headers.get("PAYMENT-REQUIRED") && decodeHeader(answer.headers.get("PAYMENT-REQUIRED")).error;
      assert.ok([409, 502, 503, 504].includes(answer.status) || error === "invalid_batch_settlement_evm_channel_busy", `${path}: ${seen} ${error} ${body}`);
      return undefined;
    });
    await buyer.read(payload, response);
    done += 1;
  };

  // Every channel is open before the first power cut.
  await Promise.all(buyers.map((buyer, index) => call(buyer, `/quote/${index}-0`)));
  const client = async (buyer, index) => {
    for (let count = 1; count < CALLS; count++) await call(buyer, `/quote/${index}-${count}`);
  };
  const killer = async () => {
    for (let kill = 0; kill < KILLS && done < BUYERS * CALLS; kill++) {
      await pause(300 + 700 * Math.random());
      await gate.kill();
      gate = await start();
    }
  };
  await Promise.all([killer(), ...buyers.map(client)]);

  assert.equal(done, BUYERS * CALLS);
  const configs = await Promise.all(buyers.map((buyer) => buyer.channel(`${gate.url}/quote/x`)));
  // What each client has signed and seen charged is what it has called for, to the unit, and all of it is claimed.
  for (const [index, buyer] of buyers.entries()) {
    assert.equal(buyer.storage.channels.get(configs[index].id.toLowerCase()).chargedCumulativeAmount, String(PRICE * BigInt(CALLS)));
  }
  for (const { config } of configs) {
    await eventually(() => settlement.state(config), ({ totalClaimed }) => totalClaimed === PRICE * BigInt(CALLS), 120);
  }
  await eventually(world.earned, (earned) => earned === PRICE * BigInt(CALLS * BUYERS), 60);
  const spent = await Promise.all(buyers.map(async (buyer, index) => 1_000_000n - (await buyer.balance()) - (await settlement.state(configs[index].config)).balance));
  assert.deepEqual(spent, buyers.map(() => 0n));
});
