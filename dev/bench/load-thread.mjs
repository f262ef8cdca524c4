// The load generator's thread: keep-alive connections over which one request follows the other. As little work as
// possible for each: the machine is shared with what is measured.
import { connect } from "node:net";
import { parentPort } from "node:worker_threads";

const ANSWERS_WITHIN = 10_000;
const HEAD_END = Buffer.from("\r\n\r\n");
const CHUNKED_END = Buffer.from("0\r\n\r\n");

parentPort.on("message", async ({ id, port, request, connections, milliseconds }) => {
  const bytes = Buffer.from(request, "latin1");
  const result = { count: 0, failed: 0, statuses: {}, latencies: [] };
  const begin = performance.now();
  const until = begin + milliseconds;
  await Promise.all(Array.from({ length: connections }, () => drive(port, bytes, until, result)));
  const seconds = (performance.now() - begin) / 1000;
  result.latencies.sort((a, b) => a - b);
  const at = (share) => result.latencies[Math.min(result.latencies.length - 1, Math.floor(result.latencies.length * share))];
  const { count, failed, statuses } = result;
  parentPort.postMessage({ id, count, failed, statuses, perSecond: count / seconds, p50: at(0.5), p99: at(0.99) });
});

/** One connection until the time is over. */
function drive(port, bytes, until, result) {
  return new Promise((resolve) => {
    let begun = 0;
    let left; // bytes of the body still to come; "chunked"; undefined before the head
    let rest; // what came of the head
    // An answer that never ends is a failure, not a reason to wait for ever.
    const deadline = setTimeout(() => socket.destroy(new Error("no answer")), until - performance.now() + ANSWERS_WITHIN);
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, send);
    socket.on("error", () => { result.failed += 1; });
    socket.on("close", () => {
      clearTimeout(deadline);
      resolve();
    });
    socket.on("data", (data) => {
      if (left === undefined) {
        if (rest) data = Buffer.concat([rest, data]);
        const end = data.indexOf(HEAD_END);
        if (end < 0) { rest = data; return; }
        rest = undefined;
        const head = data.latin1Slice(0, end);
        const status = head.slice(9, 12);
        result.statuses[status] = (result.statuses[status] ?? 0) + 1;
        const [, length] = head.match(/\r\ncontent-length: *(\d+)/i) ?? [];
        left = length === undefined ? "chunked" : Number(length);
        data = data.subarray(end + 4);
      }
      if (left === "chunked") {
        // Only the last chunk ends like this in the bodies here.
        if (data.length < 5 || data.compare(CHUNKED_END, 0, 5, data.length - 5) !== 0) return;
      } else {
        left -= data.length;
        if (left > 0) return;
      }
      left = undefined;
      const now = performance.now();
      result.count += 1;
      result.latencies.push(now - begun);
      if (now < until) send();
      else socket.destroy();
    });

    function send() {
      begun = performance.now();
      socket.write(bytes);
    }
  });
}
