// Paid requests one after another: how long a payer waits, and which calls the facilitator gets meanwhile.
import { newPayer, pay } from "../payer.mjs";
import { median, rotated } from "../statistics.mjs";

export const ORIGIN_MILLISECONDS = 300;
export const DELAYS = [0, 50, 150];

/**
 * What is measured. `known`: the payer has paid here before. `route` and `document` are settings of the price document;
 * where the Worker refuses them, the row is left out.
 */
export const PAID_ROWS = [
  { key: "first", title: "first payment of a payer", known: false },
  { key: "known", title: "known payer", known: true },
  { key: "always", title: "known payer, `verify: \"always\"`", known: true, route: { verify: "always" } },
  { key: "upfront", title: "settled before the origin is asked", known: true, route: { settle: "upfront" } },
  { key: "background", title: "settled in the background", known: true, route: { settle: "background", maxExposure: { payer: "$1", route: "$10" } } },
];

/** One contender of one row; its payers are ready before time is taken. */
async function contender({ chain, name, title, base, known, samples }) {
  const url = `${base}/wait/${ORIGIN_MILLISECONDS}/item`;
  const regular = known ? await newPayer(chain) : undefined;
  if (known) await pay(`${base}/wait/0/item`, await regular.sign(`${base}/wait/0/item`));
  const payments = [];
  for (let sample = 0; sample < samples; sample++) payments.push(await (regular ?? (await newPayer(chain))).sign(url));
  return { name, title, url, payments, times: [], calls: [] };
}

/** Milliseconds per delay of the facilitator and contender. `facilitator.delay` is added to each of its calls. */
export async function payments({ chain, facilitator, rows, samples, delays = DELAYS }) {
  const results = {};
  for (const delay of delays) {
    facilitator.delay = 0;
    const contenders = [];
    for (const row of rows) contenders.push(await contender({ chain, samples, ...row }));
    facilitator.delay = delay;
    for (let sample = 0; sample < samples; sample++) {
      for (const one of rotated(contenders, sample)) {
        facilitator.calls = [];
        const { milliseconds } = await pay(one.url, one.payments[sample]);
        one.times.push(milliseconds);
        one.calls.push(facilitator.calls.filter(({ operation }) => operation !== "supported").length);
        await facilitator.idle();
      }
    }
    results[delay] = Object.fromEntries(contenders.map(({ name, title, times, calls }) => [name, { title, milliseconds: median(times), calls: median(calls), series: times }]));
  }
  facilitator.delay = 0;
  return results;
}
