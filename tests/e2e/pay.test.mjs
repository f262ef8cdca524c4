// npm run pay with channels, against the official server: what it says, what it keeps, how it ends.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { startChain } from "../../dev/local/chain.mjs";
import { startFacilitator } from "../../dev/local/facilitator.mjs";
import { env, root } from "../../dev/tools.mjs";
import { PRICE, startShop } from "./official-server.mjs";

let chain, facilitator, shop, state, key;
before(async () => {
  chain = await startChain({ port: 0 });
  facilitator = await startFacilitator({ port: 0, chainUrl: chain.url });
  shop = await startShop(facilitator);
  state = mkdtempSync(join(tmpdir(), "x402-edge-state-"));
  key = generatePrivateKey();
  await chain.mint(privateKeyToAccount(key).address, 10_000n);
});
after(async () => {
  shop?.stop();
  facilitator?.stop();
  await chain?.stop();
  if (state) rmSync(state, { recursive: true, force: true });
});

/** Runs it, and gives its exit code and all it said. */
async function pay(...args) {
  const variables = { NO_COLOR: "1", X402_EDGE_RPC_URL: chain.url, X402_EDGE_PRIVATE_KEY: key, X402_EDGE_STATE: state };
  const child = spawn("npm", ["run", "--silent", "pay", "--", ...args], { cwd: root, env: { ...env, ...variables } });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { text += chunk; });
  const [code] = await once(child, "close");
  return { code, text };
}

const files = () => readdirSync(join(state, "channels", "client"));

describe("npm run pay", () => {
  it("has nothing to get back from a channel that is not there", async () => {
    const { code, text } = await pay(shop.url, "--refund");
    assert.equal(code, 1, text);
    assert.match(text, /nothing to get back: 0x[0-9a-fA-F]{40} has no channel to 0x[0-9a-fA-F]{40}/);
  });

  it("opens a channel with the first call", async () => {
    const { code, text } = await pay(shop.url);
    assert.equal(code, 0, text);
    assert.match(text, /price +at most 0\.0001 USDC on eip155:84532 by channel/);
    assert.match(text, /channel +0x[0-9a-f]{64}, not open yet/);
    assert.match(text, /charged +0\.0001 USDC/);
    assert.match(text, /transaction +0x[0-9a-f]{64}/);
    assert.match(text, /in channel +0\.0009 USDC of 0\.001 USDC left/);
    assert.match(text, /payer +0\.01 USDC → 0\.009 USDC/);
    assert.match(text, /\{"quote":1\}/);
    assert.equal(files().length, 1);
  });

  it("pays from it afterwards, many times, and says what it cost in all", async () => {
    const { code, text } = await pay(shop.url, "--scheme", "batch-settlement", "--times", "5");
    assert.equal(code, 0, text);
    assert.match(text, /channel +0x[0-9a-f]{64}, 0\.0009 USDC left/);
    assert.match(text, /5 of 5 calls answered in [\d.]+ s/);
    assert.match(text, /in all +0\.0005 USDC/);
    assert.match(text, /transaction +last one: none: the voucher is claimed later/);
    assert.match(text, /in channel +0\.0004 USDC of 0\.001 USDC left/);
    assert.match(text, /payer +0\.009 USDC → 0\.009 USDC/);
    assert.equal(shop.served, 6);
  });

  it("goes on with a channel whose file is lost", async () => {
    for (const file of files()) rmSync(join(state, "channels", "client", file));
    const { code, text } = await pay(shop.url);
    assert.equal(code, 0, text);
    assert.match(text, /in channel +0\.0003 USDC of 0\.001 USDC left/);
  });

  it("deposits again when the channel is used up", async () => {
    const { code, text } = await pay(shop.url, "--times", "4");
    assert.equal(code, 0, text);
    assert.match(text, /in all +0\.0004 USDC/);
    assert.match(text, /in channel +0\.0009 USDC of 0\.002 USDC left/);
  });

  it("stops where the site fails, and says how far it came", async () => {
    shop.fails = true;
    const { code, text } = await pay(shop.url, "--times", "3").finally(() => { shop.fails = false; });
    assert.equal(code, 1, text);
    assert.match(text, /0 of 3 calls answered/);
    assert.match(text, /500 Internal Server Error/);
    assert.match(text, /in all +0 USDC/);
  });

  it("gets back what is left, and then there is no channel", async () => {
    const { code, text } = await pay(shop.url, "--refund");
    assert.equal(code, 0, text);
    assert.match(text, /refunded +0\.0009 USDC/);
    assert.match(text, /payer +0\.008 USDC → 0\.0089 USDC/);
    assert.deepEqual(files(), []);
    const again = await pay(shop.url, "--refund");
    assert.equal(again.code, 1, again.text);
    assert.match(again.text, /nothing to get back: all that is in the channel is charged/);
    await shop.manager.settle();
    assert.equal(await chain.balanceOf(shop.receiver.address), 11n * PRICE);
  });

  it("explains itself", async () => {
    const usage = [
      [["--scheme", "cash", shop.url], /--scheme cash is none of exact, upto, batch-settlement/],
      [["--times", "0", shop.url], /--times 0 is no whole number from 1/],
      [["--times", "many", shop.url], /--times many is no whole number/],
      [["--refund", "--times", "2", shop.url], /--refund and --times exclude each other/],
      [["--refund", "--scheme", "exact", shop.url], /only channels are refunded/],
      [[shop.url, shop.url], /one URL is needed/],
    ];
    for (const [args, wanted] of usage) {
      const { code, text } = await pay(...args);
      assert.equal(code, 2, text);
      assert.match(text, wanted);
    }
    const other = await pay(shop.url, "--scheme", "upto");
    assert.equal(other.code, 1, other.text);
    assert.match(other.text, /is not sold by upto: it offers batch-settlement/);
  });
});
