// The edge check of one payment, done by this project's module, viem and @noble/curves in one workerd.
import { cpuMillis } from "../process.mjs";
import { median, rotated } from "../statistics.mjs";

const WHO = ["ours", "viem", "noble"];

export async function edgeChecks({ worker, document, payments, repeats, times }) {
  const path = "/paid/item";
  const post = async (who, body) => (await fetch(`${worker.url}/${who}`, { method: "POST", body: JSON.stringify(body) })).json();
  await post("load", { document: JSON.stringify(document), times: 1 });
  const now = Math.floor(Date.now() / 1000);
  const work = { path, now, payments };
  for (const who of WHO) {
    const right = await post(who, { ...work, times: payments.length });
    const forged = await post(who, { ...work, payments: payments.map(altered), times: payments.length });
    if (right !== payments.length || forged !== 0) throw new Error(`${who} took ${right} of ${payments.length} good payments and ${forged} altered ones`);
  }
  const series = Object.fromEntries(WHO.map((who) => [who, { cpu: [], wall: [] }]));
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const who of rotated(WHO, repeat)) {
      const [before, begin] = [cpuMillis(worker.pid), performance.now()];
      if ((await post(who, { ...work, times })) !== times) throw new Error(`${who} refused a good payment`);
      const [after, end] = [cpuMillis(worker.pid), performance.now()];
      series[who].wall.push(((end - begin) * 1000) / times);
      series[who].cpu.push(before === undefined ? undefined : ((after - before) * 1000) / times);
    }
  }
  const onCpu = series.ours.cpu.every((value) => value !== undefined);
  return {
    what: onCpu ? "cpu" : "wall",
    ...Object.fromEntries(WHO.map((who) => {
      const figures = onCpu ? series[who].cpu : series[who].wall;
      return [who, { micros: median(figures), series: figures }];
    })),
  };
}

/** The same payment for one unit more: its signature is somebody else's now. */
function altered(header) {
  const payment = JSON.parse(Buffer.from(header, "base64").toString("utf8"));
  payment.payload.authorization.validBefore = String(Number(payment.payload.authorization.validBefore) + 1);
  return Buffer.from(JSON.stringify(payment), "utf8").toString("base64");
}
