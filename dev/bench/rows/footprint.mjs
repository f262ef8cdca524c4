// The size of the Worker, its start, and its memory under large answers.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { BIG } from "../origin.mjs";
import { cpuMillis, peakMegabytes, residentMegabytes, resetPeak } from "../process.mjs";
import { median, rotated } from "../statistics.mjs";

/** What is uploaded. */
export function bundleSize(folder) {
  const files = ["index.js", "index_bg.wasm"].map((name) => join(folder, name));
  const kilobytes = (bytes) => bytes / 1024;
  return {
    wasm: kilobytes(statSync(files[1]).size),
    wasmGzip: kilobytes(gzipSync(readFileSync(files[1]), { level: 9 }).length),
    script: kilobytes(statSync(files[0]).size),
    scriptGzip: kilobytes(gzipSync(readFileSync(files[0]), { level: 9 }).length),
  };
}

/** From the start of the process to the first answer. `contenders`: {name, start, path}. */
export async function startUp({ contenders, repeats }) {
  const series = Object.fromEntries(contenders.map(({ name }) => [name, { cpu: [], wall: [] }]));
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const { name, start, path, status } of rotated(contenders, repeat)) {
      const begin = performance.now();
      const worker = await start();
      try {
        const response = await fetch(`${worker.url}${path}`);
        await response.arrayBuffer();
        if (response.status !== status) throw new Error(`${name} answered ${response.status}`);
        series[name].wall.push(performance.now() - begin);
        series[name].cpu.push(cpuMillis(worker.pid));
      } finally {
        await worker.stop();
      }
    }
  }
  return Object.fromEntries(Object.entries(series).map(([name, { cpu, wall }]) => [name, { cpuMillis: median(cpu), wallMillis: median(wall) }]));
}

/** Eight large answers at once. `requests`: eight functions that return a response. Megabytes above the rest. */
export async function memoryUnderLoad({ pid, requests }) {
  // What the first answers take, they keep: only what comes on top counts.
  const before = residentMegabytes(pid);
  resetPeak(pid);
  await Promise.all(requests.map(async (request) => {
    const response = await request();
    let bytes = 0;
    for await (const chunk of response.body) bytes += chunk.length;
    if (bytes !== BIG || response.status !== 200) throw new Error(`${bytes} bytes, status ${response.status}`);
  }));
  const peak = peakMegabytes(pid);
  return before === undefined ? undefined : { before, growth: peak - before };
}
