// A local chain that looks like Base Sepolia: anvil, with TestUSDC at the address of USDC there.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createTestClient, createWalletClient, http, parseAbi, publicActions } from "viem";
import { nonceManager, privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { start } from "../tools.mjs";
import { keys, payer } from "./accounts.mjs";

export const USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
const MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11";
export const tokenAbi = parseAbi([
  "function balanceOf(address) view returns (uint256)",
  "function mint(address to, uint256 value)",
  "function transfer(address to, uint256 value) returns (bool)",
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);

/** The runtime code of both contracts. */
function compile() {
  const solc = createRequire(import.meta.url)("solc");
  const content = readFileSync(new URL("TestUSDC.sol", import.meta.url), "utf8");
  const input = {
    language: "Solidity",
    sources: { "TestUSDC.sol": { content } },
    settings: { optimizer: { enabled: true }, viaIR: true, outputSelection: { "*": { "*": ["evm.deployedBytecode.object"] } } },
  };
  const { contracts, errors = [] } = JSON.parse(solc.compile(JSON.stringify(input)));
  const fatal = errors.filter(({ severity }) => severity === "error");
  if (fatal.length > 0) throw new Error(fatal.map(({ formattedMessage }) => formattedMessage).join("\n"));
  const code = (name) => `0x${contracts["TestUSDC.sol"][name].evm.deployedBytecode.object}`;
  return { token: code("TestUSDC"), multicall: code("Multicall3") };
}

/** Starts the chain (port 0: any), places the contracts and gives the payer 1,000 USDC. */
export async function startChain({ port }) {
  const { anvil, url } = await startAnvil(port);
  const chain = createTestClient({ mode: "anvil", chain: baseSepolia, transport: http(url), pollingInterval: 50 }).extend(publicActions);
  const { token, multicall } = compile();
  await chain.setCode({ address: USDC, bytecode: token });
  await chain.setCode({ address: MULTICALL3, bytecode: multicall });

  const wallet = createWalletClient({ account: privateKeyToAccount(keys.minter, { nonceManager }), chain: baseSepolia, transport: http(url) });
  const mint = async (to, value) => {
    const hash = await wallet.writeContract({ address: USDC, abi: tokenAbi, functionName: "mint", args: [to, value] });
    await chain.waitForTransactionReceipt({ hash });
  };
  await mint(payer.address, 1_000_000_000n);
  /** An ordinary transfer, paid for and signed by `account`. */
  const transfer = async (account, to, value) => {
    await chain.setBalance({ address: account.address, value: 10n ** 18n });
    const own = createWalletClient({ account, chain: baseSepolia, transport: http(url) });
    const hash = await own.writeContract({ address: USDC, abi: tokenAbi, functionName: "transfer", args: [to, value] });
    await chain.waitForTransactionReceipt({ hash });
  };
  const balanceOf = (address) => chain.readContract({ address: USDC, abi: tokenAbi, functionName: "balanceOf", args: [address] });
  return { url, chain, mint, transfer, balanceOf, stop: () => anvil.kill() };
}

/** Starts anvil and waits until it says where it listens. */
function startAnvil(port) {
  return new Promise((resolve, reject) => {
    const lines = [];
    const anvil = start("anvil", ["--port", String(port), "--chain-id", String(baseSepolia.id)], {
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
