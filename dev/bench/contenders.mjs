// Who is compared: this project's Worker, the usual gate, a plain proxy, and no Worker at all.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { merchant } from "../local/accounts.mjs";
import { fail, root, run } from "../tools.mjs";
import { startWorkerd } from "./runtime.mjs";

export const NETWORK = "eip155:84532";
export const PRICE = "$0.001";
export const PRICE_UNITS = 1_000n;

const here = fileURLToPath(new URL(".", import.meta.url));
const made = join(root, "target", "bench");
export const BUILD = join(root, "build");
export const DRILL = join(made, "drill");
const QUICK_DRILL = join(root, "target", "drill");

/** Builds everything that is measured. With `built`, this project's own Workers are taken as they are. */
export function build({ built }) {
  mkdirSync(made, { recursive: true });
  if (!built) {
    run("node", ["dev/build.mjs", "--features", "drill", "--out", join("target", "bench", "drill")]);
    run("node", ["dev/build.mjs"]);
  }
  const drill = built && !existsSync(DRILL) ? QUICK_DRILL : DRILL;
  for (const folder of [BUILD, drill]) {
    if (!existsSync(join(folder, "index.js"))) fail(`${folder} is not built: leave out --built`);
  }
  for (const name of ["trivial", "proxy", "hono", "checks"]) {
    run("esbuild", [
      join(here, "workers", `${name}.js`), "--bundle", "--format=esm", "--minify", "--platform=browser", "--conditions=workerd,worker,browser",
      "--log-level=warning", "--external:cloudflare:*", "--external:./index.js", "--external:node:*", "--alias:url=node:url", `--outfile=${join(made, `${name}.js`)}`,
    ]);
  }
  return { drill };
}

const bundle = (name) => join(made, `${name}.js`);
const gate = (folder) => ["index.js", "index_bg.wasm"].map((file) => join(folder, file));

export const trivial = () => startWorkerd({ modules: [bundle("trivial")] });
export const proxy = (originUrl) => startWorkerd({ modules: [bundle("proxy")], bindings: { ORIGIN_URL: originUrl } });
export const hono = (originUrl, facilitatorUrl) => startWorkerd({
  modules: [bundle("hono")],
  // The official packages read URLs with Node's module.
  flags: ["nodejs_compat"],
  bindings: { ORIGIN_URL: originUrl, FACILITATOR_URL: facilitatorUrl, PAY_TO: merchant.address, NETWORK, PRICE },
});
/** The three who check payments: the module's own entry is a library to them. */
export const checks = (drill) => startWorkerd({ modules: [bundle("checks"), ...gate(drill)] });

const OBJECTS = { LEDGER: "LedgerObject", CHANNELS: "ChannelObject", PRICE_HISTORY: "PriceHistoryObject", QUOTA: "QuotaObject", PASSES: "PassObject" };

/** This project's Worker. Only the objects that it has are bound. */
export const ours = (originUrl, document) => {
  const source = readFileSync(join(BUILD, "index.js"), "utf8");
  return startWorkerd({
    modules: gate(BUILD),
    bindings: { ORIGIN_URL: originUrl, PASS_KEYS: JSON.stringify({ bench: Buffer.alloc(32, 7).toString("base64url") }) },
    kv: { PRICES: { prices: JSON.stringify(document) } },
    objects: Object.fromEntries(Object.entries(OBJECTS).filter(([, name]) => new RegExp(`\\b${name}\\b`).test(source))),
  });
};

/** Its price document: one route for what everybody sells, and one for each of `rows` with settings of its own. */
export const document = (facilitatorUrl, rows) => ({
  payTo: merchant.address,
  network: NETWORK,
  facilitators: [facilitatorUrl],
  ...Object.assign({}, ...rows.map(({ document }) => document)),
  routes: {
    "/paid/*": { price: PRICE, description: "One call" },
    ...Object.fromEntries(rows.map(({ key, route }) => [`/${key}/*`, { price: PRICE, description: "One call", ...route }])),
  },
});
