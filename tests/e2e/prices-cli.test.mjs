// `prices …` with a real wrangler on a local KV, and against the Worker it is for.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { merchant } from "../../dev/local/accounts.mjs";
import { USDC, startChain } from "../../dev/local/chain.mjs";
import { env, root } from "../../dev/tools.mjs";
import { startSite } from "./site.mjs";
import { startMiniflare, startWorkerd } from "./workers.mjs";

const quiet = { ...env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1" };
const program = join(root, "dev", "x402-edge.mjs");

const head = { payTo: merchant.address, network: "eip155:84532", facilitators: ["http://127.0.0.1:9"] };

/** Runs the tool in a folder and gives what it said. */
async function prices(folder, args, input = "", variables = {}) {
  const child = spawn("node", [program, "prices", ...args], { cwd: folder, env: { ...quiet, ...variables } });
  let [out, err] = ["", ""];
  child.stdout.on("data", (text) => { out += text; });
  child.stderr.on("data", (text) => { err += text; });
  child.stdin.on("error", () => {}).end(input);
  const [code] = await once(child, "close");
  return { code, out, err };
}

before(() => {
  // The first call builds it, and may say so.
  const built = spawnSync("node", [program, "--version"], { env: quiet, encoding: "utf8" });
  assert.match(built.stdout, /^x402-edge \d/, built.stderr);
});

/** A project with a local KV and books of its own. */
function project() {
  const folder = mkdtempSync(join(tmpdir(), "x402-edge-"));
  writeFileSync(join(folder, "wrangler.toml"), 'name = "x"\ncompatibility_date = "2026-07-30"\n[[kv_namespaces]]\nbinding = "PRICES"\n[[d1_databases]]\nbinding = "DB"\ndatabase_name = "books"\ndatabase_id = "DB"\n');
  return {
    folder,
    write: (text) => writeFileSync(join(folder, "prices.json"), text),
    live: (...args) => prices(folder, [...args, "--local", "--persist-to", "state"]),
    kv: async (...args) => {
      const child = spawn("wrangler", ["kv", "key", ...args, "--binding", "PRICES", "--local", "--persist-to", "state"], { cwd: folder, env: quiet });
      let out = "";
      child.stdout.on("data", (text) => { out += text; });
      const [code] = await once(child, "close");
      assert.equal(code, 0);
      return out;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

describe("prices with wrangler", { concurrency: 4 }, () => {
  const document = (price) => JSON.stringify({ ...head, routes: { "/a": { price } } });
  const started = [];
  const start = () => started[started.push(project()) - 1];
  after(() => started.forEach(({ remove }) => remove()));

  test("a_document_is_put_shown_changed_refused_and_rolled_back", async () => {
    const { folder, write, live, kv } = start();
    const nothing = await live("show");
    assert.equal(nothing.code, 2);
    assert.match(nothing.err, /there is no local document/);

    write(document("$0.01"));
    const first = await live("push", "--note", "the first");
    assert.equal(first.code, 0, first.err);
    assert.match(first.out, /^\+ \/a: 0\.01 USDC\nlive: version [0-9a-f]{12} \(local\)\n$/);

    write(document("$0.02"));
    const dry = await live("push", "--dry-run");
    assert.match(dry.out, /price: 0\.01 USDC → 0\.02 USDC\n.*nothing is written/s);
    // Where no place is named it is the local one, and that is said.
    const second = await prices(folder, ["push", "--persist-to", "state"]);
    assert.equal(second.code, 0, second.err);
    assert.match(second.err, /using the local KV/);

    write(document("$0.0000001"));
    const refused = await live("push");
    assert.equal(refused.code, 1);
    assert.match(refused.err, /prices\.json:1:\d+: \/routes\/~1a\/price: USDC: 7 decimals/);
    // Byte for byte what the Worker will read.
    assert.equal(await kv("get", "prices"), document("$0.02"));

    const history = JSON.parse((await live("history")).out);
    assert.deepEqual(history.history.map(({ live, note }) => [live, note]), [[true, ""], [false, "the first"]]);
    const back = await live("rollback", history.history[1].version.slice(0, 6));
    assert.equal(back.code, 0, back.err);
    assert.equal(await kv("get", "prices"), document("$0.01"));
  });

  test("an_edit_by_other_means_is_seen_and_kept", async () => {
    const { write, live, kv } = start();
    write("{");
    await kv("put", "prices", "--path", "prices.json");
    const shown = await live("show", "--text");
    assert.equal(shown.code, 1);
    assert.match(shown.err, /not JSON.*The Worker refuses this document/s);
    write(document("$0.03"));
    await kv("put", "prices", "--path", "prices.json");
    write(document("$0.04"));
    const pushed = await live("push");
    assert.equal(pushed.code, 0, pushed.err);
    assert.match(pushed.out, /price: 0\.03 USDC → 0\.04 USDC/);
    const [newest, before] = JSON.parse((await live("history")).out).history;
    assert.equal(newest.live, true);
    assert.match(before.note, /by other means/);
  });

  test("what_is_pushed_is_served_and_what_is_observed_is_reported", async () => {
    const { folder, write, live } = start();
    const nothing = await live("report", "--text");
    assert.match(nothing.out, /nothing was observed/, nothing.err);
    write(JSON.stringify({ ...head, routes: { "/a": { price: "$0.03" }, "/seen/*": { price: "$0.25", mode: "observe" } } }));
    assert.equal((await live("push")).code, 0);
    const site = await startSite();
    // Wrangler's own local state.
    const worker = await startMiniflare({ persist: join(folder, "state", "v3"), originUrl: site.url });
    try {
      const { version } = JSON.parse((await live("show", "--json")).out);
      assert.equal((await worker.dispatch("https://news.example/a")).status, 402);
      for (const path of ["/seen/1", "/seen/2", "/seen/3"]) assert.equal((await worker.dispatch(`https://news.example${path}`)).status, 200);
      const status = await live("show", "--text", "--url", worker.url);
      assert.match(status.out, new RegExp(`in force at the Worker: ${version}, this one`), status.err);
      const end = Date.now() + 60_000;
      while ((await worker.books("SELECT * FROM observed")).length === 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 250));
      const report = await live("report");
      assert.equal(report.code, 0, report.err);
      const sum = [{ network: "eip155:84532", asset: USDC, ticker: "USDC", decimals: 6, amount: "750000" }];
      assert.deepEqual(JSON.parse(report.out), {
        place: "local", days: 30, total: sum,
        routes: [{ host: null, route: "/seen/*", rule: null, reason: "observe", requests: 3, wouldHaveBeen: sum }],
      });
    } finally {
      await worker.stop();
      await site.stop();
    }
  });

  test("what_wrangler_cannot_do_is_exit_code_3", async () => {
    const failed = await prices(start().folder, ["history", "--local", "--env", "nowhere", "--config", "nothing.toml"]);
    assert.equal(failed.code, 3, failed.out + failed.err);
    assert.match(failed.err, /^x402-edge: wrangler: /);
    assert.doesNotMatch(failed.err, /\x1b/);
  });

  test("npm_and_npx_run_it_where_the_user_stands", () => {
    for (const [command, args] of [["npm", ["run", "-s", "prices", "--", "check", "news.json"]], ["npx", ["x402-edge", "prices", "check", "news.json"]]]) {
      const { status, stdout, stderr } = spawnSync(command, args, { cwd: join(root, "examples"), env: quiet, encoding: "utf8" });
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^good: news\.json, version /);
    }
  });
});

/** As much of Cloudflare's API as wrangler asks of KV. */
async function startCloudflare() {
  const values = new Map();
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { pathname, searchParams } = new URL(request.url, "http://x");
    const [, kind, key = ""] = pathname.match(/^\/client\/v4\/accounts\/acc\/storage\/kv\/namespaces\/ns\/(values|keys)(?:\/(.+))?$/) ?? [];
    const answer = (status, body) => response.writeHead(status, { "content-type": "application/json" }).end(typeof body === "string" ? body : JSON.stringify(body));
    const done = (result) => answer(200, { success: true, errors: [], messages: [], result, result_info: { cursor: "" } });
    const name = decodeURIComponent(key);
    if (request.headers.authorization !== "Bearer secret") answer(403, { success: false, errors: [{ code: 10000, message: "Authentication error" }] });
    else if (kind === "keys") done([...values.keys()].filter((known) => known.startsWith(searchParams.get("prefix") ?? "")).map((known) => ({ name: known, metadata: values.get(known).metadata })));
    else if (kind === "values" && request.method === "PUT") {
      const form = await new Response(Buffer.concat(chunks), { headers: { "content-type": request.headers["content-type"] } }).formData().catch(() => null);
      const value = form ? await form.get("value").text() : Buffer.concat(chunks).toString("utf8");
      values.set(name, { value, metadata: JSON.parse(form?.get("metadata") ?? "null") ?? undefined });
      done(null);
    } else if (kind === "values" && values.has(name)) answer(200, values.get(name).value);
    else answer(404, { success: false, errors: [{ code: 10009, message: "get: 'key not found'" }] });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { values, url: `http://127.0.0.1:${server.address().port}/client/v4`, stop: () => (server.close(), server.closeAllConnections()) };
}

describe("prices at Cloudflare", () => {
  let cloudflare, folder;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "x402-edge-"));
    cloudflare = await startCloudflare();
  });
  after(() => {
    cloudflare?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const remote = (args, input, token = "secret", namespace = "ns") =>
    prices(folder, [...args, "--remote", "--namespace-id", namespace], input, { CLOUDFLARE_API_BASE_URL: cloudflare.url, CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_ACCOUNT_ID: "acc" });

  test("a_document_is_put_there_and_shown", async () => {
    const document = JSON.stringify({ ...head, routes: { "/café": { price: "$0.01" } } });
    assert.match((await remote(["show"])).err, /there is no remote document/);
    const pushed = await remote(["push", "-", "--note", "été"], document);
    assert.equal(pushed.code, 0, pushed.err);
    assert.match(pushed.out, /\(remote\); the Workers have it within about a minute/);
    assert.equal(cloudflare.values.get("prices").value, document);
    const { history } = JSON.parse((await remote(["history"])).out);
    assert.deepEqual(history.map(({ live, note }) => [live, note]), [[true, "été"]]);
  });

  test("what_cloudflare_refuses_is_exit_code_3", async () => {
    for (const [token, namespace] of [["wrong", "ns"], ["secret", "other"]]) {
      const refused = await remote(["show"], "", token, namespace);
      assert.equal(refused.code, 3, refused.err);
      assert.match(refused.err, /^x402-edge: wrangler: /);
    }
  });
});

describe("prices and the chain", () => {
  let chain, folder;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "x402-edge-"));
    chain = await startChain({ port: 0 });
  });
  after(() => {
    chain?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const check = (document) => prices(folder, ["check", "-", "--rpc", chain.url], JSON.stringify(document));

  test("a_token_is_what_its_contract_says", async () => {
    const good = await check({ ...head, routes: { "/a": { price: "$1" } } });
    assert.equal(good.code, 0, good.out + good.err);
    assert.match(good.out, /good: USDC \(0x036C.*\) on eip155:84532 is what the document says/);

    const atomic = (asset, name) => ({ ...head, routes: { "/a": { price: { asset, amount: "1", extra: { name, version: "2" } } } } });
    const wrong = await check(atomic(USDC, "USD Coin"));
    assert.equal(wrong.code, 1);
    assert.match(wrong.out, /the contract's name is "USDC", the document says "USD Coin": every payment would look forged/);
    const nobody = await check(atomic("0x4f9F8e2f6d7C5B4a3E2D1c0B9A8F7e6d5c4b3a29", "X"));
    assert.match(nobody.out, /there is no contract at this address/);
    const multicall = await check(atomic("0xcA11bde05977b3631167028862bE2a173976CA11", "X"));
    assert.equal(multicall.code, 1);
    assert.match(multicall.out, /no authorizationState: it cannot be paid by EIP-3009/);
  });

  test("a_chain_that_does_not_answer_is_exit_code_3_and_a_wrong_one_2", async () => {
    const document = JSON.stringify({ ...head, routes: { "/a": { price: "$1" } } });
    const down = await prices(folder, ["check", "-", "--rpc", "http://127.0.0.1:9"], document);
    assert.equal(down.code, 3, down.err);
    const other = await check({ ...head, network: "base", routes: { "/a": { price: "$1" } } });
    assert.equal(other.code, 2);
    assert.match(other.err, /is eip155:84532, where nothing in the document is paid/);
  });
});

// What explain says must be what the Worker does.
const shop = {
  ...head,
  routes: {
    "GET /articles/:slug": {
      price: "$0.05",
      rules: [
        { when: { userAgent: "*GPTBot*" }, price: "$0.10" },
        { when: { query: { preview: "true" } }, free: true },
        { when: { header: { "X-Spy": true } }, deny: true },
        { when: { country: ["DE", "AT"], botScore: { min: 30 } }, price: "$0.04" },
        { when: { verifiedBot: true }, price: "$0.06" },
        { when: { continent: "EU", asn: 64500 }, price: "$0.07" },
        { when: { ip: ["203.0.113.0/24", "2001:db8::/32"] }, free: true },
      ],
    },
    "/premium/*": { accepts: [{ price: "$1" }, { price: "$2", network: "base" }] },
    "POST /api/*": { price: "$0.001" },
    "/premium/open": { free: true },
    "/files/*.pdf": { price: "$3" },
    "/observed": { price: "$9", mode: "observe" },
  },
  hosts: {
    "api.shop.example": { routes: { "/v1/*": { price: "$0.002" }, "/v1/:x/internal": { deny: true } } },
    "*.shop.example": { routes: { "/": { price: "$7" } } },
  },
};

/** What Cloudflare may know of a client: as arguments, as its `cf` object, as its header. */
const clients = [
  [["--country", "DE", "--bot-score", "50"], { country: "DE", botManagement: { score: 50 } }],
  [["--country", "DE", "--bot-score", "29"], { country: "DE", botManagement: { score: 29 } }],
  [["--country", "FR", "--verified-bot"], { country: "FR", botManagement: { score: 1, verifiedBot: true } }],
  [["--verified-bot=false"], { botManagement: { verifiedBot: false } }],
  [["--continent", "EU", "--asn", "64500"], { continent: "EU", asn: 64500 }],
  [["--continent", "EU", "--asn", "1"], { continent: "EU", asn: 1 }],
  [["--ip", "203.0.113.200"], {}, { "CF-Connecting-IP": "203.0.113.200" }],
  [["--ip", "203.0.114.1"], {}, { "CF-Connecting-IP": "203.0.114.1" }],
  [["--ip", "2001:db8:1::1"], {}, { "CF-Connecting-IP": "2001:db8:1::1" }],
];

/** Method, URL, headers. */
const asked = [
  ...[
    "/", "/articles/42", "/articles/42/", "/Articles/42", "/articles/%34%32", "/articles//42", "//articles/42", "/articles/42;x=1",
    "/articles", "/articles/a/b", "/articles/42?preview=true", "/articles/42?preview=false", "/articles/42?preview=true&preview=false",
    "/articles/42?Preview=true", "/articles/42?preview[]=true", "/articles/%252e%252e/premium", "/articles/..%2fpremium/x", "/premium", "/premium/x?y=/premium/open",
    "/premium/open", "/premium/open/", "/premium/OPEN", "/premium/open.", "/premium/open%00", "/premium/open/..%2fx", "/premiumx", "/x/../premium/y", "/x/%2e%2e/premium", "/premium\\x",
    "/files/a.pdf", "/files/a/b.PDF", "/files/a.pdf.txt", "/files/a.pdf;v=1", "/files/a.pdf%20", "/index.php/premium/x", "/premium/index.html", "/observed", "/observed?x#frag",
    "/files/..%2fpremium/x.pdf", "/files/%2e%2e%2farticles%2fx.pdf", "/free page", "/caf\u00e9", "/%", "/%zz", "/a%2fb", "/.x402/status", "/premium::$DATA", "/pre%09mium", "/premium#frag",
  ].map((path) => ["GET", `https://news.example${path}`, {}]),
  ["GET", "https://news.example/articles/42", { "User-Agent": "Mozilla/5.0 GPTBot/1" }],
  ["GET", "https://news.example/articles/42", { "X-Spy": "1" }],
  ["GET", "https://news.example/articles/42?preview=true", { "X-Spy": "1" }],
  ["POST", "https://news.example/articles/42", { "X-HTTP-Method-Override": "GET" }],
  ["POST", "https://news.example/articles/42?_method=GET", {}],
  ["POST", "https://news.example/articles/42", {}],
  ["POST", "https://news.example/api/x", {}],
  ["GET", "https://news.example/api/x", {}],
  ["HEAD", "https://news.example/premium/x", {}],
  ["PROPFIND", "https://news.example/articles/42", {}],
  ["OPTIONS", "https://news.example/premium/x", { "Access-Control-Request-Method": "GET" }],
  ["OPTIONS", "https://news.example/free", {}],
  ...["/v1/x", "/v1/x/internal", "/v1", "/articles/42", "/v1/%2e%2e/x"].map((path) => ["GET", `https://API.shop.example:443${path}`, {}]),
  ...["/", "/x"].map((path) => ["GET", `https://a.b.shop.example.${path}`, {}]),
  ["GET", "http://shop.example:8080/premium", {}],
];

/** What the tool says: the status, null for the origin's, and the prices. */
async function explained(folder, [method, url, headers], options = []) {
  const flags = Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]);
  const told = await prices(folder, ["explain", method, url, ...flags, ...options, "--json"]);
  assert.equal(told.code, 0, told.err);
  const { status, accepts } = JSON.parse(told.out);
  return { status, amounts: status === 402 ? accepts.map(({ amount, network }) => `${amount} ${network}`) : [] };
}

/** Calls at most four at a time, in order of the list. */
async function each(list, work) {
  const waiting = list.entries();
  await Promise.all(Array.from({ length: 4 }, async () => { for (const [, item] of waiting) await work(item); }));
}

const offered = (header) => (header ? JSON.parse(Buffer.from(header, "base64").toString("utf8")).accepts.map(({ amount, network }) => `${amount} ${network}`) : []);

describe("explain and the Worker", () => {
  let folder, site;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "x402-edge-"));
    writeFileSync(join(folder, "prices.json"), JSON.stringify(shop));
    site = await startSite();
  });
  after(async () => {
    await site?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("they_agree_over_urls_as_clients_send_them_and_whoever_asks", async () => {
    const worker = await startMiniflare({ prices: shop, originUrl: site.url });
    const does = async ([method, url, headers], cf) => {
      const response = await worker.dispatch(url, { method, headers, cf, redirect: "manual" });
      await response.arrayBuffer();
      const ours = [400, 402, 403, 421].includes(response.status) || response.headers.has("Access-Control-Max-Age") || url.endsWith("/.x402/status");
      return { status: ours ? response.status : null, amounts: offered(response.headers.get("PAYMENT-REQUIRED")) };
    };
    try {
      const statuses = new Set();
      await each(asked, async (request) => {
        const worked = await does(request, {});
        assert.deepEqual(await explained(folder, request), worked, request.map((part) => JSON.stringify(part)).join(" "));
        statuses.add(worked.status);
      });
      const told = new Set();
      await each(clients, async ([args, cf, headers = {}]) => {
        const worked = await does(["GET", "https://news.example/articles/42", headers], cf);
        assert.deepEqual(await explained(folder, ["GET", "https://news.example/articles/42", {}], args), worked, args.join(" "));
        told.add(worked.amounts.join());
      });
      assert.equal(told.size, 5, "the clients are told four prices, or nothing");
      for (const status of [null, 400, 402, 403]) assert.ok(statuses.has(status), `nothing was answered ${status}`);
    } finally {
      await worker.stop();
    }
  });

  test("they_agree_over_raw_targets_in_bare_workerd", async () => {
    const workerd = await startWorkerd({ prices: JSON.stringify(shop), originUrl: site.url });
    try {
      const raw = asked.filter(([, url]) => /^https:\/\/news\.example[\x21-\x7e]*$/.test(url));
      await each(raw, async (request) => {
        const [method, url, headers] = request;
        const does = await askRaw(workerd.port, method, url.slice("https://news.example".length), headers);
        assert.deepEqual(await explained(folder, request, ["--raw"]), does, `${method} ${url} ${JSON.stringify(headers)}`);
      });
    } finally {
      await workerd.stop();
    }
  });
});

/** One request as it stands, to bare workerd. */
function askRaw(port, method, target, headers) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk) => { text += chunk; });
    socket.on("error", reject);
    socket.on("close", () => {
      const head = text.split("\r\n\r\n")[0];
      const status = Number(head.split(" ")[1]);
      const header = head.match(/^payment-required: (.*)$/im)?.[1].trim();
      const ours = [400, 402, 403, 421].includes(status) || /^access-control-max-age:/im.test(head) || target === "/.x402/status";
      resolve({ status: ours ? status : null, amounts: offered(header) });
    });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const length = method === "POST" ? "Content-Length: 0\r\n" : "";
    socket.end(`${method} ${target} HTTP/1.1\r\nHost: news.example\r\n${lines}${length}Connection: close\r\n\r\n`, "latin1");
  });
}
