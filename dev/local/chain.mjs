// A local chain that looks like Base Sepolia: anvil, with TestUSDC at the address of USDC there, Permit2 and the x402
// contracts at theirs.
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createTestClient, http, parseAbi, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { start } from "../tools.mjs";
import { keys, payer } from "./accounts.mjs";
import { compiled, permit2 } from "./contracts.mjs";
import { walletOf } from "./wallet.mjs";

export const USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
export const PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
const EXACT_PROXY = "0x402085c248EeA27D92E8b30b2C58ed07f9E20001";
const UPTO_PROXY = "0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002";
export const BATCH_SETTLEMENT = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003";
export const ERC3009_DEPOSIT_COLLECTOR = "0x4020806089470a89826cB9fB1f4059150b550004";
export const PERMIT2_DEPOSIT_COLLECTOR = "0x4020425FAf3B746C082C2f942b4E5159887B0005";
const MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11";
export const tokenAbi = parseAbi([
  "function balanceOf(address) view returns (uint256)",
  "function mint(address to, uint256 value)",
  "function transfer(address to, uint256 value) returns (bool)",
  "function approve(address spender, uint256 value) returns (bool)",
  "function allowance(address owner, address spender) view returns (uint256)",
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);

/** Our own contracts set nothing in a constructor, so that their code is all there is to place. */
const places = {
  TestUSDC: USDC,
  Multicall3: MULTICALL3,
  X402ExactPermit2Proxy: EXACT_PROXY,
  X402UptoPermit2Proxy: UPTO_PROXY,
  X402BatchSettlement: BATCH_SETTLEMENT,
  ERC3009DepositCollector: ERC3009_DEPOSIT_COLLECTOR,
  Permit2DepositCollector: PERMIT2_DEPOSIT_COLLECTOR,
};

/**
 * Runs a contract's constructor at the address itself: Permit2 keeps its domain separator, which has the address in it,
 * in its code.
 */
async function construct(chain, address, creationCode) {
  await chain.setCode({ address, bytecode: creationCode });
  const { data } = await chain.call({ to: address });
  await chain.setCode({ address, bytecode: data });
}

/**
 * Starts the chain (port 0: any), places the contracts and gives the payer 1,000 USDC. With `folder` it is kept there and
 * goes on where it ended; other contracts begin another chain.
 */
export async function startChain({ port, folder }) {
  const code = compiled();
  const { anvil, url } = await startAnvil(port, folder && fileFor(code, folder));
  const chain = createTestClient({ mode: "anvil", chain: baseSepolia, transport: http(url), pollingInterval: 50 }).extend(publicActions);
  const stop = () => new Promise((resolve) => {
    if (anvil.exitCode !== null || anvil.signalCode !== null) return resolve();
    anvil.removeAllListeners("exit").once("exit", resolve);
    anvil.kill();
  });
  const asToken = (wallet, functionName, ...args) => wallet.writeContract({ address: USDC, abi: tokenAbi, functionName, args });
  const minter = walletOf(privateKeyToAccount(keys.minter), url);
  const mint = (to, value) => asToken(minter, "mint", to, value);
  try {
    if ((await chain.getCode({ address: PERMIT2 })) === undefined) {
      for (const [name, address] of Object.entries(places)) await chain.setCode({ address, bytecode: code[name] });
      await construct(chain, PERMIT2, permit2().creationCode);
      await mint(payer.address, 1_000_000_000n);
    }
  } catch (error) {
    await stop();
    throw error;
  }

  /** Lets Permit2 move the account's money: once for all payments. Without gas money it gets some. */
  const approvePermit2 = async (account, value = 2n ** 256n - 1n) => {
    if ((await chain.getBalance({ address: account.address })) === 0n) await chain.setBalance({ address: account.address, value: 10n ** 18n });
    await asToken(walletOf(account, url), "approve", PERMIT2, value);
  };
  /** An ordinary transfer, paid for and signed by `account`. */
  const transfer = async (account, to, value) => {
    await chain.setBalance({ address: account.address, value: 10n ** 18n });
    await asToken(walletOf(account, url), "transfer", to, value);
  };
  const balanceOf = (address) => chain.readContract({ address: USDC, abi: tokenAbi, functionName: "balanceOf", args: [address] });
  return { url, chain, mint, transfer, approvePermit2, balanceOf, stop };
}

/** Where a chain with these contracts is kept. */
function fileFor(code, folder) {
  mkdirSync(folder, { recursive: true });
  const version = createHash("sha256").update(JSON.stringify([code, permit2()])).digest("hex").slice(0, 16);
  return join(folder, `${version}.json`);
}

/** Starts anvil and waits until it says where it listens. It writes `file` at its end, and now and then. */
function startAnvil(port, file) {
  return new Promise((resolve, reject) => {
    const lines = [];
    const kept = file ? ["--state", file, "--state-interval", "10"] : [];
    const anvil = start("anvil", ["--port", String(port), "--chain-id", String(baseSepolia.id), ...kept], {
      onLine: (line) => {
        const [, address] = line.match(/^Listening on (.+)$/) ?? [];
        if (address) resolve({ anvil, url: `http://${address}` });
        // The first lines say why, if it does not start.
        if (lines.length < 20) lines.push(line);
      },
    });
    anvil.once("error", reject);
    anvil.once("exit", () => reject(new Error(`anvil did not start:\n${lines.join("\n")}`)));
  });
}
