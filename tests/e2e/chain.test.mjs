// The local chain that npm start keeps: what the Worker remembers of payments and channels stays true after a restart.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseAbi } from "viem";
import { merchant, payer } from "../../dev/local/accounts.mjs";
import { PERMIT2, USDC, startChain } from "../../dev/local/chain.mjs";

test("a chain that is kept goes on where it ended", async () => {
  const folder = mkdtempSync(join(tmpdir(), "x402-edge-chain-"));
  const run = async (use) => {
    const chain = await startChain({ port: 0, folder });
    try {
      return await use(chain);
    } finally {
      await chain.stop();
    }
  };
  try {
    const first = await run(async (chain) => {
      await chain.transfer(payer, merchant.address, 400_000_000n);
      const { hash: genesis } = await chain.chain.getBlock({ blockNumber: 0n });
      const logs = await chain.chain.getLogs({ address: USDC, fromBlock: 0n });
      return { genesis, logs };
    });
    assert.equal(readdirSync(folder).length, 1);
    await run(async (chain) => {
      assert.equal((await chain.chain.getBlock({ blockNumber: 0n })).hash, first.genesis);
      assert.deepEqual(await Promise.all([payer, merchant].map(({ address }) => chain.balanceOf(address))), [600_000_000n, 400_000_000n]);
      assert.deepEqual((await chain.chain.getLogs({ address: USDC, fromBlock: 0n })).map(({ transactionHash }) => transactionHash), first.logs.map(({ transactionHash }) => transactionHash));
      const separator = await chain.chain.readContract({ address: PERMIT2, abi: parseAbi(["function DOMAIN_SEPARATOR() view returns (bytes32)"]), functionName: "DOMAIN_SEPARATOR" });
      assert.equal(separator, "0x010f27a92fb9a32622f44f001dc4d15706a85b33499cfc2ce9033113ab26592c");
      await chain.transfer(payer, merchant.address, 1n);
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
