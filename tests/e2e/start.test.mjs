// The README's first screen: npm start, npm run pay, Ctrl-C; and a word when a port is taken.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { env, root } from "../../dev/tools.mjs";

const NAMES = ["X402_EDGE_PORT", "X402_EDGE_FACILITATOR_PORT", "X402_EDGE_ORIGIN_PORT", "X402_EDGE_CHAIN_PORT"];

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => (server.close(), once(server, "close"))));
  return ports;
}

/** Runs a script of package.json; `until` ends the wait for a text. */
function runScript(script, args, variables) {
  const child = spawn("npm", ["run", "--silent", script, "--", ...args], { cwd: root, env: { ...env, ...variables }, detached: true });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { text += chunk; });
  const ended = once(child, "exit").then(([code]) => code);
  const until = async (wanted) => {
    while (!text.includes(wanted)) {
      const over = await Promise.race([ended.then(() => true), new Promise((resolve) => setTimeout(resolve, 100, false))]);
      if (over && !text.includes(wanted)) assert.fail(`ended without saying ${JSON.stringify(wanted)}:\n${text}`);
    }
  };
  return { child, ended, until, text: () => text };
}

/** Waits until nobody listens on any of the ports. */
async function untilClosed(ports) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const open = await Promise.all(ports.map(isOpen));
    if (!open.includes(true)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("something still listens ten seconds after Ctrl-C");
}

const isOpen = (port) => fetch(`http://127.0.0.1:${port}`).then(() => true, ({ cause }) => cause?.code !== "ECONNREFUSED");

describe("npm start", () => {
  test("a_stranger_pays_for_a_page_and_ctrl_c_ends_everything", { timeout: 180_000 }, async () => {
    const ports = await freePorts(NAMES.length);
    const state = mkdtempSync(join(tmpdir(), "x402-edge-state-"));
    const variables = { ...Object.fromEntries(NAMES.map((name, index) => [name, String(ports[index])])), X402_EDGE_STATE: state, NO_COLOR: "1" };
    const site = `http://127.0.0.1:${ports[0]}`;
    const start = runScript("start", [], variables);
    try {
      await start.until("The paywall is up");
      assert.equal((await fetch(`${site}/articles/42`)).status, 402);
      const pay = runScript("pay", [`${site}/articles/42`], variables);
      assert.equal(await pay.ended, 0, pay.text());
      assert.match(pay.text(), /price +0\.01 USDC/);
      assert.match(pay.text(), /transaction +0x[0-9a-f]{64}/);
      assert.match(pay.text(), /payer +1000 USDC → 999\.99 USDC/);
      assert.match(pay.text(), /payee +0 USDC → 0\.01 USDC/);
      assert.match(pay.text(), /You have read it/);
      for (const path of ["/api/weather", "/events"]) {
        const more = runScript("pay", [`${site}${path}`], variables);
        assert.equal(await more.ended, 0, more.text());
      }
      // Eight words at a hundredth of a cent, of five cents at most.
      const metered = runScript("pay", [`${site}/generate?prompt=one+two+three`], variables);
      assert.equal(await metered.ended, 0, metered.text());
      assert.match(metered.text(), /price +at most 0\.05 USDC .* by Permit2/);
      assert.match(metered.text(), /approved +Permit2/);
      assert.match(metered.text(), /charged +0\.0008 USDC/);
      assert.match(metered.text(), /three two one/);
      const many = runScript("pay", [`${site}/quote`, "--times", "30"], variables);
      assert.equal(await many.ended, 0, many.text());
      assert.match(many.text(), /30 of 30 calls answered/);
      assert.match(many.text(), /in all +0\.003 USDC/);
      assert.match(many.text(), /in channel +0\.007 USDC of 0\.01 USDC left/);
      const back = runScript("pay", [`${site}/quote`, "--refund"], variables);
      assert.equal(await back.ended, 0, back.text());
      assert.match(back.text(), /refunded +0\.007 USDC/);
      const streamed = runScript("pay", [`${site}/generate`, "--data", '{"prompt": "one two", "stream": true}'], variables);
      assert.equal(await streamed.ended, 0, streamed.text());
      assert.match(streamed.text(), /charged +settled in the background: your balance will show what was used/);
      assert.match(streamed.text(), /"usage":\{"input_tokens":2,"output_tokens":4\}/);
      const free = runScript("pay", [`${site}/`], variables);
      assert.equal(await free.ended, 1);
      assert.match(free.text(), /asks for no payment/);

      // The owner's books have every payment, once each is written.
      let rows = [];
      for (const end = Date.now() + 60_000; rows.filter(({ state }) => state === "delivered").length < 5 && Date.now() < end;) {
        const ledger = runScript("ledger", ["--json", "--from", "2026-01-01"], variables);
        assert.equal(await ledger.ended, 0, ledger.text());
        rows = JSON.parse(ledger.text().replace(/^reading the local books.*$/m, ""));
      }
      // By second, so that two within one may stand either way.
      assert.deepEqual(rows.map(({ route, amount }) => `${route} ${amount}`).sort(), ["GET /articles/:slug 10000", "/api/* 1000", "/events 20000", "/generate 600", "/generate 800"].sort());
      for (const row of rows) {
        assert.match(row.transaction, /^0x[0-9a-f]{64}$/);
        assert.match(row.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      }
      const sheet = runScript("ledger", ["--csv", "--local"], variables);
      assert.equal(await sheet.ended, 0, sheet.text());
      const [head, ...lines] = sheet.text().trim().split("\r\n");
      assert.match(head, /^time,state,host,route,method,payer,pay_to,network,asset,amount,transaction/);
      assert.equal(lines.length, 5);
      const later = runScript("ledger", ["--json", "--local", "--from", "2100-01-01"], variables);
      assert.equal(await later.ended, 0);
      assert.deepEqual(JSON.parse(later.text()), []);

      const second = runScript("start", [], variables);
      assert.equal(await second.ended, 1);
      for (const name of NAMES) assert.match(second.text(), new RegExp(`in use: stop the program that holds it, or set ${name}`));

      // As a terminal does it: to everything that was started from it.
      process.kill(-start.child.pid, "SIGINT");
      await start.ended;
      await untilClosed(ports);
    } finally {
      // Not at once the hard way: npm start ends what it started.
      for (const signal of ["SIGINT", "SIGKILL"]) {
        try { process.kill(-start.child.pid, signal); } catch { /* already ended */ }
        await Promise.race([start.ended, new Promise((resolve) => setTimeout(resolve, 5000).unref())]);
      }
      rmSync(state, { recursive: true, force: true });
    }
  });

  test("ledger_explains_itself", async () => {
    for (const [args, code] of [[["--help"], 0], [["--nonsense"], 2], [["--csv", "--json"], 2], [["--local", "--remote"], 2], [["--from", "soon"], 2], [["--from", "2026-02-01", "--to", "2026-01-01"], 2]]) {
      const ledger = runScript("ledger", args, {});
      assert.equal(await ledger.ended, code, String(args));
      assert.match(ledger.text(), /usage: npm run -s ledger|is no time|is later than/);
    }
    const state = mkdtempSync(join(tmpdir(), "x402-edge-state-"));
    const empty = runScript("ledger", ["--json", "--local", "--persist-to", state], {});
    assert.equal(await empty.ended, 0, empty.text());
    assert.deepEqual(JSON.parse(empty.text()), []);
    rmSync(state, { recursive: true, force: true });
  });

  test("pay_explains_itself", async () => {
    for (const [args, code] of [[["--help"], 0], [[], 2], [["nonsense"], 2], [["--nonsense"], 2]]) {
      const pay = runScript("pay", args, {});
      assert.equal(await pay.ended, code);
      assert.match(pay.text(), /usage: npm run pay/);
    }
    const [port] = await freePorts(1);
    const nobody = runScript("pay", [`http://127.0.0.1:${port}/`], {});
    assert.equal(await nobody.ended, 1);
    assert.match(nobody.text(), /cannot be reached.*Is npm start running\?/);
  });
});
