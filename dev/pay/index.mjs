// npm run pay -- <url>: pays with the official client and shows what it cost.
import { parseArgs } from "node:util";
import { bold, dim, fail, green, needPackages } from "../tools.mjs";

const SCHEMES = ["exact", "upto", "batch-settlement"];
const MOST_TIMES = 100_000;
const HELP = `usage: npm run pay -- <url> [--scheme <scheme>] [--times <n>] [--method <method>] [--data <body>]
       npm run pay -- <url> --refund

Pays with the official x402 client (@x402/fetch) and shows the price, the transaction
and both balances before and after. By default a test account of the local chain pays;
where Permit2 may not move its money yet, it is let.

  --scheme    ${SCHEMES.join(", ")}; without it the first that is offered
  --times     pays so many times, one after the other
  --refund    gets back what is left in the channel of <url>
  --data      the request's body
  --method    the request's method (default: GET, with --data POST)

A payment channel (batch-settlement) is opened by the first payment and stays open: what was
signed for it is kept in .wrangler/state/channels, one file for each channel. A lost
file is no harm, the server and the chain know the channel.

  X402_EDGE_PRIVATE_KEY   another payer's private key (0x…)
  X402_EDGE_RPC_URL       another RPC of Base Sepolia (default: the local chain of npm start)
  X402_EDGE_STATE         another folder than .wrangler/state

Exit codes: 0 paid and answered, 1 not, 2 usage.`;

const options = read();
const { url } = options;
const request = { method: options.method, body: options.data, headers: isJson(options.data) ? { "Content-Type": "application/json" } : {} };
const required = await ask();

needPackages();
const { openWallet } = await import("./wallet.mjs");
const wallet = await openWallet({ key: process.env.X402_EDGE_PRIVATE_KEY, rpc: process.env.X402_EDGE_RPC_URL });
const offer = choose(wallet.offersIn(required));
const token = await wallet.token(offer);
const { money } = token;
const byPermit2 = offer.extra?.assetTransferMethod === "permit2" || offer.scheme === "upto";
const how = offer.scheme === "batch-settlement" ? " by channel" : byPermit2 ? " by Permit2" : "";

console.log(`${bold("402 Payment Required")}  ${url}`);
say("price", `${offer.scheme === "exact" ? "" : "at most "}${money(BigInt(offer.amount))} on ${offer.network}${how}`);
const channel = offer.scheme === "batch-settlement" ? await wallet.channel(offer) : undefined;
if (channel) say("channel", `${channel.id}${channel.isOpen() ? `, ${money(channel.left())} left` : ", not open yet"}`);
if (byPermit2 && !options.refund && (await wallet.letPermit2(offer))) say("approved", dim(`Permit2 may move ${token.symbol} of ${wallet.address} now`));
const before = await token.balances(offer.payTo);
if (options.refund) await refund();
else await pay();

/** The arguments, or an explanation of them. */
function read() {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        scheme: { type: "string" }, times: { type: "string" }, refund: { type: "boolean" },
        method: { type: "string" }, data: { type: "string" }, help: { type: "boolean" },
      },
    });
  } catch (error) {
    fail(`${error.message}\n\n${HELP}`, 2);
  }
  const { values, positionals: [url, ...more] } = parsed;
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  if (url === undefined || more.length > 0 || !URL.canParse(url)) fail(`one URL is needed\n\n${HELP}`, 2);
  if (values.scheme !== undefined && !SCHEMES.includes(values.scheme)) fail(`--scheme ${values.scheme} is none of ${SCHEMES.join(", ")}\n\n${HELP}`, 2);
  const times = values.times === undefined ? 1 : Number(values.times);
  if (!Number.isInteger(times) || times < 1 || times > MOST_TIMES) fail(`--times ${values.times} is no whole number from 1 to ${MOST_TIMES}\n\n${HELP}`, 2);
  if (values.refund) {
    const useless = ["times", "method", "data"].find((name) => values[name] !== undefined);
    if (useless) fail(`--refund and --${useless} exclude each other\n\n${HELP}`, 2);
    if (![undefined, "batch-settlement"].includes(values.scheme)) fail(`only channels are refunded: --refund and --scheme ${values.scheme} exclude each other\n\n${HELP}`, 2);
    values.scheme = "batch-settlement";
  }
  return { ...values, method: values.method ?? (values.data === undefined ? "GET" : "POST"), times, url };
}

function isJson(text) {
  try {
    return text !== undefined && typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

/** What the URL asks for: the header of its 402. */
async function ask() {
  const send = () => fetch(url, request).catch((error) => fail(`${url} cannot be reached (${error.cause?.code ?? error.message}). Is npm start running?`));
  let unpaid = await send();
  // A Worker that has just started does not know yet how the facilitator is paid by use.
  for (let tries = 0; unpaid.status === 503 && tries < 5; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(unpaid.headers.get("Retry-After") ?? 1)));
    unpaid = await send();
  }
  const header = unpaid.headers.get("PAYMENT-REQUIRED");
  if (unpaid.status !== 402 || !header) fail(`${url} answered ${unpaid.status} and asks for no payment`);
  return header;
}

function choose(offered) {
  const payable = offered.filter(({ scheme, network }) => SCHEMES.includes(scheme) && network === wallet.network);
  if (payable.length === 0) fail(`${url} offers nothing that this client can pay on ${wallet.network}`);
  const chosen = payable.find(({ scheme }) => [undefined, scheme].includes(options.scheme));
  return chosen ?? fail(`${url} is not sold by ${options.scheme}: it offers ${[...new Set(payable.map(({ scheme }) => scheme))].join(" and ")}`);
}

async function pay() {
  const send = wallet.payer(offer);
  const started = performance.now();
  let [response, receipt, body] = [];
  let [done, charged, queued] = [0, 0n, 0];
  while (done < options.times) {
    response = await send(url, request).catch((error) => fail(`not paid: ${error.message}${done > 0 ? ` (call ${done + 1} of ${options.times})` : ""}`));
    receipt = wallet.receiptIn(response);
    body = await response.text();
    if (isQueued(receipt)) queued += 1;
    else charged += chargedBy(response, receipt);
    if (!response.ok) break;
    done += 1;
    progress(done);
  }
  if (options.times > 1) {
    const seconds = (performance.now() - started) / 1000;
    console.log(bold(`${done} of ${options.times} calls answered`) + dim(` in ${seconds.toFixed(1)} s, ${((1000 * seconds) / options.times).toFixed(1)} ms each`));
  }
  if (options.times === 1 || !response.ok) console.log(bold(`${response.status} ${response.statusText}`));
  const later = queued > 0 ? dim(`${options.times > 1 ? `, and ${queued} ` : ""}settled in the background: your balance will show what was used`) : "";
  if (options.times > 1) say("in all", money(charged) + later);
  else if (later) say("charged", later);
  else if (receipt && (channel || receipt.amount !== undefined)) say("charged", money(charged));
  if (receipt) {
    const last = options.times > 1 ? "last one: " : "";
    const none = receipt.errorReason ?? (isQueued(receipt) ? "not yet" : charged === 0n ? "nothing was charged" : "the voucher is claimed later, with others");
    say("transaction", receipt.transaction ? `${last}${receipt.transaction}` : dim(`${last}none: ${none}`));
  }
  if (channel) {
    await channel.refresh();
    say("in channel", `${money(channel.left())} of ${money(channel.balance())} left`);
  }
  await showBalances();
  console.log(`\n${response.ok ? green(body) : body || dim("the answer has no body")}`);
  if (!response.ok) explain(response);
  process.exitCode = response.ok ? 0 : 1;
}

async function refund() {
  if (!channel.isOpen()) fail(`nothing to get back: ${wallet.address} has no channel to ${offer.payTo}`);
  if (channel.left() === 0n) fail("nothing to get back: all that is in the channel is charged");
  const { success, transaction, amount, errorReason } = await channel.refund(url).catch((error) => fail(error.message));
  if (!success) fail(`not refunded: ${errorReason}`);
  say("refunded", money(BigInt(amount || 0)));
  say("transaction", transaction);
  await showBalances();
}

/** The amount, or the settlement, was not there yet when the answer left. */
function isQueued(receipt) {
  return receipt?.extra?.settlement === "queued";
}

/** What one answer cost. Without a word in the receipt, an `exact` payment cost its price. */
function chargedBy(response, receipt) {
  if (!receipt?.success) return 0n;
  const said = channel ? receipt.extra?.chargedAmount : receipt.amount;
  return BigInt(said ?? (response.ok ? offer.amount : 0));
}

function progress(done) {
  if (options.times === 1 || !process.stderr.isTTY) return;
  process.stderr.write(done < options.times ? `\r  ${done} of ${options.times} calls` : "\r\x1b[2K");
}

async function showBalances() {
  const after = await token.balances(offer.payTo);
  for (const [index, name] of ["payer", "payee"].entries()) say(name, `${money(before[index])} → ${money(after[index])}`);
}

/** A refusal says why in its header, which nobody sees here otherwise. */
function explain(response) {
  const { error } = wallet.requiredIn(response) ?? {};
  if (error) console.error(`refused: ${error}`);
}

function say(name, text) {
  console.log(`  ${name.padEnd(12)} ${text}`);
}
