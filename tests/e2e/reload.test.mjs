// Edits of the price document, and what holds when KV has a broken one, none, or is down: also for a new isolate.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startSite } from "./site.mjs";
import { DOWN, startMiniflare, startWorkerd } from "./workers.mjs";
import { decodeHeader, everythingUnder, paymentHeaders, startWorld } from "./world.mjs";

const good = everythingUnder("http://127.0.0.1:9");
const priced = (price, more = {}) => ({ ...good, ...more, routes: { "/paid/*": { price } } });
const broken = JSON.stringify(priced("$0,01"));

const amount = (response) => decodeHeader(response.headers.get("PAYMENT-REQUIRED")).accepts[0].amount;

async function get(worker, path = "/paid/x", init) {
  const response = await fetch(`${worker.url}${path}`, init);
  await response.arrayBuffer();
  return response;
}

/** Asks until the answer is as wanted: isolates look at KV every ten seconds, in the background. */
async function eventually(ask, wanted) {
  const end = Date.now() + 60_000;
  let last;
  do {
    last = await ask();
    if (wanted(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 200));
  } while (Date.now() < end);
  assert.fail(`not within a minute; last seen: ${JSON.stringify(last)}`);
}

describe("reload", () => {
  let site;
  before(async () => { site = await startSite(); });
  after(() => site?.stop());

  /** Workers one after the other on the same storage: each is a new isolate. */
  const withWorkers = async (use) => {
    const storage = mkdtempSync(join(tmpdir(), "x402-edge-storage-"));
    let worker;
    const restart = async (prices) => {
      worker?.stop();
      worker = await startWorkerd({ prices, originUrl: site.url, storage });
      return worker;
    };
    try {
      await use(restart);
    } finally {
      worker?.stop();
      rmSync(storage, { recursive: true, force: true });
    }
  };

  test("a_new_isolate_serves_the_last_good_document_while_kv_has_a_broken_one_or_none_or_is_down", async () => {
    await withWorkers(async (restart) => {
      let worker = await restart(priced("$0.01"));
      const first = await get(worker);
      assert.equal(amount(first), "10000");
      const version = first.headers.get("X-402-Prices");
      assert.match(version, /^[0-9a-f]{12}$/);
      for (const [now, problem] of [[broken, /a price is written/], [undefined, /vanished/], [DOWN, /cannot be read/], ["", /not JSON/]]) {
        worker = await restart(now);
        const response = await get(worker);
        assert.equal(response.status, 402, String(now));
        assert.equal(amount(response), "10000");
        assert.equal(response.headers.get("X-402-Prices"), version);
        assert.equal((await get(worker, "/free")).status, 200);
        const status = await (await fetch(`${worker.url}/.x402/status`)).json();
        assert.equal(status.prices, version);
        assert.match(status.problems[0].problem, problem);
      }
      // The broken edit is mended.
      worker = await restart(priced("$0.02"));
      assert.equal(amount(await get(worker)), "20000");
      worker = await restart(broken);
      assert.equal(amount(await get(worker)), "20000");
    });
  });

  test("only_where_no_good_document_ever_was_is_everything_503_or_free", async () => {
    await withWorkers(async (restart) => {
      let worker = await restart(undefined);
      assert.equal((await get(worker)).status, 200);
      worker = await restart(broken);
      for (const path of ["/", "/free", "/paid/x"]) assert.equal((await get(worker, path)).status, 503, path);
      worker = await restart(DOWN);
      assert.equal((await get(worker)).status, 503);
      worker = await restart(undefined);
      assert.equal((await get(worker)).status, 200);
    });
  });

  test("a_running_isolate_keeps_its_prices_while_kv_fails_and_takes_the_next_good_ones", async () => {
    await withWorkers(async (restart) => {
      const worker = await restart(priced("$0.01"));
      assert.equal(amount(await get(worker)), "10000");
      const problems = async () => {
        await get(worker);
        return (await (await fetch(`${worker.url}/.x402/status`)).json()).problems;
      };
      worker.put(broken);
      await eventually(problems, (problems) => problems.length > 0);
      assert.equal(amount(await get(worker)), "10000");
      worker.put(priced("$0.03"));
      await eventually(async () => amount(await get(worker)), (amount) => amount === "30000");
      assert.deepEqual(await problems(), []);
    });
  });

  test("a_place_that_lags_behind_does_not_bring_old_prices_back_for_all", async () => {
    await withWorkers(async (restart) => {
      const [old, next] = [priced("$0.01"), priced("$0.02")];
      await get(await restart(old));
      // Seen and adopted.
      assert.equal(amount(await get(await restart(next))), "20000");
      // Another place still reads the old document, and uses it.
      assert.equal(amount(await get(await restart(old))), "10000");
      // The newer one is the last good one all the same.
      assert.equal(amount(await get(await restart(broken))), "20000");
      // Who has seen the new one and then the old one has seen the owner go back.
      let worker = await restart(next);
      assert.equal(amount(await get(worker)), "20000");
      worker.put(old);
      await eventually(async () => amount(await get(worker)), (amount) => amount === "10000");
      worker = await restart(broken);
      assert.equal(amount(await get(worker)), "10000");
    });
  });

  test("a_document_of_megabytes_is_kept_whole", async () => {
    await withWorkers(async (restart) => {
      const routes = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`/p${n}/é`, { price: "$0.01", description: `${n} ${"é".repeat(100)}` }]));
      let worker = await restart({ ...good, routes });
      const first = await get(worker, "/p9999/%C3%A9");
      assert.equal(first.status, 402);
      worker = await restart(broken);
      const again = await get(worker, "/p9999/%C3%A9");
      assert.equal(again.status, 402);
      assert.equal(again.headers.get("X-402-Prices"), first.headers.get("X-402-Prices"));
    });
  });

  test("without_the_history_a_new_isolate_knows_only_what_kv_has", async () => {
    const worker = await startMiniflare({ prices: broken, originUrl: site.url, history: false });
    try {
      assert.equal((await get(worker)).status, 503);
      await worker.put(priced("$0.01"));
      await eventually(async () => (await get(worker)).status, (status) => status === 402);
    } finally {
      await worker.stop();
    }
  });
});

describe("a price quoted before an edit", () => {
  let persist, world;
  before(async () => {
    persist = mkdtempSync(join(tmpdir(), "x402-edge-persist-"));
    world = await startWorld({ worker: { persist } });
  });
  after(async () => {
    await world?.stop();
    rmSync(persist, { recursive: true, force: true });
  });

  test("it_is_honoured_by_running_and_new_isolates_and_not_where_the_owner_says_no", async () => {
    const url = (worker) => `${worker.url}/paid/x`;
    const payer = await world.payer();
    const quoted = () => paymentHeaders(payer, url(world.gate));
    const [first, second, third] = [await quoted(), await quoted(), await quoted()];
    const dearer = { ...world.document, routes: { "/paid/*": { price: "$0.02", description: "A test" } } };
    await world.gate.put(dearer);
    await eventually(async () => amount(await get(world.gate)), (amount) => amount === "20000");
    const running = await fetch(url(world.gate), { headers: first });
    assert.equal(running.status, 200, await running.text());
    assert.equal(await world.earned(), 10_000n);

    const fresh = await startMiniflare({ persist, originUrl: world.site.url });
    try {
      // The very first request of a new isolate.
      const response = await fetch(url(fresh), { headers: second });
      assert.equal(response.status, 200, await response.text());
      assert.equal(await world.earned(), 20_000n);
      await fresh.put({ ...dearer, grace: 0 });
      await eventually(async () => (await get(fresh)).headers.get("X-402-Prices"), (version) => version !== response.headers.get("X-402-Prices"));
      assert.equal((await get(fresh, "/paid/x", { headers: third })).status, 402);
    } finally {
      await fresh.stop();
    }
    assert.equal(await world.earned(), 20_000n);
  });
});
