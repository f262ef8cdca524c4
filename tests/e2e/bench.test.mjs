// The benchmark runs, and its report has every row. What the figures are is not for a test to say.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { env, root } from "../../dev/tools.mjs";

test("a_quick_run_of_the_benchmark_reports_every_row", () => {
  const folder = mkdtempSync(join(tmpdir(), "x402-edge-"));
  try {
    const [report, json] = ["report.md", "all.json"].map((name) => join(folder, name));
    const run = spawnSync("node", ["dev/bench/index.mjs", "--quick", "--built", "--out", report, "--json", json], { cwd: root, env, encoding: "utf8" });
    assert.equal(run.status, 0, run.stdout + run.stderr);
    const [text, svg, figures] = [report, join(folder, "report.svg"), json].map((file) => readFileSync(file, "utf8"));
    for (const heading of ["Goals", "Free paths", "402 answers", "Payments", "Payments by channel", "Edge check of one payment", "Price table", "Size, start, memory"]) {
      assert.match(text, new RegExp(`^## ${heading}$`, "m"));
    }
    assert.match(svg, /^<svg [\s\S]*prefers-color-scheme: dark[\s\S]*<\/svg>\n$/);
    const { free, unpaid, paid, channels, check, table, size, start, memory } = JSON.parse(figures);
    const above = (value, what) => assert.ok(value > 0, `${what}: ${value}`);
    for (const who of ["direct", "proxy", "hono", "ours"]) above(free[who].perSecond, who);
    for (const who of ["hono", "ours"]) above(unpaid[who].perSecond, who);
    for (const delay of [0, 50, 150]) {
      for (const row of ["first", "known", "hono"]) {
        // The origin alone takes 300 ms; the official middleware makes two calls.
        assert.ok(paid[delay][row].milliseconds >= 300, `${row} +${delay}`);
        assert.ok([1, 2].includes(paid[delay][row].calls), `${row} +${delay}: ${paid[delay][row].calls} calls`);
      }
      assert.equal(paid[delay].hono.calls, 2);
    }
    // The origin alone takes 5 ms. A deposit is verified and settled, then all is claimed and paid out.
    for (const who of ["free", "voucher", "slow", "exact"]) assert.ok(channels.repeats[who].milliseconds >= 5, who);
    const { one, hundred, exact } = channels.costs;
    assert.deepEqual([one.payments, one.calls, one.transactions], [200, 4, 3]);
    assert.ok(hundred.calls >= 2 * hundred.channels + 2 && hundred.calls < 4 * hundred.channels, `${hundred.calls} calls`);
    assert.ok(one.gasPerPayment < hundred.gasPerPayment && hundred.gasPerPayment < exact.gasPerPayment);
    for (const who of ["ours", "viem", "noble"]) above(check[who].micros, who);
    for (const routes of [10, 1_000, 10_000]) above(table[routes].pricedMicros, `${routes} routes`);
    for (const who of ["trivial", "ours", "hono"]) above(start[who].wallMillis, who);
    above(size.wasmGzip, "size");
    if (process.platform === "linux") assert.ok(memory["ours, paid"].before > 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
