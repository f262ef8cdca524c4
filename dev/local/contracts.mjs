// The contracts of the local chain: our own, compiled and kept in target/contracts, and Permit2 as it was compiled once.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { root } from "../tools.mjs";

const require = createRequire(import.meta.url);
const read = (file) => readFileSync(new URL(file, import.meta.url), "utf8");
const SOURCES = ["TestUSDC.sol", "X402Proxies.sol", "BatchSettlement.sol", "DepositCollectors.sol"];

/** Permit2's code before its constructor, with where it came from. */
export const permit2 = () => JSON.parse(read("permit2.json"));

/** The runtime code of our own contracts, by name. Compiling takes seconds, so what was compiled is kept. */
export function compiled() {
  const input = JSON.stringify({
    language: "Solidity",
    sources: Object.fromEntries(SOURCES.map((file) => [file, { content: read(file) }])),
    settings: { optimizer: { enabled: true }, outputSelection: { "*": { "*": ["evm.deployedBytecode.object"] } } },
  });
  const compiler = require("solc/package.json").version;
  const folder = join(root, "target", "contracts");
  const kept = join(folder, `${createHash("sha256").update(compiler).update(input).digest("hex")}.json`);
  try {
    return JSON.parse(readFileSync(kept, "utf8"));
  } catch {
    const code = compile(input);
    mkdirSync(folder, { recursive: true });
    // Whole or not at all: tests that run at the same time compile at the same time.
    writeFileSync(`${kept}.${process.pid}`, JSON.stringify(code));
    renameSync(`${kept}.${process.pid}`, kept);
    return code;
  }
}

function compile(input) {
  const { contracts, errors = [] } = JSON.parse(require("solc").compile(input));
  const fatal = errors.filter(({ severity }) => severity === "error");
  if (fatal.length > 0) throw new Error(fatal.map(({ formattedMessage }) => formattedMessage).join("\n"));
  const named = Object.values(contracts).flatMap((file) => Object.entries(file));
  return Object.fromEntries(named.map(([name, { evm }]) => [name, `0x${evm.deployedBytecode.object}`]));
}
