// build/ in a runtime: Miniflare, or workerd alone, which hands over request targets as they came.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync, spawn } from "node:child_process";
import { Log, LogLevel, Miniflare } from "miniflare";
import { env, root } from "../../dev/tools.mjs";

export const COMPATIBILITY_DATE = readFileSync(join(root, "wrangler.toml"), "utf8").match(/compatibility_date = "(.+)"/)[1];

/** The workerd processes that this one has started. */
function workerds() {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,comm="], { encoding: "utf8" }).split("\n");
  const processes = lines.map((line) => line.trim().split(/\s+/));
  return processes.filter(([, parent, name]) => Number(parent) === process.pid && name?.endsWith("workerd")).map(([pid]) => Number(pid));
}

/**
 * The Worker in Miniflare. `prices` is the document; `put` writes another one, undefined removes it. With `persist`,
 * a folder, storage outlives the Worker, which `kill` ends as a power cut would, and `prices` may be left out; `cf` is what Cloudflare would say of clients,
 * `vars` are more variables and secrets.
 */
export async function startMiniflare({ prices, originUrl, folder = "build", ledger = true, history = true, persist, cf, vars = {}, extraWorkers = [], ...options }) {
  const object = (className) => ({ className, useSQLite: true });
  const gate = {
    name: "gate",
    modules: true,
    scriptPath: join(root, folder, "index.js"),
    modulesRules: [{ type: "CompiledWasm", include: ["**/*.wasm"] }],
    compatibilityDate: COMPATIBILITY_DATE,
    kvNamespaces: ["PRICES"],
    durableObjects: {
      ...(ledger ? { LEDGER: object("LedgerObject"), CHANNELS: object("ChannelObject") } : {}),
      ...(history ? { PRICE_HISTORY: object("PriceHistoryObject"), QUOTA: object("QuotaObject") } : {}),
    },
    d1Databases: ledger ? ["DB"] : [],
    bindings: { ...(originUrl ? { ORIGIN_URL: originUrl } : {}), ...vars },
    ...options,
  };
  const kept = persist ? { kvPersist: join(persist, "kv"), durableObjectsPersist: join(persist, "do"), d1Persist: join(persist, "d1") } : {};
  if (cf) {
    kept.cf = join(mkdtempSync(join(tmpdir(), "x402-edge-")), "cf.json");
    writeFileSync(kept.cf, JSON.stringify(cf));
  }
  const before = new Set(workerds());
  const miniflare = new Miniflare({ log: new Log(LogLevel.NONE), handleRuntimeStdio: () => {}, workers: [gate, ...extraWorkers], ...kept });
  const kv = await miniflare.getKVNamespace("PRICES");
  const put = async (document) => {
    if (document === undefined) await kv.delete("prices");
    else await kv.put("prices", typeof document === "string" ? document : JSON.stringify(document));
  };
  if (prices !== undefined || !persist) await put(prices);
  const url = String(await miniflare.ready).replace(/\/$/, "");
  /** Rows of the owner's books; none while there is no table yet. */
  const books = async (sql) => (await miniflare.getD1Database("DB")).prepare(sql).all().then(({ results }) => results, (error) => {
    if (/no such table/.test(error.message)) return [];
    throw error;
  });
  const [pid] = workerds().filter((pid) => !before.has(pid));
  const kill = async () => {
    process.kill(pid, "SIGKILL");
    await miniflare.dispose();
  };
  const reconcile = async () => (await miniflare.getWorker()).scheduled({ cron: "7 * * * *" });
  // As if the request came from anywhere, to any host: `cf` in the options is what Cloudflare knows of the client.
  const dispatch = (target, init) => miniflare.dispatchFetch(target, init);
  return { url, pid, put, books, reconcile, kill, dispatch, stop: () => miniflare.dispose() };
}

/** A KV that fails. */
export const DOWN = Symbol("down");

/** The Durable Objects of the Worker: binding and class. */
const OBJECTS = [["LEDGER", "LedgerObject"], ["CHANNELS", "ChannelObject"], ["PRICE_HISTORY", "PriceHistoryObject"], ["QUOTA", "QuotaObject"]];

/**
 * The Worker in bare workerd, its KV a small server here: a document, undefined for none, `DOWN`. With `storage`, a
 * folder, it has its Durable Objects there.
 */
export async function startWorkerd({ prices, originUrl, storage }) {
  let document = prices;
  const kv = createServer((request, response) => {
    if (document === undefined) return response.writeHead(404).end();
    if (document === DOWN) return response.writeHead(500).end();
    response.end(typeof document === "string" ? document : JSON.stringify(document));
  });
  await new Promise((resolve) => kv.listen(0, "127.0.0.1", resolve));
  const folder = mkdtempSync(join(tmpdir(), "x402-edge-"));
  const config = join(folder, "config.capnp");
  for (const name of ["index.js", "index_bg.wasm"]) copyFileSync(join(root, "build", name), join(folder, name));
  writeFileSync(config, `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "gate", worker = .gate),
    (name = "kv", external = (address = "127.0.0.1:${kv.address().port}", http = ())),
    (name = "internet", network = (allow = ["public", "private", "local"])),
    ${storage ? `(name = "storage", disk = (path = ${JSON.stringify(storage)}, writable = true)),` : ""}
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "gate")],
);
const gate :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  bindings = [
    (name = "PRICES", kvNamespace = "kv"),
    (name = "ORIGIN_URL", text = "${originUrl}"),
    ${storage ? OBJECTS.map(([name, className]) => `(name = "${name}", durableObjectNamespace = "${className}"),`).join("\n    ") : ""}
  ],
  ${storage ? `durableObjectNamespaces = [${OBJECTS.map(([name, className]) => `(className = "${className}", uniqueKey = "${name.toLowerCase()}", enableSql = true)`).join(", ")}],\n  durableObjectStorage = (localDisk = "storage"),` : ""}
);
`);
  const workerd = spawn(join(root, "node_modules", ".bin", "workerd"), ["serve", "--control-fd=3", config], { env, stdio: ["ignore", "ignore", "pipe", "pipe"] });
  let errors = "";
  workerd.stderr.on("data", (text) => { errors += text; });
  const stop = () => {
    workerd.kill("SIGKILL");
    kv.close();
    kv.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  };
  const port = await new Promise((resolve, reject) => {
    let text = "";
    workerd.stdio[3].on("data", (chunk) => {
      text += chunk;
      for (const line of text.split("\n").slice(0, -1)) {
        const event = JSON.parse(line);
        if (event.event === "listen") resolve(event.port);
      }
    });
    workerd.once("exit", () => reject(new Error(`workerd did not start: ${errors}`)));
  }).catch((error) => {
    stop();
    throw error;
  });
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    put: (other) => { document = other; },
    stop,
  };
}
