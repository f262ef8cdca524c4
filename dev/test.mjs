// npm test: sets up what is missing and runs everything.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fail, needPackages, needRust, root, run, step } from "./tools.mjs";

const HELP = `usage: npm test -- [--native | --e2e] [name…]

  --native   only the Rust tests
  --e2e      only the tests in workerd, against a real chain, facilitator and site
  name       only the end-to-end files of these names, such as payments`;

let parsed;
try {
  parsed = parseArgs({
    allowPositionals: true,
    options: { native: { type: "boolean" }, e2e: { type: "boolean" }, help: { type: "boolean" } },
  });
} catch (error) {
  fail(`${error.message}\n\n${HELP}`, 2);
}
const { values, positionals } = parsed;
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const e2e = join("tests", "e2e");
const all = readdirSync(join(root, e2e)).filter((name) => name.endsWith(".test.mjs"));
const wanted = positionals.map((name) => `${name}.test.mjs`);
const unknown = wanted.find((name) => !all.includes(name));
if (unknown) fail(`there is no ${join(e2e, unknown)}; there are ${all.map((name) => name.replace(".test.mjs", "")).join(", ")}`, 2);

needRust();
if (!values.e2e && wanted.length === 0) {
  step("Rust tests");
  run("cargo", ["test", "--locked", "--workspace", "--features", "cli"]);
}
if (!values.native) {
  needPackages();
  needPackages(join(root, e2e));
  needPackages(join(root, "dev", "bench"));
  step("Building a Worker that can be made to panic");
  run("node", ["dev/build.mjs", "--fast", "--features", "drill", "--out", join("target", "drill")]);
  // Last: both come out of cargo under one name, and wrangler builds again in the tests and must find nothing to do.
  run("node", ["dev/build.mjs"]);
  step("End-to-end tests");
  const files = (wanted.length > 0 ? wanted : all).map((name) => join(e2e, name));
  run("node", ["--test", "--test-reporter=spec", "--test-concurrency=2", "--test-timeout=400000", ...files]);
}
