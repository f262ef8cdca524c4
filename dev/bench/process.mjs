// What a process has used: time on a processor, and memory.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

/** Milliseconds on a processor, all threads; undefined where the system does not tell (only Linux does). */
export function cpuMillis(pid) {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanos = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[0]));
    return nanos.reduce((sum, one) => sum + one, 0) / 1e6;
  } catch {
    return undefined;
  }
}

const kilobytes = (pid, name) => {
  try {
    return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))[1]);
  } catch {
    return undefined;
  }
};

/** Resident memory in MB; undefined where the system does not tell. */
export const residentMegabytes = (pid) => inMegabytes(kilobytes(pid, "VmRSS"));

/** Forgets the highest resident memory so far, so that `peakMegabytes` tells of what comes. */
export function resetPeak(pid) {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // Then the peak is of the whole life.
  }
}

export const peakMegabytes = (pid) => inMegabytes(kilobytes(pid, "VmHWM"));

const inMegabytes = (value) => (value === undefined ? undefined : value / 1024);
