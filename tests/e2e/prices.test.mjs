// The price document in KV: edits go live, broken ones do no harm, the status tells.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeHeader, everythingUnder } from "./world.mjs";
import { startSite } from "./site.mjs";
import { startMiniflare } from "./workers.mjs";

/** Asks until the answer is as wanted. The isolate looks at KV every ten seconds; a loaded machine takes longer. */
async function within(seconds, ask, wanted) {
  const end = Date.now() + seconds * 1000;
  let last;
  do {
    last = await ask();
    if (wanted(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 250));
  } while (Date.now() < end);
  assert.fail(`not within ${seconds} s; last seen: ${JSON.stringify(last)}`);
}

describe("prices", () => {
  const document = everythingUnder("http://127.0.0.1:9");
  let site;
  before(async () => { site = await startSite(); });
  after(() => site?.stop());

  const withWorker = async (prices, use, options = {}) => {
    const worker = await startMiniflare({ prices, originUrl: site.url, ...options });
    try {
      const status = async () => (await fetch(`${worker.url}/.x402/status`)).json();
      const get = (path) => fetch(`${worker.url}${path}`).then(async (response) => (await response.arrayBuffer(), response));
      await use({ worker, status, get });
    } finally {
      await worker.stop();
    }
  };

  test("an_edited_price_goes_live", async () => {
    await withWorker(document, async ({ worker, get }) => {
      const price = async () => decodeHeader((await get("/paid/x")).headers.get("PAYMENT-REQUIRED")).accepts[0].amount;
      assert.equal(await price(), "10000");
      await worker.put({ ...document, routes: { "/paid/*": { price: 0.02 } } });
      await within(60, price, (amount) => amount === "20000");
      // A broken edit changes nothing, and is told.
      await worker.put({ ...document, routes: { "/paid/*": { price: "$0,03" } } });
      const status = await within(60, async () => (await fetch(`${worker.url}/paid/x`), (await fetch(`${worker.url}/.x402/status`)).json()), ({ problems }) => problems.length > 0);
      assert.ok(status.problems.some(({ pointer }) => pointer === "/routes/~1paid~1*/price"));
      assert.equal(status.routes, 1);
      assert.equal(await price(), "20000");
    });
  });

  test("a_broken_document_alone_serves_nothing", async () => {
    await withWorker("{", async ({ status, get }) => {
      for (const path of ["/", "/free", "/paid/x"]) assert.equal((await get(path)).status, 503, path);
      const { problems, routes } = await status();
      assert.equal(routes, null);
      assert.match(problems[0].problem, /not JSON/);
    });
  });

  test("no_document_prices_nothing", async () => {
    await withWorker(undefined, async ({ status, get }) => {
      assert.equal((await get("/paid/x")).status, 200);
      const { problems, routes, version } = await status();
      assert.equal(routes, 0);
      assert.match(version, /^\d+\.\d+\.\d+$/);
      assert.match(problems[0].problem, /nothing is priced/);
    });
  });
});
