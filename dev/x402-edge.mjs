#!/usr/bin/env node
// npm run prices, npx x402-edge: the program, built first where it is missing or older than its source.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { env, fail, root } from "./tools.mjs";

const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const program = join(target, "tool", process.platform === "win32" ? "x402-edge.exe" : "x402-edge");

if (isOld()) build();
const result = spawnSync(program, process.argv.slice(2), { cwd: whereTheUserStands(), env, stdio: "inherit" });
if (result.error) fail(`${program} cannot be started: ${result.error.message}`, 3);
process.exitCode = result.status ?? 3;

function isOld() {
  if (!existsSync(program)) return true;
  const built = statSync(program).mtimeMs;
  const sources = readdirSync(join(root, "src"), { recursive: true }).map((name) => join("src", name));
  return [...sources, "Cargo.toml", "Cargo.lock"].some((name) => statSync(join(root, name)).mtimeMs > built);
}

/** Whatever cargo says goes to stderr: stdout is the program's. */
function build() {
  console.error("Building x402-edge (the first time takes about a minute)");
  const cargo = spawnSync("cargo", ["build", "--locked", "--profile", "tool", "--features", "cli", "--bin", "x402-edge"], { cwd: root, env, stdio: ["ignore", 2, 2] });
  if (cargo.error) fail("Rust is missing. Install it with rustup (https://rustup.rs) and try again.", 3);
  if (cargo.status !== 0) fail("x402-edge cannot be built", 3);
}

/** npm runs scripts in the project's folder; files are named from where the user is. */
function whereTheUserStands() {
  const here = process.env.npm_lifecycle_event === "prices" ? process.env.INIT_CWD : undefined;
  return here && `${here}${sep}`.startsWith(root) ? here : process.cwd();
}
