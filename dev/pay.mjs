// npm run pay -- <url>: pays with the official client and shows what it cost.
import { parseArgs } from "node:util";
import { configured } from "./ports.mjs";
import { bold, dim, fail, green, needPackages } from "./tools.mjs";

const HELP = `usage: npm run pay -- <url> [--method <method>] [--data <body>]

Pays with the official x402 client (@x402/fetch) and shows the price, the transaction
and both balances before and after: exact by EIP-3009 or Permit2, and upto. By default a
test account of the local chain pays; where Permit2 may not move its money yet, it is let.

  X402_EDGE_PRIVATE_KEY   another payer's private key (0x…)
  X402_EDGE_RPC_URL       another RPC of Base Sepolia (default: the local chain of npm start)`;

let arguments_;
try {
  arguments_ = parseArgs({
    allowPositionals: true,
    options: { method: { type: "string", default: "GET" }, data: { type: "string" }, help: { type: "boolean", default: false } },
  });
} catch (error) {
  fail(`${error.message}\n\n${HELP}`, 2);
}
const { values, positionals } = arguments_;
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
if (positionals.length !== 1 || !URL.canParse(positionals[0])) fail(`one URL is needed\n\n${HELP}`, 2);
const [url] = positionals;

needPackages();
const [{ wrapFetchWithPayment, x402Client, decodePaymentRequiredHeader, decodePaymentResponseHeader }, { ExactEvmScheme }, { UptoEvmScheme }, viem, { privateKeyToAccount }, { keys }, { baseSepolia }] =
  await Promise.all([
    Promise.all([import("@x402/fetch"), import("@x402/core/client"), import("@x402/core/http")]).then((parts) => Object.assign({}, ...parts)),
    import("@x402/evm"),
    import("@x402/evm/upto/client"),
    import("viem"),
    import("viem/accounts"),
    import("./local/accounts.mjs"),
    import("viem/chains"),
  ]);

const rpc = process.env.X402_EDGE_RPC_URL ?? `http://127.0.0.1:${configured.chain}`;
const account = privateKeyToAccount(process.env.X402_EDGE_PRIVATE_KEY ?? keys.payer);
const chain = viem.createPublicClient({ chain: baseSepolia, transport: viem.http(rpc) });
const tokenAbi = viem.parseAbi(["function balanceOf(address) view returns (uint256)", "function symbol() view returns (string)", "function decimals() view returns (uint8)"]);

const request = { method: values.method, body: values.data };
const ask = () => fetch(url, request).catch((error) => fail(`${url} cannot be reached (${error.cause?.code ?? error.message}). Is npm start running?`));
let unpaid = await ask();
// A Worker that has just started does not know yet how the facilitator is paid by use.
for (let tries = 0; unpaid.status === 503 && tries < 5; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 1000 * Number(unpaid.headers.get("Retry-After") ?? 1)));
  unpaid = await ask();
}
const header = unpaid.headers.get("PAYMENT-REQUIRED");
if (unpaid.status !== 402 || !header) fail(`${url} answered ${unpaid.status} and asks for no payment`);
const [offer] = decodePaymentRequiredHeader(header).accepts.filter(({ scheme, network }) => ["exact", "upto"].includes(scheme) && network === `eip155:${baseSepolia.id}`);
if (!offer) fail(`${url} offers nothing that this client can pay on ${baseSepolia.name}`);

const read = (functionName, args) => chain.readContract({ address: offer.asset, abi: tokenAbi, functionName, args });
const [symbol, decimals] = await Promise.all([read("symbol"), read("decimals")]).catch(() => fail(`the chain at ${rpc} cannot be read. Is npm start running?`));
const money = (units) => `${viem.formatUnits(units, decimals)} ${symbol}`;
const balances = () => Promise.all([account.address, offer.payTo].map((address) => read("balanceOf", [address])));

console.log(`${bold("402 Payment Required")}  ${url}`);
const byPermit2 = offer.extra?.assetTransferMethod === "permit2";
console.log(`  price        ${offer.scheme === "upto" ? "at most " : ""}${money(BigInt(offer.amount))} on ${offer.network}${byPermit2 ? " by Permit2" : ""}`);
if (byPermit2) await letPermit2();
const before = await balances();

const client = new x402Client().register("eip155:*", new ExactEvmScheme(account)).register("eip155:*", new UptoEvmScheme(account));
const response = await wrapFetchWithPayment(fetch, client)(url, request).catch((error) => fail(`not paid: ${error.message}`));
const receipt = response.headers.get("PAYMENT-RESPONSE");
const body = await response.text();
const after = await balances();

console.log(`${bold(`${response.status} ${response.statusText}`)}`);
if (receipt) {
  const { transaction, errorReason, amount } = decodePaymentResponseHeader(receipt);
  if (amount !== undefined) console.log(`  charged      ${money(BigInt(amount))}`);
  console.log(`  transaction  ${transaction || dim(errorReason ? `none: ${errorReason}` : "none: nothing was charged")}`);
}
for (const [index, name] of ["payer", "payee"].entries()) {
  console.log(`  ${name.padEnd(12)} ${money(before[index])} → ${money(after[index])}`);
}
console.log(`\n${response.ok ? green(body) : body}`);
process.exitCode = response.ok ? 0 : 1;

/** Permit2 moves a token only for who has let it, once; for that the payer needs gas. */
async function letPermit2() {
  const permit2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
  const abi = viem.parseAbi(["function allowance(address, address) view returns (uint256)", "function approve(address, uint256) returns (bool)"]);
  const allowance = await chain.readContract({ address: offer.asset, abi, functionName: "allowance", args: [account.address, permit2] });
  if (allowance >= BigInt(offer.amount)) return;
  const wallet = viem.createWalletClient({ account, chain: baseSepolia, transport: viem.http(rpc) });
  const hash = await wallet
    .writeContract({ address: offer.asset, abi, functionName: "approve", args: [permit2, 2n ** 256n - 1n] })
    .catch((error) => fail(`Permit2 could not be let: ${error.shortMessage ?? error.message}`));
  await chain.waitForTransactionReceipt({ hash });
  console.log(`  approved     ${dim(`Permit2 may move ${symbol} of ${account.address} now`)}`);
}
