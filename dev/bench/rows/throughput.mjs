// Requests as fast as they go, in turns: each round measures every contender once.
import { cpuMillis } from "../process.mjs";
import { median, rotated } from "../statistics.mjs";

/** `contenders`: {name, port, pid?, path, status, headers?}. Medians over the rounds, and each round's figures. */
export async function throughput({ load, contenders, rounds, milliseconds, connections }) {
  const rows = new Map(contenders.map(({ name }) => [name, []]));
  const warmUp = Math.min(milliseconds, 1000);
  for (const contender of contenders) await load.run({ ...contender, connections, milliseconds: warmUp });
  for (let round = 0; round < rounds; round++) {
    for (const contender of rotated(contenders, round)) {
      const before = contender.pid && cpuMillis(contender.pid);
      const result = await load.run({ ...contender, connections, milliseconds });
      const after = contender.pid && cpuMillis(contender.pid);
      const cpuMicros = after === undefined || before === undefined ? undefined : ((after - before) * 1000) / result.count;
      rows.get(contender.name).push({ ...result, cpuMicros });
    }
  }
  return Object.fromEntries([...rows].map(([name, series]) => {
    const figures = (key) => series.map((one) => one[key]);
    return [name, {
      perSecond: median(figures("perSecond")), cpuMicros: median(figures("cpuMicros")), p50: median(figures("p50")), p99: median(figures("p99")),
      series: { perSecond: figures("perSecond"), cpuMicros: figures("cpuMicros"), p50: figures("p50") },
    }];
  }));
}
