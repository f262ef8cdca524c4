// After a panic the next request works. `npm test` builds target/drill with a path that panics.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startSite } from "./site.mjs";
import { startMiniflare } from "./workers.mjs";
import { everythingUnder } from "./world.mjs";

describe("a panic", () => {
  let site, worker;
  before(async () => {
    site = await startSite();
    worker = await startMiniflare({ prices: everythingUnder("http://127.0.0.1:9"), originUrl: site.url, folder: "target/drill" });
  });
  after(async () => {
    await worker?.stop();
    site?.stop();
  });

  test("the_next_request_works", async () => {
    for (let round = 0; round < 3; round++) {
      assert.equal((await fetch(`${worker.url}/.x402/panic`)).status, 500);
      assert.equal((await fetch(`${worker.url}/free`)).status, 200);
      assert.equal((await fetch(`${worker.url}/paid/x`)).status, 402);
    }
  });
});
