// Bodies as they come: parts, conditions, and many large ones at once.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { peakMegabytes, resetPeak, residentMegabytes } from "../../dev/bench/process.mjs";
import { BIG } from "./site.mjs";
import { paymentHeaders, startWorld } from "./world.mjs";

describe("streaming", () => {
  let world, payer, url;
  before(async () => {
    world = await startWorld();
    payer = await world.payer(1_000_000n);
    url = `${world.gate.url}/paid`;
  });
  after(() => world?.stop());
  beforeEach(() => { world.site.requests.length = 0; });

  /** A paid request, and what it brought the merchant. */
  async function paid(path, headers = {}) {
    const before = await world.earned();
    const payment = await paymentHeaders(payer, `${url}/${path}`);
    const response = await fetch(`${url}/${path}`, { headers: { ...headers, ...payment } });
    const text = await response.text();
    return { response, text, earned: (await world.earned()) - before };
  }

  test("a_part_costs_what_the_whole_costs", async () => {
    const { response, text, earned } = await paid("ranged", { Range: "bytes=2-5" });
    assert.equal(response.status, 206);
    assert.equal(response.headers.get("content-range"), "bytes 2-5/10");
    assert.equal(response.headers.get("content-length"), "4");
    assert.equal(text, "2345");
    assert.equal(earned, 10_000n);
    assert.ok(response.headers.get("PAYMENT-RESPONSE"));
  });

  test("a_part_that_is_not_there_costs_nothing", async () => {
    const { response, earned } = await paid("ranged", { Range: "bytes=20-30" });
    assert.deepEqual([response.status, earned], [416, 0n]);
    assert.equal(response.headers.get("PAYMENT-RESPONSE"), null);
  });

  test("who_pays_gets_the_content_whatever_a_cache_of_theirs_holds", async () => {
    for (const header of ["If-None-Match", "If-Modified-Since"]) {
      const { response, text, earned } = await paid("ranged", { [header]: header === "If-None-Match" ? '"v1"' : "Wed, 21 Oct 2026 07:28:00 GMT" });
      assert.deepEqual([response.status, text, earned], [200, "0123456789", 10_000n]);
      assert.equal(world.site.requests.at(-1).headers[header.toLowerCase()], undefined);
    }
  });

  test("a_condition_that_fails_costs_nothing", async () => {
    const { response, earned } = await paid("ranged", { "If-Match": '"v0"' });
    assert.deepEqual([response.status, earned], [412, 0n]);
  });

  test("a_part_of_what_has_changed_is_the_whole", async () => {
    const { response, text, earned } = await paid("ranged", { Range: "bytes=2-5", "If-Range": '"v0"' });
    assert.deepEqual([response.status, text, earned], [200, "0123456789", 10_000n]);
  });

  test("eight_large_answers_at_once_leave_memory_flat", { skip: process.platform !== "linux" && "only Linux tells" }, async () => {
    const read = async (payment) => {
      const response = await fetch(`${url}/big`, { headers: payment });
      assert.equal(response.status, 200);
      let bytes = 0;
      for await (const chunk of response.body) bytes += chunk.length;
      assert.equal(bytes, BIG);
    };
    const eight = async () => Promise.all(await Promise.all(Array.from({ length: 8 }, () => paymentHeaders(payer, `${url}/big`))).then((all) => all.map(read)));
    // What the first ones take is kept anyway: code, pools, buffers.
    await eight();
    const before = residentMegabytes(world.gate.pid);
    resetPeak(world.gate.pid);
    await eight();
    const growth = peakMegabytes(world.gate.pid) - before;
    assert.ok(growth < 40, `${growth} MB more for 80 MB of answers`);
  });
});
