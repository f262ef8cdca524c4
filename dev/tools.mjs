// What every script here needs: running programs, finding them, and saying what goes on.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
const bin = join(root, "node_modules", ".bin");

/** The environment with this project's own programs (and its Node.js) first. */
// rustup's own folder last: a terminal opened before rustup was installed does not have it yet.
export const env = { ...process.env, PATH: [bin, process.env.PATH, join(homedir(), ".cargo", "bin")].join(delimiter) };

const colours = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code) => (text) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = paint(1);
export const dim = paint(2);
export const green = paint(32);
export const red = paint(31);

export const step = (text) => console.log(`${green("●")} ${text}`);

/** Ends the program with a message that says what to do. */
export function fail(text, code = 1) {
  console.error(`${red("✗")} ${text}`);
  process.exit(code);
}

/** Runs a program to its end, its output shown; ends this program if it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, env, stdio: "inherit", ...options });
  if (result.error) fail(`${command} cannot be started: ${result.error.message}`);
  if (result.signal) fail(`${command} was ended by ${result.signal}`);
  if (result.status !== 0) fail(`${command} ${args.join(" ")} failed (exit code ${result.status})`, result.status);
}

/** Runs a program and returns what it printed, or undefined where it fails. */
export function output(command, args) {
  const result = spawnSync(command, args, { cwd: root, env, encoding: "utf8" });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** Starts a program that goes on; `onLine` gets each line it prints. */
export function start(command, args, { onLine, ...options } = {}) {
  const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"], ...options });
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream.setEncoding("utf8").on("data", (text) => {
      const lines = (rest + text).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) onLine?.(line);
    });
  }
  return child;
}

const OLDEST_RUST = [1, 91];
const WASM = "wasm32-unknown-unknown";

/** Rust with the WebAssembly target, or a message that says how to get it. */
export function needRust() {
  const version = output("rustc", ["--version"]) ?? installRustInWorkersBuilds();
  if (!version) fail("Rust is missing. Install it with rustup (https://rustup.rs) and try again.");
  const [major, minor] = version.split(" ")[1].split(".").map(Number);
  if (major < OLDEST_RUST[0] || (major === OLDEST_RUST[0] && minor < OLDEST_RUST[1])) {
    fail(`found ${version}; ${OLDEST_RUST.join(".")} or newer is needed. Run: rustup update stable`);
  }
  const library = output("rustc", ["--print", "target-libdir", "--target", WASM]);
  if (!library || !existsSync(library)) {
    step(`Adding Rust's ${WASM} target`);
    run("rustup", ["target", "add", WASM]);
  }
}

/** Cloudflare's own build machines (the Deploy button) come without Rust; nobody else's machine is touched. */
function installRustInWorkersBuilds() {
  if (process.env.WORKERS_CI !== "1") return undefined;
  step("Installing Rust with rustup");
  run("sh", ["-c", "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"]);
  return output("rustc", ["--version"]);
}

/** The packages of package-lock.json, installed where they are missing or old; what npm says goes to `stdout`. */
export function needPackages(folder = root, stdout = 1) {
  const [lock, installed] = ["package-lock.json", "node_modules/.package-lock.json"].map((name) => join(folder, name));
  if (existsSync(installed) && isNewer(installed, lock)) return;
  const text = `Installing npm packages${folder === root ? "" : ` for ${folder.slice(root.length)}`}`;
  if (stdout === 1) step(text);
  else console.error(text);
  run("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"], { cwd: folder, shell: process.platform === "win32", stdio: ["inherit", stdout, 2] });
}

const isNewer = (file, other) => statSync(file).mtimeMs >= statSync(other).mtimeMs;
