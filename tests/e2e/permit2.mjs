// Permit2 as Uniswap has published it, compiled from the sources in their npm package with their own settings.
// Run by itself it writes dev/local/permit2.json, from which `npm start` places it on the local chain.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const written = fileURLToPath(new URL("../../dev/local/permit2.json", import.meta.url));

/** What was compiled once, with where it came from. */
export { permit2 as committed } from "../../dev/local/contracts.mjs";

/** Compiles it again. */
export function compilePermit2() {
  const solc = require("solc");
  const folder = join(dirname(require.resolve("@uniswap/v4-periphery/package.json")), "lib", "permit2");
  // As in the package's remappings.txt.
  const place = (name) => (name.startsWith("solmate/") ? join(folder, "lib", name) : join(folder, name));
  const find = (name) => {
    try {
      return { contents: readFileSync(place(name), "utf8") };
    } catch (error) {
      return { error: error.message };
    }
  };
  const input = {
    language: "Solidity",
    sources: { "src/Permit2.sol": { content: find("src/Permit2.sol").contents } },
    settings: {
      optimizer: { enabled: true, runs: 1_000_000 },
      viaIR: true,
      metadata: { bytecodeHash: "none" },
      outputSelection: { "src/Permit2.sol": { Permit2: ["evm.bytecode.object"] } },
    },
  };
  const { contracts, errors = [] } = JSON.parse(solc.compile(JSON.stringify(input), { import: find }));
  const fatal = errors.filter(({ severity }) => severity === "error");
  if (fatal.length > 0) throw new Error(fatal.map(({ formattedMessage }) => formattedMessage).join("\n"));
  return {
    source: "npm @uniswap/v4-periphery 1.0.3, lib/permit2 (MIT)",
    compiler: `solc ${solc.version().split("+")[0]}`,
    creationCode: `0x${contracts["src/Permit2.sol"].Permit2.evm.bytecode.object}`,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(written, `${JSON.stringify(compilePermit2(), null, 2)}\n`);
}
