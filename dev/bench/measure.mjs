// The run: starts everything, takes every figure, stops everything.
import { cpus, release, totalmem, type } from "node:os";
import { startChain } from "../local/chain.mjs";
import { BUILD, PRICE_UNITS, checks, document, hono, ours, proxy, trivial } from "./contenders.mjs";
import { startFacilitator } from "./facilitator.mjs";
import { startLoad } from "./load.mjs";
import { startOrigin } from "./origin.mjs";
import { newPayer, pay } from "./payer.mjs";
import { channelRows, costs, exactCost, many, repeats } from "./rows/channels.mjs";
import { edgeChecks } from "./rows/checks.mjs";
import { bundleSize, memoryUnderLoad, startUp } from "./rows/footprint.mjs";
import { PAID_ROWS, payments } from "./rows/payments.mjs";
import { prices } from "./rows/prices.mjs";
import { throughput } from "./rows/throughput.mjs";
import { WORKERD_VERSION } from "./runtime.mjs";

const FULL = { vouchers: 1_000, rounds: 9, milliseconds: 1500, alone: 500, samples: 9, repeats: 11, times: 320, lookups: 20_000, starts: 9, processes: 3 };
const QUICK = { vouchers: 200, rounds: 3, milliseconds: 250, alone: 100, samples: 2, repeats: 3, times: 48, lookups: 2_000, starts: 2, processes: 2 };
const CONNECTIONS = 8;

const PASS_ROW = { key: "pass", title: "repeat with a pass", route: { pass: { ttl: 3600 } } };

export async function measure({ drill, quick, say }) {
  const much = quick ? QUICK : FULL;
  const parts = [];
  const stop = async () => {
    for (const started of parts.splice(0).reverse()) await started.stop();
  };
  // Nothing that was started outlives the run.
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop().finally(() => process.exit(130)));
  const part = async (starting) => {
    const started = await starting;
    parts.push(started);
    return started;
  };
  try {
    say("Starting a chain, a facilitator, a site, and the Workers");
    const chain = await part(startChain({ port: 0 }));
    const facilitator = await part(startFacilitator(chain));
    const origin = await part(startOrigin());
    const load = await part(startLoad());
    const byChannel = channelRows();
    const { taken, refused } = await acceptedRows(origin, facilitator, [...PAID_ROWS, PASS_ROW, ...byChannel]);
    const prices_ = document(facilitator.url, taken);
    const several = async (start) => {
      const started = [];
      while (started.length < much.processes) started.push(await part(start()));
      return started;
    };
    const gates = await several(() => ours(origin.url, prices_));
    const usuals = await several(() => hono(origin.url, facilitator.url));
    const plains = await several(() => proxy(origin.url));
    const [[gate], [usual], [plain]] = [gates, usuals, plains];
    // The official middleware asks its facilitator within the first request, whatever that is for. workerd drops what a
    // request leaves unfinished and lets no other request wait for it, so the first one is priced, and alone.
    for (const worker of [...usuals, ...gates]) await (await fetch(`${worker.url}/paid/item`)).text();
    for (const name of refused) say(`left out: ${name} (this Worker's price document does not know it)`);

    const race = (contenders, connections, milliseconds) => throughput({ load, contenders, rounds: much.rounds, milliseconds, connections });

    say("Free paths");
    const freely = [
      { name: "direct", workers: [{ port: origin.port }] }, { name: "proxy", workers: plains },
      { name: "hono", workers: usuals }, { name: "ours", workers: gates },
    ].map((contender) => ({ ...contender, path: "/free/page", status: 200 }));
    const free = await race(freely, CONNECTIONS, much.milliseconds);
    const freeAlone = await race(freely, 1, much.alone);

    say("402 answers");
    const unpaidly = [{ name: "hono", workers: usuals }, { name: "ours", workers: gates }];
    const unpaid = await race(unpaidly.map((contender) => ({ ...contender, path: "/paid/item", status: 402 })), CONNECTIONS, much.milliseconds);

    let pass;
    if (taken.includes(PASS_ROW)) {
      say("Repeats with a pass");
      const holders = [];
      for (const { port, pid, url } of gates) holders.push({ port, pid, headers: { "x-402-pass": await buyPass(chain, `${url}/pass/item`) } });
      const opened = [
        { name: "free", workers: gates, path: "/free/page", status: 200 }, { name: "pass", workers: holders, path: "/pass/item", status: 200 },
      ];
      pass = await race(opened, CONNECTIONS, much.milliseconds);
    }

    say("Payments");
    const sellers = [
      ...PAID_ROWS.filter((row) => taken.includes(row)).map((row) => ({ name: row.key, title: row.title, base: `${gate.url}/${row.key}`, known: row.known })),
      { name: "hono", title: "hono + @x402/hono", base: `${usual.url}/paid`, known: true },
    ];
    const paid = await payments({ chain, facilitator, rows: sellers, samples: much.samples });

    let channels;
    if (byChannel.every((row) => taken.includes(row))) {
      say("Payments by channel");
      const [, one, hundred] = byChannel;
      const repeated = await repeats({ chain, gate, facilitator, rounds: much.rounds });
      const runs = [
        await many({ chain, gate, row: one, channels: 1, payments: much.vouchers }),
        await many({ chain, gate, row: hundred, channels: much.vouchers / 10, payments: much.vouchers }),
      ];
      const exact = await exactCost({ chain, gate, facilitator, samples: much.vouchers / 20 });
      channels = { repeats: repeated, costs: { ...(await costs({ chain, facilitator, runs, price: PRICE_UNITS })), exact } };
    }

    say("Memory");
    const memory = await memoryRows({ chain, gate, usual, plain });
    for (const worker of [...gates, ...usuals, ...plains]) await worker.stop();

    say("Edge checks and price tables");
    const payer = await newPayer(chain);
    const [shop] = [await part(ours(origin.url, prices_))];
    const headers = [];
    for (let count = 0; count < 16; count++) headers.push(await payer.sign(`${shop.url}/paid/item`));
    await shop.stop();
    const checker = await part(checks(drill));
    const check = await edgeChecks({ worker: checker, document: prices_, payments: headers, repeats: much.repeats, times: much.times });
    const table = await prices({ worker: checker, repeats: much.repeats, times: much.lookups });

    say("Size and start");
    const start = await startUp({
      repeats: much.starts,
      contenders: [
        { name: "trivial", start: trivial, path: "/", status: 200 },
        { name: "ours", start: () => ours(origin.url, prices_), path: "/paid/item", status: 402 },
        { name: "hono", start: () => hono(origin.url, facilitator.url), path: "/paid/item", status: 402 },
      ],
    });
    return {
      quick, when: new Date().toISOString(), machine: machine(), much, connections: CONNECTIONS, refused,
      free, freeAlone, unpaid, pass, paid, channels, memory, check, table, size: bundleSize(BUILD), start,
    };
  } finally {
    await stop();
  }
}

/** Which rows this Worker's price document can express: those that it refuses are told by its own status. */
async function acceptedRows(origin, facilitator, rows) {
  const refused = [];
  let taken = rows;
  for (;;) {
    const worker = await ours(origin.url, document(facilitator.url, taken));
    try {
      const { problems } = await (await fetch(`${worker.url}/.x402/status`)).json();
      const names = (row) => problems.some(({ pointer }) => pointer.startsWith(`/routes/~1${row.key}~1`));
      const wrong = taken.filter(names);
      if (wrong.length === 0) {
        if (problems.length > 0) throw new Error(`the price document is refused: ${JSON.stringify(problems)}`);
        return { taken, refused };
      }
      refused.push(...wrong.map(({ title }) => title));
      taken = taken.filter((row) => !wrong.includes(row));
    } finally {
      await worker.stop();
    }
  }
}

async function buyPass(chain, url) {
  const { headers } = await pay(url, await (await newPayer(chain)).sign(url));
  const pass = headers.get("X-402-Pass");
  if (!pass) throw new Error(`${url} gave no pass`);
  return pass;
}

/** Eight answers of 10 MB at once, twice: the first time fills what is kept anyway. */
async function memoryRows({ chain, gate, usual, plain }) {
  const eight = (make) => Promise.all(Array.from({ length: 8 }, make));
  const payer = await newPayer(chain);
  const signed = (url) => async () => {
    const header = await payer.sign(url);
    return () => fetch(url, { headers: { "PAYMENT-SIGNATURE": header } });
  };
  const freely = (worker) => () => () => fetch(`${worker.url}/free/big`);
  const results = {};
  for (const [name, worker, make] of [
    ["proxy", plain, freely(plain)], ["ours, free", gate, freely(gate)],
    ["hono, paid", usual, signed(`${usual.url}/paid/big`)], ["ours, paid", gate, signed(`${gate.url}/paid/big`)],
  ]) {
    await memoryUnderLoad({ pid: worker.pid, requests: await eight(make) });
    results[name] = await memoryUnderLoad({ pid: worker.pid, requests: await eight(make) });
  }
  return results;
}

function machine() {
  const [{ model }] = cpus();
  return {
    processors: cpus().length, model: model.trim(), memory: `${Math.round(totalmem() / 2 ** 30)} GB`, system: `${type()} ${release()}`,
    node: process.version, workerd: WORKERD_VERSION,
  };
}
