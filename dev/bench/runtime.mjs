// A Worker in bare workerd: nothing between it and the socket.
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { root } from "../tools.mjs";

export const COMPATIBILITY_DATE = readFileSync(join(root, "wrangler.toml"), "utf8").match(/compatibility_date = "(.+)"/)[1];
export const { version: WORKERD_VERSION } = createRequire(join(root, "package.json"))("workerd/package.json");
// The program itself: a script around it would be another process than the one that is measured.
const program = createRequire(join(root, "package.json"))("workerd").default;

const STARTS_WITHIN = 20_000;

/**
 * Starts a Worker. `modules`: its files, the entry first. `bindings`: texts. `kv`: what the namespace of this name
 * holds, by key. `objects`: Durable Object classes by binding, kept on disk.
 */
export async function startWorkerd({ modules, bindings = {}, kv = {}, objects = {}, flags = [] }) {
  const folder = mkdtempSync(join(tmpdir(), "x402-edge-bench-"));
  const stores = await Promise.all(Object.entries(kv).map(async ([name, values]) => ({ name, ...(await startStore(values)) })));
  const names = modules.map((file) => basename(file));
  modules.forEach((file, index) => copyFileSync(file, join(folder, names[index])));
  mkdirSync(join(folder, "objects"));
  const text = (value) => JSON.stringify(value);
  const list = (lines) => lines.map((line) => `    ${line},`).join("\n");
  writeFileSync(join(folder, "config.capnp"), `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private", "local"])),
    (name = "disk", disk = (path = ${text(join(folder, "objects"))}, writable = true)),
${list(stores.map(({ name, port }) => `(name = "kv-${name}", external = (address = "127.0.0.1:${port}", http = ()))`))}
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  compatibilityDate = "${COMPATIBILITY_DATE}",
  compatibilityFlags = [${flags.map(text).join(", ")}],
  modules = [
${list(names.map((name) => (name.endsWith(".wasm") ? `(name = ${text(name)}, wasm = embed ${text(name)})` : `(name = ${text(name)}, esModule = embed ${text(name)})`)))}
  ],
  bindings = [
${list([
    ...Object.entries(bindings).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    ...stores.map(({ name }) => `(name = ${text(name)}, kvNamespace = "kv-${name}")`),
    ...Object.entries(objects).map(([name, className]) => `(name = ${text(name)}, durableObjectNamespace = ${text(className)})`),
  ])}
  ],
  durableObjectNamespaces = [
${list(Object.values(objects).map((className) => `(className = ${text(className)}, uniqueKey = ${text(`bench-${className}`)}, enableSql = true)`))}
  ],
  durableObjectStorage = (localDisk = "disk"),
);
`);
  const workerd = spawn(program, ["serve", "--control-fd=3", join(folder, "config.capnp")], { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  let said = "";
  for (const stream of [workerd.stdout, workerd.stderr]) stream.on("data", (data) => { said = (said + data).slice(-4000); });
  const ended = new Promise((resolve) => workerd.once("close", resolve));
  const stop = async () => {
    workerd.kill("SIGKILL");
    stores.forEach((store) => store.stop());
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const port = await new Promise((resolve, reject) => {
      let text = "";
      workerd.stdio[3].on("data", (data) => {
        text += data;
        const listening = text.split("\n").slice(0, -1).map((line) => JSON.parse(line)).find(({ event }) => event === "listen");
        if (listening) resolve(listening.port);
      });
      workerd.once("exit", () => reject(new Error(`workerd ended: ${said}`)));
      setTimeout(() => reject(new Error(`workerd does not listen: ${said}`)), STARTS_WITHIN).unref();
    });
    return { port, url: `http://127.0.0.1:${port}`, pid: workerd.pid, said: () => said, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A KV namespace as workerd asks for it: GET /<key>. */
async function startStore(values) {
  const server = createServer((request, response) => {
    const value = values[decodeURIComponent(new URL(request.url, "http://kv").pathname.slice(1))];
    if (value === undefined) response.writeHead(404).end();
    else response.end(value);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: server.address().port,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
