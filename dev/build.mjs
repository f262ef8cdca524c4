// Builds the Worker into build/: index.js and index_bg.wasm, ES modules that workerd loads as they are.
//
// cargo → wasm-bindgen (dev/bindgen) → wasm-opt → esbuild. Why not worker-build: docs/decisions/0002-build.md
import { createHash } from "node:crypto";
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { dim, env, fail, needRust, output, root, run, step } from "./tools.mjs";

// What rustc and wasm-bindgen use of WebAssembly, and workerd has.
const FEATURES = ["bulk-memory", "exception-handling", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"];

const HELP = `usage: npm run build -- [--fast] [--features <list>] [--out <folder>]

  --fast       leave out wasm-opt (about 15 s): for trying things, not for deploying
  --features   cargo features to add
  --out        where to (default: build)`;

let options;
try {
  options = parseArgs({
    options: {
      fast: { type: "boolean", default: process.env.X402_EDGE_FAST_BUILD === "1" },
      features: { type: "string", default: "" },
      out: { type: "string", default: "build" },
      help: { type: "boolean", default: false },
    },
  }).values;
} catch (error) {
  fail(`${error.message}\n\n${HELP}`, 2);
}
if (options.help) {
  console.log(HELP);
  process.exit(0);
}

needRust();
const began = Date.now();
const features = options.features ? ["--features", options.features] : [];
step("Compiling the Worker (the first time takes one or two minutes)");
// Flags for another target, such as target-cpu=native, are not for WebAssembly.
const { RUSTFLAGS: _, CARGO_ENCODED_RUSTFLAGS: __, ...wasmEnv } = env;
run("cargo", ["build", "--locked", "--release", "--lib", "--target", "wasm32-unknown-unknown", ...features], { env: wasmEnv });

const metadata = output("cargo", ["metadata", "--locked", "--format-version", "1", "--no-deps"]);
if (!metadata) fail("cargo metadata failed");
const target = JSON.parse(metadata).target_directory;
const compiled = join(target, "wasm32-unknown-unknown", "release", "x402_edge.wasm");
const work = join(target, "worker", options.out.replaceAll(/[^a-z0-9]/gi, "-"));
const out = resolve(root, options.out);
const stamp = join(work, "stamp");
const entry = join(root, "dev", "entry");
const inputs = [compiled, ...readdirSync(entry).sort().map((file) => join(entry, file)), join(root, "dev", "build.mjs")];
const wanted = inputs.reduce((hash, file) => hash.update(readFileSync(file)), createHash("sha256").update(String(options.fast))).digest("hex");

if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && existsSync(join(out, "index.js"))) {
  step(`${options.out}/ is up to date`);
  process.exit(0);
}
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
run("cargo", ["run", "--locked", "--quiet", "--package", "bindgen", "--", compiled, work]);
// workerd has no source-phase imports yet: a plain import of a .wasm file gives the compiled module.
const glue = join(work, "index.js");
writeFileSync(glue, readFileSync(glue, "utf8").replace("import source ", "import "));

const wasm = join(work, "index_bg.wasm");
if (!options.fast) {
  step("Optimising with wasm-opt");
  run("wasm-opt", ["-O3", ...FEATURES.map((name) => `--enable-${name}`), wasm, "-o", wasm]);
}
const shim = join(work, "shim.js");
cpSync(entry, work, { recursive: true });
if (options.features.split(",").includes("drill")) appendFileSync(shim, `export { drillCheck, drillLoad, drillLookup } from "./index.js";\n`);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
run("esbuild", [
  shim, "--bundle", "--format=esm", "--minify", "--log-level=warning",
  "--external:./index_bg.wasm", "--external:cloudflare:*", `--outfile=${join(out, "index.js")}`,
]);
cpSync(wasm, join(out, "index_bg.wasm"));
writeFileSync(stamp, wanted);

const kilobytes = (bytes) => `${Math.round(bytes / 1024)} KB`;
const size = `${kilobytes(statSync(wasm).size)} of WebAssembly, ${kilobytes(gzipSync(readFileSync(wasm)).length)} gzipped`;
step(`${options.out}/ is ready: ${size} ${dim(`(${Math.round((Date.now() - began) / 1000)} s)`)}`);
