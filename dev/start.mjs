// npm start: sets everything up and runs the whole thing on this machine. Ctrl-C ends all of it.
//
// Until the packages are there, only Node.js itself may be imported.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { configured, needFreePorts } from "./ports.mjs";
import { bold, dim, env, needPackages, needRust, root, run, start, step } from "./tools.mjs";

await needFreePorts();
needRust();
needPackages();
run("node", ["dev/build.mjs"]);

const url = (port) => `http://127.0.0.1:${port}`;
// wrangler's own default, so that `wrangler kv … --local` sees the same; the tests use another.
const state = process.env.X402_EDGE_STATE ?? join(root, ".wrangler", "state");
const running = [];
let stopping = false;
function stop(code) {
  if (stopping) return;
  stopping = true;
  for (const { stop } of running.reverse()) stop();
  process.exitCode ??= code;
  setTimeout(() => process.exit(), 3000).unref();
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => stop(0));
// Whatever ends this program ends what it started.
process.once("exit", () => stop(1));

try {
  const [{ startChain }, { startFacilitator }, { startOrigin }] = await Promise.all(
    ["chain", "facilitator", "origin"].map((name) => import(`./local/${name}.mjs`)),
  );
  step("Starting a local chain with USDC, a facilitator and a demo site");
  running.push(await startChain({ port: configured.chain, folder: join(state, "chain") }));
  running.push(await startFacilitator({ port: configured.facilitator, chainUrl: url(configured.chain) }));
  running.push(await startOrigin({ port: configured.origin }));

  step("Writing examples/prices.json into the local KV");
  const example = readFileSync(join(root, "examples", "prices.json"), "utf8");
  const document = example.replace("http://127.0.0.1:8403", url(configured.facilitator)).replace("http://127.0.0.1:8405", url(configured.chain));
  run("wrangler", ["kv", "key", "put", "prices", document, "--binding", "PRICES", "--local", "--persist-to", state], { stdio: ["ignore", "ignore", "inherit"] });

  step("Starting the Worker with wrangler dev");
  await startWorker();
} catch (error) {
  console.error(error.message);
  stop(1);
}

function startWorker() {
  return new Promise((resolve) => {
    const wrangler = start(
      "wrangler",
      ["dev", "--port", String(configured.worker), "--ip", "127.0.0.1", "--var", `ORIGIN_URL:${url(configured.origin)}`, "--persist-to", state, "--show-interactive-dev-session=false"],
      {
        env: { ...env, WRANGLER_SEND_METRICS: "false" },
        detached: true,
        onLine: (line) => {
          if (line.includes("Ready on")) {
            hello();
            resolve();
          } else if (line.trim() && !quiet(line)) {
            console.log(dim(line));
          }
        },
      },
    );
    // Its own process group, so that one signal ends wrangler and the workerd it started.
    running.push({ stop: () => { try { process.kill(-wrangler.pid, "SIGTERM"); } catch { /* already ended */ } } });
    wrangler.once("error", (error) => {
      console.error(`wrangler cannot be started: ${error.message}`);
      stop(1);
    });
    wrangler.once("exit", (code) => {
      if (!stopping) console.error(`wrangler dev has ended (exit code ${code})`);
      stop(code ?? 1);
      resolve();
    });
  });
}

/** What wrangler says that nobody needs here. Nothing with an error in it, but for being offline. */
function quiet(line) {
  if (/ENOTFOUND workers\.cloudflare\.com|GetAddrInfoReqWrap/.test(line)) return true;
  if (/error|warn|failed/i.test(line)) return /npm warn/.test(line);
  return /^\s*(⛅️ wrangler|─|\[custom build\]|Cloudflare collects|Your Worker|Binding|env\.|⎔|Using vars|\(|│|╭|╰)/.test(line);
}

function hello() {
  const site = url(configured.worker);
  console.log(`
${bold("The paywall is up:")} ${site} ${dim("(Ctrl-C ends everything)")}

  See the price:      curl -i ${site}/articles/42
  Pay and read it:    npm run pay -- ${site}/articles/42
  More to buy:        ${site}/api/weather  ${site}/events
  Many cheap calls:   npm run pay -- ${site}/quote --times 50
                      out of a payment channel; --refund gives back what is left
  Paid by use:        npm run pay -- "${site}/generate?prompt=hello+world"
  The same, streamed: npm run pay -- ${site}/generate --data '{"prompt": "hello world", "stream": true}'
  Free:               ${site}/
  Change a price:     edit examples/prices.json, then
                      npm run -s prices -- push examples/prices.json --local
  Is it in order?     ${site}/.x402/status
  What was paid?      npm run -s ledger
`);
}
