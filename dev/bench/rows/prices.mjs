// What the number of routes costs: looking a path up, and reading a document. In workerd, without a request around it.
import { cpuMillis } from "../process.mjs";
import { median, rotated } from "../statistics.mjs";

/** Routes as sites have them: most plain, some with parameters, wildcards and rules. */
export function manyRoutes(count) {
  const entry = (n) => {
    switch (n % 10) {
      case 0: return [`GET /shop/${n}/:item`, { price: "$0.02", description: `Item ${n}` }];
      case 1: return [`/files/${n}/*`, { price: "$0.05" }];
      case 2: return [`/docs/${n}/*.pdf`, { price: "$0.10" }];
      case 3: return [`/news/${n}`, { price: "$0.01", rules: [{ when: { verifiedBot: true, country: ["DE", "FR"] }, price: "$0.001" }] }];
      default: return [`/articles/2026/${n}`, { price: "$0.01", description: `Article ${n}` }];
    }
  };
  return {
    payTo: "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB",
    network: "eip155:8453",
    facilitators: ["https://facilitator.example"],
    routes: Object.fromEntries(Array.from({ length: count }, (_, n) => entry(n))),
  };
}

const SIZES = [10, 1_000, 10_000];

export async function prices({ worker, repeats, times }) {
  const post = async (what, body) => (await fetch(`${worker.url}/${what}`, { method: "POST", body: JSON.stringify(body) })).json();
  const measured = async (what, body, count) => {
    const [before, begin] = [cpuMillis(worker.pid), performance.now()];
    const answer = await post(what, body);
    const [after, end] = [cpuMillis(worker.pid), performance.now()];
    const millis = before === undefined ? end - begin : after - before;
    return { answer, micros: (millis * 1000) / count };
  };
  const found = Object.fromEntries(SIZES.map((size) => [size, { reading: [], priced: [], free: [] }]));
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const size of rotated(SIZES, repeat)) {
      const document = JSON.stringify(manyRoutes(size));
      const read = await measured("load", { document, times: 1 }, 1);
      if (read.answer !== size) throw new Error(`${read.answer} of ${size} routes were read`);
      found[size].reading.push(read.micros / 1000);
      for (const [key, path, expected] of [["priced", "/articles/2026/5", times], ["free", "/about/us", 0]]) {
        const { answer, micros } = await measured("lookup", { path, times }, times);
        if (answer !== expected) throw new Error(`${path} had a price ${answer} times of ${times}`);
        found[size][key].push(micros);
      }
    }
  }
  return Object.fromEntries(SIZES.map((size) => [size, {
    readingMillis: median(found[size].reading), pricedMicros: median(found[size].priced), freeMicros: median(found[size].free),
  }]));
}
