// What the project wants to reach, and what a run gave: ratios within the run.
import { medianRatio } from "./statistics.mjs";

/** [what, goal, comparison, value] for each goal that the run has figures for. */
export function goals({ free, unpaid, pass, paid, channels, check, size, start }) {
  const ratio = (one, other, key) => medianRatio(one.series[key], other.series[key]);
  const slow = paid[150];
  const rows = [
    ["free path, throughput: ours / hono", 1.0, ">=", ratio(free.ours, free.hono, "perSecond")],
    ["free path, throughput: ours / plain proxy", 0.8, ">=", ratio(free.ours, free.proxy, "perSecond")],
    ["402 answers, throughput: ours / hono", 1.5, ">=", ratio(unpaid.ours, unpaid.hono, "perSecond")],
    ["first payment, facilitator 150+150 ms, origin 300 ms: ours / hono", 0.72, "<=", slow?.first && medianRatio(slow.first.series, slow.hono.series)],
    ["payment settled in the background, the same: ours / hono", 0.5, "<=", slow?.background && medianRatio(slow.background.series, slow.hono.series)],
    ["facilitator calls while a known payer waits", 1, "<=", slow?.known?.calls],
    ["pass repeat / free path, time of one answer", 1.3, "<=", pass && ratio(pass.pass, pass.free, "p50")],
    ["voucher-paid repeat / free path, origin 5 ms", 1.5, "<=", channels && medianRatio(channels.repeats.voucher.series, channels.repeats.free.series)],
    ["facilitator calls for all payments on one channel", 4, "<=", channels?.costs.one.calls],
    ["edge check: viem / ours", 5, ">=", medianRatio(check.viem.series, check.ours.series)],
    ["bundle, gzipped, KB", 250, "<=", size.wasmGzip + size.scriptGzip],
    ["start, CPU over a trivial Worker, ms", 25, "<=", start.ours.cpuMillis === undefined ? undefined : start.ours.cpuMillis - start.trivial.cpuMillis],
  ];
  return rows.filter(([, , , value]) => value !== undefined).map(([what, goal, comparison, value]) => ({
    what, goal, comparison, value, reached: comparison === ">=" ? value >= goal : value <= goal,
  }));
}
