// The figures as Markdown tables. What people wrote around them stays.
import { basename } from "node:path";
import { goals } from "./goals.mjs";
import { medianRatio } from "./statistics.mjs";

const BEGIN = "<!-- figures: written by npm run bench -->";
const END = "<!-- end of figures -->";

export function markdown(results, svg, existing) {
  const figures = `${BEGIN}\n\n${sections(results, basename(svg)).join("\n\n")}\n\n${END}`;
  if (existing?.includes(BEGIN) && existing.includes(END)) {
    const [before] = existing.split(BEGIN);
    return `${before}${figures}${existing.slice(existing.indexOf(END) + END.length)}`;
  }
  return `# Performance\n\n${figures}\n`;
}

const NAMES = { direct: "origin, no Worker", proxy: "plain proxy in JavaScript", hono: "hono + @x402/hono", ours: "x402-edge" };

function sections(results, svg) {
  const { machine, when, quick, much, connections, refused } = results;
  return [
    `![What a run gave](${svg})`,
    [
      `${when.slice(0, 10)}, ${machine.processors} × ${machine.model}, ${machine.memory}, ${machine.system}, workerd ${machine.workerd}, Node.js ${machine.node}.`,
      `Everything on this one machine: load generator, site, chain, facilitator and Workers share its processors. Medians of ${much.rounds} rounds in turns;`,
      `ratios are medians of the ratios of each round. What is counted per second is spread over ${much.processes} processes of each Worker.`,
      ...(quick ? ["**A quick run: the figures mean little.**"] : []),
    ].join("\n"),
    "## Goals",
    table(["", "goal", "this run", ""], goals(results).map(({ what, goal, comparison, value, reached }) =>
      [what, `${comparison === ">=" ? "≥" : "≤"} ${goal}`, number(value), reached ? "reached" : "**missed**"])),
    "## Free paths",
    `GET of 0.5 KB through each contender, ${connections} connections; the last column with one.`,
    throughputTable(results.free, results.freeAlone),
    "## 402 answers",
    throughputTable(results.unpaid),
    ...(results.pass ? ["## Repeats with a pass", throughputTable(results.pass, undefined, { free: "free path", pass: "paid path, with a pass" })] : []),
    "## Payments",
    "Milliseconds that a payer waits; the origin takes 300 ms, the facilitator on the local chain so much longer for each call as the head says.",
    "In brackets: calls to the facilitator before the answer was there.",
    paidTable(results.paid),
    ...(refused.length > 0 ? [`Not measured, since the price document does not know the setting: ${refused.join("; ")}.`] : []),
    ...(results.channels ? channelSections(results.channels) : []),
    "## Edge check of one payment",
    `Header to verdict: base64, JSON, EIP-712 digest, recovery. ${results.check.what === "cpu" ? "Time on a processor of workerd" : "Wall time"}.`,
    table(["", "µs", "/ ours"], ["ours", "noble", "viem"].map((who) => [
      { ours: "x402-edge", noble: "@noble/curves, digest by hand", viem: "viem `verifyTypedData`" }[who],
      number(results.check[who].micros), number(medianRatio(results.check[who].series, results.check.ours.series)),
    ])),
    "## Price table",
    "In workerd, without a request around it.",
    table(["routes", "looking up a priced path, µs", "a free path, µs", "reading the document, ms"], Object.entries(results.table).map(([routes, row]) =>
      [Number(routes).toLocaleString("en"), number(row.pricedMicros), number(row.freeMicros), number(row.readingMillis)])),
    "## Size, start, memory",
    table(["bundle", "KB", "gzipped, KB"], [
      ["WebAssembly", number(results.size.wasm), number(results.size.wasmGzip)], ["JavaScript", number(results.size.script), number(results.size.scriptGzip)],
    ]),
    table(["process start to first answer", "CPU, ms", "wall, ms"], Object.entries(results.start).map(([name, row]) =>
      [{ trivial: "trivial Worker", ours: "x402-edge, a 402", hono: "hono + @x402/hono, a 402" }[name], number(row.cpuMillis), number(row.wallMillis)])),
    table(["8 answers of 10 MB at once", "before, MB", "growth, MB"], Object.entries(results.memory).map(([name, row]) =>
      [NAMES[name] ?? name, number(row?.before), number(row?.growth)])),
  ];
}

function throughputTable(rows, alone, names = NAMES) {
  const head = ["", "requests/s", "median, ms", "99 %, ms", "CPU of workerd per request, µs", ...(alone ? ["median alone, ms"] : [])];
  return table(head, Object.entries(rows).map(([name, row]) => [
    names[name], number(row.perSecond), number(row.p50), number(row.p99), number(row.cpuMicros), ...(alone ? [number(alone[name].p50)] : []),
  ]));
}

function paidTable(paid) {
  const delays = Object.keys(paid);
  const names = Object.keys(paid[delays[0]]);
  return table(["", ...delays.map((delay) => `+${delay} ms`)], names.map((name) =>
    [paid[delays[0]][name].title, ...delays.map((delay) => `${number(paid[delay][name].milliseconds)} (${paid[delay][name].calls})`)]));
}

function channelSections({ repeats, costs }) {
  const names = { free: "free path", voucher: "paid by voucher", slow: "paid by voucher, facilitator +150 ms", exact: "known payer, `exact`" };
  const count = (value) => value.toLocaleString("en");
  const titles = { one: (run) => `${count(run.payments)} on one channel`, hundred: (run) => `${count(run.payments)} on ${count(run.channels)} channels`, exact: (run) => `${count(run.payments)} of a known payer by \`exact\`` };
  return [
    "## Payments by channel",
    "One answer at a time; the origin takes 5 ms.",
    table(["", "median, ms", "/ free path"], Object.entries(names).map(([who, name]) =>
      [name, number(repeats[who].milliseconds), number(medianRatio(repeats[who].series, repeats.free.series))])),
    "From the deposit until all is claimed and settled; a channel's payments come one after the other, the origin answers at once.",
    table(["payments", "facilitator calls", "transactions", "gas per payment", "payments/s", "median, ms"], Object.entries(titles).map(([key, title]) => {
      const run = costs[key];
      return [title(run), count(run.calls), count(run.transactions), number(run.gasPerPayment), number(run.perSecond), number(run.milliseconds)];
    })),
  ];
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

/** Three figures that count. */
export function number(value) {
  if (value === undefined) return "–";
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
