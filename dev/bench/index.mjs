// npm run bench: this project's Worker beside the usual gate, a plain proxy and the bare origin, in one run.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { dim, fail, needPackages, needRust, root, step } from "../tools.mjs";

const HELP = `usage: npm run bench -- [--quick] [--built] [--out <file.md>] [--json <file.json>]

Measures free paths, 402 answers, payments, edge checks, price tables, size, start and memory in bare workerd on loopback,
against a local chain, the official facilitator, hono with @x402/hono, and a plain proxy. Writes a report with a chart
beside it. Takes about ten minutes; leave the machine alone meanwhile.

  --quick    a short run: every row, but figures that mean little; the report goes to target/bench/
  --built    measure build/ and target/bench/drill (or target/drill) as they are
  --out      the report (default: docs/performance.md); the chart is the .svg of the same name
  --json     all figures too, in this file`;

let options;
try {
  options = parseArgs({
    options: {
      quick: { type: "boolean", default: false }, built: { type: "boolean", default: false },
      out: { type: "string" }, json: { type: "string" }, help: { type: "boolean" },
    },
  }).values;
} catch (error) {
  fail(`${error.message}\n\n${HELP}`, 2);
}
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
needRust();
needPackages();
needPackages(join(root, "dev", "bench"));
const { build } = await import("./contenders.mjs");
const { measure } = await import("./measure.mjs");
const { markdown } = await import("./report.mjs");
const { chart } = await import("./chart.mjs");

const { drill } = build(options);
const began = Date.now();
const results = await measure({ drill, quick: options.quick, say: step });
const out = resolve(root, options.out ?? (options.quick ? join("target", "bench", "performance.md") : join("docs", "performance.md")));
const svg = out.replace(/\.md$/, "") + ".svg";
mkdirSync(dirname(out), { recursive: true });
writeFileSync(svg, chart(results));
writeFileSync(out, markdown(results, svg, existing(out)));
if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
step(`${out} and ${svg} are written ${dim(`(${Math.round((Date.now() - began) / 1000)} s)`)}`);

/** The report that is there: what people wrote around the tables stays. */
function existing(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
