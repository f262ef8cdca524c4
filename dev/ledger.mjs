// npm run ledger: the owner's payments, from the books that the Worker keeps in D1.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bold, dim, env, fail, needPackages, root } from "./tools.mjs";

const HELP = `usage: npm run -s ledger -- [--from <time>] [--to <time>] [--csv | --json] [--local | --remote]
                              [--discrepancies | --channels | --moves]

Every payment that a facilitator was asked to settle, oldest first: a table on a terminal, JSON when piped.

  --from, --to      which ones: 2026-11-24, 2026-11-24T12:00:00Z or Unix seconds (--to a day: to its end; default: all)
  --csv, --json     in this form
  --local           the books of wrangler dev and npm start (default)
  --remote          the books of the deployed Worker
  --discrepancies   instead, what the last reconciliation missed on chain or in the books
  --channels        instead, payment channels: what is in them, charged, claimed and still to be claimed
  --moves           instead, what channels moved on chain: deposits, claims, payouts to you (settle), refunds
  --persist-to      where wrangler dev keeps its state (default: .wrangler/state)

A payment's state is delivered, settled (paid; the content is still owed), released (nothing was charged), unknown
(being asked for), queued (its answer has left, and it is being settled) or lost (its answer has left, and nobody will
pay). Amounts are atomic units. Exit codes: 0 fine, 2 usage, 3 wrangler or the database.`;

const PAGE = 1000;
const COLUMNS = ["time", "state", "host", "route", "method", "payer", "pay_to", "network", "asset", "amount", "transaction", "facilitator", "prices", "nonce", "id"];
const DISCREPANCY_COLUMNS = ["found_at", "kind", "network", "asset", "payer", "pay_to", "amount", "transaction", "nonce"];

const CHANNEL_COLUMNS = ["time", "state", "id", "payer", "pay_to", "network", "asset", "balance", "charged", "claimed", "claimable", "requests"];
const MOVE_COLUMNS = ["time", "kind", "network", "asset", "pay_to", "channel", "amount", "channels", "transaction"];

/** What can be shown instead of payments: its columns, its time, what stands on a terminal, and what is said of none. */
const OTHERS = {
  discrepancies: { columns: DISCREPANCY_COLUMNS, time: "found_at", shown: ["found_at", "kind", "payer", "pay_to", "amount", "network", "transaction"], none: "nothing is missing on either side" },
  channels: { columns: CHANNEL_COLUMNS, time: "time", shown: ["time", "state", "id", "payer", "balance", "charged", "claimed", "claimable", "requests", "network"], none: "no channels" },
  channel_moves: { columns: MOVE_COLUMNS, time: "time", shown: ["time", "kind", "pay_to", "channel", "amount", "channels", "network", "transaction"], none: "nothing has moved" },
};

const options = read();
const other = ["discrepancies", "channels", "moves"].filter((name) => options[name]).map((name) => (name === "moves" ? "channel_moves" : name))[0];
const columns = OTHERS[other]?.columns ?? COLUMNS;
needPackages(root, 2);
if (!options.remote && !options.local) console.error(dim("reading the local books; --remote reads those of the deployed Worker"));
const rows = other ? rowsOf(other) : payments();
if (options.csv) csv(rows);
else if (options.json || !process.stdout.isTTY) console.log(JSON.stringify(rows, null, 2));
else table(rows);

function read() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        from: { type: "string" }, to: { type: "string" }, csv: { type: "boolean" }, json: { type: "boolean" },
        local: { type: "boolean" }, remote: { type: "boolean" }, discrepancies: { type: "boolean" },
        channels: { type: "boolean" }, moves: { type: "boolean" },
        "persist-to": { type: "string" }, help: { type: "boolean" },
      },
    }));
  } catch (error) {
    fail(`${error.message}\n\n${HELP}`, 2);
  }
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  for (const [one, other] of [["csv", "json"], ["local", "remote"], ["discrepancies", "channels"], ["discrepancies", "moves"], ["channels", "moves"]]) {
    if (values[one] && values[other]) fail(`--${one} and --${other} exclude each other\n\n${HELP}`, 2);
  }
  const from = values.from === undefined ? 0 : seconds(values.from, "from", false);
  const to = values.to === undefined ? 2 ** 40 : seconds(values.to, "to", true);
  if (from > to) fail(`--from ${values.from} is later than --to ${values.to}`, 2);
  return { ...values, from, to };
}

/** Unix seconds of a time as it was written; a day as `to` means its last second. */
function seconds(text, name, atEnd) {
  if (/^\d+$/.test(text)) return Number(text);
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const at = Date.parse(text);
  if (Number.isNaN(at)) fail(`--${name} ${text} is no time: write 2026-11-24, 2026-11-24T12:00:00Z or Unix seconds`, 2);
  return Math.floor(at / 1000) + (day && atEnd ? 24 * 3600 - 1 : 0);
}

function payments() {
  const all = [];
  // Page by page, behind the last row that was read; times and ids are ours, so that they can stand in SQL.
  for (let last = { time: options.from, id: "" }; ;) {
    const after = `(time > ${last.time} OR (time = ${last.time} AND id > '${last.id}'))`;
    const page = query(`SELECT ${COLUMNS.map((name) => `"${name}"`).join(", ")} FROM payments WHERE ${after} AND time <= ${options.to} ORDER BY time, id LIMIT ${PAGE}`);
    all.push(...page.map((row) => ({ ...row, time: iso(row.time) })));
    if (page.length < PAGE) return all;
    last = page.at(-1);
    if (process.stderr.isTTY) process.stderr.write(`\r${all.length} payments read`);
  }
}

/** The rows of another table, by their time. */
function rowsOf(name) {
  const { columns, time } = OTHERS[name];
  const rows = query(`SELECT ${columns.map((column) => `"${column}"`).join(", ")} FROM ${name} WHERE ${time} BETWEEN ${options.from} AND ${options.to} ORDER BY ${time}, ${name === "channels" ? "network, id" : "id"}`);
  return rows.map((row) => ({ ...row, [time]: iso(row[time]) }));
}

function iso(time) {
  return new Date(time * 1000).toISOString().replace(".000Z", "Z");
}

/** The rows of one query, by wrangler. Books in which nothing was written yet have no tables. */
function query(sql) {
  const persistTo = options["persist-to"] ?? process.env.X402_EDGE_STATE ?? join(root, ".wrangler", "state");
  const where = options.remote ? ["--remote"] : ["--local", "--persist-to", persistTo];
  const { status, stdout, stderr, error } = spawnSync("wrangler", ["d1", "execute", "DB", ...where, "--json", "--command", sql], {
    cwd: root,
    env: { ...env, WRANGLER_SEND_METRICS: "false" },
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  if (error) fail(`wrangler cannot be started: ${error.message}`, 3);
  if (/no such table/.test(stdout + stderr)) return [];
  try {
    if (status === 0) return JSON.parse(stdout)[0].results;
  } catch { /* told below */ }
  fail(`the books cannot be read:\n${(stderr || stdout).trim()}`, 3);
}

/** RFC 4180. What a spreadsheet would run as a formula is written as text. */
function csv(rows) {
  const cell = (value) => {
    const text = String(value ?? "");
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name]))];
  process.stdout.write(lines.map((line) => `${line.map(cell).join(",")}\r\n`).join(""));
}

function table(rows) {
  if (rows.length === 0) return console.log(OTHERS[other]?.none ?? "no payments");
  const shown = OTHERS[other]?.shown ?? ["time", "state", "host", "route", "payer", "amount", "network", "transaction"];
  const short = (value) => String(value ?? "").replace(/^(0x[0-9a-fA-F]{6})[0-9a-fA-F]{20,}([0-9a-fA-F]{4})$/, "$1…$2");
  const cells = [shown, ...rows.map((row) => shown.map((name) => short(row[name])))];
  const widths = shown.map((_, index) => Math.max(...cells.map((line) => line[index].length)));
  const [head, ...body] = cells.map((line) => line.map((text, index) => text.padEnd(widths[index])).join("  ").trimEnd());
  console.log([bold(head), ...body].join("\n"));
  if (other) return;
  const sums = new Map();
  for (const { state, network, asset, amount } of rows) {
    if (state === "settled" || state === "delivered") {
      const token = `${network} ${asset}`;
      sums.set(token, (sums.get(token) ?? 0n) + BigInt(amount));
    }
  }
  console.log(dim(`\n${rows.length} payments`));
  for (const [token, sum] of sums) console.log(`  received  ${sum} atomic units of ${token}`);
}
