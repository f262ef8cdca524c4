// The run as bars: an SVG that reads in light and dark, without a library.
import { number } from "./report.mjs";

const [WIDTH, LABEL, BAR, GAP, TITLE] = [760, 250, 18, 6, 34];

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .note { fill: #59636e }
  .ours { fill: #0a7d4b } .other { fill: #9aa4af }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 }
    .ours { fill: #3fb97f } .other { fill: #59636e }
  }`;

export function chart(results) {
  const slow = results.paid[150] ?? Object.values(results.paid).at(-1);
  const panels = [
    ["Free path: requests per second", bars(results.free, "perSecond", { direct: "origin, no Worker", proxy: "plain proxy", hono: "hono + @x402/hono", ours: "x402-edge" })],
    ["402 answers: requests per second", bars(results.unpaid, "perSecond", { hono: "hono + @x402/hono", ours: "x402-edge" })],
    ["Paid, facilitator +150 ms a call, origin 300 ms: milliseconds", Object.entries(slow).map(([name, row]) => ({
      label: name === "hono" ? row.title : `x402-edge, ${row.title.replaceAll("`", "")}`, value: row.milliseconds, ours: name !== "hono",
    }))],
    ["Edge check of one payment: microseconds", bars(results.check, "micros", { viem: "viem", noble: "@noble/curves", ours: "x402-edge" })],
  ];
  let y = 8;
  const parts = panels.flatMap(([title, rows]) => {
    const most = Math.max(...rows.map(({ value }) => value));
    y += TITLE;
    const lines = [`<text class="title" x="8" y="${y - 10}">${escape(title)}</text>`];
    for (const { label, value, ours } of rows) {
      const width = Math.max(1, Math.round(((WIDTH - LABEL - 90) * value) / most));
      lines.push(
        `<text x="${LABEL - 8}" y="${y + 14}" text-anchor="end">${escape(label)}</text>`,
        `<rect class="${ours ? "ours" : "other"}" x="${LABEL}" y="${y}" width="${width}" height="${BAR}" rx="2"/>`,
        `<text class="note" x="${LABEL + width + 6}" y="${y + 14}">${number(value)}</text>`,
      );
      y += BAR + GAP;
    }
    return lines;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 8}" width="${WIDTH}" role="img">
<title>Figures of one run of npm run bench</title>
<style>${STYLE}
</style>
${parts.join("\n")}
</svg>
`;
}

const bars = (rows, key, names) => Object.entries(names).filter(([name]) => rows[name]).map(([name, label]) => ({ label, value: rows[name][key], ours: name === "ours" }));
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("\"", "&quot;");
