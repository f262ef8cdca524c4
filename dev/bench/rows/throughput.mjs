// Requests as fast as they go, in turns: each round measures every contender once.
import { cpuMillis } from "../process.mjs";
import { median, rotated } from "../statistics.mjs";

/**
 * `contenders`: {name, workers, path, status}; `workers`: {port, pid?, headers?} each, alike, since single processes of the
 * same Worker differ by a tenth: each round takes the next one. Medians over the rounds, and each round's figures.
 */
export async function throughput({ load, contenders, rounds, milliseconds, connections }) {
  const rows = new Map(contenders.map(({ name }) => [name, []]));
  const warmUp = Math.min(milliseconds, 1000);
  const run = ({ path, status }, worker, milliseconds) => load.run({ ...worker, path, status, connections, milliseconds });
  for (const contender of contenders) {
    for (const worker of contender.workers) await run(contender, worker, warmUp);
  }
  for (let round = 0; round < rounds; round++) {
    for (const contender of rotated(contenders, round)) {
      const worker = contender.workers[round % contender.workers.length];
      const before = worker.pid && cpuMillis(worker.pid);
      const result = await run(contender, worker, milliseconds);
      const after = worker.pid && cpuMillis(worker.pid);
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
